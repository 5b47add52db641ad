//! Waiting for a transient service to end, and telling how it did.

use init_api::{Signal, TimeSpan};
use init_client::{Manager, names};

use crate::props::Props;
use crate::systemctl::{Failure, complain};

pub(super) fn until_ended(manager: &mut Manager, unit: &str, quiet: bool) -> Result<u8, Failure> {
    let path = names::unit_path(unit);
    loop {
        let state = manager.property(&path, names::UNIT, "ActiveState")?;
        if matches!(state.as_str(), Some("inactive" | "failed")) {
            break;
        }
        next_change(manager)?;
    }
    let props = Props(manager.all_properties(&path, "")?);
    if !quiet {
        tell(&props);
    }
    Ok(exit_code(&props))
}

fn next_change(manager: &mut Manager) -> Result<(), Failure> {
    while let Some(signal) = manager.connection().next_signal(None)? {
        if matches!(
            signal.member.as_deref(),
            Some("PropertiesChanged" | "UnitRemoved" | "JobRemoved")
        ) {
            break;
        }
    }
    Ok(())
}

/// The command's own exit code; 128 and the signal's number as shells do; 1 for other failures.
fn exit_code(props: &Props) -> u8 {
    let (code, status) = (props.int("ExecMainCode"), props.int("ExecMainStatus"));
    let number = |n: i64| u8::try_from(n).unwrap_or(1);
    match code {
        1 => number(status),
        2 | 3 => number(128 + status),
        _ => u8::from(props.text("Result") != "success"),
    }
}

fn tell(props: &Props) {
    complain(&format!("Finished with result: {}", props.text("Result")));
    let (code, status) = (props.int("ExecMainCode"), props.int("ExecMainStatus"));
    let end = match code {
        1 => format!("exited/status={status}"),
        2 | 3 => {
            let signal = i32::try_from(status).ok().and_then(Signal::new);
            format!(
                "{}/status={}",
                if code == 2 { "killed" } else { "dumped" },
                signal.map_or_else(String::new, Signal::name)
            )
        }
        _ => return,
    };
    complain(&format!("Main processes terminated with: code={end}"));
    let (from, to) = (
        props.time("ExecMainStartTimestampMonotonic"),
        props.time("ExecMainExitTimestampMonotonic"),
    );
    if let (Some(from), Some(to)) = (from, to) {
        complain(&format!(
            "Service runtime: {}",
            TimeSpan::from_micros(to.saturating_sub(from)).format(1000)
        ));
    }
    if let Some(cpu) = props.number("CPUUsageNSec") {
        complain(&format!(
            "CPU time consumed: {}",
            TimeSpan::from_micros(cpu / 1000).format(1000)
        ));
    }
}
