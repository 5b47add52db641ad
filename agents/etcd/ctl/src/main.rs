//! etcdctl: the command line of the v2 key space, with the words of the original.
//!
//! Parses, asks through etcd-client and prints; what it prints is an interface that scripts rely on.
#![forbid(unsafe_code)]

mod arguments;
mod cluster;
mod commands;
mod execute;
mod manual;
mod print;
mod table;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::arguments::{Invocation, Parsed};

/// How a command ends: exit codes of the original.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Bad arguments, and member commands: the text, exit 1.
    Bad(String),
    /// `Error:  ` and the text, with this exit code.
    Error(u8, String),
    /// Said already.
    Said(u8),
}

pub(crate) type Outcome = Result<(), Failure>;

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // Whoever read our output has gone: nobody is left to tell.
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::Said(0)
        } else {
            Failure::Bad(error.to_string())
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let done = match arguments::parse(&words, environment) {
        Ok(Parsed::Text(text)) => io::stdout()
            .write_all(text.as_bytes())
            .map_err(Failure::from),
        Ok(Parsed::Run(invocation)) => run(&invocation),
        Err(failure) => Err(failure),
    };
    let mut stderr = io::stderr().lock();
    let code = match done {
        Ok(()) => 0,
        Err(Failure::Said(code)) => code,
        Err(Failure::Bad(text)) => {
            let _ = writeln!(stderr, "{text}");
            1
        }
        Err(Failure::Error(code, text)) => {
            let _ = writeln!(stderr, "Error:  {text}");
            code
        }
    };
    ExitCode::from(code)
}

fn run(invocation: &Invocation) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(execute::execute(invocation))
}
