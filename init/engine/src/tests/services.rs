//! The life of a service (systemd.service(5)).

use super::bench::{BAD, Bench, OK, SECOND, TERM};
use crate::Exit;

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
