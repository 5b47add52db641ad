//! The table of dependencies (systemd.unit(5)), order, and what a unit's end means for others.

use init_api::JobMode;

use super::bench::{BAD, Bench, KILLED, OK, SECOND, TERM};
use crate::{Request, Verb};

/// Two services: `a` has the line, `b` is plain.
fn pair(line: &str) -> Bench {
    Bench::new(&format!(
        "=== a.service
        [Unit]
        {line}
        [Service]
        ExecStart=/bin/a
        === b.service
        [Service]
        ExecStart=/bin/b"
    ))
}

#[test]
fn each_kind_starts_the_other_or_not_when_its_holder_starts() {
    for (kind, starts) in [
        ("Requires", true),
        ("BindsTo", true),
        ("Wants", true),
        ("PartOf", false),
        ("After", false),
        ("Before", false),
        ("OnFailure", false),
        ("PropagatesReloadTo", false),
    ] {
        let mut bench = pair(&format!("{kind}=b.service"));
        bench.start("a.service");
        assert_eq!(bench.state("a.service"), "active (running)", "{kind}");
        assert_eq!(
            bench.state("b.service") == "active (running)",
            starts,
            "{kind}"
        );
    }
}

#[test]
fn each_kind_takes_its_holder_along_or_not_when_the_other_is_stopped_by_a_job() {
    for (kind, stops) in [
        ("Requires", true),
        ("BindsTo", true),
        ("Requisite", true),
        ("PartOf", true),
        ("Wants", false),
    ] {
        let mut bench = pair(&format!("{kind}=b.service"));
        bench.start("b.service");
        bench.start("a.service");
        bench.stop("b.service");
        let stopping = bench.state("a.service") == "deactivating (stop-sigterm)";
        assert_eq!(stopping, stops, "{kind}");
    }
}

#[test]
fn only_binds_to_takes_its_holder_along_when_the_other_ends_by_itself() {
    for (kind, stops) in [
        ("Requires", false),
        ("BindsTo", true),
        ("PartOf", false),
        ("Wants", false),
    ] {
        let mut bench = pair(&format!("{kind}=b.service\nAfter=b.service"));
        bench.start("b.service");
        bench.start("a.service");
        bench.main_ends("b.service", KILLED);
        let stopping = bench.state("a.service") == "deactivating (stop-sigterm)";
        assert_eq!(stopping, stops, "{kind}");
    }
}

#[test]
fn a_failed_start_fails_those_that_require_it_and_come_after_it() {
    for (kind, fails) in [("Requires", true), ("BindsTo", true), ("Wants", false)] {
        let mut bench = Bench::new(&format!(
            "=== a.service
            [Unit]
            {kind}=b.service
            After=b.service
            [Service]
            ExecStart=/bin/a
            === b.service
            [Service]
            Type=oneshot
            ExecStart=/bin/b"
        ));
        bench.start("a.service");
        bench.main_ends("b.service", BAD);
        let result = if fails { "dependency" } else { "done" };
        assert!(bench.has_happened(&format!("a.service {result}")), "{kind}");
        assert_eq!(
            bench.state("a.service") == "inactive (dead)",
            fails,
            "{kind}"
        );
    }
}

#[test]
fn requisite_fails_at_once_when_the_other_is_not_active() {
    let mut bench = pair("Requisite=b.service\nAfter=b.service");
    bench.start("a.service");
    assert!(bench.has_happened("a.service dependency"));
    assert_eq!(bench.ran(), Vec::<String>::new());
    bench.start("b.service");
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "active (running)");
}

#[test]
fn conflicts_works_both_ways() {
    let mut bench = pair("Conflicts=b.service");
    bench.start("b.service");
    bench.start("a.service");
    assert_eq!(bench.state("b.service"), "deactivating (stop-sigterm)");
    bench.main_ends("b.service", TERM);
    bench.start("b.service");
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
}

#[test]
fn after_orders_starts_and_before_does_from_the_other_side() {
    for line in ["After=b.service", "Wants=c.service"] {
        let mut bench = Bench::new(&format!(
            "=== t.target
            [Unit]
            Wants=a.service b.service
            === a.service
            [Unit]
            {line}
            [Service]
            Type=oneshot
            ExecStart=/bin/a
            === b.service
            [Unit]
            Before=a.service
            [Service]
            Type=oneshot
            ExecStart=/bin/b"
        ));
        bench.start("t.target");
        assert_eq!(bench.ran(), ["/bin/b"], "{line}");
        bench.main_ends("b.service", OK);
        assert_eq!(bench.ran(), ["/bin/a"], "{line}");
        bench.main_ends("a.service", OK);
        assert_eq!(bench.state("t.target"), "active (active)");
    }
}

