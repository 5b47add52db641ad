//! Killing (systemd.kill(5)).

use super::bench::{Bench, KILLED, OK, SECOND, TERM};

#[test]
fn stop_sends_the_signal_and_after_the_timeout_the_kill() {
    let mut bench = Bench::new("=== a.service\n[Service]\nTimeoutStopSec=1\nExecStart=/bin/a\n");
    bench.start("a.service");
    let pid = bench.main_pid("a.service");
    bench.stop("a.service");
    assert!(bench.has_happened(&format!("TERM {pid}")));
    bench.pass(2 * SECOND);
    assert!(bench.has_happened(&format!("KILL {pid}")));
    bench.main_ends("a.service", KILLED);
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "timeout")
    );
    assert!(bench.has_happened("a.service done"));
}

#[test]
fn a_slow_stop_command_counts_against_the_timeout() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        TimeoutStopSec=1
        ExecStart=/bin/a
        ExecStop=/bin/slow
        ExecStopPost=/bin/post",
    );
    bench.start("a.service");
    bench.stop("a.service");
    bench.pass(SECOND * 3 / 2);
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
    bench.main_ends("a.service", TERM);
    bench.control_ends("a.service", TERM);
    assert!(
        bench.environment["/bin/post"]
            .contains(&("SERVICE_RESULT".to_owned(), "timeout".to_owned()))
    );
    bench.control_ends("a.service", OK);
    assert_eq!(bench.result("a.service"), "timeout");
}

#[test]
fn kill_mode_mixed_kills_the_rest_as_soon_as_the_main_process_is_gone() {
    let mut bench = Bench::new("=== a.service\n[Service]\nKillMode=mixed\nExecStart=/bin/a\n");
    bench.start("a.service");
    let (main, child) = (
        bench.main_pid("a.service"),
        bench.straggler("/system.slice/a.service"),
    );
    bench.happened();
    bench.stop("a.service");
    assert_eq!(bench.happened(), [format!("TERM {main}")]);
    bench.ends(main, OK);
    assert_eq!(bench.happened(), ["KILL /system.slice/a.service"]);
    assert_eq!(bench.state("a.service"), "deactivating (final-sigkill)");
    bench.ends(child, KILLED);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    assert_eq!(bench.result("a.service"), "success");
}

#[test]
fn kill_mode_process_leaves_the_rest_and_none_leaves_all() {
    let mut bench = Bench::new("=== a.service\n[Service]\nKillMode=process\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.straggler("/system.slice/a.service");
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    assert!(!bench.has_happened("TERM /system.slice/a.service"));

    let mut bench = Bench::new("=== a.service\n[Service]\nKillMode=none\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.happened();
    bench.stop("a.service");
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    assert_eq!(bench.happened(), ["a.service done"]);
}

#[test]
fn what_a_main_process_leaves_behind_is_killed_in_two_stages() {
    let mut bench = Bench::new("=== a.service\n[Service]\nTimeoutStopSec=1\nExecStart=/bin/a\n");
    bench.start("a.service");
    let child = bench.straggler("/system.slice/a.service");
    bench.main_ends("a.service", OK);
    assert!(bench.has_happened("TERM /system.slice/a.service"));
    bench.pass(2 * SECOND);
    assert!(bench.has_happened("KILL /system.slice/a.service"));
    bench.ends(child, KILLED);
    assert_eq!(bench.state("a.service"), "failed (failed)");
    assert_eq!(bench.result("a.service"), "timeout");
}

#[test]
fn a_stop_while_starting_kills_the_command_and_cancels_the_waiting_start() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        ExecStartPre=/bin/pre
        ExecStart=/bin/a
        ExecStopPost=/bin/post",
    );
    bench.start("a.service");
    bench.stop("a.service");
    assert!(bench.has_happened("a.service canceled"));
    bench.control_ends("a.service", TERM);
    bench.control_ends("a.service", OK);
    assert!(bench.has_happened("a.service done"));
    assert_eq!(bench.ran(), ["/bin/pre", "/bin/post"]);
}
