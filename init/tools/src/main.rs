//! One multi-call program: systemctl, journalctl, hostnamectl and the small tools.
//!
//! Which one it is comes from the name it is called by, or from the first argument
//! (`tools systemctl status`). Every tool is one module with a `main`; nothing here decides more
//! than that.

mod analyze;
mod cat;
mod cli;
mod clock;
mod delta;
mod escape;
mod generate;
mod hostname;
mod journalctl;
mod log;
mod login;
mod machine;
mod notify;
mod pager;
mod props;
mod run;
mod style;
mod sysctl;
mod systemctl;
mod table;
mod timedate;
mod tmpfiles;

use std::ffi::OsString;
use std::process::ExitCode;

/// What `--version` prints; the second word is read by programs.
pub(crate) const VERSION: &str = concat!("systemd 252 (garboard ", env!("CARGO_PKG_VERSION"), ")");

/// A tool: its arguments with its name first.
type Main = fn(Vec<OsString>) -> ExitCode;

/// The tools by name.
const TOOLS: &[(&str, Main)] = &[
    ("systemctl", |args| systemctl::main(rest(&args))),
    ("journalctl", journalctl::main),
    ("poweroff", |args| {
        systemctl::legacy("poweroff", rest(&args))
    }),
    ("reboot", |args| systemctl::legacy("reboot", rest(&args))),
    ("halt", |args| systemctl::legacy("halt", rest(&args))),
    ("shutdown", |args| systemctl::shutdown(rest(&args))),
    ("hostnamectl", hostname::main),
    ("timedatectl", timedate::main),
    ("loginctl", login::main),
    ("systemd-notify", notify::main),
    ("systemd-cat", cat::main),
    ("systemd-run", run::main),
    ("systemd-escape", escape::main),
    ("systemd-detect-virt", machine::detect_virt),
    ("systemd-cgls", machine::cgls),
    ("systemd-tmpfiles", tmpfiles::main),
    ("systemd-sysctl", sysctl::main),
    ("systemd-machine-id-setup", machine::machine_id_setup),
    ("systemd-id128", machine::id128),
    ("systemd-delta", delta::main),
    ("systemd-analyze", analyze::main),
];

fn rest(args: &[OsString]) -> &[OsString] {
    args.get(1..).unwrap_or_default()
}

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    if let Some(tool) = args.first().and_then(tool) {
        return tool(args);
    }
    if !args.is_empty() {
        args.remove(0);
    }
    match args.first().and_then(tool) {
        Some(tool) => tool(args),
        None if args.first().is_some_and(|word| word == "generate") => generate::main(rest(&args)),
        None => {
            let names: Vec<&str> = TOOLS.iter().map(|(name, _)| *name).collect();
            systemctl::complain(&format!(
                "call this program by the name of a tool, or with it first: {}",
                names.join(", ")
            ));
            ExitCode::from(2)
        }
    }
}

fn tool(name: &OsString) -> Option<Main> {
    let name = std::path::Path::new(name).file_name()?.to_str()?;
    TOOLS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, main)| *main)
}

/// Prints an error and its causes on one line of standard error.
pub(crate) fn complain(error: &dyn std::error::Error) {
    systemctl::complain(&init_api::chain(error));
}

/// A unit name from what a user typed: `.service` is added where no type is named.
pub(crate) fn unit_name(text: &str) -> String {
    systemctl::mangle(text, init_api::UnitType::Service)
}

/// Shell-like patterns over names.
pub(crate) fn glob_matches(pattern: &str, text: &str) -> bool {
    unit_file::glob_matches(pattern, text)
}
