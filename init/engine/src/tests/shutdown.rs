//! The end: everything stops in order, then the machine goes down.

use init_api::JobMode;

use super::bench::{Bench, OK, TERM};
use crate::{MachineAction, RequestError, Verb};

const MACHINE: &str = "=== a.service
    [Service]
    ExecStart=/bin/a
    ExecStop=/bin/stop-a
    === b.service
    [Unit]
    After=a.service
    [Service]
    ExecStart=/bin/b
    === umount.target
    [Unit]
    DefaultDependencies=no
    === final.target
    [Unit]
    DefaultDependencies=no
    After=shutdown.target umount.target
    === end.service
    [Unit]
    DefaultDependencies=no
    Requires=shutdown.target umount.target final.target
    After=shutdown.target umount.target final.target
    SuccessAction=poweroff-force
    [Service]
    Type=oneshot
    ExecStart=/bin/true
    === poweroff.target
    [Unit]
    DefaultDependencies=no
    Requires=end.service
    After=end.service
    AllowIsolate=yes";

#[test]
fn a_shutdown_stops_services_in_reverse_order_and_then_powers_off() {
    let mut bench = Bench::new(MACHINE);
    bench.start("a.service");
    bench.start("b.service");
    bench.happened();
    bench
        .job(Verb::Start, "poweroff.target", JobMode::ReplaceIrreversibly)
        .unwrap();
    assert_eq!(
        bench.engine.manager().state,
        init_api::ManagerState::Stopping
    );
    assert_eq!(bench.state("b.service"), "deactivating (stop-sigterm)");
    assert_eq!(bench.state("a.service"), "active (running)");
    bench.main_ends("b.service", TERM);
    bench.main_ends("a.service", OK);
    bench.control_ends("a.service", OK);
    assert_eq!(bench.machine, []);
    bench.main_ends("end.service", OK);
    assert_eq!(bench.machine, [MachineAction::PowerOffForce]);
    assert_eq!(bench.ran(), ["/bin/stop-a", "/bin/true"]);
}

#[test]
fn nothing_can_be_started_against_a_shutdown() {
    let mut bench = Bench::new(MACHINE);
    bench.start("a.service");
    bench
        .job(Verb::Start, "poweroff.target", JobMode::ReplaceIrreversibly)
        .unwrap();
    assert!(matches!(
        bench.job(Verb::Start, "a.service", JobMode::Replace),
        Err(RequestError::Destructive { .. })
    ));
    assert!(matches!(
        bench.job(Verb::Start, "b.service", JobMode::Replace),
        Err(RequestError::Destructive { .. })
    ));
}

#[test]
fn another_slice_counts_from_the_next_start() {
    let mut bench = Bench::new("=== a.service\n[Service]\nSlice=machine.slice\nExecStart=/bin/a\n");
    bench.start("a.service");
    bench.file("a.service", "[Service]\nExecStart=/bin/a\n");
    bench.event(crate::Event::Reload);
    let group = |bench: &Bench| {
        bench
            .engine
            .unit("a.service")
            .unwrap()
            .control_group()
            .to_owned()
    };
    assert_eq!(group(&bench), "/machine.slice/a.service");
    bench.stop("a.service");
    bench.main_ends("a.service", TERM);
    bench.event(crate::Event::Reload);
    bench.start("a.service");
    assert_eq!(group(&bench), "/system.slice/a.service");
}
