//! Restarts and the start limit (systemd.service(5)).

use super::bench::{BAD, Bench, OK, SECOND, TERM};
use crate::Exit;

#[test]
fn a_crash_loop_ends_at_the_start_limit_with_the_result_of_the_last_run() {
    let mut bench = Bench::new("=== a.service\n[Service]\nRestart=always\nExecStart=/bin/a\n");
    bench.start("a.service");
    for run in 1..=5 {
        bench.main_ends("a.service", BAD);
        if run < 5 {
            assert_eq!(bench.state("a.service"), "activating (auto-restart)");
        }
        bench.pass(SECOND / 5);
    }
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "exit-code")
    );
    assert_eq!(bench.ran().len(), 5);
    assert_eq!(
        bench
            .engine
            .unit("a.service")
            .unwrap()
            .service()
            .unwrap()
            .restarts,
        5
    );
    bench.start("a.service");
    assert!(bench.has_happened("a.service failed"));
    assert!(bench.logged("a.service: Start request repeated too quickly."));
    bench
        .ask(crate::Request::ResetFailed {
            unit: Some("a.service".to_owned()),
        })
        .unwrap();
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "active (running)");
}

#[test]
fn a_restart_runs_the_whole_sequence_again() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        Restart=always
        RestartSec=10ms
        ExecStartPre=/bin/pre
        ExecStart=/bin/a
        ExecStop=/bin/stop
        ExecStopPost=/bin/post",
    );
    bench.start("a.service");
    bench.control_ends("a.service", OK);
    bench.main_ends("a.service", BAD);
    bench.control_ends("a.service", OK);
    bench.pass(SECOND / 10);
    assert_eq!(bench.ran(), ["/bin/pre", "/bin/a", "/bin/post", "/bin/pre"]);
}

#[test]
fn no_restart_after_a_stop_not_even_in_the_pause() {
    let mut bench =
        Bench::new("=== a.service\n[Service]\nRestart=always\nRestartSec=3\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    bench.stop("a.service");
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    bench.pass(10 * SECOND);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    bench.start("a.service");
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.pass(10 * SECOND);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
}

#[test]
fn exit_statuses_may_prevent_or_force_a_restart() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        Restart=always
        RestartPreventExitStatus=7 SIGUSR1
        RestartForceExitStatus=7
        ExecStart=/bin/a
        === b.service
        [Service]
        RestartForceExitStatus=8
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    bench.main_ends("a.service", Exit::Exited(7));
    assert_eq!(bench.state("a.service"), "failed (failed)");
    bench.start("b.service");
    bench.main_ends("b.service", Exit::Exited(8));
    assert_eq!(bench.state("b.service"), "activating (auto-restart)");
}

#[test]
fn restart_mode_direct_tells_nobody_of_the_failure() {
    let text = |mode: &str| {
        format!(
            "=== a.service
            [Unit]
            OnFailure=b.service
            [Service]
            Restart=always
            RestartMode={mode}
            ExecStart=/bin/a
            === b.service
            [Service]
            ExecStart=/bin/b"
        )
    };
    for mode in ["normal", "direct"] {
        let mut bench = Bench::new(&text(mode));
        bench.start("a.service");
        bench.main_ends("a.service", BAD);
        assert_eq!(bench.state("a.service"), "activating (auto-restart)");
        bench.pass(SECOND);
        assert_eq!(bench.state("a.service"), "active (running)", "{mode}");
        assert_eq!(bench.ran(), ["/bin/a", "/bin/a"], "{mode}");
    }
}

#[test]
fn who_waits_for_a_start_that_fails_gets_the_next_try_of_restart_mode_direct() {
    for broken in ["before", "main"] {
        let mut bench = Bench::new(
            "=== a.service
            [Service]
            Type=notify
            Restart=always
            RestartMode=direct
            ExecStartPre=/bin/pre
            ExecStart=/bin/a
            === b.service
            [Unit]
            Requires=a.service
            After=a.service
            [Service]
            ExecStart=/bin/b",
        );
        bench.start("b.service");
        if broken == "before" {
            bench.control_ends("a.service", BAD);
        } else {
            bench.control_ends("a.service", OK);
            bench.main_ends("a.service", BAD);
        }
        assert_eq!(bench.state("a.service"), "activating (auto-restart)");
        assert_eq!(bench.state("b.service"), "inactive (dead)");
        bench.pass(SECOND);
        assert_eq!(
            bench.state("a.service"),
            "activating (start-pre)",
            "{broken}"
        );
        bench.control_ends("a.service", OK);
        bench.notify("a.service", "READY=1");
        assert_eq!(bench.state("a.service"), "active (running)", "{broken}");
        assert_eq!(bench.state("b.service"), "active (running)", "{broken}");
    }
}

#[test]
fn restart_mode_debug_tells_the_processes_after_a_failure_until_the_service_is_stopped() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        Restart=always
        RestartMode=debug
        ExecStart=/bin/a",
    );
    let debug = |bench: &Bench| {
        bench.environment["/bin/a"]
            .iter()
            .any(|(name, value)| name == "DEBUG_INVOCATION" && value == "1")
    };
    bench.start("a.service");
    assert!(!debug(&bench));
    bench.main_ends("a.service", OK);
    bench.pass(SECOND);
    assert!(!debug(&bench));
    bench.main_ends("a.service", BAD);
    bench.pass(SECOND);
    assert!(debug(&bench));
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.start("a.service");
    assert!(!debug(&bench));
}

#[test]
fn manual_starts_count_against_the_limit_and_zero_switches_it_off() {
    for (interval, third) in [(60, "failed"), (0, "done")] {
        let mut bench = Bench::new(&format!(
            "=== a.service
            [Unit]
            StartLimitIntervalSec={interval}
            StartLimitBurst=2
            [Service]
            Type=oneshot
            ExecStart=/bin/a"
        ));
        for _ in 0..2 {
            bench.start("a.service");
            bench.main_ends("a.service", OK);
        }
        bench.happened();
        bench.start("a.service");
        if bench.main_pid("a.service") != 0 {
            bench.main_ends("a.service", OK);
        } else {
            assert_eq!(bench.result("a.service"), "start-limit-hit");
        }
        assert!(
            bench.has_happened(&format!("a.service {third}")),
            "{interval}"
        );
    }
}
