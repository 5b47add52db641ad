//! coreos-cloudinit on a running system: our PID 1 in namespaces, the real program, the real runner.
//!
//! What needs no PID 1 is tested beside the program; here are the cases of commands (C-67 to C-69)
//! and that files, users and units reach a live system.

use std::fs;
use std::time::Duration;

use crate::init::guest::{Guest, skipped};

const SHORT: Duration = Duration::from_secs(60);

/// The shipped units call /usr/bin/coreos-cloudinit; in a guest the program lies elsewhere.
const PREPARE: &str = r"
ln -s /opt/garboard/coreos-cloudinit /usr/local/bin/coreos-cloudinit
sed -i 's,/usr/bin/coreos-cloudinit,/opt/garboard/coreos-cloudinit,' /usr/lib/systemd/system/coreos-cloudinit*.service
systemctl daemon-reload
";

/// A guest with a document at /mnt/user-data; `None` where namespaces are refused.
fn guest(name: &str, document: &str) -> Option<Guest> {
    if skipped(true) {
        return None;
    }
    let guest = Guest::start(name);
    fs::write(
        guest.share.join("user-data"),
        format!("#cloud-config\n{document}"),
    )
    .unwrap();
    assert_eq!(guest.run(PREPARE, SHORT), "");
    Some(guest)
}

/// Runs until the script prints the text; the last output is the message of a failure.
fn eventually(guest: &Guest, script: &str, wanted: &str, patience: Duration) {
    let end = std::time::Instant::now() + patience;
    loop {
        let got = guest.run(script, SHORT);
        if got.contains(wanted) {
            return;
        }
        let journal = guest.run("journalctl -n 40 --no-pager 2>&1", SHORT);
        assert!(
            std::time::Instant::now() < end,
            "wanted {wanted:?} of {script:?}, got {got:?}\n{journal}"
        );
    }
}

#[test]
fn a_document_reaches_the_running_system_and_a_second_run_changes_nothing() {
    let document = r"
hostname: cloudy
users:
- name: bob
  passwd: '*'
ssh_authorized_keys:
- ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me
write_files:
- path: /etc/greeting
  content: hello
  owner: core:core
  permissions: '0640'
coreos:
  units:
  - name: greet.service
    enable: true
    command: start
    content: |
      [Service]
      Type=oneshot
      RemainAfterExit=yes
      ExecStart=/bin/sh -c 'cat /etc/greeting >/run/greeted'
      [Install]
      WantedBy=multi-user.target
";
    let Some(guest) = guest("cloud-live", document) else {
        return;
    };
    let run = "coreos-cloudinit -from-file /mnt/user-data 2>&1; echo exit=$?";
    let said = guest.run(run, SHORT);
    assert!(said.ends_with("exit=0\n"), "{said}");
    eventually(
        &guest,
        "echo =$(systemctl is-active greet)",
        "=active\n",
        SHORT,
    );
    // Compared by number: the host's passwd may have another name for the id.
    let core = guest.run("id -u core", SHORT).trim().to_owned();
    let seen = guest.run(
        r"
hostname; cat /etc/hostname; grep -c cloudy /etc/hosts; cat /run/greeted; echo
grep -c '^bob:' /etc/passwd; stat -c '%u %a' /etc/greeting /home/core/.ssh/authorized_keys
tail -1 /home/core/.ssh/authorized_keys | cut -d' ' -f3
systemctl is-enabled greet; cat /run/coreos-cloudinit/motd
",
        SHORT,
    );
    assert_eq!(
        seen,
        format!("cloudy\ncloudy\n1\nhello\n1\n{core} 640\n{core} 600\nme\nenabled\n")
    );
    let before = guest.run(
        "ls -i /etc/greeting /etc/systemd/system/greet.service /etc/hostname",
        SHORT,
    );
    assert!(guest.run(run, SHORT).ends_with("exit=0\n"));
    let after = guest.run(
        "ls -i /etc/greeting /etc/systemd/system/greet.service /etc/hostname",
        SHORT,
    );
    assert_eq!(before, after);

    // What the next document does not name goes again: link, file and all.
    let script = r"
printf '#cloud-config\n' >/mnt/user-data; coreos-cloudinit -from-file /mnt/user-data >/dev/null 2>&1; echo rc=$?
ls /etc/systemd/system/greet.service /etc/systemd/system/multi-user.target.wants/greet.service 2>/dev/null | wc -l
cat /etc/greeting; echo
";
    assert_eq!(guest.run(script, SHORT), "rc=0\n0\nhello\n");
}