#[test]
fn stopping_goes_in_reverse_order() {
    let mut bench = Bench::new(
        "=== t.target
        [Unit]
        Wants=a.service b.service
        === a.service
        [Unit]
        PartOf=t.target
        [Service]
        ExecStart=/bin/a
        ExecStop=/bin/stop-a
        === b.service
        [Unit]
        PartOf=t.target
        After=a.service
        [Service]
        ExecStart=/bin/b
        ExecStop=/bin/stop-b",
    );
    bench.start("t.target");
    bench.happened();
    bench.stop("t.target");
    assert_eq!(bench.ran(), ["/bin/stop-b"]);
    bench.main_ends("b.service", OK);
    bench.control_ends("b.service", OK);
    assert_eq!(bench.ran(), ["/bin/stop-a"]);
}

#[test]
fn a_stop_goes_before_a_start_whatever_the_direction() {
    for line in ["After=b.service", "Before=b.service"] {
        let mut bench = pair(&format!("Conflicts=b.service\n{line}"));
        bench.start("b.service");
        bench.happened();
        bench.start("a.service");
        assert_eq!(bench.ran(), Vec::<String>::new(), "{line}");
        bench.main_ends("b.service", TERM);
        assert_eq!(bench.ran(), ["/bin/a"], "{line}");
    }
}

#[test]
fn a_restart_restarts_dependents_in_order() {
    let mut bench = Bench::new(
        "=== db.service
        [Service]
        ExecStart=/bin/db
        === app.service
        [Unit]
        Requires=db.service
        After=db.service
        [Service]
        ExecStart=/bin/app",
    );
    bench.start("app.service");
    bench.restart("db.service");
    assert_eq!(bench.state("app.service"), "deactivating (stop-sigterm)");
    assert_eq!(bench.state("db.service"), "active (running)");
    bench.main_ends("app.service", TERM);
    bench.main_ends("db.service", TERM);
    assert_eq!(bench.ran(), ["/bin/db", "/bin/app", "/bin/db", "/bin/app"]);
    assert!(
        bench.has_happened("db.service done") || bench.state("app.service") == "active (running)"
    );
}

#[test]
fn part_of_passes_on_stop_and_restart_but_not_start() {
    let mut bench = pair("PartOf=b.service");
    bench.start("b.service");
    assert_eq!(bench.state("a.service"), "forgotten");
    bench.start("a.service");
    bench.restart("b.service");
    bench.main_ends("b.service", TERM);
    bench.main_ends("a.service", TERM);
    assert_eq!(
        bench.ran().iter().filter(|line| *line == "/bin/a").count(),
        2
    );
    bench.stop("b.service");
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
}

#[test]
fn reload_is_passed_on_where_asked() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        PropagatesReloadTo=b.service c.service
        [Service]
        ExecStart=/bin/a
        ExecReload=/bin/reload-a
        === b.service
        [Service]
        ExecStart=/bin/b
        ExecReload=/bin/reload-b
        === c.service
        [Service]
        ExecStart=/bin/c
        ExecReload=/bin/reload-c",
    );
    bench.start("a.service");
    bench.start("b.service");
    bench.happened();
    bench
        .job(Verb::Reload, "a.service", JobMode::Replace)
        .unwrap();
    let mut ran = bench.ran();
    ran.sort();
    assert_eq!(ran, ["/bin/reload-a", "/bin/reload-b"]);
}

#[test]
fn a_unit_that_nobody_needs_any_longer_stops_if_it_says_so() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        StopWhenUnneeded=yes
        [Service]
        ExecStart=/bin/a
        === b.service
        [Unit]
        Requires=a.service
        After=a.service
        [Service]
        ExecStart=/bin/b",
    );
    bench.start("b.service");
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.stop("b.service");
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.main_ends("b.service", TERM);
    assert_eq!(bench.state("a.service"), "deactivating (stop-sigterm)");
}

