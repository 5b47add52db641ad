//! What units, points in time and time spans mean, without a boot.

use std::io::Write;
use std::path::Path;

use init_api::{LoadState, TimeSpan, format_relative};
use init_sys::tree::RealTree;
use jiff::tz::TimeZone;
use unit_file::{Calendar, Facts, ManagerDefaults, SearchPath, UnitLoader, UnitName, parse_unit};

use crate::cli;
use crate::clock::{now, stamp};
use crate::systemctl::{Failure, complain, mangle};

/// Reads units as PID 1 would and tells what is wrong; 1 if anything is.
pub(super) fn verify(
    _out: &mut dyn Write,
    root: Option<&Path>,
    args: &[String],
) -> Result<u8, Failure> {
    if args.is_empty() {
        return Err(Failure::new("Too few arguments."));
    }
    let root = root.unwrap_or_else(|| Path::new("/"));
    let facts = init_sys::machine::facts(root);
    let loader = UnitLoader::new(RealTree::below(root)).with_facts(facts.clone());
    let mut bad = false;
    for arg in args {
        let unit = if arg.contains('/') {
            let name = Path::new(arg)
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            let name =
                UnitName::new(name.as_ref()).map_err(|e| Failure::new(format!("{arg}: {e}")))?;
            let text =
                std::fs::read_to_string(arg).map_err(|e| Failure::new(format!("{arg}: {e}")))?;
            parse_unit(&name, arg, &text, &facts, &ManagerDefaults::default())
        } else {
            let name = mangle(arg, init_api::UnitType::Service);
            loader.load(
                &UnitName::new(name.as_str()).map_err(|e| Failure::new(format!("{arg}: {e}")))?,
            )
        };
        for finding in &unit.diagnostics {
            complain(&finding.to_string());
            bad = true;
        }
        if unit.state != LoadState::Loaded {
            let why = unit.error.clone().unwrap_or_else(|| unit.state.to_string());
            complain(&format!("Unit {} cannot be used: {why}", unit.name));
            bad = true;
        }
    }
    Ok(u8::from(bad))
}

pub(super) fn calendar(
    out: &mut dyn Write,
    args: &[String],
    iterations: u32,
) -> Result<u8, Failure> {
    let zone = TimeZone::system();
    for (at, text) in args.iter().enumerate() {
        let calendar: Calendar = text.parse().map_err(|e| {
            Failure::new(format!(
                "Failed to parse calendar specification '{text}': {e}"
            ))
        })?;
        if at > 0 {
            writeln!(out)?;
        }
        let normal = calendar.to_string();
        if normal != *text {
            writeln!(out, "  Original form: {text}")?;
        }
        writeln!(out, "Normalized form: {normal}")?;
        let mut after = now();
        for turn in 0..iterations.max(1) {
            let Some(next) =
                calendar.next(after, &|zone_of, seconds| offset(&zone, zone_of, seconds))
            else {
                writeln!(out, "    Next elapse: never")?;
                break;
            };
            let label = if turn == 0 {
                "    Next elapse".to_owned()
            } else {
                format!("{:>15}", format!("Iter. #{}", turn + 1))
            };
            writeln!(out, "{label}: {}", stamp(next, &zone))?;
            if zone != TimeZone::UTC && stamp(next, &zone) != stamp(next, &TimeZone::UTC) {
                writeln!(out, "       (in UTC): {}", stamp(next, &TimeZone::UTC))?;
            }
            writeln!(out, "       From now: {}", format_relative(next, now()))?;
            after = next;
        }
    }
    Ok(0)
}

/// How many seconds a zone is ahead of UTC at a point in time.
fn offset(local: &TimeZone, name: Option<&str>, seconds: u64) -> i64 {
    let zone = match name {
        Some(name) => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        None => local.clone(),
    };
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok());
    time.map_or(0, |time| i64::from(zone.to_offset(time).seconds()))
}

pub(super) fn timespan(out: &mut dyn Write, args: &[String]) -> Result<u8, Failure> {
    for (at, text) in args.iter().enumerate() {
        let span = TimeSpan::parse(text)
            .map_err(|e| Failure::new(format!("Failed to parse time span '{text}': {e}")))?;
        if at > 0 {
            writeln!(out)?;
        }
        writeln!(
            out,
            "Original: {text}\n      μs: {}\n   Human: {}",
            span.as_micros(),
            span.format(1)
        )?;
    }
    Ok(0)
}

