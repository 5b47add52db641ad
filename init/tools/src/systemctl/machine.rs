//! The machine as a whole: poweroff, reboot and their kin, also by their own names.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use init_client::{Manager, Value};

use super::{Context, Failure, complain, jobs};

/// Verb, target, and the manager's method for `--force`.
const VERBS: [(&str, &str, &str); 11] = [
    ("poweroff", "poweroff.target", "PowerOff"),
    ("reboot", "reboot.target", "Reboot"),
    ("halt", "halt.target", "Halt"),
    ("kexec", "kexec.target", "KExec"),
    ("exit", "exit.target", "Exit"),
    ("rescue", "rescue.target", ""),
    ("emergency", "emergency.target", ""),
    ("default", "default.target", ""),
    ("suspend", "suspend.target", ""),
    ("hibernate", "hibernate.target", ""),
    ("soft-reboot", "soft-reboot.target", ""),
];

pub(super) fn run(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    let Some((_, target, method)) = VERBS.iter().find(|(name, ..)| *name == verb) else {
        return Err(Failure::new(format!("Unknown command verb {verb}.")));
    };
    if cx.options.dry_run {
        complain(&format!("Would {verb} the system."));
        return Ok(0);
    }
    if cx.options.force > 0 && !method.is_empty() {
        return forced(cx, verb, method);
    }
    let isolated = matches!(verb, "rescue" | "emergency" | "default");
    let mode = if isolated {
        "isolate"
    } else {
        "replace-irreversibly"
    };
    if !isolated {
        wall(cx, verb);
        cx.options.no_block = true;
    }
    jobs::queue_and_wait(cx, "StartUnit", "start", &[(*target).to_owned()], mode)
}

/// Once: without stopping units one by one. Twice: this instant, whatever is lost.
fn forced(cx: &mut Context, verb: &str, method: &str) -> Result<u8, Failure> {
    if cx.options.force > 1 {
        return immediately(verb);
    }
    let body = if method == "Exit" {
        Vec::new()
    } else {
        Vec::<Value>::new()
    };
    match cx.manager()?.call(method, body) {
        Ok(_) => Ok(0),
        Err(error) if error.is_disconnect() => Ok(0),
        Err(error) => Err(Failure::new(format!(
            "Failed to {verb} system: {}",
            init_api::chain(&error)
        ))),
    }
}

fn immediately(verb: &str) -> Result<u8, Failure> {
    use rustix::system::{RebootCommand, reboot};
    let command = match verb {
        "poweroff" => RebootCommand::PowerOff,
        "halt" => RebootCommand::Halt,
        "reboot" => RebootCommand::Restart,
        _ => return Err(Failure::new(format!("{verb} cannot be done at once"))),
    };
    reboot(command).map_err(|error| Failure::new(format!("Failed to {verb} system: {error}")))?;
    Ok(0)
}

/// Tells everybody who is logged in, unless asked not to.
fn wall(cx: &Context, verb: &str) {
    if cx.options.no_wall {
        return;
    }
    let text = match verb {
        "poweroff" => "The system will power off now!",
        "reboot" => "The system will reboot now!",
        "halt" => "The system will halt now!",
        "kexec" => "The system will boot a new kernel now!",
        _ => return,
    };
    broadcast(text);
}

fn broadcast(text: &str) {
    use std::io::Write as _;
    let line = format!("\r\nBroadcast message\r\n\r\n{text}\r\n\r\n");
    let Ok(terminals) = std::fs::read_dir("/dev/pts") else {
        return;
    };
    for terminal in terminals.flatten() {
        let is_number = terminal
            .file_name()
            .to_string_lossy()
            .parse::<u32>()
            .is_ok();
        if !is_number {
            continue;
        }
        let open = std::fs::OpenOptions::new()
            .write(true)
            .open(terminal.path());
        if let Ok(mut open) = open {
            let _ = open.write_all(line.as_bytes());
        }
    }
}

