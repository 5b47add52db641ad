//! is-active and its kin, kill, reset-failed, cancel, daemon-reload.

use std::io::Write;

use init_api::{Signal, UnitType};
use init_client::{ClientError, names};

use super::{Context, Failure, complain, exit_code, expand, jobs, offline};

pub(super) fn run(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    match verb {
        "is-active" => states(cx, &["active", "reloading"], 3),
        "is-failed" => is_failed(cx),
        "is-enabled" => is_enabled(cx),
        _ => is_system_running(cx),
    }
}

/// Prints each unit's state; 0 if any is one of the wanted.
fn states(cx: &mut Context, good: &[&str], otherwise: u8) -> Result<u8, Failure> {
    let units = expand::units(cx, UnitType::Service)?;
    let mut code = otherwise;
    for unit in units {
        let state = jobs::unit_text(cx, &unit, "ActiveState").unwrap_or_else(|_| "inactive".into());
        if good.contains(&state.as_str()) {
            code = 0;
        }
        if !cx.options.quiet {
            writeln!(cx.out, "{state}")?;
        }
    }
    Ok(code)
}

/// Without arguments: whether the whole system is degraded.
fn is_failed(cx: &mut Context) -> Result<u8, Failure> {
    if !cx.options.args.is_empty() {
        return states(cx, &["failed"], 1);
    }
    let state = system_state(cx)?;
    if !cx.options.quiet {
        writeln!(cx.out, "{state}")?;
    }
    Ok(u8::from(state != "degraded"))
}

fn is_enabled(cx: &mut Context) -> Result<u8, Failure> {
    if cx.options.root.is_some() {
        return offline::is_enabled(cx);
    }
    let args = cx.options.args.clone();
    if args.is_empty() {
        return Err(Failure::new("Too few arguments."));
    }
    let mut code = 1;
    for arg in args {
        let unit = super::names::mangle(&arg, UnitType::Service);
        match cx.manager()?.unit_file_state(&unit) {
            Ok(state) => {
                if is_enabled_state(&state) {
                    code = 0;
                }
                if !cx.options.quiet {
                    writeln!(cx.out, "{state}")?;
                }
            }
            Err(error) => {
                cx.out.flush()?;
                complain(&format!(
                    "Failed to get unit file state for {unit}: {}",
                    init_api::chain(&error)
                ));
                return Ok(1);
            }
        }
    }
    Ok(code)
}

/// The states for which `is-enabled` exits 0.
pub(super) fn is_enabled_state(state: &str) -> bool {
    matches!(
        state,
        "enabled" | "enabled-runtime" | "static" | "alias" | "indirect" | "generated" | "transient"
    )
}

fn system_state(cx: &mut Context) -> Result<String, Failure> {
    let value = cx
        .manager()?
        .property(names::MANAGER_PATH, names::MANAGER, "SystemState")?;
    Ok(value.as_str().unwrap_or("unknown").to_owned())
}

fn is_system_running(cx: &mut Context) -> Result<u8, Failure> {
    let mut state = match system_state(cx) {
        Ok(state) => state,
        Err(_) => "offline".into(),
    };
    while cx.options.wait && matches!(state.as_str(), "initializing" | "starting") {
        cx.manager()?.connection().next_signal(None)?;
        state = system_state(cx)?;
    }
    if !cx.options.quiet {
        writeln!(cx.out, "{state}")?;
    }
    Ok(u8::from(state != "running"))
}

pub(super) fn kill(cx: &mut Context) -> Result<u8, Failure> {
    let signal = cx.options.signal.clone();
    if signal == "help" || signal == "list" {
        for number in 1..=31 {
            if let Some(signal) = Signal::new(number) {
                writeln!(cx.out, "{signal}")?;
            }
        }
        return Ok(0);
    }
    let number = match signal.parse::<Signal>() {
        Ok(signal) => signal.number(),
        Err(_) => {
            return Err(Failure::new(format!(
                "Failed to parse signal string {signal}."
            )));
        }
    };
    let whom = cx.options.kill_whom.clone();
    let mut code = 0;
    for unit in expand::units(cx, UnitType::Service)? {
        if let Err(error) = cx.manager()?.kill_unit(&unit, &whom, number) {
            complain(&format!(
                "Failed to kill unit {unit}: {}",
                init_api::chain(&error)
            ));
            code = if code == 0 { exit_code(&error) } else { code };
        }
    }
    // systemctl's own exit code here is 1 whatever the reason.
    Ok(code.min(1))
}

pub(super) fn reset_failed(cx: &mut Context) -> Result<u8, Failure> {
    if cx.options.args.is_empty() {
        cx.manager()?.call("ResetFailed", vec![])?;
        return Ok(0);
    }
    let mut code = 0;
    for unit in expand::units(cx, UnitType::Service)? {
        if let Err(error) = cx.manager()?.reset_failed_unit(&unit) {
            complain(&format!(
                "Failed to reset failed state of unit {unit}: {}",
                init_api::chain(&error)
            ));
            code = 1;
        }
    }
    Ok(code)
}

pub(super) fn cancel(cx: &mut Context) -> Result<u8, Failure> {
    if cx.options.args.is_empty() {
        cx.manager()?.call("ClearJobs", vec![])?;
        return Ok(0);
    }
    let mut code = 0;
    for arg in cx.options.args.clone() {
        let Ok(id) = arg.parse::<u32>() else {
            return Err(Failure::new(format!("Failed to parse job id \"{arg}\".")));
        };
        if let Err(error) = cx.manager()?.call("CancelJob", vec![id.into()]) {
            complain(&format!(
                "Failed to cancel job {id}: {}",
                init_api::chain(&error)
            ));
            code = 1;
        }
    }
    Ok(code)
}

pub(super) fn reload(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    let (method, text) = if verb == "daemon-reload" {
        ("Reload", "Failed to reload daemon")
    } else {
        ("Reexecute", "Failed to reexecute daemon")
    };
    let manager = cx.manager()?;
    manager.connection().set_patience(None);
    match manager.call(method, vec![]) {
        Ok(_) => Ok(0),
        // The connection ends when PID 1 executes itself anew: that is success.
        Err(error) if method == "Reexecute" && (error.is_disconnect() || no_reply(&error)) => {
            cx.disconnect();
            Ok(0)
        }
        Err(error) => Err(Failure::new(format!("{text}: {}", init_api::chain(&error)))),
    }
}

fn no_reply(error: &ClientError) -> bool {
    error.refusal() == Some("org.freedesktop.DBus.Error.NoReply")
}
