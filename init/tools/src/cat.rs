//! systemd-cat: a command's output, or standard input, into the journal.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use clap::Parser;

use crate::cli;
use crate::systemctl::Failure;

/// Execute a command with its output connected to the journal.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-cat",
    after_help = "Examples:\n  systemd-cat -t backup rsync -a /a /b\n  echo hello | systemd-cat -p warning"
)]
pub(crate) struct Options {
    /// The identifier of the lines
    #[arg(short = 't', long)]
    identifier: Option<String>,
    /// Their priority, a name or 0 to 7
    #[arg(short = 'p', long, default_value = "info")]
    priority: String,
    /// The priority of standard error
    #[arg(long)]
    stderr_priority: Option<String>,
    /// Whether `<N>` in front of a line sets its priority
    #[arg(long, default_value = "yes")]
    level_prefix: String,
    /// The command; without one standard input is read
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let prefix = matches!(
        options.level_prefix.as_str(),
        "yes" | "true" | "1" | "on" | "y" | "t"
    );
    let name = match &options.identifier {
        Some(name) => name.clone(),
        None => options.command.first().map_or_else(
            || "cat".into(),
            |c| {
                let name = std::path::Path::new(c).file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            },
        ),
    };
    let out = connect(&name, priority(&options.priority)?, prefix)?;
    let Some((program, args)) = options.command.split_first() else {
        let mut out = out;
        std::io::copy(&mut std::io::stdin(), &mut out)?;
        return Ok(0);
    };
    let err = match &options.stderr_priority {
        Some(text) => connect(&name, priority(text)?, prefix)?,
        None => out.try_clone()?,
    };
    let (out, err): (OwnedFd, OwnedFd) = (out.into(), err.into());
    let error = Command::new(program)
        .args(args)
        .stdout(Stdio::from(out))
        .stderr(Stdio::from(err))
        .exec();
    Err(Failure::new(format!(
        "Failed to execute process {}: {error}",
        program.to_string_lossy()
    )))
}

/// The journal's stream protocol: seven lines, then the text.
fn connect(identifier: &str, priority: u8, prefix: bool) -> Result<UnixStream, Failure> {
    let path = "/run/systemd/journal/stdout";
    let mut stream = UnixStream::connect(path)
        .map_err(|e| Failure::new(format!("cannot connect to {path}: {e}")))?;
    write!(
        stream,
        "{identifier}\n\n{priority}\n{}\n0\n0\n0\n",
        u8::from(prefix)
    )?;
    Ok(stream)
}

fn priority(text: &str) -> Result<u8, Failure> {
    const NAMES: [&str; 8] = [
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
    ];
    let by_name = NAMES
        .iter()
        .position(|name| *name == text)
        .and_then(|at| u8::try_from(at).ok());
    by_name
        .or_else(|| text.parse().ok().filter(|n| *n < 8))
        .ok_or_else(|| {
            Failure::new(format!(
                "Failed to parse priority value {text:?}, expected one of {}",
                NAMES.join(", ")
            ))
        })
}