/// `poweroff`, `reboot`, `halt`: the verb by the program's name, with the options those had.
pub(crate) fn legacy(name: &str, args: &[OsString]) -> ExitCode {
    let mut verb = name.to_owned();
    let mut rest: Vec<OsString> = Vec::new();
    for arg in args {
        match arg.to_string_lossy().as_ref() {
            "-p" | "--poweroff" => verb = "poweroff".into(),
            "--halt" => verb = "halt".into(),
            "--reboot" => verb = "reboot".into(),
            "-f" | "--force" => rest.push("--force".into()),
            "-d" | "--no-wtmp" | "-n" | "--no-sync" | "-i" | "-h" => {}
            "-w" | "--wtmp-only" => return ExitCode::SUCCESS,
            _ => rest.push(arg.clone()),
        }
    }
    rest.insert(0, verb.into());
    super::main(&rest)
}

/// `shutdown [-h|-P|-H|-r|-k|-c] [TIME] [MESSAGE…]`. A later time is a transient timer unit.
pub(crate) fn shutdown(args: &[OsString]) -> ExitCode {
    let (mut verb, mut only_tell, mut cancel) = ("poweroff", false, false);
    let mut words = Vec::new();
    for arg in args {
        match arg.to_string_lossy().as_ref() {
            "-h" | "-P" | "--poweroff" => verb = "poweroff",
            "-H" | "--halt" => verb = "halt",
            "-r" | "--reboot" => verb = "reboot",
            "-k" => only_tell = true,
            "-c" => cancel = true,
            "--no-wall" => {}
            "--help" => {
                complain("shutdown [-h|-P|-H|-r|-k|-c] [now|+MINUTES|HH:MM] [MESSAGE...]");
                return ExitCode::SUCCESS;
            }
            word => words.push(word.to_owned()),
        }
    }
    let result = if cancel {
        cancel_scheduled()
    } else {
        let when = words.first().cloned().unwrap_or_else(|| "+1".into());
        let message = words.get(1..).unwrap_or_default().join(" ");
        schedule(verb, &when, &message, only_tell)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.text);
            ExitCode::FAILURE
        }
    }
}

const SCHEDULED: &str = "garboard-shutdown";

fn schedule(verb: &str, when: &str, message: &str, only_tell: bool) -> Result<(), Failure> {
    let minutes = minutes_until(when)
        .ok_or_else(|| Failure::new(format!("Failed to parse time specification: {when}")))?;
    let text = format!("The system will {verb} in {minutes} min. {message}");
    if only_tell {
        broadcast(&text);
        return Ok(());
    }
    if minutes == 0 {
        let status = Command::new("/proc/self/exe")
            .args(["systemctl", verb])
            .status()?;
        return if status.success() {
            Ok(())
        } else {
            Err(Failure::new(""))
        };
    }
    broadcast(&text);
    // Only one at a time: a new one replaces what was scheduled before.
    let _ = cancel_scheduled();
    let status = Command::new("/proc/self/exe")
        .args([
            "systemd-run",
            "-q",
            &format!("--unit={SCHEDULED}"),
            &format!("--on-active={minutes}min"),
            "--timer-property=AccuracySec=1s",
        ])
        .args(["/usr/bin/systemctl", verb])
        .status()?;
    if status.success() {
        complain(&format!(
            "Shutdown scheduled in {minutes} min, use 'shutdown -c' to cancel."
        ));
        Ok(())
    } else {
        Err(Failure::new("the shutdown could not be scheduled"))
    }
}

fn cancel_scheduled() -> Result<(), Failure> {
    let mut manager = Manager::connect()?;
    manager.stop_unit(&format!("{SCHEDULED}.timer"), "replace")?;
    Ok(())
}

/// `now`, `+5`, `5`, or a time of day.
fn minutes_until(when: &str) -> Option<u64> {
    if when == "now" {
        return Some(0);
    }
    if let Some((hours, minutes)) = when.split_once(':') {
        let (hours, minutes): (u64, u64) = (hours.parse().ok()?, minutes.parse().ok()?);
        let zone = jiff::tz::TimeZone::system();
        let now = journal::render::time(crate::clock::now(), &zone, "%H:%M");
        let (hour, minute) = now.split_once(':')?;
        let today = hour.parse::<u64>().ok()? * 60 + minute.parse::<u64>().ok()?;
        let then = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
        return Some((then + 1440 - today) % 1440);
    }
    when.trim_start_matches('+').parse().ok()
}
