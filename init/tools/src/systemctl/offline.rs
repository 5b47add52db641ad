//! Unit files without a manager: `--root=`, and presets for lists.

use std::io::Write;
use std::path::Path;

use init_api::UnitType;
use init_client::UnitFileChange;
use init_sys::tree::RealTree;
use unit_file::{Installer, Preset, PresetMode, UnitLoader, UnitName, apply, glob_matches};

use super::{Context, Failure, names};

fn tree(root: Option<&Path>) -> RealTree {
    RealTree::below(root.unwrap_or_else(|| Path::new("/")))
}

pub(super) fn loader(cx: &Context) -> UnitLoader<RealTree> {
    UnitLoader::new(tree(cx.options.root.as_deref()))
}

pub(super) fn is_enabled(cx: &mut Context) -> Result<u8, Failure> {
    let loader = loader(cx);
    let installer = Installer::new(&loader);
    let mut code = 1;
    for arg in cx.options.args.clone() {
        let unit = names::mangle(&arg, UnitType::Service);
        match installer.state(&unit) {
            Ok(state) => {
                if state.is_enabled() {
                    code = 0;
                }
                if !cx.options.quiet {
                    writeln!(cx.out, "{state}")?;
                }
            }
            Err(_) => {
                return Err(Failure::new(format!(
                    "Failed to get unit file state for {unit}: No such file or directory"
                )));
            }
        }
    }
    Ok(code)
}

/// Name and state of each unit file that the states and patterns select.
pub(super) fn unit_files(
    cx: &mut Context,
    states: &[String],
    patterns: &[String],
) -> Result<Vec<(String, String)>, Failure> {
    let loader = loader(cx);
    let rows = Installer::new(&loader)
        .list()
        .into_iter()
        .map(|(name, _, state)| (name.to_string(), state.to_string()));
    let wanted = |(name, state): &(String, String)| {
        (states.is_empty() || states.contains(state))
            && (patterns.is_empty() || patterns.iter().any(|p| glob_matches(p, name)))
    };
    Ok(rows.filter(wanted).collect())
}

pub(super) fn default_target(cx: &mut Context) -> Result<String, Failure> {
    let loader = loader(cx);
    let target = Installer::new(&loader).get_default();
    target
        .map(|t| t.to_string())
        .map_err(|e| Failure::new(format!("Failed to get default target: {e}")))
}

/// Makes a change below the root: whether there was an `[Install]` section, and the links.
pub(super) fn change(
    cx: &mut Context,
    verb: &str,
    units: &[String],
) -> Result<(bool, Vec<UnitFileChange>), Failure> {
    let loader = loader(cx);
    let installer = Installer::new(&loader)
        .runtime(cx.options.runtime)
        .force(cx.options.force > 0);
    let list: Vec<&str> = units.iter().map(String::as_str).collect();
    let mode = match cx.options.preset_mode.as_str() {
        "enable-only" => PresetMode::EnableOnly,
        "disable-only" => PresetMode::DisableOnly,
        _ => PresetMode::Full,
    };
    let first = list.first().copied().unwrap_or_default();
    let rest = list.get(1..).unwrap_or_default();
    let plan = match verb {
        "enable" => installer.enable(&list),
        "disable" => installer.disable(&list),
        "reenable" => installer.reenable(&list),
        "preset" => installer.preset(&list, mode),
        "preset-all" => Ok(installer.preset_all(mode)),
        "mask" => installer.mask(&list),
        "unmask" => installer.unmask(&list),
        "link" => installer.link_units(&list),
        "revert" => installer.revert(&list),
        "set-default" => installer.set_default(first),
        _ => installer.add_dependency(rest, first, verb == "add-requires"),
    };
    let plan = plan.map_err(|e| Failure::new(format!("Failed to {verb} unit: {e}")))?;
    let mut tree = tree(cx.options.root.as_deref());
    apply(&plan, &mut tree)
        .map_err(|(path, error)| Failure::new(format!("cannot change {path}: {error}")))?;
    let changes = plan.changes.iter().map(|change| UnitFileChange {
        kind: change.kind.to_string(),
        path: change.path.clone(),
        source: change.source.clone(),
    });
    let info = plan.carries_install_info || !matches!(verb, "enable" | "reenable");
    Ok((info, changes.collect()))
}

/// What presets want for a unit.
pub(super) fn preset(root: Option<&Path>, name: &str) -> Option<String> {
    let name = UnitName::new(name).ok()?;
    let wants = Preset::read(&tree(root)).wants(&name)?;
    Some(if wants { "enabled" } else { "disabled" }.to_owned())
}
