//! The life of a service (contract 1.10), restarts (1.11), killing (1.12), notification (1.14).

use super::bench::{BAD, Bench, KILLED, OK, SECOND, TERM};
use crate::{Exit, Verb};
use init_api::JobMode;

#[test]
fn a_simple_service_is_running_as_soon_as_its_process_exists() {
    let mut bench = Bench::new("=== a.service\n[Service]\nExecStart=/bin/a\n");
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "active (running)");
    assert_eq!(
        bench.happened(),
        ["a.service ExecStart /bin/a", "a.service done"]
    );
}

#[test]
fn a_clean_end_of_the_main_process_runs_stop_and_stop_post() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        ExecStart=/bin/a
        ExecStop=/bin/stop
        ExecStopPost=/bin/post",
    );
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "deactivating (stop)");
    bench.control_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "deactivating (stop-post)");
    bench.control_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    assert_eq!(bench.ran(), ["/bin/a", "/bin/stop", "/bin/post"]);
    assert!(
        !bench.environment["/bin/stop"]
            .iter()
            .any(|(name, _)| name == "MAINPID")
    );
    for (name, value) in [
        ("SERVICE_RESULT", "success"),
        ("EXIT_CODE", "exited"),
        ("EXIT_STATUS", "0"),
    ] {
        assert!(
            bench.environment["/bin/post"].contains(&(name.to_owned(), value.to_owned())),
            "{name}"
        );
    }
}

#[test]
fn a_failure_of_the_main_process_skips_stop_but_runs_stop_post() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        ExecStart=/bin/a
        ExecStop=/bin/stop
        ExecStopPost=/bin/post",
    );
    bench.start("a.service");
    bench.main_ends("a.service", Exit::Exited(7));
    assert_eq!(bench.state("a.service"), "deactivating (stop-post)");
    assert!(bench.environment["/bin/post"].contains(&("EXIT_STATUS".to_owned(), "7".to_owned())));
    bench.control_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "failed (failed)");
    assert_eq!(bench.result("a.service"), "exit-code");
    assert!(bench.logged("a.service: Failed with result 'exit-code'."));
}

#[test]
fn a_failing_start_pre_skips_start_and_stop() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        ExecStartPre=/bin/pre
        ExecStart=/bin/a
        ExecStop=/bin/stop
        ExecStopPost=/bin/post",
    );
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "activating (start-pre)");
    bench.control_ends("a.service", Exit::Exited(9));
    bench.control_ends("a.service", OK);
    assert_eq!(bench.ran(), ["/bin/pre", "/bin/post"]);
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "exit-code")
    );
}

#[test]
fn a_dash_makes_a_failing_command_count_as_success_and_keeps_its_record() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        ExecStartPre=-/bin/pre
        ExecStart=/bin/a",
    );
    bench.start("a.service");
    bench.control_ends("a.service", BAD);
    assert_eq!(bench.state("a.service"), "active (running)");
    let status = bench
        .engine
        .unit("a.service")
        .unwrap()
        .exec_status(crate::ExecKind::StartPre, 0)
        .unwrap();
    assert_eq!((status.code, status.status), (1, 1));
}

#[test]
fn a_failing_start_post_stops_without_the_stop_commands() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        ExecStart=/bin/a
        ExecStartPost=/bin/post
        ExecStop=/bin/stop
        ExecStopPost=/bin/stoppost",
    );
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "activating (start-post)");
    bench.control_ends("a.service", BAD);
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
    bench.main_ends("a.service", TERM);
    bench.control_ends("a.service", OK);
    assert!(bench.has_happened("a.service failed"));
    assert_eq!(bench.ran(), ["/bin/a", "/bin/post", "/bin/stoppost"]);
    assert_eq!(bench.result("a.service"), "exit-code");
}

#[test]
fn an_exec_condition_that_exits_one_stops_quietly_and_255_fails() {
    for (status, state, result) in [
        (1, "inactive (dead)", "exec-condition"),
        (255, "failed (failed)", "exit-code"),
    ] {
        let mut bench = Bench::new(
            "=== a.service
            [Service]
            ExecCondition=/bin/cond
            ExecStart=/bin/a
            ExecStopPost=/bin/post",
        );
        bench.start("a.service");
        assert_eq!(bench.state("a.service"), "activating (condition)");
        bench.control_ends("a.service", Exit::Exited(status));
        bench.control_ends("a.service", OK);
        assert_eq!(bench.state("a.service"), state);
        assert_eq!(bench.result("a.service"), result);
        assert_eq!(bench.has_happened("a.service done"), status == 1);
        assert_eq!(bench.ran(), ["/bin/cond", "/bin/post"]);
    }
}

