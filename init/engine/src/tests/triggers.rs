//! Sockets, timers and paths, scopes, slices, mounts and devices.

use init_api::JobMode;

use super::bench::{BAD, Bench, OK, SECOND, TERM};
use crate::{Event, FdHandle, MountPoint, Request};

const SOCKET: &str = "=== k.socket
    [Socket]
    ListenStream=/run/k
    === k.service
    [Service]
    ExecStart=/bin/k";

fn ready(bench: &mut Bench, unit: &str) {
    bench.event(Event::SocketReady {
        unit: unit.to_owned(),
    });
}

#[test]
fn traffic_on_a_socket_starts_its_service_with_the_descriptors() {
    let mut bench = Bench::new(SOCKET);
    bench.start("k.socket");
    assert_eq!(bench.state("k.socket"), "active (listening)");
    ready(&mut bench, "k.socket");
    assert_eq!(bench.state("k.service"), "active (running)");
    assert_eq!(bench.state("k.socket"), "active (running)");
    assert_eq!(bench.passed["/bin/k"], ["k.socket"]);
}

#[test]
fn a_socket_listens_again_when_its_service_has_ended() {
    let mut bench = Bench::new(SOCKET);
    bench.start("k.socket");
    ready(&mut bench, "k.socket");
    bench.main_ends("k.service", OK);
    assert_eq!(bench.state("k.socket"), "active (listening)");
    ready(&mut bench, "k.socket");
    assert_eq!(bench.state("k.service"), "active (running)");
}

#[test]
fn descriptors_are_passed_however_the_service_is_started() {
    let mut bench = Bench::new(SOCKET);
    bench.start("k.socket");
    bench.start("k.service");
    assert_eq!(bench.passed["/bin/k"], ["k.socket"]);
    assert_eq!(bench.state("k.socket"), "active (running)");
}

#[test]
fn a_service_that_fails_at_once_fails_its_socket_by_a_limit() {
    let mut bench = Bench::new(SOCKET);
    bench.start("k.socket");
    for _ in 0..30 {
        if bench.state("k.socket") != "active (listening)" {
            break;
        }
        ready(&mut bench, "k.socket");
        if bench.main_pid("k.service") != 0 {
            bench.main_ends("k.service", BAD);
        }
    }
    assert_eq!(bench.state("k.socket"), "failed (failed)");
    assert_eq!(bench.result("k.socket"), "service-start-limit-hit");
    assert!(bench.has_happened("k.socket closed"));
}

#[test]
fn each_connection_starts_an_instance_with_the_connection() {
    let mut bench = Bench::new(
        "=== k.socket
        [Socket]
        ListenStream=/run/k
        Accept=yes
        === k@.service
        [Service]
        ExecStart=/bin/k %i",
    );
    bench.start("k.socket");
    for fd in [1, 2] {
        bench.event(Event::Connection {
            unit: "k.socket".to_owned(),
            fd: FdHandle(fd),
            peer: "7-0".to_owned(),
        });
    }
    let socket = bench.engine.unit("k.socket").unwrap().socket().unwrap();
    assert_eq!((socket.accepted, socket.connections), (2, 2));
    assert_eq!(bench.state("k@0-7-0.service"), "active (running)");
    bench.main_ends("k@1-7-0.service", OK);
    let socket = bench.engine.unit("k.socket").unwrap().socket().unwrap();
    assert_eq!((socket.accepted, socket.connections), (2, 1));
    assert_eq!(bench.state("k.socket"), "active (listening)");
}

#[test]
fn stopping_a_socket_closes_it_and_stopping_the_service_does_not() {
    let mut bench = Bench::new(SOCKET);
    bench.start("k.socket");
    bench.start("k.service");
    bench.stop("k.service");
    bench.main_ends("k.service", TERM);
    assert_eq!(bench.state("k.socket"), "active (listening)");
    bench.stop("k.socket");
    assert_eq!(bench.state("k.socket"), "inactive (dead)");
    assert!(bench.has_happened("k.socket closed"));
}

#[test]
fn a_timer_elapses_once_after_its_activation() {
    let mut bench = Bench::new(
        "=== t.timer
        [Timer]
        OnActiveSec=0.3
        Unit=v.service
        === v.service
        [Service]
        Type=oneshot
        ExecStart=/bin/v",
    );
    bench.start("t.timer");
    assert_eq!(bench.state("t.timer"), "active (waiting)");
    bench.pass(SECOND);
    assert_eq!(bench.state("t.timer"), "active (running)");
    bench.main_ends("v.service", OK);
    assert_eq!(bench.state("t.timer"), "active (elapsed)");
    bench.pass(100 * SECOND);
    assert_eq!(bench.ran(), ["/bin/v"]);
}

