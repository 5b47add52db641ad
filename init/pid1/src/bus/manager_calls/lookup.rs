//! Units by name, process, cgroup or invocation, and the lists of them.

use std::os::fd::{AsFd, OwnedFd};

use dbus::Value;
use init_api::bus as names;
use unit_engine::{Request, UnitView};

use super::super::processes;
use super::super::refusal::Refusal;
use super::{Answer, check_name};
use crate::manager::Manager;

pub(super) fn loaded<'a>(manager: &'a Manager, unit: &str) -> Result<UnitView<'a>, Refusal> {
    let view = manager.engine().unit(unit);
    view.ok_or_else(|| {
        Refusal::new(
            "org.freedesktop.systemd1.NoSuchUnit",
            format!("Unit {unit} not loaded."),
        )
    })
}

pub(super) fn path_of(unit: &str) -> Answer {
    Ok(vec![Value::path(names::unit_path(unit))])
}

/// One row of the unit lists, `(ssssssouso)`.
pub(super) fn row(view: UnitView<'_>) -> Value {
    let (id, kind, path) = match view.job() {
        Some(job) => (job.id, job.kind.as_str(), names::job_path(job.id)),
        None => (0, "", "/".into()),
    };
    Value::Struct(vec![
        view.name().into(),
        view.description().into(),
        view.load_state().as_str().into(),
        view.active_state().as_str().into(),
        view.sub_state().into(),
        "".into(),
        Value::path(names::unit_path(view.name())),
        id.into(),
        kind.into(),
        Value::path(path),
    ])
}

const ROWS: &str = "(ssssssouso)";

pub(super) fn list(manager: &Manager, states: &[String], patterns: &[String]) -> Answer {
    let wanted = |view: &UnitView<'_>| {
        let states_match = states.is_empty()
            || states.iter().any(|s| {
                s == view.load_state().as_str()
                    || s == view.active_state().as_str()
                    || s == view.sub_state()
            });
        let names_match = patterns.is_empty()
            || view
                .names()
                .any(|name| patterns.iter().any(|p| unit_file::glob_matches(p, name)));
        states_match && names_match
    };
    let rows = manager.engine().units().filter(wanted).map(row).collect();
    Ok(vec![Value::array(ROWS, rows)])
}

pub(in crate::bus) fn unit_of_pid(manager: &Manager, pid: u32) -> Result<String, Refusal> {
    let engine = manager.engine();
    let by_cgroup = || {
        manager
            .unit_of_pid(pid)
            .filter(|name| engine.unit(name).is_some())
    };
    engine
        .unit_by_pid(pid)
        .map(|u| u.name().to_owned())
        .or_else(by_cgroup)
        .ok_or_else(|| {
            Refusal::new(
                "org.freedesktop.systemd1.NoUnitForPID",
                format!("PID {pid} does not belong to any loaded unit."),
            )
        })
}

pub(super) fn by_pidfd(manager: &Manager, fds: &[OwnedFd]) -> Answer {
    let fd = fds
        .first()
        .ok_or_else(|| Refusal::invalid("A pidfd is wanted."))?;
    let link = format!(
        "/proc/self/fdinfo/{}",
        std::os::fd::AsRawFd::as_raw_fd(&fd.as_fd())
    );
    let text = std::fs::read_to_string(link)?;
    let pid = text
        .lines()
        .find_map(|line| line.strip_prefix("Pid:")?.trim().parse::<u32>().ok());
    let pid =
        pid.ok_or_else(|| Refusal::invalid("The descriptor is no pidfd of a living process."))?;
    let unit = unit_of_pid(manager, pid)?;
    let id = manager.engine().unit(&unit).map_or(0, |u| u.invocation());
    Ok(vec![
        Value::path(names::unit_path(&unit)),
        unit.into(),
        Value::Bytes(id.to_be_bytes().to_vec()),
    ])
}

