//! etcd2 and etcdctl beside Debian's: the 90 cases, what a kill -9 may not lose, and clusters.
//!
//! `UNDER_TEST=reference` runs the cases against Debian's etcd and etcdctl only; `CASE=C45` runs
//! only the cases whose id contains the text. No case is left out.

mod cases;
mod cluster;
mod durability;
mod soak;
mod trace;

use system_tests::etcd::{Program, Server};
use tempfile::TempDir;

/// Runs the cases that `wanted` selects, and panics with all that failed.
fn run(server: Program, ctl: Program, wanted: impl Fn(&cases::Case) -> bool) {
    let folder = TempDir::new().unwrap();
    let mut etcd = Server::new(server, folder.path(), "one");
    if server == Program::Ours {
        // The original's: one case needs to come to its end.
        etcd = etcd.with(&["--history-events=1000"]);
    }
    etcd.start_and_wait();
    let ctl = ctl
        .ctl()
        .expect("etcdctl is there: cargo build -p etcdctl, or apt-get install etcd-client");
    let only = std::env::var("CASE").unwrap_or_default();
    let mut failed = Vec::new();
    let mut count = 0;
    for (number, case) in cases::all().iter().enumerate() {
        if case.id.contains(&only) && wanted(case) {
            count += 1;
            failed.extend(
                case.run(&etcd.url(), &ctl.display().to_string(), number)
                    .err(),
            );
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {count} cases failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    eprintln!("{count} cases passed");
}

fn reference_is_missing() -> bool {
    let there = Program::Reference.server().is_some() && Program::Reference.ctl().is_some();
    if !there {
        eprintln!("skipped: Debian's etcd is not installed (packages etcd-server and etcd-client)");
    }
    !there
}

#[test]
fn there_are_ninety_cases() {
    assert_eq!(cases::all().len(), 90);
}

#[test]
fn the_ninety_cases_pass() {
    let program = Program::under_test();
    run(program, program, |_| true);
}

#[test]
fn the_ninety_cases_pass_on_debians_etcd_too() {
    if Program::under_test() == Program::Ours && !reference_is_missing() {
        run(Program::Reference, Program::Reference, |_| true);
    }
}

#[test]
fn debians_etcdctl_works_with_our_server_and_ours_with_debians() {
    if Program::under_test() == Program::Ours && !reference_is_missing() {
        run(Program::Ours, Program::Reference, |case| {
            case.tags.contains(&"ctl")
        });
        run(Program::Reference, Program::Ours, |case| {
            case.tags.contains(&"ctl")
        });
    }
}