#[test]
fn a_timer_repeats_after_its_unit() {
    let mut bench = Bench::new(
        "=== t.timer
        [Timer]
        OnActiveSec=1
        OnUnitActiveSec=10
        === t.service
        [Service]
        Type=oneshot
        ExecStart=/bin/t",
    );
    bench.start("t.timer");
    for _ in 0..3 {
        bench.pass(11 * SECOND);
        bench.main_ends("t.service", OK);
    }
    assert_eq!(bench.ran(), ["/bin/t", "/bin/t", "/bin/t"]);
    assert_eq!(bench.state("t.timer"), "active (waiting)");
}

#[test]
fn a_calendar_timer_follows_the_wall_clock() {
    let mut bench = Bench::new(
        "=== t.timer
        [Timer]
        OnCalendar=*:0/10
        === t.service
        [Service]
        Type=oneshot
        ExecStart=/bin/t",
    );
    bench.start("t.timer");
    bench.pass(601 * SECOND);
    assert_eq!(bench.ran(), ["/bin/t"]);
    bench.main_ends("t.service", OK);
    bench.pass(601 * SECOND);
    assert_eq!(bench.ran(), ["/bin/t"]);
}

#[test]
fn a_path_unit_starts_its_service_when_the_path_exists_and_waits_again() {
    let mut bench = Bench::new(
        "=== p.path
        [Path]
        PathExists=/flag
        === p.service
        [Service]
        Type=oneshot
        ExecStart=/bin/p",
    );
    bench.start("p.path");
    assert_eq!(bench.state("p.path"), "active (waiting)");
    bench.facts.paths.borrow_mut().insert("/flag".to_owned());
    bench.event(Event::PathChanged {
        unit: "p.path".to_owned(),
        index: 0,
    });
    assert_eq!(bench.state("p.path"), "active (running)");
    bench.facts.paths.borrow_mut().clear();
    bench.main_ends("p.service", OK);
    assert_eq!(bench.state("p.path"), "active (waiting)");
    assert_eq!(bench.ran(), ["/bin/p"]);
}

#[test]
fn a_path_that_stays_starts_the_service_again_until_the_limit() {
    let mut bench = Bench::new(
        "=== p.path
        [Path]
        PathExists=/flag
        === p.service
        [Service]
        Type=oneshot
        ExecStart=/bin/p",
    );
    bench.facts.paths.borrow_mut().insert("/flag".to_owned());
    bench.start("p.path");
    for _ in 0..10 {
        if bench.main_pid("p.service") != 0 {
            bench.main_ends("p.service", OK);
        }
    }
    assert_eq!(bench.state("p.path"), "failed (failed)");
    assert_eq!(bench.result("p.path"), "unit-start-limit-hit");
}

#[test]
fn a_changed_path_starts_the_service_by_the_report_alone() {
    let mut bench = Bench::new(
        "=== p.path
        [Path]
        PathChanged=/file
        === p.service
        [Service]
        Type=oneshot
        ExecStart=/bin/p",
    );
    bench.start("p.path");
    bench.event(Event::PathChanged {
        unit: "p.path".to_owned(),
        index: 0,
    });
    assert_eq!(bench.ran(), ["/bin/p"]);
}

#[test]
fn a_transient_scope_takes_processes_in_and_ends_with_the_last() {
    let mut bench = Bench::new("=== d.scope\n[Scope]\n");
    let pid = bench.straggler("/system.slice/d.scope");
    bench
        .ask(Request::StartTransient {
            unit: "d.scope".to_owned(),
            mode: JobMode::Replace,
            pids: vec![pid],
            controller: None,
        })
        .unwrap();
    assert_eq!(bench.state("d.scope"), "active (running)");
    assert_eq!(bench.state("system.slice"), "active (active)");
    bench
        .ask(Request::StartTransient {
            unit: "d.scope".to_owned(),
            mode: JobMode::Replace,
            pids: vec![pid],
            controller: None,
        })
        .unwrap_err();
    bench.ends(pid, OK);
    assert_eq!(bench.state("d.scope"), "inactive (dead)");
    bench.collect();
    assert_eq!(bench.state("d.scope"), "forgotten");
}

#[test]
fn stopping_a_scope_signals_its_cgroup_in_two_stages() {
    let mut bench = Bench::new("=== d.scope\n[Scope]\nTimeoutStopSec=1\n");
    let pid = bench.straggler("/system.slice/d.scope");
    let unit = "d.scope".to_owned();
    bench
        .ask(Request::StartTransient {
            unit,
            mode: JobMode::Replace,
            pids: vec![pid],
            controller: None,
        })
        .unwrap();
    bench.stop("d.scope");
    assert!(bench.has_happened("TERM /system.slice/d.scope"));
    bench.pass(2 * SECOND);
    assert!(bench.has_happened("KILL /system.slice/d.scope"));
}