pub(super) fn by_invocation(manager: &Manager, id: Option<&Value>) -> Answer {
    let bytes: Option<[u8; 16]> = id.and_then(Value::as_bytes).and_then(|b| b.try_into().ok());
    let id = u128::from_be_bytes(bytes.ok_or_else(|| Refusal::invalid("Invalid invocation ID"))?);
    let found = manager
        .engine()
        .units()
        .find(|u| id != 0 && u.invocation() == id);
    match found {
        Some(unit) => path_of(unit.name()),
        None => Err(Refusal::new(
            "org.freedesktop.systemd1.NoUnitForInvocationID",
            format!("No unit with the specified invocation ID {id:032x} known."),
        )),
    }
}

pub(super) fn by_cgroup(manager: &Manager, group: &str) -> Answer {
    let mut path = group;
    while !path.is_empty() {
        if let Some(unit) = manager.engine().units().find(|u| u.control_group() == path) {
            return path_of(unit.name());
        }
        path = path.rsplit_once('/').map_or("", |(above, _)| above);
    }
    Err(Refusal::new(
        "org.freedesktop.systemd1.NoSuchUnit",
        format!("Control group '{group}' is not valid or not managed by this instance"),
    ))
}

/// The processes of a unit; of the whole machine for the empty name, or for the root slice.
pub(super) fn processes_of(manager: &Manager, unit: &str) -> Answer {
    if unit.is_empty() {
        return Ok(vec![processes::list(manager.cgroups(), "/")]);
    }
    let group = loaded(manager, unit)?.control_group();
    if group.is_empty() {
        return Ok(vec![Value::array("(sus)", vec![])]);
    }
    Ok(vec![processes::list(manager.cgroups(), group)])
}

pub(super) fn by_names(manager: &mut Manager, units: &[String]) -> Answer {
    let mut rows = Vec::new();
    for unit in units {
        if check_name(unit).is_err() {
            continue;
        }
        let _ = manager.submit(Request::Load { unit: unit.clone() });
        rows.extend(manager.engine().unit(unit).map(row));
    }
    Ok(vec![Value::array(ROWS, rows)])
}

pub(super) fn jobs(manager: &Manager) -> Value {
    let row = |job: unit_engine::JobView<'_>| {
        Value::Struct(vec![
            job.id.into(),
            job.unit.into(),
            job.kind.as_str().into(),
            job.state.as_str().into(),
            Value::path(names::job_path(job.id)),
            Value::path(names::unit_path(job.unit)),
        ])
    };
    Value::array("(usssoo)", manager.engine().jobs().map(row).collect())
}

pub(super) fn dump(manager: &Manager, patterns: &[String]) -> String {
    let mut out = String::new();
    let wanted = |name: &str| {
        patterns.is_empty() || patterns.iter().any(|p| unit_file::glob_matches(p, name))
    };
    for unit in manager.engine().units().filter(|u| wanted(u.name())) {
        out.push_str(&format!(
            "-> Unit {}:\n\tDescription: {}\n\tUnit Load State: {}\n\tUnit Active State: {}\n\tState: {}\n",
            unit.name(),
            unit.description(),
            unit.load_state(),
            unit.active_state(),
            unit.sub_state()
        ));
        if !unit.fragment().is_empty() {
            out.push_str(&format!("\tFragment Path: {}\n", unit.fragment()));
        }
        for path in unit.drop_ins() {
            out.push_str(&format!("\tDropIn Path: {path}\n"));
        }
        if !unit.control_group().is_empty() {
            out.push_str(&format!("\tCGroup: {}\n", unit.control_group()));
        }
        for kind in unit_engine::Dep::PROPERTIES {
            for other in unit.dependencies(kind) {
                out.push_str(&format!("\t{}: {other}\n", kind.property()));
            }
        }
    }
    for job in manager.engine().jobs() {
        out.push_str(&format!(
            "-> Job {}:\n\tAction: {} -> {}\n\tState: {}\n",
            job.id, job.unit, job.kind, job.state
        ));
    }
    out
}
