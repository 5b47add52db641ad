//! `make bench`, flannel: figures printed and never asserted. Everything is in network namespaces of
//! this host, so that ratios count and not bits per second.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is the figures"
)]

mod by_hand;
mod control;
mod throughput;

use std::process::ExitCode;

use system_tests::etcd::Program;
use system_tests::flannel::Lab;
use system_tests::netns;

fn main() -> ExitCode {
    if let Some(reason) = netns::missing() {
        eprintln!("bench-flannel: skipped: {reason}");
        return ExitCode::SUCCESS;
    }
    control::print();
    throughput::print();
    ExitCode::SUCCESS
}

/// A lab with this configuration.
fn lab(backend: &str) -> Lab {
    let lab = Lab::new(Program::Ours);
    lab.configure(&format!(
        r#"{{"Network":"10.1.0.0/16","Backend":{backend}}}"#
    ));
    lab
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