#[test]
fn a_failed_condition_is_a_finished_job_and_dependencies_start_all_the_same() {
    let mut bench = Bench::new(
        "=== e.service
        [Unit]
        Requires=c.service
        After=c.service
        [Service]
        ExecStart=/bin/e
        === c.service
        [Unit]
        ConditionPathExists=/no/such
        Requires=d.service
        [Service]
        ExecStart=/bin/c
        === d.service
        [Service]
        ExecStart=/bin/d",
    );
    bench.start("e.service");
    assert_eq!(bench.state("c.service"), "inactive (dead)");
    assert_eq!(bench.state("d.service"), "active (running)");
    assert_eq!(bench.state("e.service"), "active (running)");
    assert!(bench.has_happened("c.service done"));
    assert!(!bench.engine.unit("c.service").unwrap().conditions().passed);
}

#[test]
fn conditions_combine_as_and_of_plain_and_or_of_marked_ones() {
    for (lines, starts) in [
        ("ConditionPathExists=!/no", true),
        ("ConditionPathExists=|/no\nConditionPathExists=|/yes", true),
        (
            "ConditionPathExists=|/no\nConditionPathExists=|!/yes\nConditionPathExists=/yes",
            false,
        ),
        ("ConditionPathExists=/no\nConditionPathExists=", true),
    ] {
        let mut bench = Bench::new(&format!(
            "=== a.service\n[Unit]\n{lines}\n[Service]\nExecStart=/bin/a\n"
        ));
        bench.facts.paths.borrow_mut().insert("/yes".to_owned());
        bench.start("a.service");
        assert_eq!(
            bench.state("a.service") == "active (running)",
            starts,
            "{lines}"
        );
    }
}

#[test]
fn a_failed_assert_fails_the_job_with_that_result() {
    let mut bench = pair("AssertPathExists=/no/such");
    bench.start("a.service");
    assert!(bench.has_happened("a.service assert"));
    assert_eq!(bench.state("a.service"), "inactive (dead)");
}

#[test]
fn an_unreferenced_inactive_unit_is_forgotten_and_a_failed_one_kept_until_reset() {
    let mut bench = Bench::new("=== a.service\n[Service]\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.collect();
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.main_ends("a.service", BAD);
    bench.collect();
    assert_eq!(bench.state("a.service"), "failed (failed)");
    bench
        .ask(Request::ResetFailed {
            unit: Some("a.service".to_owned()),
        })
        .unwrap();
    bench.collect();
    assert_eq!(bench.state("a.service"), "forgotten");
    bench.file("a.service", "[Service]\nExecStart=/bin/other\n");
    bench.start("a.service");
    assert_eq!(bench.ran(), ["/bin/a", "/bin/other"]);
}

#[test]
fn a_unit_that_a_loaded_one_names_stays_loaded() {
    let mut bench = pair("After=b.service");
    bench.start("a.service");
    bench.collect();
    assert_eq!(bench.state("b.service"), "inactive (dead)");
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.collect();
    assert_eq!(bench.state("b.service"), "forgotten");
}

#[test]
fn daemon_reload_keeps_states_and_takes_new_settings() {
    let mut bench = Bench::new("=== a.service\n[Service]\nExecStart=/bin/a\n");
    bench.start("a.service");
    let pid = bench.main_pid("a.service");
    bench.file(
        "a.service",
        "[Service]\nExecStart=/bin/a\nExecStop=/bin/stop\n",
    );
    bench.event(crate::Event::Reload);
    assert_eq!(bench.main_pid("a.service"), pid);
    bench.stop("a.service");
    assert_eq!(bench.state("a.service"), "deactivating (stop)");
}

#[test]
fn a_running_service_whose_file_is_gone_can_still_be_stopped() {
    let mut bench = Bench::new("=== a.service\n[Service]\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.facts.files.borrow_mut().remove("a.service");
    bench.event(crate::Event::Reload);
    let unit = bench.engine.unit("a.service").unwrap();
    assert_eq!(unit.load_state(), init_api::LoadState::NotFound);
    assert_eq!(unit.active_state(), init_api::ActiveState::Active);
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    assert_eq!(bench.state("a.service"), "inactive (dead)");
}

#[test]
fn a_snapshot_gives_the_same_manager_back() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Requires=b.service
        After=b.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Service]
        Type=notify
        TimeoutStartSec=5
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    let pid = bench.main_pid("b.service");
    let text = serde_json::to_string(&bench.engine.snapshot()).unwrap();
    let snapshot = serde_json::from_str(&text).unwrap();
    let settings = bench.engine.settings().clone();
    let (engine, _) = crate::Engine::restore(settings, snapshot, bench.now, &bench.facts);
    bench.engine = engine;
    assert_eq!(bench.main_pid("b.service"), pid);
    assert_eq!(bench.engine.jobs().count(), 2);
    assert!(bench.engine.next_deadline().monotonic.is_some());
    bench.notify("b.service", "READY=1");
    assert_eq!(bench.state("a.service"), "active (running)");
}

