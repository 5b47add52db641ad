//! The tutorial's user-data on one machine: what a user finds on the first day, and data that outlive everything.
//! (M3, M4, M6, I03, I05, I17, I19, H07, H24)

use std::time::Duration;

use qemu_harness::{Ending, Lab, Machine, Patience, report};
use system_tests::vm;

use crate::checks::Checks;
use crate::ok;

#[test]
fn a_node_of_the_tutorial_serves_its_user_and_keeps_its_data_through_stop_reboot_and_power_off() {
    let lab = ok(Lab::new("tutorial"));
    let (_discovery, machine) = ok(vm::tutorial_node(&lab));
    ok(machine.wait_for_ssh(Patience::BOOT));
    let mut checks = Checks::new(&machine);
    first_day(&mut checks);
    system(&machine, &mut checks);
    units(&machine, &mut checks);
    journal(&mut checks);
    carried_bytes(&machine, &mut checks);
    tells_of_failures(&machine, &mut checks);
    data_stay(&machine, &mut checks);
    checks.finish();
}

/// What users meet first.
fn first_day(checks: &mut Checks<'_>) {
    checks.soon("systemctl is-active etcd2", "active");
    checks.is("hostname", "coreos");
    checks.is("whoami", "core");
    checks.is("sudo -n hostname", "coreos");
    checks.is("cat /etc/machine-id", "0682a8f25a5b4c1d9d3e8a4b5c6d7e8f");
    checks.is("echo $LANG", "C.UTF-8");
    for group in ["sudo", "docker", "fleet", "systemd-journal"] {
        checks.has("id -nG", group);
    }
    checks.has("cat /etc/environment", "COREOS_PRIVATE_IPV4=192.168.50.14");
    checks.has("sudo sshd -T", "passwordauthentication no");
    checks.is("systemctl is-active sshd.service", "active");
    checks.is("systemctl is-active ssh.service", "active");
    checks.works("systemctl cat sshd.socket sshd@.service");
    checks.works("test -s /etc/ssh/ssh_host_ed25519_key.pub");
    checks.works("for p in ssh less vi ping jq ps curl iptables ip docker-proxy; do command -v $p >/dev/null || [ $p = docker-proxy ] || echo missing $p >&2; done");
    checks.is("command -v sshd", "/usr/sbin/sshd");
    checks.has("ping -c 1 -W 5 192.168.50.1", " 0% packet loss");
    checks.is("cat /proc/sys/net/ipv6/conf/all/disable_ipv6", "0");
    checks.is("systemctl is-active chronyd", "active");
    checks.has("ip -4 addr show eth0", "192.168.50.14/24");
    checks.has("ip route", "default via 192.168.50.1 dev eth0");
    checks.has("ip route get 169.254.169.254", "via 192.168.50.1");
    checks.has("cat /etc/resolv.conf", "nameserver 192.168.50.1");
    checks.is(
        "getent ahostsv4 coreos | awk '{print $1; exit}'",
        "127.0.1.1",
    );
}

/// Disks, file systems, kernel.
fn system(machine: &Machine, checks: &mut Checks<'_>) {
    checks.has("grep ' /usr ' /proc/mounts", "erofs ro");
    checks.fails("sudo touch /usr/x", 1, "Read-only file system");
    checks.has("grep ' / ' /proc/mounts", "ext4 rw");
    checks.soon(
        "test $(df --output=size -B1M / | tail -1) -gt 8100 && echo grown",
        "grown",
    );
    for link in ["by-partlabel/ROOT", "by-label/ROOT", "by-partlabel/USR-A"] {
        checks.works(&format!("test -b /dev/disk/{link}"));
    }
    checks.is("readlink -f /usr/lib64/systemd", "/usr/lib/systemd");
    checks.is(
        "ls /sys/fs/cgroup/system.slice/etcd2.service/cgroup.procs",
        "/sys/fs/cgroup/system.slice/etcd2.service/cgroup.procs",
    );
    checks.has("sysctl -n net.ipv4.ping_group_range", "0");
    checks.is(
        "seq 200 | xargs -P 8 -I{} curl -fsS -o /tmp/md.{} http://169.254.169.254/latest/meta-data/local-ipv4; \
         grep -lx 192.168.50.14 /tmp/md.* | wc -l",
        "200",
    );
    machine.metadata().set("/big", vec![7_u8; 8 << 20]);
    checks.has(
        "curl -fsS http://169.254.169.254/big | md5sum",
        "0060f6593824eacb6d4b9785b315167c",
    );
    checks.fails("curl -sS -m 5 http://192.168.50.1:22/", 7, "");
    checks.fails("curl -sS -m 5 http://10.0.2.2/", 7, "");
    checks.fails("curl -sS -m 5 http://example.org/", 6, "");
}