#[test]
fn c_67_a_command_that_fails_as_a_job_or_names_no_unit_does_not_stop_the_next() {
    let document = r"
coreos:
  units:
  - name: bad.service
    command: start
    content: |
      [Service]
      Type=oneshot
      ExecStart=/bin/false
  - {name: nowhere.service, command: start}
  - name: good.service
    command: start
    content: |
      [Service]
      ExecStart=/bin/sleep 1000
";
    let Some(guest) = guest("cloud-67", document) else {
        return;
    };
    let said = guest.run(
        "coreos-cloudinit -from-file /mnt/user-data 2>&1; echo exit=$?",
        SHORT,
    );
    assert!(said.ends_with("exit=0\n"), "{said}");
    eventually(
        &guest,
        "echo =$(systemctl is-active good)",
        "=active\n",
        SHORT,
    );
    eventually(
        &guest,
        "systemctl --failed --no-legend --no-pager --plain | cut -d' ' -f1",
        "bad.service\ncoreos-cloudinit-commands.service\n",
        SHORT,
    );
    let message = guest.run("cat /run/coreos-cloudinit/motd", SHORT);
    assert!(message.contains("start bad.service: failed"), "{message}");
    assert!(message.contains("start nowhere.service: "), "{message}");
}

#[test]
fn c_68_a_unit_that_never_becomes_ready_holds_the_next_for_ninety_seconds_at_most() {
    let document = r"
coreos:
  units:
  - name: stuck.service
    command: start
    content: |
      [Service]
      Type=notify
      TimeoutStartSec=0
      ExecStart=/bin/sleep 1000
  - name: next.service
    command: start
    content: |
      [Service]
      ExecStart=/bin/sleep 1000
";
    let Some(guest) = guest("cloud-68", document) else {
        return;
    };
    let began = std::time::Instant::now();
    let said = guest.run(
        "coreos-cloudinit -from-file /mnt/user-data 2>&1; echo exit=$?",
        SHORT,
    );
    assert!(said.ends_with("exit=0\n"), "{said}");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "the program itself waited"
    );
    eventually(
        &guest,
        "systemctl is-active next stuck",
        "inactive\nactivating\n",
        SHORT,
    );
    eventually(
        &guest,
        "echo =$(systemctl is-active next)",
        "=active\n",
        Duration::from_secs(110),
    );
    assert!(
        began.elapsed() > Duration::from_secs(80),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn c_69_a_unit_ordered_after_user_config_target_is_no_dead_lock() {
    let document = r"
coreos:
  units:
  - name: later.service
    command: start
    content: |
      [Unit]
      After=user-config.target
      [Service]
      ExecStart=/bin/sleep 1000
";
    let Some(guest) = guest("cloud-69", document) else {
        return;
    };
    let script = r"
mkdir -p /run/systemd/system/coreos-cloudinit.service.d
cat >/run/systemd/system/coreos-cloudinit.service.d/10-test.conf <<X
[Unit]
After=
[Service]
ExecStart=
ExecStart=/opt/garboard/coreos-cloudinit -from-file /mnt/user-data
X
systemctl daemon-reload
systemctl stop user-config.target
systemctl start coreos-cloudinit.service user-config.target; echo rc=$?
";
    assert_eq!(guest.run(script, SHORT), "rc=0\n");
    eventually(
        &guest,
        "echo =$(systemctl is-active later)",
        "=active\n",
        Duration::from_secs(20),
    );
}

#[test]
fn what_the_document_got_wrong_is_in_failed_and_in_the_login_message() {
    let document = "write_files: [{path: /a, permissions: 384}]\nhostname: still\n";
    let Some(guest) = guest("cloud-failed", document) else {
        return;
    };
    let script = r"
mkdir -p /run/systemd/system/coreos-cloudinit.service.d
printf '[Service]\nExecStart=\nExecStart=/opt/garboard/coreos-cloudinit -from-file /mnt/user-data\n' >/run/systemd/system/coreos-cloudinit.service.d/10-test.conf
systemctl daemon-reload; systemctl start coreos-cloudinit.service >/dev/null 2>&1; echo rc=$?; hostname
systemctl --failed --no-legend --no-pager --plain | cut -d' ' -f1
head -2 /run/coreos-cloudinit/motd
";
    assert_eq!(
        guest.run(script, SHORT),
        "rc=1\nstill\ncoreos-cloudinit.service\nuser-data from /mnt/user-data was applied only in part:\n  line 2: error: invalid value 384: looks like a decimal rewrite of 0600\n"
    );
}