fn table(places: &[&str]) -> Event {
    let mounts = places.iter().map(|place| MountPoint {
        place: (*place).to_owned(),
        what: "tmpfs".to_owned(),
        fstype: "tmpfs".to_owned(),
        options: "rw".to_owned(),
    });
    Event::Mounts {
        mounts: mounts.collect(),
    }
}

#[test]
fn a_mount_runs_mount_and_is_mounted_when_the_kernel_says_so() {
    let mut bench = Bench::new(
        "=== mnt-x.mount\n[Unit]\nDefaultDependencies=no\n[Mount]\nWhat=tmpfs\nWhere=/mnt/x\nType=tmpfs\nOptions=size=1M\n",
    );
    bench.event(table(&["/"]));
    bench.start("mnt-x.mount");
    assert_eq!(bench.ran(), ["/bin/mount tmpfs /mnt/x -t tmpfs -o size=1M"]);
    bench.control_ends("mnt-x.mount", OK);
    assert_eq!(bench.state("mnt-x.mount"), "activating (mounting-done)");
    bench.event(table(&["/", "/mnt/x"]));
    assert_eq!(bench.state("mnt-x.mount"), "active (mounted)");
    bench.stop("mnt-x.mount");
    bench.control_ends("mnt-x.mount", OK);
    assert_eq!(bench.state("mnt-x.mount"), "inactive (dead)");
}

#[test]
fn a_mount_that_fails_is_failed_with_the_exit_code() {
    let mut bench = Bench::new(
        "=== mnt-x.mount\n[Unit]\nDefaultDependencies=no\n[Mount]\nWhat=none\nWhere=/mnt/x\n",
    );
    bench.event(table(&["/"]));
    bench.start("mnt-x.mount");
    bench.control_ends("mnt-x.mount", Exit32);
    assert_eq!(bench.state("mnt-x.mount"), "failed (failed)");
    assert_eq!(bench.result("mnt-x.mount"), "exit-code");
}

#[expect(non_upper_case_globals, reason = "reads as the exit it is")]
const Exit32: crate::Exit = crate::Exit::Exited(32);

#[test]
fn a_job_waits_for_a_device_until_it_appears_or_the_time_is_up() {
    let text = "=== a.service\n[Unit]\nRequires=dev-vda1.device\nAfter=dev-vda1.device\n[Service]\nExecStart=/bin/a\n";
    let mut bench = Bench::new(text);
    bench.start("a.service");
    assert_eq!(bench.state("a.service"), "inactive (dead)");
    bench.event(Event::Devices {
        units: vec!["dev-vda1.device".to_owned()],
    });
    assert_eq!(bench.state("a.service"), "active (running)");

    let mut bench = Bench::new(text);
    bench.start("a.service");
    bench.pass(91 * SECOND);
    assert!(bench.has_happened("dev-vda1.device timeout"));
    assert!(bench.has_happened("a.service dependency"));
}

#[test]
fn a_socket_that_is_being_stopped_starts_nothing_for_those_who_wait_in_its_queue() {
    let mut bench = Bench::new(SOCKET);
    bench.start("k.socket");
    ready(&mut bench, "k.socket");
    bench.stop("k.service");
    bench.stop("k.socket");
    ready(&mut bench, "k.socket");
    bench.main_ends("k.service", TERM);
    ready(&mut bench, "k.socket");
    assert_eq!(bench.state("k.service"), "inactive (dead)");
    assert_eq!(bench.state("k.socket"), "inactive (dead)");
}

#[test]
fn a_socket_and_its_service_can_be_stopped_in_either_order() {
    for (first, second) in [("k.service", "k.socket"), ("k.socket", "k.service")] {
        let mut bench = Bench::new(SOCKET);
        bench.start("k.socket");
        ready(&mut bench, "k.socket");
        bench.stop(first);
        bench.stop(second);
        bench.main_ends("k.service", TERM);
        assert_eq!(bench.state("k.socket"), "inactive (dead)", "{first}");
        assert_eq!(bench.state("k.service"), "inactive (dead)", "{first}");
        assert!(bench.has_happened("k.socket closed"), "{first}");
    }
}

#[test]
fn a_start_that_fails_by_a_dependency_starts_what_is_named_for_failures() {
    let text = "=== a.target\n[Unit]\nRequires=dev-vda1.device\nAfter=dev-vda1.device\nOnFailure=e.service\n\
                OnFailureJobMode=replace-irreversibly\n=== e.service\n[Service]\nExecStart=/bin/e\n";
    let mut bench = Bench::new(text);
    bench.start("a.target");
    bench.pass(91 * SECOND);
    assert!(bench.has_happened("a.target dependency"));
    assert_eq!(bench.state("e.service"), "active (running)");
}
