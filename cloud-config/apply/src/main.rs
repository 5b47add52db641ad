//! coreos-cloudinit: finds user-data and metadata, and carries the plan out.
//!
//! What the document means is decided in `cloud-config-document`; this program fetches, writes,
//! and asks PID 1. Keys and host name come before anything that can fail.

use std::io::Write as _;
use std::process::ExitCode;

use crate::arguments::Arguments;

mod apply;
mod arguments;
mod commands;
mod files;
mod instance;
mod keys;
mod log;
mod report;
mod run;
mod source;
mod state;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(wrong) => {
            let _ = writeln!(std::io::stderr(), "{wrong}\n\n{}", arguments::HELP);
            return ExitCode::from(2);
        }
    };
    if arguments.help || arguments.version {
        let version = format!("coreos-cloudinit {}\n", env!("CARGO_PKG_VERSION"));
        let text = if arguments.help {
            arguments::HELP
        } else {
            &version
        };
        let _ = std::io::stdout().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    let code = if arguments.run_commands {
        u8::from(!commands::run(&arguments.root()))
    } else if arguments.validate {
        run::validate(&arguments)
    } else if arguments.early {
        run::early(&arguments)
    } else {
        run::run(&arguments)
    };
    ExitCode::from(code)
}
