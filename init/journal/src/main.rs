//! systemd-journald: takes what services, syslog clients and the kernel say, and writes it to the journal.

mod daemon;

use std::process::ExitCode;

use daemon::{Daemon, to_kernel};

fn main() -> ExitCode {
    let started = Daemon::start().and_then(|mut daemon| {
        daemon.greet();
        init_client::notify::ready("Processing requests...")?;
        daemon.run()
    });
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            to_kernel(&format!("the journal ends: {e}"));
            ExitCode::FAILURE
        }
    }
}
