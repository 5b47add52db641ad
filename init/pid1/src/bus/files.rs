//! Unit files as clients ask about them and have them changed. What a change consists of is planned
//! by `unit-file`; here the plan is carried out and told.

use dbus::Value;
use init_sys::tree::RealTree;
use unit_engine::UnitView;
use unit_file::{Installer, Plan, Preset, PresetMode, SearchPath, UnitName, apply, glob_matches};

use super::refusal::Refusal;
use crate::manager::Manager;

type Answer = Result<Vec<Value>, Refusal>;

/// Whether the unit's files are not what they were when they were read: changed, gone, or joined by
/// a new drop-in.
pub(super) fn changed_on_disk(manager: &Manager, view: UnitView<'_>) -> bool {
    let Ok(name) = UnitName::new(view.name()) else {
        return false;
    };
    // Without a file there is nothing to read again: targets, slices, scopes, devices.
    !view.files().is_empty() && manager.loader().load(&name).files != view.files()
}

/// `UnitFileState`; empty for units without a file.
pub(super) fn state_of(manager: &Manager, view: UnitView<'_>) -> String {
    if view.fragment().is_empty() {
        return String::new();
    }
    let state = Installer::new(manager.loader()).state(view.name());
    state.map(|state| state.to_string()).unwrap_or_default()
}

/// `UnitFilePreset`; empty for units without a file.
pub(super) fn preset_of(manager: &Manager, view: UnitView<'_>) -> String {
    if view.fragment().is_empty() {
        return String::new();
    }
    let name = UnitName::new(view.name());
    let wants = name
        .ok()
        .and_then(|name| Preset::read(manager.loader().tree()).wants(&name));
    match wants {
        Some(true) => "enabled".into(),
        Some(false) => "disabled".into(),
        None => String::new(),
    }
}

/// The folders that unit files are looked for in.
pub(super) fn search_path() -> Vec<String> {
    SearchPath::system().0
}

fn refused(error: &unit_file::InstallError) -> Refusal {
    Refusal::new(error.bus_name(), error.to_string())
}

/// A state query has the plain text of "no such file", which is what systemctl prints.
fn no_state(error: &unit_file::InstallError) -> Refusal {
    match error {
        unit_file::InstallError::NotFound(_) => Refusal::new(
            "org.freedesktop.DBus.Error.FileNotFound",
            "No such file or directory",
        ),
        other => refused(other),
    }
}

pub(super) fn read(manager: &Manager, member: &str, body: &[Value]) -> Answer {
    let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
    let list = |at: usize| body.get(at).map(Value::as_strings).unwrap_or_default();
    let installer = Installer::new(manager.loader());
    match member {
        "GetUnitFileState" => {
            let state = installer.state(text(0)).map_err(|e| no_state(&e))?;
            Ok(vec![state.to_string().into()])
        }
        "GetDefaultTarget" => {
            let target = installer.get_default().map_err(|e| refused(&e))?;
            Ok(vec![target.as_str().into()])
        }
        "GetUnitFileLinks" => {
            let links = installer.links(text(0)).map_err(|e| refused(&e))?;
            Ok(vec![Value::strings(links)])
        }
        _ => {
            let (states, patterns) = (list(0), list(1));
            let wanted = |name: &UnitName, state: &str| {
                (states.is_empty() || states.iter().any(|s| s == state))
                    && (patterns.is_empty() || patterns.iter().any(|p| glob_matches(p, name)))
            };
            let rows = installer
                .list()
                .into_iter()
                .filter_map(|(name, path, state)| {
                    let state = state.to_string();
                    wanted(&name, &state).then(|| {
                        // The listed path ends in the name asked for, also for aliases.
                        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                        Value::Struct(vec![format!("{folder}/{name}").into(), state.into()])
                    })
                });
            Ok(vec![Value::array("(ss)", rows.collect())])
        }
    }
}

/// What a change is asked for with.
struct Asked<'a> {
    files: Vec<&'a str>,
    runtime: bool,
    force: bool,
    mode: PresetMode,
}

