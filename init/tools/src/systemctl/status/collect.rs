//! Everything that `status` shows of one unit, from PID 1, /proc and the journal.

use init_client::{Value, names as bus};

use super::super::{Context, Failure, list, tree};
use super::render::UnitView;
use crate::log;
use crate::props::Props;

pub(super) fn unit(cx: &mut Context, name: &str) -> Result<UnitView, Failure> {
    let props = Props(cx.manager()?.all_properties(&bus::unit_path(name), "")?);
    let mut view = UnitView {
        props,
        ..UnitView::default()
    };
    let id = view.props.text("Id").to_owned();
    if !view.props.text("ControlGroup").is_empty() {
        view.processes = processes(cx, &id);
    }
    for key in ["MainPID", "ControlPID"] {
        if let Some(pid) = view.props.number(key).filter(|pid| *pid > 0)
            && let Ok(comm) = std::fs::read_to_string(format!("/proc/{pid}/comm"))
        {
            view.comm.push((pid, comm.trim_end().to_owned()));
        }
    }
    if cx.style.shows_newer_lines() {
        view.triggered_by = with_states(cx, &view.props.list("TriggeredBy"));
    } else {
        view.written = written(cx, &id);
        show_link_target(&mut view.props);
    }
    if cx.options.lines > 0 {
        view.log = log::of_unit(
            &id,
            since(&view.props),
            cx.options.lines,
            &cx.options.output,
        );
    }
    Ok(view)
}

fn with_states(cx: &mut Context, units: &[String]) -> Vec<(String, String)> {
    units
        .iter()
        .map(|unit| (unit.clone(), list::active_state(cx, unit)))
        .collect()
}

/// The command lines as written, which our PID 1 tells on an interface of its own; others do not.
fn written(cx: &mut Context, unit: &str) -> Vec<(String, Vec<String>)> {
    let Ok(manager) = cx.manager() else {
        return Vec::new();
    };
    let lists = manager.all_properties(&bus::unit_path(unit), "io.garboard.Commands");
    lists
        .unwrap_or_default()
        .into_iter()
        .map(|(name, lines)| (name, lines.as_strings()))
        .collect()
}

/// In 2016 the file of a linked unit was shown where it really is.
fn show_link_target(props: &mut Props) {
    if !props.text("UnitFileState").starts_with("linked") {
        return;
    }
    let Ok(target) = std::fs::read_link(props.text("FragmentPath")) else {
        return;
    };
    for (name, value) in &mut props.0 {
        if name == "FragmentPath" {
            *value = Value::from(target.to_string_lossy().into_owned());
        }
    }
}

/// The processes of a unit (of everything, for the empty name).
pub(super) fn processes(cx: &mut Context, unit: &str) -> Vec<tree::Process> {
    let Ok(manager) = cx.manager() else {
        return Vec::new();
    };
    let Ok(answer) = manager.call("GetUnitProcesses", vec![unit.into()]) else {
        return Vec::new();
    };
    let rows = answer.first().map(Value::items).unwrap_or_default();
    rows.iter()
        .filter_map(|row| {
            let [cgroup, pid, command] = row.items() else {
                return None;
            };
            Some(tree::Process {
                cgroup: cgroup.as_str()?.to_owned(),
                pid: pid.as_u32()?,
                command: command.as_str()?.to_owned(),
            })
        })
        .collect()
}

/// When the unit's present life began, in microseconds since 1970: older log lines are not shown. Of a unit that failed
/// it is the last start that was really tried, because what gave up is the wait for the next one, and the words that
/// tell why stand before that.
fn since(props: &Props) -> Option<u64> {
    let exit = props.time("InactiveExitTimestamp");
    match props.text("ActiveState") {
        "failed" => exit.map(|exit| {
            let tried = props.time("ConditionTimestamp");
            tried.map_or(exit, |tried| tried.min(exit))
        }),
        "inactive" | "active" | "reloading" | "activating" | "deactivating" => exit,
        _ => None,
    }
}
