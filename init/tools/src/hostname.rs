//! hostnamectl: the machine's names and what it is.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli;
use crate::machine::virtualization;
use crate::systemctl::Failure;

/// Query or change system hostname.
#[derive(Debug, Parser)]
#[command(
    name = "hostnamectl",
    after_help = "Examples:\n  hostnamectl\n  hostnamectl set-hostname node1"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, as users type them"
)]
pub(crate) struct Options {
    /// Only the transient name
    #[arg(long)]
    transient: bool,
    /// Only the static name
    #[arg(long = "static")]
    fixed: bool,
    /// Only the pretty name
    #[arg(long)]
    pretty: bool,
    /// Do not ask for passwords
    #[arg(long)]
    no_ask_password: bool,
    /// status (default), hostname `[NAME]`, set-hostname NAME
    verb: Option<String>,
    /// The name
    name: Option<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let verb = options.verb.as_deref().unwrap_or("status");
    match (verb, &options.name) {
        ("set-hostname" | "hostname", Some(name)) => set(options, name),
        ("hostname", None) => print(&current()),
        ("status", _) if options.fixed || options.pretty => print(&line("/etc/hostname")),
        ("status", _) if options.transient => print(&current()),
        ("status", _) => print(status(&Facts::read()).trim_end()),
        _ => Err(Failure::new(format!("Unknown command verb {verb}."))),
    }
}

fn print(text: &str) -> Result<u8, Failure> {
    writeln!(std::io::stdout(), "{text}")?;
    Ok(0)
}

fn line(path: &str) -> String {
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn current() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn set(options: &Options, name: &str) -> Result<u8, Failure> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.len() > 64 || !name.split('.').all(part) {
        return Err(Failure::new(format!(
            "Could not set static hostname: Invalid static hostname '{name}'"
        )));
    }
    if !options.transient {
        fs::write("/etc/hostname", format!("{name}\n"))
            .map_err(|e| Failure::new(format!("Could not set static hostname: {e}")))?;
    }
    rustix::system::sethostname(name.as_bytes())
        .map_err(|e| Failure::new(format!("Could not set transient hostname: {e}")))?;
    Ok(0)
}

#[derive(Debug, Default)]
struct Facts {
    fixed: String,
    transient: String,
    machine_id: String,
    boot_id: String,
    virtualization: String,
    container: bool,
    system: String,
    kernel: String,
    architecture: String,
}

impl Facts {
    fn read() -> Self {
        let name = rustix::system::uname();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let system = release
            .lines()
            .find_map(|l| l.strip_prefix("PRETTY_NAME="))
            .unwrap_or("Linux");
        let (virtualization, container) = virtualization();
        let machine = name.machine().to_string_lossy();
        Self {
            fixed: line("/etc/hostname"),
            transient: current(),
            machine_id: line("/etc/machine-id"),
            boot_id: line("/proc/sys/kernel/random/boot_id").replace('-', ""),
            virtualization,
            container,
            system: system.trim_matches('"').to_owned(),
            kernel: format!(
                "{} {}",
                name.sysname().to_string_lossy(),
                name.release().to_string_lossy()
            ),
            architecture: match machine.as_ref() {
                "x86_64" => "x86-64".into(),
                "aarch64" => "arm64".into(),
                other => other.to_owned(),
            },
        }
    }
}

fn status(facts: &Facts) -> String {
    let (icon, chassis) = match (facts.container, facts.virtualization.is_empty()) {
        (true, _) => ("computer-container", "container"),
        (false, false) => ("computer-vm", "vm"),
        (false, true) => ("computer", "server"),
    };
    let fixed = if facts.fixed.is_empty() {
        "n/a"
    } else {
        &facts.fixed
    };
    let transient = if facts.transient == facts.fixed {
        ""
    } else {
        &facts.transient
    };
    let mut out = String::new();
    for (label, value) in [
        ("Static hostname", fixed),
        ("Transient hostname", transient),
        ("Icon name", icon),
        ("Chassis", chassis),
        ("Machine ID", &facts.machine_id),
        ("Boot ID", &facts.boot_id),
        ("Virtualization", &facts.virtualization),
        ("Operating System", &facts.system),
        ("Kernel", &facts.kernel),
        ("Architecture", &facts.architecture),
    ] {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{label:>18}: {value}");
        }
    }
    if transient.is_empty() {
        // Without the longest label the column is narrower.
        out = out
            .lines()
            .map(|l| l.get(1..).unwrap_or(l).to_owned() + "\n")
            .collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_aligned_at_their_colons() {
        let facts = Facts {
            fixed: "coreos".into(),
            transient: "coreos".into(),
            machine_id: "ab".into(),
            ..Facts::default()
        };
        let text = status(&facts);
        assert!(text.starts_with("  Static hostname: coreos\n"), "{text}");
        assert!(text.contains("       Machine ID: ab\n"), "{text}");
    }
}
