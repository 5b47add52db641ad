//! start, stop, restart, reload and their kin: queue jobs, wait for them, tell how they ended.

use init_api::{JobResult, UnitType};
use init_client::{ClientError, Manager, Value, names};

use super::{Context, Failure, complain, exit_code, expand};
use crate::style::{self, Style};

/// Verbs as typed, the method they call, and the verb of their messages.
const VERBS: [(&str, &str, &str); 12] = [
    ("start", "StartUnit", "start"),
    ("stop", "StopUnit", "stop"),
    ("restart", "RestartUnit", "restart"),
    ("try-restart", "TryRestartUnit", "try-restart"),
    ("condrestart", "TryRestartUnit", "try-restart"),
    ("reload", "ReloadUnit", "reload"),
    (
        "reload-or-restart",
        "ReloadOrRestartUnit",
        "reload-or-restart",
    ),
    (
        "force-reload",
        "ReloadOrTryRestartUnit",
        "reload-or-try-restart",
    ),
    (
        "reload-or-try-restart",
        "ReloadOrTryRestartUnit",
        "reload-or-try-restart",
    ),
    (
        "try-reload-or-restart",
        "ReloadOrTryRestartUnit",
        "reload-or-try-restart",
    ),
    (
        "condreload",
        "ReloadOrTryRestartUnit",
        "reload-or-try-restart",
    ),
    ("isolate", "StartUnit", "start"),
];

/// One queued job.
#[derive(Debug)]
struct Waiting {
    job: String,
    unit: String,
}

pub(super) fn run(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    let Some((_, method, word)) = VERBS.iter().find(|(name, ..)| *name == verb) else {
        return Err(Failure::new(format!("Unknown command verb {verb}.")));
    };
    let isolate = verb == "isolate";
    let mode = if isolate {
        "isolate".to_owned()
    } else {
        cx.options.job_mode.clone()
    };
    let units = expand::units(
        cx,
        if isolate {
            UnitType::Target
        } else {
            UnitType::Service
        },
    )?;
    queue_and_wait(cx, method, word, &units, &mode)
}

/// Queues one job for each unit, waits for all of them unless told not to, prints what failed.
pub(super) fn queue_and_wait(
    cx: &mut Context,
    method: &str,
    word: &str,
    units: &[String],
    mode: &str,
) -> Result<u8, Failure> {
    let mut code = 0;
    let mut waiting = Vec::new();
    for unit in units {
        if cx.options.dry_run {
            complain(&format!("Would {word} {unit}."));
            continue;
        }
        match cx.manager()?.queue_job(method, unit, mode) {
            Ok(job) => waiting.push(Waiting {
                job,
                unit: unit.clone(),
            }),
            Err(error) => {
                tell_refusal(cx, word, unit, &error);
                code = if code == 0 { exit_code(&error) } else { code };
            }
        }
        warn_if_changed(cx, unit)?;
    }
    if cx.options.no_block {
        return Ok(code);
    }
    let started: Vec<String> = waiting.iter().map(|w| w.unit.clone()).collect();
    if wait(cx, waiting)? && code == 0 {
        code = 1;
    }
    if method == "StopUnit" {
        for unit in &started {
            warn_if_triggered(cx, unit)?;
        }
    }
    if cx.options.wait && matches!(method, "StartUnit" | "RestartUnit") && code == 0 {
        code = wait_until_stopped(cx, &started)?;
    }
    Ok(code)
}

fn tell_refusal(cx: &Context, word: &str, unit: &str, error: &ClientError) {
    complain(&format!(
        "Failed to {word} {unit}: {}",
        init_api::chain(error)
    ));
    let plain = matches!(
        error.refusal().unwrap_or_default(),
        "org.freedesktop.systemd1.NoSuchUnit"
            | "org.freedesktop.systemd1.UnitMasked"
            | "org.freedesktop.systemd1.JobTypeNotApplicable"
            | "org.freedesktop.DBus.Error.AccessDenied"
            | "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
    );
    if !plain && error.refusal().is_some() {
        complain(&cx.style.say(style::SEE_LOGS, &[unit]));
    }
}

/// Waits for all jobs; whether any of them ended badly.
fn wait(cx: &mut Context, mut waiting: Vec<Waiting>) -> Result<bool, Failure> {
    let mut bad = false;
    while !waiting.is_empty() {
        let Some(signal) = cx.manager()?.connection().next_signal(None)? else {
            break;
        };
        if signal.member.as_deref() != Some("JobRemoved") {
            continue;
        }
        let [_, job, _, result] = signal.body.as_slice() else {
            continue;
        };
        let Some(at) = waiting
            .iter()
            .position(|w| Some(w.job.as_str()) == job.as_str())
        else {
            continue;
        };
        let done = waiting.swap_remove(at);
        let result = result.as_str().unwrap_or_default();
        match result.parse::<JobResult>() {
            Ok(known) if known.is_success() => {}
            known => {
                bad = true;
                tell_result(cx, &done.unit, known.unwrap_or(JobResult::Failed))?;
            }
        }
    }
    Ok(bad)
}

