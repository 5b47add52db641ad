//! flanneld in network namespaces beside Debian's etcd and ours: the cases of `cases.txt`, a thousand
//! changes that leave nothing behind, memory.
//!
//! `CASE=F22` runs only the cases whose id contains the text. The original flanneld is in no package
//! of Debian 12 or 13 and cannot be run here; what it does stands in the cases as formats and figures.

mod cases;
mod churn;

use std::sync::Mutex;

use system_tests::etcd::Program;
use system_tests::flannel::Lab;
use system_tests::netns;

/// So many cases run at one time, each with an etcd and machines of its own: most of them wait.
const LANES: usize = 3;

/// Whether the tests of this folder can run; if not, why.
fn is_possible(program: Program) -> bool {
    let missing = netns::missing().or_else(|| {
        let there = program.server().is_some();
        (!there).then(|| {
            "this etcd is not there (cargo build -p etcd2, apt-get install etcd-server)".to_owned()
        })
    });
    if let Some(reason) = &missing {
        eprintln!("skipped: {reason}");
    }
    missing.is_none()
}

fn run_all(program: Program) {
    if !is_possible(program) {
        return;
    }
    let only = std::env::var("CASE").unwrap_or_default();
    let waiting = Mutex::new(
        cases::all()
            .into_iter()
            .filter(|case| case.id.contains(&only))
            .rev()
            .collect::<Vec<_>>(),
    );
    let count = waiting.lock().unwrap().len();
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES.min(count) {
            scope.spawn(|| {
                let mut lab = Lab::new(program);
                loop {
                    let Some(case) = waiting.lock().unwrap().pop() else {
                        break;
                    };
                    failed.lock().unwrap().extend(case.run(&mut lab).err());
                    lab.clear();
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {count} cases failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    eprintln!("{count} cases passed");
}

#[test]
fn there_are_sixty_three_cases() {
    assert_eq!(cases::all().len(), 63);
}

#[test]
fn flannel_cases_pass_with_our_etcd() {
    if Program::under_test() == Program::Ours {
        run_all(Program::Ours);
    }
}

#[test]
fn flannel_cases_pass_with_debians_etcd() {
    run_all(Program::Reference);
}
