//! Transactions: what is refused and with which words, cycles, modes, and the property
//! that the queue never holds contradictions.

use init_api::{JobMode, JobType};
use proptest::prelude::*;

use super::bench::{Bench, TERM};
use crate::{Request, RequestError, Verb};

const THREE: &str = "=== a.service
    [Unit]
    Requires=b.service
    [Service]
    ExecStart=/bin/a
    === b.service
    [Service]
    ExecStart=/bin/b
    === s.service
    [Service]
    Type=oneshot
    ExecStart=/bin/s";

fn refusal(bench: &mut Bench, verb: Verb, unit: &str, mode: JobMode) -> (String, &'static str) {
    let error = bench.job(verb, unit, mode).unwrap_err();
    (
        error.to_string(),
        error.bus_name().rsplit('.').next().unwrap(),
    )
}

#[test]
fn refusals_have_the_words_and_names_that_systemctl_knows() {
    let mut bench = Bench::new(
        "=== r.service
        [Unit]
        Requires=none.service
        [Service]
        ExecStart=/bin/r
        === w.service
        [Unit]
        Wants=none.service
        [Service]
        ExecStart=/bin/w
        === x@.service
        [Service]
        ExecStart=/bin/x
        === m.service
        [Unit]
        RefuseManualStart=yes
        RefuseManualStop=yes
        [Service]
        ExecStart=/bin/m
        === t.target
        [Unit]
        === masked.service",
    );
    for (verb, unit, mode, text, name) in [
        (
            Verb::Start,
            "none.service",
            JobMode::Replace,
            "Unit none.service not found.",
            "NoSuchUnit",
        ),
        (
            Verb::Stop,
            "none.service",
            JobMode::Replace,
            "Unit none.service not loaded.",
            "NoSuchUnit",
        ),
        (
            Verb::Restart,
            "none.service",
            JobMode::Replace,
            "Unit none.service not found.",
            "NoSuchUnit",
        ),
        (
            Verb::Start,
            "r.service",
            JobMode::Replace,
            "Unit none.service not found.",
            "NoSuchUnit",
        ),
        (
            Verb::Start,
            "masked.service",
            JobMode::Replace,
            "Unit masked.service is masked.",
            "UnitMasked",
        ),
        (
            Verb::Start,
            "x@.service",
            JobMode::Replace,
            "Unit name x@.service is missing the instance name.",
            "InvalidArgs",
        ),
        (
            Verb::Start,
            "m.service",
            JobMode::Replace,
            "Operation refused, unit m.service may be requested by dependency only (it is configured to refuse manual start/stop).",
            "OnlyByDependency",
        ),
        (
            Verb::Start,
            "t.target",
            JobMode::Isolate,
            "Operation refused, unit may not be isolated.",
            "NoIsolation",
        ),
        (
            Verb::Reload,
            "w.service",
            JobMode::Replace,
            "Job type reload is not applicable for unit w.service.",
            "JobTypeNotApplicable",
        ),
    ] {
        assert_eq!(
            refusal(&mut bench, verb, unit, mode),
            (text.to_owned(), name)
        );
    }
    bench.start("w.service");
    assert_eq!(bench.state("w.service"), "active (running)");
}

#[test]
fn mode_fail_refuses_to_turn_round_a_queued_job() {
    let mut bench = Bench::new(THREE);
    bench.start("s.service");
    assert_eq!(
        refusal(&mut bench, Verb::Stop, "s.service", JobMode::Fail),
        (
            "Transaction for s.service/stop is destructive (s.service has 'start' job queued, but 'stop' is included in transaction)."
                .to_owned(),
            "TransactionIsDestructive"
        )
    );
}

#[test]
fn an_irreversible_job_is_replaced_only_by_another() {
    let mut bench = Bench::new(THREE);
    bench
        .job(Verb::Start, "s.service", JobMode::ReplaceIrreversibly)
        .unwrap();
    assert!(matches!(
        bench.job(Verb::Stop, "s.service", JobMode::Replace),
        Err(RequestError::Destructive { .. })
    ));
    bench
        .job(Verb::Stop, "s.service", JobMode::ReplaceIrreversibly)
        .unwrap();
    assert!(bench.has_happened("s.service canceled"));
}

