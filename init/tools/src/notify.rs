//! systemd-notify: a shell script's way to tell the manager about itself.

use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;
use init_client::notify;

use crate::cli;
use crate::systemctl::Failure;

/// Notify the service manager about start-up completion and other changes.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-notify",
    after_help = "Examples:\n  systemd-notify --ready --status=\"serving 3 users\"\n  systemd-notify WATCHDOG=1"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, as users type them"
)]
pub(crate) struct Options {
    /// The service has started
    #[arg(long)]
    ready: bool,
    /// The service reloads its configuration
    #[arg(long)]
    reloading: bool,
    /// The service is about to end
    #[arg(long)]
    stopping: bool,
    /// A line for `systemctl status`
    #[arg(long)]
    status: Option<String>,
    /// The main process; the caller if no number is given
    #[arg(long, num_args = 0..=1, default_missing_value = "auto", require_equals = true)]
    pid: Option<String>,
    /// Whether this machine was booted with us as PID 1
    #[arg(long)]
    booted: bool,
    /// Do not wait until the message was read
    #[arg(long)]
    no_block: bool,
    /// Accepted
    #[arg(long)]
    uid: Option<String>,
    /// Run what follows afterwards
    #[arg(long)]
    exec: bool,
    /// Assignments such as WATCHDOG=1; with --exec a command after ;
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    if options.booted {
        return Ok(u8::from(
            !std::path::Path::new("/run/systemd/system").is_dir(),
        ));
    }
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    let mut lines = Vec::new();
    if options.reloading {
        lines.push("RELOADING=1".to_owned());
        lines.push(format!("MONOTONIC_USEC={}", init_sys::clock::monotonic()));
    }
    if options.ready {
        lines.push("READY=1".to_owned());
    }
    if options.stopping {
        lines.push("STOPPING=1".to_owned());
    }
    lines.extend(options.status.as_ref().map(|text| format!("STATUS={text}")));
    match options.pid.as_deref() {
        Some("auto" | "parent" | "") => lines.push(format!("MAINPID={parent}")),
        Some("self") => lines.push(format!("MAINPID={}", std::process::id())),
        Some(number) => lines.push(format!("MAINPID={number}")),
        None => {}
    }
    let (assignments, command) = match options.words.iter().position(|word| word == ";") {
        Some(at) if options.exec => (options.words.get(..at), options.words.get(at + 1..)),
        _ => (Some(&options.words[..]), None),
    };
    lines.extend(assignments.unwrap_or_default().iter().cloned());
    if lines.is_empty() {
        return Err(Failure::new("No status data to send, see --help."));
    }
    let sent = notify::notify_as(parent, &lines.join("\n"))
        .map_err(|e| Failure::new(format!("Failed to notify init system: {e}")))?;
    if !sent {
        return Err(Failure::new(
            "No status data could be sent: $NOTIFY_SOCKET was not set",
        ));
    }
    if !options.no_block {
        // The manager looks up who we are while it reads: do not be gone by then.
        let _ = notify::barrier(Duration::from_secs(5));
    }
    match command.and_then(<[String]>::split_first) {
        Some((program, args)) => {
            use std::os::unix::process::CommandExt as _;
            Err(Failure::new(format!(
                "cannot run {program}: {}",
                Command::new(program).args(args).exec()
            )))
        }
        None => Ok(0),
    }
}
