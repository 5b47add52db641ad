//! What concerns PID 1 as a whole: its end, its signals, its children.

use std::fs;
use std::time::Duration;

use super::guest::{Guest, skipped};

const SHORT: Duration = Duration::from_secs(30);

/// Two ordered units that write down when they stop.
const UNITS: &str = r"
cat >/etc/systemd/system/c-a.service <<X
[Service]
ExecStart=/bin/sleep 1000
ExecStop=/bin/sh -c 'echo stop-a >>/mnt/log'
X
cat >/etc/systemd/system/c-b.service <<X
[Unit]
After=c-a.service
[Service]
ExecStart=/bin/sleep 1000
ExecStop=/bin/sh -c 'echo stop-b >>/mnt/log'
X
systemctl daemon-reload; systemctl start c-a c-b; echo rc=$?
";

#[test]
fn a_power_off_by_signal_stops_units_in_reverse_order_and_ends_with_code_0() {
    if skipped(true) {
        return;
    }
    let mut guest = Guest::start("power");
    assert_eq!(guest.run(UNITS, SHORT).trim(), "rc=0");
    // SIGRTMIN+4
    guest.run("kill -38 1", SHORT);
    let code = guest.wait_for_end(SHORT);
    let log = fs::read_to_string(guest.share.join("log")).unwrap_or_default();
    assert_eq!((code, log.as_str()), (Some(0), "stop-b\nstop-a\n"));
}

#[test]
fn orphans_are_reaped_and_pid_1_answers_meanwhile() {
    if skipped(false) {
        return;
    }
    let guest = Guest::start("orphans");
    let script = r"
i=0; while [ $i -lt 500 ]; do sh -c 'sleep 0.01 &' ; i=$((i+1)); done
systemctl is-active multi-user.target
sleep 1; ps -eo stat= | grep -c Z
";
    assert_eq!(guest.run(script, SHORT).trim(), "active\n0");
}

#[test]
fn a_crash_of_pid_1_leaves_services_running() {
    if skipped(true) {
        return;
    }
    let guest = Guest::start("crash");
    let script = format!(
        "{UNITS}\np=$(systemctl show --value -p MainPID c-a); kill -SEGV 1; sleep 0.5; kill -0 $p && echo alive"
    );
    assert_eq!(guest.run(&script, SHORT).trim(), "rc=0\nalive");
    let console = fs::read_to_string(guest.share.join("console")).unwrap_or_default();
    assert!(console.contains("init crashed"), "{console}");
}