#[test]
fn ignoring_dependencies_starts_the_unit_alone() {
    for mode in [JobMode::IgnoreDependencies, JobMode::IgnoreRequirements] {
        let mut bench = Bench::new(THREE);
        bench.job(Verb::Start, "a.service", mode).unwrap();
        assert_eq!(bench.ran(), ["/bin/a"], "{mode}");
    }
}

#[test]
fn an_ordering_cycle_of_wanted_units_loses_one_job() {
    let mut bench = Bench::new(
        "=== t.target
        [Unit]
        Wants=a.service b.service
        === a.service
        [Unit]
        After=b.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Unit]
        After=a.service
        [Service]
        ExecStart=/bin/b",
    );
    bench.start("t.target");
    assert_eq!(bench.ran().len(), 1);
    assert_eq!(bench.state("t.target"), "active (active)");
    assert!(
        bench
            .log
            .iter()
            .any(|line| line.contains("deleted to break ordering cycle"))
    );
}

#[test]
fn an_ordering_cycle_of_required_units_is_refused() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Requires=b.service
        After=b.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Unit]
        After=a.service
        [Service]
        ExecStart=/bin/b",
    );
    assert_eq!(
        refusal(&mut bench, Verb::Start, "a.service", JobMode::Replace).1,
        "TransactionOrderIsCyclic"
    );
    assert_eq!(bench.engine.jobs().count(), 0);
}

#[test]
fn contradicting_requirements_are_refused_with_both_jobs_named() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        Requires=b.service
        Conflicts=b.service
        [Service]
        ExecStart=/bin/a
        === b.service
        [Service]
        ExecStart=/bin/b",
    );
    bench.start("b.service");
    assert_eq!(
        refusal(&mut bench, Verb::Start, "a.service", JobMode::Replace).1,
        "TransactionJobsConflicting"
    );
}

#[test]
fn isolation_stops_what_is_not_pulled_in_and_cancels_its_jobs() {
    let mut bench = Bench::new(
        "=== r.target
        [Unit]
        AllowIsolate=yes
        Requires=k.service
        === k.service
        [Service]
        ExecStart=/bin/k
        === i.service
        [Unit]
        IgnoreOnIsolate=yes
        [Service]
        ExecStart=/bin/i
        === g.service
        [Service]
        ExecStart=/bin/g
        === q.service
        [Service]
        Type=oneshot
        ExecStart=/bin/q",
    );
    for unit in ["k.service", "i.service", "g.service", "q.service"] {
        bench.start(unit);
    }
    bench
        .job(Verb::Start, "r.target", JobMode::Isolate)
        .unwrap();
    assert_eq!(bench.state("g.service"), "deactivating (stop-sigterm)");
    assert!(bench.has_happened("q.service canceled"));
    assert_eq!(bench.state("k.service"), "active (running)");
    assert_eq!(bench.state("i.service"), "active (running)");
}

#[test]
fn verbs_that_ask_for_the_state_do_nothing_on_an_inactive_unit() {
    let mut bench = Bench::new(THREE);
    bench
        .job(Verb::TryRestart, "b.service", JobMode::Replace)
        .unwrap();
    assert_eq!(bench.ran(), Vec::<String>::new());
    bench
        .job(Verb::ReloadOrRestart, "b.service", JobMode::Replace)
        .unwrap();
    assert_eq!(bench.ran(), ["/bin/b"]);
    bench
        .job(Verb::ReloadOrRestart, "b.service", JobMode::Replace)
        .unwrap();
    bench.main_ends("b.service", TERM);
    assert_eq!(bench.ran(), ["/bin/b"]);
}

#[test]
fn a_second_request_joins_the_queued_job() {
    let mut bench = Bench::new(THREE);
    let first = bench
        .job(Verb::Start, "s.service", JobMode::Replace)
        .unwrap();
    let second = bench
        .job(Verb::Start, "s.service", JobMode::Replace)
        .unwrap();
    assert_eq!(first, second);
}

