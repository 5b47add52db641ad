//! The values of the page's lines: how processes ended, what was waited for, which limits hold.

use init_api::{Signal, bytes::format_bytes, exit};
use init_client::Value;

use super::UnitView;
use crate::props::Props;
use crate::style::Style;

/// The nearer of a wall-clock and a since-boot deadline, as wall-clock time.
pub(crate) fn next_elapse(
    wall: Option<u64>,
    boot: Option<u64>,
    now: u64,
    monotonic: u64,
) -> Option<u64> {
    let boot = boot.map(|boot| {
        if boot > monotonic {
            now + (boot - monotonic)
        } else {
            now.saturating_sub(monotonic - boot)
        }
    });
    match (wall, boot) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

pub(super) fn failed_condition(value: &Value) -> Option<String> {
    let [name, trigger, negate, parameter, state] = value.items() else {
        return None;
    };
    (state.as_i64().unwrap_or(0) < 0).then(|| {
        let mark = |flag: &Value, sign| {
            if flag.as_bool() == Some(true) {
                sign
            } else {
                ""
            }
        };
        let (name, parameter) = (
            name.as_str().unwrap_or_default(),
            parameter.as_str().unwrap_or_default(),
        );
        format!(
            "{name}={}{}{parameter}",
            mark(trigger, "|"),
            mark(negate, "!")
        )
    })
}

/// `PATH (Stream)`.
pub(crate) fn listen_text(value: &Value) -> String {
    let mut fields = value.items().iter().map(|f| f.as_str().unwrap_or_default());
    let (kind, address) = (
        fields.next().unwrap_or_default(),
        fields.next().unwrap_or_default(),
    );
    format!("{address} ({kind})")
}

const EXEC_LISTS: [&str; 14] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPre",
    "ExecStopPost",
    "ExecMount",
    "ExecRemount",
    "ExecUnmount",
    "ExecActivate",
    "ExecDeactivate",
    "ExecClean",
];

/// One text for each command that has run and ended, in the unit's order.
pub(super) fn past_processes(unit: &UnitView, style: Style) -> Vec<String> {
    let mut out = Vec::new();
    for list in EXEC_LISTS {
        let written = unit
            .written
            .iter()
            .find(|(name, _)| name == list)
            .map(|(_, lines)| lines);
        for (at, command) in unit.props.items(list).iter().enumerate() {
            let [_, argv, _, _, _, _, _, pid, code, status] = command.items() else {
                continue;
            };
            let code = code.as_i64().unwrap_or(0);
            if code == 0 {
                continue;
            }
            let argv = match written.and_then(|lines| lines.get(at)) {
                Some(line) if !style.shows_newer_lines() => line.clone(),
                _ => argv.as_strings().join(" "),
            };
            let exit = exit_text(code, status.as_i64().unwrap_or(0));
            out.push(format!(
                "{} {list}={argv} ({exit})",
                pid.as_u64().unwrap_or(0)
            ));
        }
    }
    out
}

/// `code=exited, status=1/FAILURE` or `code=killed, signal=TERM`; codes are those of `waitid`.
pub(crate) fn exit_text(code: i64, status: i64) -> String {
    let word = match code {
        1 => "exited",
        2 => "killed",
        3 => "dumped",
        _ => "unknown",
    };
    if code == 1 {
        let name = u8::try_from(status)
            .ok()
            .filter(|s| *s <= 1 || *s >= 200)
            .and_then(exit::status_name);
        let name = name.map(|n| format!("/{n}")).unwrap_or_default();
        return format!("code={word}, status={status}{name}");
    }
    let signal = i32::try_from(status).ok().and_then(Signal::new);
    let name = signal.map_or_else(
        || status.to_string(),
        |s| s.name().trim_start_matches("SIG").to_owned(),
    );
    format!("code={word}, signal={name}")
}

pub(super) fn memory_limits(props: &Props) -> String {
    let mut parts = Vec::new();
    for (key, word) in [
        ("MemoryMin", "min"),
        ("MemoryLow", "low"),
        ("MemoryHigh", "high"),
        ("MemoryMax", "max"),
        ("MemorySwapMax", "swap max"),
        ("MemoryLimit", "limit"),
        ("MemoryAvailable", "available"),
    ] {
        match props.number(key) {
            Some(bytes) if bytes > 0 => parts.push(format!("{word}: {}", format_bytes(bytes))),
            _ => {}
        }
    }
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(" "))
    }
}