#[test]
fn an_oneshot_runs_its_commands_in_turn_and_is_started_when_the_last_has_ended() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        Type=oneshot
        ExecStart=/bin/one
        ExecStart=-/bin/two
        ExecStart=/bin/three",
    );
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    bench.main_ends("a.service", BAD);
    assert!(!bench.has_happened("a.service done"));
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    assert!(bench.has_happened("a.service done"));
    assert_eq!(bench.ran(), ["/bin/one", "/bin/two", "/bin/three"]);
}

#[test]
fn remain_after_exit_keeps_an_oneshot_active_until_it_is_stopped() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/bin/a
        ExecStop=/bin/stop",
    );
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "active (exited)");
    bench.start("a.service");
    bench.stop("a.service");
    bench.control_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    assert_eq!(bench.ran(), ["/bin/a", "/bin/stop"]);
}

#[test]
fn type_exec_waits_for_the_program_and_fails_with_it() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=exec\nExecStart=/bin/a\n");
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "activating (start)");
    let pid = bench.main_pid("a.service");
    bench.event(crate::Event::ExecDone { pid });
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.start("a.service");
    bench.main_ends("a.service", Exit::Exited(203));
    assert_eq!(bench.result("a.service"), "exit-code");
    assert!(bench.has_happened("a.service failed"));
}

#[test]
fn a_forking_service_takes_its_main_process_from_the_pid_file() {
    let mut bench = Bench::new(
        "=== a.service
        [Service]
        Type=forking
        PIDFile=/run/a.pid
        ExecStart=/bin/a",
    );
    bench.start("a.service");
    let daemon = bench.straggler("/system.slice/a.service");
    bench.control_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "activating (start)");
    bench
        .facts
        .pid_files
        .borrow_mut()
        .insert("/run/a.pid".to_owned(), daemon);
    bench.event(crate::Event::PidFileChanged {
        unit: "a.service".to_owned(),
    });
    assert_eq!(bench.state("a.service"), "active (running)");
    assert_eq!(bench.main_pid("a.service"), daemon);
}

#[test]
fn a_forking_service_without_pid_file_guesses_the_only_process_left() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=forking\nExecStart=/bin/a\n");
    bench.start("a.service");
    let daemon = bench.straggler("/system.slice/a.service");
    bench.control_ends("a.service", OK);
    assert_eq!(bench.main_pid("a.service"), daemon);
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
}

#[test]
fn a_notify_service_is_active_after_ready_and_shows_its_status() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.notify("a.service", "STATUS=serving 3 users");
    assert_eq!(bench.state("a.service"), "activating (start)");
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
    assert_eq!(
        bench
            .engine
            .unit("a.service")
            .unwrap()
            .service()
            .unwrap()
            .status_text,
        "serving 3 users"
    );
}

#[test]
fn an_end_before_ready_is_a_protocol_failure() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "protocol")
    );
    assert!(bench.has_happened("a.service failed"));
}

#[test]
fn a_start_that_takes_too_long_is_a_timeout_and_extend_timeout_puts_it_off() {
    let text = "=== a.service\n[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/a\n";
    let mut bench = Bench::new(text);
    bench.start("a.service");
    bench.pass(2 * SECOND);
    bench.main_ends("a.service", TERM);
    assert_eq!(bench.result("a.service"), "timeout");

    let mut bench = Bench::new(text);
    bench.start("a.service");
    bench.notify("a.service", "EXTEND_TIMEOUT_USEC=4000000");
    bench.pass(3 * SECOND);
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
}

#[test]
fn reloading_and_stopping_messages_show_in_the_state() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.notify("a.service", "READY=1");
    bench.notify("a.service", "RELOADING=1");
    assert_eq!(bench.state("a.service"), "reloading (reload)");
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.notify("a.service", "STOPPING=1");
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
}

#[test]
fn notify_reload_sends_the_signal_and_waits_for_both_messages() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=notify-reload\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.notify("a.service", "READY=1");
    bench
        .job(Verb::Reload, "a.service", JobMode::Replace)
        .unwrap();
    assert!(bench.has_happened(&format!("HUP {}", bench.main_pid("a.service"))));
    assert_eq!(bench.state("a.service"), "reloading (reload-signal)");
    let later = bench.now.monotonic + 1;
    bench.notify("a.service", &format!("RELOADING=1\nMONOTONIC_USEC={later}"));
    assert_eq!(bench.state("a.service"), "reloading (reload-notify)");
    bench.notify("a.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
    assert!(bench.has_happened("a.service done"));
}

