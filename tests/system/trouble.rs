//! Mistakes of users and the world: each boots to ssh, with the reason where one looks for it. (M7)

use qemu_harness::{Lab, Machine, Patience};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

/// User-data that cannot be used as a whole, and a word of the reason.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    vec![
        (
            "a quote that is never closed",
            b"#cloud-config\nhostname: \"a\nusers:\n".to_vec(),
            "line ",
        ),
        (
            "a list at the top",
            b"#cloud-config\n- a\n- b\n".to_vec(),
            "line ",
        ),
        (
            "plain text",
            b"hello, this is my machine\n".to_vec(),
            "#cloud-config",
        ),
        (
            "half of a gzip file",
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0xce],
            "gzip",
        ),
        (
            "Ignition",
            b"{\"ignition\":{\"version\":\"2.0.0\"}}".to_vec(),
            "gnition",
        ),
    ]
}

#[test]
fn five_kinds_of_broken_user_data_each_boot_to_ssh_with_the_reason_in_the_greeting() {
    let lab = ok(Lab::new("broken"));
    let kinds = broken();
    let machine = ok(vm::node(&lab, "node1")
        .user_data(kinds[0].1.clone())
        .start(&lab));
    for (number, (what, user_data, reason)) in kinds.into_iter().enumerate() {
        if number > 0 {
            machine.metadata().set_user_data(&user_data);
            ok(machine.start_again());
        }
        ok(machine.wait_for_ssh(Patience::BOOT));
        let mut checks = Checks::new(&machine);
        checks.is("hostname", "node1");
        checks.soon("systemctl --failed --no-legend --plain", "coreos-cloudinit");
        let greeting = ok(machine.ssh().greeting());
        checks.that(
            greeting.contains(reason),
            &format!("{what}: the greeting names the reason:\n{greeting}"),
        );
        checks.finish();
    }
}

const MISTAKES: &str = "#cloud-config
hostnam: typo
coreos:
  etcd3:
    name: a
  units:
    - name: broken.service
      command: start
      content: |
        [Service]
        ExecStart /bin/true
        Restrat=always
    - name: good.service
      command: start
      content: |
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/bin/echo good
";

#[test]
fn unknown_keys_a_broken_unit_and_a_full_disk_leave_everything_else_working() {
    let lab = ok(Lab::new("mistakes"));
    let machine = ok(vm::node(&lab, "node1").user_data(MISTAKES).start(&lab));
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&machine);
    checks.soon("systemctl is-active good.service", "active");
    checks.soon("systemctl status broken.service || true", "broken.service");
    checks.has("journalctl -b", "broken.service:2");
    checks.has("journalctl -b", "hostnam");
    let greeting = ok(machine.ssh().greeting());
    checks.that(
        greeting.contains("coreos-cloudinit"),
        &format!("the greeting tells of it:\n{greeting}"),
    );
    checks.finish();
    fill_and_boot(&machine);
}

fn fill_and_boot(machine: &Machine) {
    let ssh = machine.ssh();
    // The file system is grown in the background; it has to be full after that.
    ok(machine.wait("the grown root", Patience::SOON, || {
        let size = ssh.check("df --output=size -B1M / | tail -1").ok()?;
        size.trim().parse::<u32>().ok().filter(|size| *size > 8100)
    }));
    ok(ssh.run("sudo fallocate -l 20G /var/filler; sudo dd if=/dev/zero of=/var/filler2 bs=64k 2>/dev/null; sync"));
    let mark = machine.console().mark();
    ssh.forget_session();
    let _ = ssh.run("sudo reboot");
    ok(machine.wait_for_console_after(mark, "Linux version", Patience::BOOT));
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(machine);
    checks.has("df --output=avail / | tail -1", "0");
    checks.soon("systemctl is-active multi-user.target", "active");
    checks.has("journalctl -b", "No space left on device");
    checks.works("sudo rm /var/filler2 && sudo rm -f /var/filler");
    checks.finish();
}
