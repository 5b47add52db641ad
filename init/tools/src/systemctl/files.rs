//! enable, disable, mask, link, preset and their kin.

use std::io::Write;

use init_api::UnitType;
use init_client::{UnitFileChange, Value};

use super::{Context, Failure, complain, exit_code, jobs, names, offline};
use crate::style::{self, Style};

const NO_INSTALL: &str = "\
The unit files have no installation config: the [Install] section has none of WantedBy=,
RequiredBy=, Also= or Alias= (or DefaultInstance= in a template). Such units are not enabled;
they are started because another unit wants them by a link in its .wants/ or .requires/ folder,
because a socket, timer or path activates them, or as an instance of a template.";

pub(super) fn run(cx: &mut Context, verb: &str) -> Result<u8, Failure> {
    if verb == "get-default" {
        let target = if cx.options.root.is_some() {
            offline::default_target(cx)?
        } else {
            let answer = cx.manager()?.call("GetDefaultTarget", vec![])?;
            answer
                .first()
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        writeln!(cx.out, "{target}")?;
        return Ok(0);
    }
    if cx.options.args.is_empty() && verb != "preset-all" {
        return Err(Failure::new("Too few arguments."));
    }
    let units = arguments(cx, verb);
    let (carries_info, changes) = if cx.options.root.is_some() {
        offline::change(cx, verb, &units)?
    } else {
        online(cx, verb, &units)?
    };
    let mut failed = false;
    for change in &changes {
        failed |= tell(cx, change);
    }
    if failed {
        return Ok(1);
    }
    if cx.options.root.is_none() && !cx.options.no_reload {
        cx.manager()?.reload()?;
    }
    if !carries_info && verb != "preset" {
        cx.say(NO_INSTALL);
    }
    if cx.options.now && cx.options.root.is_none() {
        return now(cx, verb, &units);
    }
    Ok(0)
}

/// Names for names, absolute paths for paths.
fn arguments(cx: &Context, verb: &str) -> Vec<String> {
    let kind = if verb == "set-default" {
        UnitType::Target
    } else {
        UnitType::Service
    };
    cx.options
        .args
        .iter()
        .map(|arg| {
            if !arg.contains('/') {
                return names::mangle(arg, kind);
            }
            let path = std::path::absolute(arg).unwrap_or_else(|_| arg.into());
            path.to_string_lossy().into_owned()
        })
        .collect()
}

fn online(
    cx: &mut Context,
    verb: &str,
    units: &[String],
) -> Result<(bool, Vec<UnitFileChange>), Failure> {
    let (runtime, force) = (cx.options.runtime, cx.options.force > 0);
    let list = Value::strings(units);
    let (runtime, force) = (Value::from(runtime), Value::from(force));
    let (method, body) = match verb {
        "enable" => ("EnableUnitFiles", vec![list, runtime, force]),
        "disable" => ("DisableUnitFiles", vec![list, runtime]),
        "reenable" => ("ReenableUnitFiles", vec![list, runtime, force]),
        "preset" if cx.options.preset_mode != "full" => (
            "PresetUnitFilesWithMode",
            vec![list, cx.options.preset_mode.as_str().into(), runtime, force],
        ),
        "preset" => ("PresetUnitFiles", vec![list, runtime, force]),
        "preset-all" => (
            "PresetAllUnitFiles",
            vec![cx.options.preset_mode.as_str().into(), runtime, force],
        ),
        "mask" => ("MaskUnitFiles", vec![list, runtime, force]),
        "unmask" => ("UnmaskUnitFiles", vec![list, runtime]),
        "link" => ("LinkUnitFiles", vec![list, runtime, force]),
        "revert" => ("RevertUnitFiles", vec![list]),
        "set-default" => (
            "SetDefaultTarget",
            vec![
                units.first().cloned().unwrap_or_default().into(),
                true.into(),
            ],
        ),
        _ => {
            let (target, rest) = units
                .split_first()
                .ok_or_else(|| Failure::new("Too few arguments."))?;
            let kind = if verb == "add-wants" {
                "Wants"
            } else {
                "Requires"
            };
            let target = if names::has_unit_suffix(target) {
                target.clone()
            } else {
                format!("{target}.target")
            };
            let body = vec![
                Value::strings(rest),
                target.into(),
                kind.into(),
                runtime,
                force,
            ];
            ("AddDependencyUnitFiles", body)
        }
    };
    let answer = cx.manager()?.call(method, body).map_err(|error| Failure {
        code: exit_code(&error).min(1),
        text: format!("Failed to {}: {}", sentence(verb), init_api::chain(&error)),
    })?;
    Ok(match answer.as_slice() {
        [info, changes] => (info.as_bool().unwrap_or(true), changes_of(changes)),
        [changes] => (true, changes_of(changes)),
        _ => (true, Vec::new()),
    })
}

fn sentence(verb: &str) -> String {
    match verb {
        "set-default" => "set default target".into(),
        "add-wants" | "add-requires" => "add dependency".into(),
        verb => format!("{verb} unit"),
    }
}

fn changes_of(value: &Value) -> Vec<UnitFileChange> {
    let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or_default().to_owned();
    value
        .items()
        .iter()
        .map(|change| {
            let f = change.items();
            UnitFileChange {
                kind: text(f.first()),
                path: text(f.get(1)),
                source: text(f.get(2)),
            }
        })
        .collect()
}

/// Prints one change; whether it is a failure.
fn tell(cx: &Context, change: &UnitFileChange) -> bool {
    let (text, failed) = sentence_of(cx.style, change);
    if failed {
        complain(&text);
    } else {
        cx.say(&text);
    }
    failed
}

fn sentence_of(style: Style, change: &UnitFileChange) -> (String, bool) {
    let (path, source) = (change.path.as_str(), change.source.as_str());
    match change.kind.as_str() {
        "symlink" => (style.say(style::CREATED_LINK, &[path, source]), false),
        "unlink" => (style.say(style::REMOVED_LINK, &[path]), false),
        "masked" => (format!("Unit {path} is masked, ignoring."), false),
        "masked by generator" => (
            format!("Unit {path} is masked by a generator, ignoring."),
            false,
        ),
        "dangling" => (
            format!("Unit {path} is an alias to a unit that is not present, ignoring."),
            false,
        ),
        "destination not present" => (
            format!("Unit {source} is added as a dependency to a non-existent unit {path}."),
            false,
        ),
        "auxiliary unit failed" => (
            format!("Failed to enable auxiliary unit {path}, ignoring."),
            false,
        ),
        other => (format!("{path}: {other}"), true),
    }
}

fn now(cx: &mut Context, verb: &str, units: &[String]) -> Result<u8, Failure> {
    let units: Vec<String> = units
        .iter()
        .map(|unit| unit.rsplit('/').next().unwrap_or_default().to_owned())
        .collect();
    let mode = cx.options.job_mode.clone();
    match verb {
        "enable" | "reenable" | "preset" => {
            jobs::queue_and_wait(cx, "StartUnit", "start", &units, &mode)
        }
        "disable" | "mask" => jobs::queue_and_wait(cx, "StopUnit", "stop", &units, &mode),
        _ => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_the_words_of_the_style() {
        let change = |kind: &str| UnitFileChange {
            kind: kind.into(),
            path: "/l".into(),
            source: "/t".into(),
        };
        assert_eq!(
            sentence_of(Style::Era, &change("symlink")).0,
            "Created symlink from /l to /t."
        );
        assert_eq!(
            sentence_of(Style::Modern, &change("symlink")).0,
            "Created symlink /l → /t."
        );
        assert_eq!(
            sentence_of(Style::Era, &change("unlink")).0,
            "Removed symlink /l."
        );
        assert_eq!(
            sentence_of(Style::Modern, &change("unlink")).0,
            "Removed \"/l\"."
        );
        assert!(sentence_of(Style::Modern, &change("file exists")).1);
    }
}
