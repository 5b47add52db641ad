//! `qemu-cluster`: machines of the image for people. `run` boots one node, shows how far it is, and opens a shell on it;
//! when the shell ends, everything is gone. `up` boots a cluster that stays until `down`.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program for people: progress and errors go to standard error, answers to standard output"
)]

mod arguments;
mod client;
mod manual;
mod run;
mod show;
mod supervisor;
mod up;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, What};

fn main() -> ExitCode {
    let result = match Arguments::parse().what {
        What::Run(arguments) => run::run(&arguments),
        What::Up(arguments) => up::up(&arguments),
        What::Supervise(arguments) => supervisor::supervise(&arguments),
        What::Completion { shell } => manual::completion(shell),
        What::Manual => manual::manual(),
        other => client::call(other),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("qemu-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}