/// The manager, asked and told as user core and by sudo.
fn units(machine: &Machine, checks: &mut Checks<'_>) {
    checks.has("systemctl status etcd2", "Active: active (running)");
    checks.has("systemctl status etcd2", "/system.slice/etcd2.service");
    checks.fails("systemctl status no-such-unit", 4, "no-such-unit.service");
    checks.has("systemctl list-units", "etcd2.service");
    checks.has("systemctl list-units --type=target", "multi-user.target");
    checks.has(
        "systemctl cat etcd2",
        "/run/systemd/system/etcd2.service.d/20-cloudinit.conf",
    );
    checks.has(
        "systemctl show -p ActiveState -p SubState etcd2",
        "ActiveState=active\nSubState=running",
    );
    checks.is("systemctl is-active multi-user.target", "active");
    ok(machine.ssh().put(
        b"[Unit]\nDescription=A job of the test\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
          ExecStart=/bin/sh -c 'echo hello from %n as $$(whoami)'\n[Install]\nWantedBy=multi-user.target\n",
        "/tmp/job.service",
    ));
    checks.works("sudo install -m 644 /tmp/job.service /etc/systemd/system/job.service && sudo systemctl daemon-reload");
    checks.has("sudo systemctl enable job.service", "Created symlink");
    checks.is("systemctl is-enabled job.service", "enabled");
    checks.is("sudo systemctl start job.service", "");
    checks.has("systemctl status job.service", "Active: active (exited)");
    checks.is(
        "sudo systemctl restart job.service && systemctl is-active job.service",
        "active",
    );
    checks.is(
        "sudo systemctl stop job.service; systemctl is-active job.service || true",
        "inactive",
    );
    checks.has("sudo systemctl disable job.service", "Removed");
    checks.fails("systemctl start job.service", 4, "Access denied");
    checks.works("systemctl --failed");
    checks.has(
        "journalctl -u job.service -o cat",
        "hello from job.service as root",
    );
}

fn journal(checks: &mut Checks<'_>) {
    checks.is("journalctl -u etcd2 -n 3 -o cat | wc -l", "3");
    checks.works("journalctl -b -n 1");
    checks.works("journalctl -p err -n 1");
    checks.is(
        "journalctl _SYSTEMD_UNIT=etcd2.service -n 1 -o json | jq -r ._SYSTEMD_UNIT",
        "etcd2.service",
    );
    checks.is(
        "(timeout 5 journalctl -f -n 0 -o cat -t follow; true) & sleep 1.5; systemd-cat -t follow echo seen; wait",
        "seen",
    );
}

/// ssh as a way for bytes, exit codes, and several at once. (H07)
fn carried_bytes(machine: &Machine, checks: &mut Checks<'_>) {
    let ssh = machine.ssh();
    let sent: Vec<u8> = (0..30_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect();
    ok(ssh.put(&sent, "/tmp/big"));
    let back = ok(ssh.get("/tmp/big"));
    checks.that(
        back == sent,
        &format!("30 MiB came back as {} bytes", back.len()),
    );
    checks.fails("rm /tmp/big; exit 42", 42, "");
    ssh.forget_session();
    std::thread::scope(|scope| {
        let logins: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| ssh.run("whoami").map(|output| output.text())))
            .collect();
        for login in logins {
            assert_eq!(ok(login.join().expect("joined")), "core\n");
        }
    });
    ok(machine.wait_for_ssh(Patience::SOON));
}

/// What needs a program that this image does not have fails by name and holds nothing up; a report of a failed test
/// has everything that one wants to know. (H24)
fn tells_of_failures(machine: &Machine, checks: &mut Checks<'_>) {
    checks.has(
        "sudo cat /run/coreos-cloudinit/status.json",
        "fleet.service",
    );
    let text = report::text(machine);
    for wanted in [
        "frames: ",
        "metadata: ",
        "console, last lines",
        "failed units",
        "journal, last lines",
        "qemu-system-x86_64 ",
    ] {
        checks.that(
            text.contains(wanted),
            &format!("the report of a failed test has {wanted:?}"),
        );
    }
}

fn data_stay(machine: &Machine, checks: &mut Checks<'_>) {
    let ssh = machine.ssh();
    checks.is("etcdctl set /message 'Hello CoreOS'", "Hello CoreOS");
    checks.is(
        "sudo systemctl stop etcd2; systemctl is-active etcd2 || true",
        "inactive",
    );
    checks.fails("curl -sS -m 5 http://127.0.0.1:2379/v2/keys/message", 7, "");
    checks.works("sudo systemctl start etcd2");
    checks.soon("etcdctl get /message", "Hello CoreOS");
    checks.works("echo kept | sudo tee /var/lib/kept");

    let mark = machine.console().mark();
    let boot = ok(ssh.check("cat /proc/sys/kernel/random/boot_id"));
    ssh.forget_session();
    // The connection ends with the machine: its code says nothing.
    let _ = ssh.run("sudo reboot");
    ok(machine.wait_for_console_after(mark, "reboot: Restarting system", Patience::SOON));
    ok(machine.wait_for_console_after(mark, "Linux version", Patience::BOOT));
    ok(machine.wait_for_ssh(Patience::BOOT));
    checks.that(
        ok(ssh.check("cat /proc/sys/kernel/random/boot_id")) != boot,
        "another boot",
    );
    checks.soon("etcdctl get /message", "Hello CoreOS");
    checks.is("cat /var/lib/kept", "kept");
    checks.is("cat /etc/machine-id", "0682a8f25a5b4c1d9d3e8a4b5c6d7e8f");
    checks.has(
        "systemctl list-units --state=failed --no-legend | grep -c sshd || true",
        "0",
    );
    checks.works("journalctl -b -1 -n 1 -u etcd2");
    checks.works("sudo test -s /var/lib/systemd/random-seed");

    ssh.forget_session();
    let _ = ssh.run("sudo poweroff");
    assert_eq!(
        ok(machine.wait_for_end(Duration::from_secs(90))),
        Ending::Exit(0)
    );
    ok(machine.start_again());
    ok(machine.wait_for_ssh(Patience::BOOT));
    checks.soon("etcdctl get /message", "Hello CoreOS");
}