#[test]
fn a_failing_reload_leaves_the_service_running_and_fails_the_job() {
    let mut bench =
        Bench::new("=== a.service\n[Service]\nExecStart=/bin/a\nExecReload=/bin/reload\n");
    bench.start("a.service");
    bench
        .job(Verb::Reload, "a.service", JobMode::Replace)
        .unwrap();
    assert_eq!(bench.state("a.service"), "reloading (reload)");
    bench.control_ends("a.service", BAD);
    assert_eq!(bench.state("a.service"), "active (running)");
    assert!(bench.has_happened("a.service failed"));
}

#[test]
fn a_missed_watchdog_aborts_the_service_with_that_result() {
    let mut bench = Bench::new("=== a.service\n[Service]\nWatchdogSec=1\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.pass(SECOND / 2);
    bench.notify("a.service", "WATCHDOG=1");
    bench.pass(SECOND * 9 / 10);
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.pass(SECOND / 5);
    assert!(bench.has_happened(&format!("ABRT {}", bench.main_pid("a.service"))));
    bench.main_ends("a.service", Exit::Dumped(6));
    assert_eq!(bench.result("a.service"), "watchdog");
}

#[test]
fn runtime_max_ends_a_service_with_a_timeout() {
    let mut bench = Bench::new("=== a.service\n[Service]\nRuntimeMaxSec=1\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.pass(2 * SECOND);
    bench.main_ends("a.service", TERM);
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "timeout")
    );
}

#[test]
fn a_missing_environment_file_is_a_lack_of_resources_and_runs_nothing() {
    let mut bench = Bench::new("=== a.service\n[Service]\nType=oneshot\nExecStart=/bin/a\n");
    bench.unspawnable.insert("/bin/a".to_owned());
    bench.start("a.service");
    assert_eq!(
        (bench.state("a.service").as_str(), bench.result("a.service")),
        ("failed (failed)", "resources")
    );
}

#[test]
fn clean_ends_are_those_of_the_manual() {
    for (exit, clean) in [
        (Exit::Exited(0), true),
        (Exit::Exited(42), true),
        (Exit::Exited(75), true),
        (Exit::Exited(43), false),
        (Exit::Killed(1), true),
        (Exit::Killed(2), true),
        (Exit::Killed(13), true),
        (Exit::Killed(15), true),
        (Exit::Killed(10), true),
        (Exit::Killed(12), false),
        (Exit::Killed(9), false),
        (Exit::Dumped(11), false),
    ] {
        let mut bench = Bench::new(
            "=== a.service
            [Service]
            SuccessExitStatus=42 TEMPFAIL SIGUSR1
            ExecStart=/bin/a",
        );
        bench.start("a.service");
        bench.main_ends("a.service", exit);
        assert_eq!(
            bench.state("a.service") == "inactive (dead)",
            clean,
            "{exit:?}"
        );
    }
}

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

#[test]
fn on_failure_is_started_and_told_about_the_failure() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        OnFailure=b.service
        OnSuccess=c.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Service]
        ExecStart=/bin/b
        === c.service
        [Service]
        ExecStart=/bin/c",
    );
    bench.start("a.service");
    bench.main_ends("a.service", BAD);
    assert_eq!(bench.state("b.service"), "active (running)");
    assert!(
        bench.environment["/bin/b"].contains(&("MONITOR_UNIT".to_owned(), "a.service".to_owned()))
    );
    assert!(
        bench.environment["/bin/b"]
            .contains(&("MONITOR_SERVICE_RESULT".to_owned(), "exit-code".to_owned()))
    );
    bench.start("a.service");
    bench.main_ends("a.service", OK);
    assert_eq!(bench.state("c.service"), "active (running)");
}

#[test]
fn starting_is_only_said_of_services_with_a_starting_phase() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Description=My A
        [Service]
        ExecStart=/bin/a
        === b.service
        [Unit]
        Description=My B
        [Service]
        ExecStartPre=/bin/pre
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.start("b.service");
    bench.control_ends("b.service", OK);
    let said: Vec<&str> = bench
        .log
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains("My "))
        .collect();
    assert_eq!(
        said,
        [
            "Started My A.",
            "Stopping My A...",
            "Stopped My A.",
            "Starting My B...",
            "Started My B."
        ]
    );
}

#[test]
fn a_service_without_commands_still_tells_of_its_end() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        SuccessAction=poweroff-force
        OnSuccess=b.service
        [Service]
        Type=oneshot
        ExecStop=/bin/stop
        === b.service
        [Service]
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    bench.control_ends("a.service", OK);
    assert_eq!(bench.ran(), ["/bin/stop", "/bin/b"]);
    assert!(bench.log.iter().any(|line| line.contains("poweroff-force")));
}