pub(super) fn timestamp(out: &mut dyn Write, args: &[String]) -> Result<u8, Failure> {
    let zone = TimeZone::system();
    for text in args {
        let seconds = match text.strip_prefix('@') {
            Some(seconds) => seconds
                .parse::<u64>()
                .ok()
                .and_then(|s| s.checked_mul(1_000_000)),
            None if text == "now" => Some(now()),
            None => None,
        };
        let micros = seconds.ok_or_else(|| {
            Failure::new(format!(
                "Failed to parse \"{text}\": expected now or @SECONDS"
            ))
        })?;
        writeln!(
            out,
            "  Original form: {text}\nNormalized form: {}",
            stamp(micros, &zone)
        )?;
        writeln!(out, "       (in UTC): {}", stamp(micros, &TimeZone::UTC))?;
        writeln!(out, "   UNIX seconds: @{}", micros / 1_000_000)?;
        writeln!(out, "       From now: {}", format_relative(micros, now()))?;
    }
    Ok(0)
}

/// Whether conditions are well formed. Whether they hold is known to PID 1 alone, when a unit starts.
pub(super) fn condition(out: &mut dyn Write, args: &[String]) -> Result<u8, Failure> {
    let name = UnitName::new("condition-check.service").map_err(|e| Failure::new(e.to_string()))?;
    let mut text = String::from("[Unit]\n");
    for arg in args {
        text.push_str(arg);
        text.push('\n');
    }
    text.push_str("[Service]\nType=oneshot\nExecStart=/bin/true\n");
    let unit = parse_unit(
        &name,
        "command line",
        &text,
        &Facts::default(),
        &ManagerDefaults::default(),
    );
    for finding in &unit.diagnostics {
        complain(&finding.to_string());
    }
    let count = unit.config.unit.conditions.len() + unit.config.unit.asserts.len();
    if count != args.len() {
        return Ok(1);
    }
    for condition in unit
        .config
        .unit
        .conditions
        .iter()
        .chain(&unit.config.unit.asserts)
    {
        let negate = if condition.negate { "!" } else { "" };
        writeln!(
            out,
            "test.service: Condition{}={negate}{} is well formed.",
            condition.kind, condition.parameter
        )?;
    }
    Ok(0)
}

pub(super) fn unit_paths(out: &mut dyn Write) -> Result<u8, Failure> {
    for folder in SearchPath::system().0 {
        writeln!(out, "{folder}")?;
    }
    Ok(0)
}

/// `cat-config systemd/journald.conf` or `tmpfiles.d`: the files in the order in which they apply.
pub(super) fn cat_config(
    out: &mut dyn Write,
    root: Option<&Path>,
    args: &[String],
) -> Result<u8, Failure> {
    let root = root.unwrap_or_else(|| Path::new("/"));
    let mut first = true;
    for name in args {
        let mut files: Vec<std::path::PathBuf> = Vec::new();
        if name.ends_with(".conf") {
            files.extend(init_sys::configuration::files(root, name));
        } else {
            files.extend(cli::configuration(root, name));
        }
        for path in files {
            if !std::mem::take(&mut first) {
                writeln!(out)?;
            }
            let text = std::fs::read_to_string(&path)
                .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
            writeln!(out, "# {}\n{}", path.display(), text.trim_end())?;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_names_the_machine_by_its_id_is_verified_with_the_machines_own() {
        let root = tempfile::tempdir().unwrap();
        let units = root.path().join("usr/lib/systemd/system");
        std::fs::create_dir_all(&units).unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let id = "0123456789abcdef0123456789abcdef\n";
        std::fs::write(root.path().join("etc/machine-id"), id).unwrap();
        let text = "[Service]\nExecStart=/bin/echo %m\n";
        std::fs::write(units.join("x.service"), text).unwrap();
        let file = units.join("x.service").display().to_string();
        for arg in ["x.service".to_owned(), file] {
            let code = verify(&mut std::io::sink(), Some(root.path()), &[arg]);
            assert_eq!(code.ok(), Some(0));
        }
    }
}