fn tell_result(cx: &mut Context, unit: &str, result: JobResult) -> Result<(), Failure> {
    if cx.options.quiet {
        return Ok(());
    }
    let text = match result {
        JobResult::Canceled => format!("Job for {unit} canceled."),
        JobResult::Timeout => format!("Job for {unit} timed out."),
        JobResult::Dependency => {
            format!("A dependency job for {unit} failed. See 'journalctl -xe' for details.")
        }
        JobResult::Invalid => format!("{unit} is not active, cannot reload."),
        JobResult::Assert => format!("Assertion failed on job for {unit}."),
        JobResult::Unsupported => {
            format!("Operation on or unit type of {unit} not supported on this system.")
        }
        JobResult::Collected => format!("Queued job for {unit} was garbage collected."),
        JobResult::Once => {
            format!("Unit {unit} was started already once and can't be started again.")
        }
        _ => return tell_failure(cx, unit),
    };
    complain(&text);
    Ok(())
}

/// Why a service's job failed, in the words that its `Result` stands for.
fn tell_failure(cx: &mut Context, unit: &str) -> Result<(), Failure> {
    tell_job_failure(cx.manager()?, unit);
    Ok(())
}

/// The same for other tools.
pub(crate) fn tell_job_failure(manager: &mut Manager, unit: &str) {
    let style = Style::named(std::env::var("SYSTEMCTL_STYLE").ok().as_deref());
    let result = manager.unit_property(unit, "org.freedesktop.systemd1.Service", "Result");
    let result = result
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default();
    match cause(&result) {
        Some(cause) => complain(&style.say(style::JOB_FAILED, &[unit, cause, unit, unit])),
        None => complain(&style.say(style::JOB_FAILED_PLAIN, &[unit, unit, unit])),
    }
    if result == "start-limit-hit" {
        complain(&style.say(style::FORCE_START, &[unit, unit]));
    }
}

fn cause(result: &str) -> Option<&'static str> {
    Some(match result {
        "resources" => "of unavailable resources or another system error",
        "protocol" => "the service did not take the steps required by its unit configuration",
        "timeout" => "a timeout was exceeded",
        "exit-code" => "the control process exited with error code",
        "signal" => "a fatal signal was delivered to the control process",
        "core-dump" => "a fatal signal was delivered causing the control process to dump core",
        "watchdog" => "the service failed to send watchdog ping",
        "start-limit-hit" => "start of the service was attempted too often",
        "oom-kill" => "of an out-of-memory (OOM) situation",
        _ => return None,
    })
}

pub(super) fn warn_if_changed(cx: &mut Context, unit: &str) -> Result<(), Failure> {
    let changed = cx
        .manager()?
        .unit_property(unit, names::UNIT, "NeedDaemonReload");
    if changed.is_ok_and(|v| v.as_bool() == Some(true)) {
        let text = cx.style.say(style::CHANGED_ON_DISK, &[unit]);
        cx.say(&text);
    }
    Ok(())
}

/// After a stop: which units can still bring this one back.
fn warn_if_triggered(cx: &mut Context, unit: &str) -> Result<(), Failure> {
    let by = match cx
        .manager()?
        .unit_property(unit, names::UNIT, "TriggeredBy")
    {
        Ok(by) => by.as_strings(),
        Err(_) => return Ok(()),
    };
    let mut active = Vec::new();
    for name in by {
        let state = cx
            .manager()?
            .unit_property(&name, names::UNIT, "ActiveState");
        if state.is_ok_and(|v| matches!(v.as_str(), Some("active" | "reloading" | "activating"))) {
            active.push(name);
        }
    }
    if !active.is_empty() {
        cx.say(&format!(
            "Warning: Stopping {unit}, but it can still be activated by:\n  {}",
            active.join("\n  ")
        ));
    }
    Ok(())
}

/// `--wait`: until every unit has ended; 1 if any ended badly.
fn wait_until_stopped(cx: &mut Context, units: &[String]) -> Result<u8, Failure> {
    let mut left = units.to_vec();
    let mut code = 0;
    loop {
        let mut still = Vec::new();
        for unit in left {
            let state = match cx
                .manager()?
                .unit_property(&unit, names::UNIT, "ActiveState")
            {
                Ok(value) => value.as_str().unwrap_or_default().to_owned(),
                Err(_) => String::new(),
            };
            match state.as_str() {
                "failed" => code = 1,
                "inactive" | "" => {}
                _ => still.push(unit),
            }
        }
        left = still;
        if left.is_empty() {
            return Ok(code);
        }
        next_change(cx)?;
    }
}

/// Waits for any signal that may mean a unit changed.
fn next_change(cx: &mut Context) -> Result<(), Failure> {
    let connection = cx.manager()?.connection();
    while let Some(signal) = connection.next_signal(None)? {
        if matches!(
            signal.member.as_deref(),
            Some("PropertiesChanged" | "UnitRemoved" | "JobRemoved")
        ) {
            return Ok(());
        }
    }
    Ok(())
}

/// The value of one string property, for other verbs.
pub(super) fn unit_text(cx: &mut Context, unit: &str, property: &str) -> Result<String, Failure> {
    let value: Value = cx.manager()?.unit_property(unit, names::UNIT, property)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}