#[test]
fn a_job_that_waits_too_long_times_out() {
    let mut bench = Bench::new(
        "=== a.service
        [Unit]
        After=s.service
        JobTimeoutSec=2
        [Service]
        ExecStart=/bin/a
        === s.service
        [Service]
        Type=oneshot
        ExecStart=/bin/s",
    );
    bench.start("s.service");
    bench.start("a.service");
    bench.pass(3 * super::bench::SECOND);
    assert!(bench.has_happened("a.service timeout"));
}

#[test]
fn cancelling_a_job_ends_it_and_leaves_the_unit() {
    let mut bench = Bench::new(THREE);
    let Ok(crate::Reply::Job(id)) = bench.job(Verb::Start, "s.service", JobMode::Replace) else {
        panic!()
    };
    bench.ask(Request::CancelJob { id }).unwrap();
    assert!(bench.has_happened("s.service canceled"));
    assert_eq!(bench.state("s.service"), "activating (start)");
    assert_eq!(
        bench.ask(Request::CancelJob { id }),
        Err(RequestError::NoSuchJob(id))
    );
}

/// A graph of a few units with edges at random, and requests at random.
type Triples = Vec<(usize, usize, usize)>;

fn graphs() -> impl Strategy<Value = (Triples, Triples)> {
    let edges = proptest::collection::vec((0..6usize, 0..7usize, 0..6usize), 0..16);
    let requests = proptest::collection::vec((0..6usize, 0..4usize, 0..4usize), 1..12);
    (edges, requests)
}

const KINDS: [&str; 7] = [
    "Requires",
    "Wants",
    "BindsTo",
    "PartOf",
    "Conflicts",
    "After",
    "Requisite",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_transaction_ever_leaves_contradicting_jobs_or_a_queue_that_cannot_move(
        (edges, requests) in graphs()
    ) {
        let text: String = (0..6)
            .map(|unit| {
                let lines: String = edges
                    .iter()
                    .filter(|(from, _, to)| *from == unit && to != from)
                    .map(|(_, kind, to)| format!("{}=u{to}.service\n", KINDS[*kind]))
                    .collect();
                format!("=== u{unit}.service\n[Unit]\n{lines}[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/u{unit}\n")
            })
            .collect();
        let mut bench = Bench::new(&text);
        for (unit, verb, mode) in requests {
            let verb = [Verb::Start, Verb::Stop, Verb::Restart, Verb::TryRestart][verb];
            let mode = [JobMode::Replace, JobMode::Fail, JobMode::ReplaceIrreversibly, JobMode::IgnoreDependencies][mode];
            let before = bench.engine.jobs().map(|job| job.id).collect::<Vec<_>>();
            if bench.job(verb, &format!("u{unit}.service"), mode).is_err() {
                let after = bench.engine.jobs().map(|job| job.id).collect::<Vec<_>>();
                prop_assert_eq!(before, after, "a refused transaction changes nothing");
            }
            check_queue(&bench)?;
            // Let what runs come to its end now and then.
            if unit % 2 == 0 {
                for other in 0..6 {
                    let name = format!("u{other}.service");
                    if bench.main_pid(&name) != 0 {
                        bench.main_ends(&name, super::bench::OK);
                    }
                }
            }
        }
        for _ in 0..20 {
            for other in 0..6 {
                let name = format!("u{other}.service");
                if bench.main_pid(&name) != 0 {
                    bench.main_ends(&name, super::bench::OK);
                }
            }
        }
        let left: Vec<String> = bench.engine.jobs().map(|job| format!("{} {} {}", job.unit, job.kind, job.state)).collect();
        prop_assert!(left.is_empty(), "jobs are stuck: {left:?}");
    }
}

/// Among the jobs of one transaction nothing contradicts: a start and the stop of what it needs
/// cannot both be queued, and a unit has one job.
fn check_queue(bench: &Bench) -> Result<(), TestCaseError> {
    let mut units = std::collections::BTreeSet::new();
    for job in bench.engine.jobs() {
        prop_assert!(
            units.insert(job.unit.to_owned()),
            "{} has two jobs",
            job.unit
        );
        prop_assert!(
            matches!(
                job.kind,
                JobType::Start
                    | JobType::Stop
                    | JobType::Restart
                    | JobType::VerifyActive
                    | JobType::Reload
            ),
            "{} is not a plain type",
            job.kind
        );
    }
    Ok(())
}