#[test]
fn what_an_active_unit_upholds_is_started_again_however_it_ended() {
    let mut bench = pair("Upholds=b.service");
    bench.start("a.service");
    assert_eq!(bench.state("b.service"), "active (running)");
    for end in [KILLED, BAD, OK] {
        bench.main_ends("b.service", end);
        assert_eq!(bench.state("b.service"), "active (running)");
    }
    bench.stop("b.service");
    bench.main_ends("b.service", TERM);
    assert_eq!(bench.state("b.service"), "active (running)");
    assert!(bench.logged("b.service: Unit started because it is upheld by active unit a.service."));
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.main_ends("b.service", KILLED);
    assert_eq!(bench.state("b.service"), "failed (failed)");
}

#[test]
fn a_unit_that_comes_up_starts_what_it_upholds_though_nobody_asked_for_it() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Upholds=b.service
        [Service]
        Restart=always
        ExecStart=/bin/a
        === b.service
        [Service]
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    bench.main_ends("a.service", BAD);
    bench.stop("b.service");
    bench.main_ends("b.service", TERM);
    assert_eq!(bench.state("b.service"), "inactive (dead)");
    bench.pass(SECOND);
    assert_eq!(bench.state("b.service"), "active (running)");
}

#[test]
fn an_upheld_unit_whose_condition_does_not_hold_is_not_tried_again_and_again() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Upholds=b.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Unit]
        ConditionPathExists=/p
        [Service]
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    bench.log.clear();
    bench.pass(60 * SECOND);
    assert_eq!(bench.log, Vec::<String>::new());
}

#[test]
fn upholds_that_a_reload_brings_counts_at_once() {
    let mut bench = pair("");
    bench.start("a.service");
    bench.file(
        "a.service",
        "[Unit]\nUpholds=b.service\n[Service]\nExecStart=/bin/a\n",
    );
    bench.event(crate::Event::Reload);
    assert_eq!(bench.state("b.service"), "active (running)");
}

#[test]
fn upholding_what_cannot_run_pauses_instead_of_spinning() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Upholds=b.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Unit]
        StartLimitIntervalSec=0
        [Service]
        ExecStart=/bin/b",
    );
    bench.unspawnable.insert("/bin/b".to_owned());
    bench.start("a.service");
    assert_eq!(bench.state("b.service"), "failed (failed)");
    assert!(bench.ran().len() < 20);
    bench.unspawnable.clear();
    bench.pass(11 * SECOND);
    assert_eq!(bench.state("b.service"), "active (running)");
}

#[test]
fn success_action_of_a_service_without_a_command_is_carried_out() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        SuccessAction=reboot-force
        [Service]
        Type=oneshot",
    );
    bench.start("a.service");
    assert_eq!(bench.machine, [crate::MachineAction::RebootForce]);
}

#[test]
fn success_action_alone_makes_a_service() {
    let mut bench = Bench::new("=== a.service\n[Unit]\nSuccessAction=poweroff-force\n");
    bench.start("a.service");
    assert_eq!(bench.machine, [crate::MachineAction::PowerOffForce]);
}

#[test]
fn the_console_names_the_jobs_that_take_long_in_turn() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Description=Slow One
        [Service]
        Type=oneshot
        ExecStart=/bin/a
        === b.service
        [Service]
        Type=notify
        TimeoutStartSec=60
        ExecStart=/bin/b",
    );
    bench.start("a.service");
    bench.start("b.service");
    bench.pass(4 * SECOND);
    assert!(bench.console.is_empty());
    bench.pass(12 * SECOND);
    assert_eq!(
        bench.console,
        [
            "[ **** ] (2 jobs) A start job is running for Slow One (5s / no limit)",
            "[ **** ] (2 jobs) A start job is running for b.service (15s / 1min)",
        ]
    );
    bench.main_ends("a.service", OK);
    bench.notify("b.service", "READY=1");
    bench.console.clear();
    bench.pass(100 * SECOND);
    assert!(bench.console.is_empty());
}