/// The flags argument of the `WithFlags` methods.
mod flag {
    pub(super) const RUNTIME: u64 = 1;
    pub(super) const FORCE: u64 = 2;
}

impl<'a> Asked<'a> {
    fn read(member: &str, body: &'a [Value]) -> Result<Self, Refusal> {
        let flag = |at: usize| body.get(at).and_then(Value::as_bool).unwrap_or(false);
        let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
        let mode = |at: usize| match text(at) {
            "" | "full" => Ok(PresetMode::Full),
            "enable-only" => Ok(PresetMode::EnableOnly),
            "disable-only" => Ok(PresetMode::DisableOnly),
            other => Err(Refusal::invalid(format!("Unknown preset mode {other}"))),
        };
        let files = body
            .first()
            .map(Value::items)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let (runtime, force, preset) = match member {
            "PresetUnitFilesWithMode" => (flag(2), flag(3), mode(1)?),
            "PresetAllUnitFiles" => (flag(1), flag(2), mode(0)?),
            "AddDependencyUnitFiles" => (flag(3), flag(4), PresetMode::Full),
            _ if member.contains("WithFlags") => {
                let flags = body.get(1).and_then(Value::as_u64).unwrap_or(0);
                (
                    flags & flag::RUNTIME != 0,
                    flags & flag::FORCE != 0,
                    PresetMode::Full,
                )
            }
            _ => (flag(1), flag(2), PresetMode::Full),
        };
        Ok(Self {
            files,
            runtime,
            force,
            mode: preset,
        })
    }
}

pub(super) fn change(manager: &mut Manager, member: &str, body: &[Value]) -> Answer {
    let asked = Asked::read(member, body)?;
    let text = |at: usize| body.get(at).and_then(Value::as_str).unwrap_or_default();
    let installer = Installer::new(manager.loader())
        .runtime(asked.runtime)
        .force(asked.force);
    let plan = match member {
        "EnableUnitFiles" | "EnableUnitFilesWithFlags" => installer.enable(&asked.files),
        "DisableUnitFiles"
        | "DisableUnitFilesWithFlags"
        | "DisableUnitFilesWithFlagsAndInstallInfo" => installer.disable(&asked.files),
        "ReenableUnitFiles" => installer.reenable(&asked.files),
        "LinkUnitFiles" => installer.link_units(&asked.files),
        "PresetUnitFiles" | "PresetUnitFilesWithMode" => installer.preset(&asked.files, asked.mode),
        "PresetAllUnitFiles" => Ok(installer.preset_all(asked.mode)),
        "MaskUnitFiles" => installer.mask(&asked.files),
        "UnmaskUnitFiles" => installer.unmask(&asked.files),
        "RevertUnitFiles" => installer.revert(&asked.files),
        "SetDefaultTarget" => installer.set_default(text(0)),
        _ => installer.add_dependency(&asked.files, text(1), text(2) == "Requires"),
    };
    let plan = plan.map_err(|e| refused(&e))?;
    let done = apply(&plan, &mut RealTree::system());
    manager.loader().forget();
    done.map_err(|(path, error)| Refusal::failed(format!("cannot change {path}: {error}")))?;
    Ok(told(member, &plan))
}

/// The answer: which methods tell whether there was an `[Install]` section is part of their types.
fn told(member: &str, plan: &Plan) -> Vec<Value> {
    let row = |change: &unit_file::Change| {
        let (kind, path) = (change.kind.as_str(), change.path.as_str());
        Value::Struct(vec![
            kind.into(),
            path.into(),
            change.source.as_str().into(),
        ])
    };
    let changes = Value::array("(sss)", plan.changes.iter().map(row).collect());
    let with_info = member.starts_with("Enable")
        || member.starts_with("Reenable")
        || matches!(
            member,
            "PresetUnitFiles"
                | "PresetUnitFilesWithMode"
                | "DisableUnitFilesWithFlagsAndInstallInfo"
        );
    if with_info {
        vec![plan.carries_install_info.into(), changes]
    } else {
        vec![changes]
    }
}
