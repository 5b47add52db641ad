//! systemctl: verbs to functions, errors to exit codes.

mod bullet;
mod cat;
mod dependencies;
mod edit;
mod environment;
mod expand;
mod files;
mod jobs;
mod list;
mod machine;
mod names;
mod offline;
mod options;
mod query;
mod set_property;
mod show;
pub(crate) mod status;
pub(crate) mod tree;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use init_api::{LoadState, UnitType};
use init_client::{ClientError, Manager};

pub(crate) use jobs::tell_job_failure;
pub(crate) use machine::{legacy, shutdown};
pub(crate) use names::mangle;
pub(crate) use options::Options;
pub(crate) use set_property::parse as parse_property;

use crate::pager::Pager;
use crate::style::Style;

/// Why a verb could not be carried out: what to print and how to exit.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) text: String,
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: 1,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self {
            code: exit_code(&error),
            text: init_api::chain(&error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// The exit status that an answer of PID 1 stands for (LSB's numbers, as systemctl uses them).
pub(crate) fn exit_code(error: &ClientError) -> u8 {
    match error.refusal().unwrap_or_default() {
        "org.freedesktop.DBus.Error.AccessDenied"
        | "org.freedesktop.systemd1.OnlyByDependency"
        | "org.freedesktop.systemd1.NoIsolation"
        | "org.freedesktop.systemd1.TransactionIsDestructive" => 4,
        "org.freedesktop.systemd1.NoSuchUnit" => 5,
        "org.freedesktop.systemd1.JobTypeNotApplicable"
        | "org.freedesktop.DBus.Error.NotSupported" => 3,
        "org.freedesktop.systemd1.LoadFailed" => 6,
        _ => 1,
    }
}

/// What every verb works with.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) style: Style,
    pub(crate) out: Output,
    manager: Option<Manager>,
}

impl Context {
    /// The connection to PID 1, made at first use.
    pub(crate) fn manager(&mut self) -> Result<&mut Manager, Failure> {
        if self.manager.is_none() {
            if !std::path::Path::new("/run/systemd/system").is_dir() {
                return Err(Failure::new(
                    "System has not been booted with systemd as init system (PID 1). Can't operate.",
                ));
            }
            let manager = Manager::connect().map_err(|e| {
                Failure::new(format!("Failed to connect to bus: {}", init_api::chain(&e)))
            })?;
            self.manager = Some(manager);
        }
        self.manager
            .as_mut()
            .ok_or_else(|| Failure::new("no connection"))
    }

    /// Ends the connection, so that the next call makes a new one.
    pub(crate) fn disconnect(&mut self) {
        self.manager = None;
    }

    pub(crate) fn say(&self, text: &str) {
        if !self.options.quiet {
            complain(text);
        }
    }
}

/// Standard output or the pager in front of it.
pub(crate) struct Output(Pager);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.out().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.out().flush()
    }
}

/// One line to standard error. A closed standard error is nobody's business.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// The program.
pub(crate) fn main(args: &[OsString]) -> ExitCode {
    let options = match Options::read(args) {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    if options.version {
        return version();
    }
    if let Some(host) = &options.host {
        return remote(host, args);
    }
    if options.machine.is_some() || options.user {
        complain("Only the system manager of this machine can be reached.");
        return ExitCode::FAILURE;
    }
    let style = Style::named(std::env::var("SYSTEMCTL_STYLE").ok().as_deref());
    let verb = options.verb.clone().unwrap_or_else(|| "list-units".into());
    let paged =
        matches!(verb.as_str(), "status" | "show" | "cat" | "help") || verb.starts_with("list-");
    let out = Output(Pager::start(paged && !options.no_pager, false));
    let mut context = Context {
        options,
        style,
        out,
        manager: None,
    };
    let result = run(&mut context, &verb);
    let _ = context.out.flush();
    context.out.0.finish();
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.text.is_empty() {
                complain(&failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}

/// The types and load states of `--type=`; anything else would select nothing without a word.
fn check_types(cx: &mut Context) -> Result<bool, Failure> {
    for name in cx.options.types.clone() {
        if name == "help" {
            writeln!(cx.out, "Available unit types:")?;
            for kind in UnitType::ALL {
                writeln!(cx.out, "{kind}")?;
            }
            writeln!(cx.out, "\nAvailable unit load states:")?;
            for load in LoadState::ALL {
                writeln!(cx.out, "{load}")?;
            }
            return Ok(false);
        }
        let known = UnitType::from_suffix(&name).is_some() || name.parse::<LoadState>().is_ok();
        if !known {
            return Err(Failure::new(format!(
                "Unknown unit type or load state '{name}'.\nUse -t help to see a list of allowed values."
            )));
        }
    }
    Ok(true)
}

fn run(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    if !check_types(cx)? {
        return Ok(0);
    }
    match verb {
        "start"
        | "stop"
        | "restart"
        | "try-restart"
        | "condrestart"
        | "reload"
        | "reload-or-restart"
        | "force-reload"
        | "reload-or-try-restart"
        | "try-reload-or-restart"
        | "condreload"
        | "isolate" => jobs::run(cx, verb),
        "status" => status::run(cx),
        "show" => show::run(cx),
        "cat" => cat::run(cx),
        "edit" => edit::run(cx),
        "is-active" | "is-failed" | "is-enabled" | "is-system-running" => query::run(cx, verb),
        "list-units" => list::units(cx),
        "list-unit-files" => list::unit_files(cx),
        "list-sockets" => list::sockets(cx),
        "list-timers" => list::timers(cx),
        "list-paths" => list::paths(cx),
        "list-jobs" => list::jobs(cx),
        "list-dependencies" => dependencies::run(cx),
        "list-machines" => Ok(0),
        "enable" | "disable" | "reenable" | "preset" | "preset-all" | "mask" | "unmask"
        | "link" | "revert" | "add-wants" | "add-requires" | "set-default" | "get-default" => {
            files::run(cx, verb)
        }
        "kill" => query::kill(cx),
        "reset-failed" => query::reset_failed(cx),
        "cancel" => query::cancel(cx),
        "set-property" => set_property::run(cx),
        "daemon-reload" | "daemon-reexec" => query::reload(cx, verb),
        "show-environment" | "set-environment" | "unset-environment" | "import-environment" => {
            environment::run(cx, verb)
        }
        "log-level" | "log-target" | "service-watchdogs" => environment::manager_setting(cx, verb),
        "poweroff" | "reboot" | "halt" | "kexec" | "rescue" | "emergency" | "default" | "exit"
        | "suspend" | "hibernate" | "soft-reboot" => machine::run(cx, verb),
        "help" => status::manual(cx),
        _ => Err(Failure::new(format!("Unknown command verb {verb}."))),
    }
}

fn version() -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{}", crate::VERSION);
    ExitCode::SUCCESS
}

/// `-H HOST`: the same command there, over ssh.
fn remote(host: &str, args: &[OsString]) -> ExitCode {
    let mut rest = Vec::new();
    let mut skip = false;
    for arg in args {
        let text = arg.to_string_lossy();
        if std::mem::take(&mut skip) || text.starts_with("--host=") {
            continue;
        }
        if text == "-H" || text == "--host" {
            skip = true;
        } else if !text.starts_with("-H") {
            rest.push(arg.clone());
        }
    }
    let status = std::process::Command::new("ssh")
        .arg("-xT")
        .arg("--")
        .arg(host)
        .arg("systemctl")
        .args(rest)
        .status();
    match status {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            complain(&format!("cannot run ssh: {error}"));
            ExitCode::FAILURE
        }
    }
}
