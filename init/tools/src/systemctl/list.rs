//! The tables: units, unit files, sockets, timers, paths, jobs.

use std::io::{IsTerminal, Write};

use init_api::{LoadState, UnitType, format_relative};
use init_client::{UnitRecord, Value, names as bus};
use jiff::tz::TimeZone;

use super::{Context, Failure, bullet, names, status};
use crate::clock::{now, stamp};
use crate::props::Props;
use crate::table::{Table, cut};

/// The columns of the terminal, if there is one and lines may be cut.
pub(super) fn width(cx: &Context) -> Option<usize> {
    if cx.options.full || !std::io::stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

pub(super) fn color() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none()
        && std::env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// By type, then by name.
fn sort_key(name: &str) -> (String, String) {
    let (_, suffix) = name.rsplit_once('.').unwrap_or(("", ""));
    (suffix.to_owned(), name.to_lowercase())
}

fn wanted_type(cx: &Context, name: &str) -> bool {
    let types: Vec<&String> = cx
        .options
        .types
        .iter()
        .filter(|t| UnitType::from_suffix(t).is_some())
        .collect();
    types.is_empty() || types.iter().any(|t| name.ends_with(&format!(".{t}")))
}

/// `-t` accepts load states too, as it always did.
fn states(cx: &Context) -> Vec<String> {
    let loads = cx
        .options
        .types
        .iter()
        .filter(|t| t.parse::<LoadState>().is_ok());
    cx.options.states.iter().chain(loads).cloned().collect()
}

/// The units of the patterns on the command line that the options select.
pub(super) fn select(cx: &mut Context) -> Result<Vec<UnitRecord>, Failure> {
    let patterns: Vec<String> = cx.options.args.iter().map(|a| names::pattern(a)).collect();
    let states = states(cx);
    let mut units = cx.manager()?.list_units_by_patterns(&states, &patterns)?;
    let all = cx.options.all || !states.is_empty();
    units.retain(|unit| {
        wanted_type(cx, &unit.name)
            && (all
                || unit.job_id > 0
                || (unit.active_state != "inactive" && unit.following.is_empty())
                || (!patterns.is_empty() && patterns.contains(&unit.name)))
    });
    units.sort_by_key(|unit| sort_key(&unit.name));
    Ok(units)
}

pub(super) fn units(cx: &mut Context) -> Result<u8, Failure> {
    let units = select(cx)?;
    let legend = !cx.options.no_legend;
    let jobs = units.iter().any(|u| u.job_id > 0);
    let mut table = if jobs {
        Table::new(&["UNIT", "LOAD", "ACTIVE", "SUB", "JOB", "DESCRIPTION"])
    } else {
        Table::new(&["UNIT", "LOAD", "ACTIVE", "SUB", "DESCRIPTION"])
    };
    for unit in &units {
        let mut cells = vec![
            unit.name.clone(),
            unit.load_state.clone(),
            unit.active_state.clone(),
            unit.sub_state.clone(),
        ];
        if jobs {
            cells.push(unit.job_type.clone());
        }
        cells.push(unit.description.clone());
        table.row(cells);
    }
    let plain = cx.options.plain;
    let color = color();
    let text = table.render(legend && !units.is_empty(), |at| {
        let Some(unit) = at.and_then(|at| units.get(at)) else {
            return if plain { String::new() } else { "  ".into() };
        };
        let odd = unit.active_state == "failed" || !matches!(unit.load_state.as_str(), "loaded");
        match (plain, odd) {
            (true, _) => String::new(),
            (false, true) => format!("{} ", bullet::paint("●", "31", color)),
            (false, false) => "  ".into(),
        }
    });
    write_cut(cx, &text)?;
    if legend {
        units_footer(cx, units.len(), jobs)?;
    }
    Ok(0)
}

fn write_cut(cx: &mut Context, text: &str) -> Result<(), Failure> {
    let width = width(cx);
    for line in text.lines() {
        writeln!(cx.out, "{}", cut(line, width))?;
    }
    Ok(())
}

fn units_footer(cx: &mut Context, count: usize, jobs: bool) -> Result<(), Failure> {
    if count > 0 {
        writeln!(
            cx.out,
            "\nLOAD   = Reflects whether the unit definition was properly loaded.\n\
             ACTIVE = The high-level unit activation state, i.e. generalization of SUB.\n\
             SUB    = The low-level unit activation state, values depend on unit type."
        )?;
        if jobs {
            writeln!(cx.out, "JOB    = Pending job for the unit.")?;
        }
        if jobs || !cx.style.shows_newer_lines() {
            writeln!(cx.out)?;
        }
    }
    if cx.options.all || !states(cx).is_empty() {
        writeln!(cx.out, "{count} loaded units listed.")?;
    } else {
        writeln!(
            cx.out,
            "{count} loaded units listed. Pass --all to see loaded but inactive units, too."
        )?;
    }
    if states(cx).is_empty() {
        writeln!(
            cx.out,
            "To show all installed unit files use 'systemctl list-unit-files'."
        )?;
    }
    Ok(())
}

pub(super) fn unit_files(cx: &mut Context) -> Result<u8, Failure> {
    let patterns: Vec<String> = cx.options.args.iter().map(|a| names::pattern(a)).collect();
    let states = cx.options.states.clone();
    let mut files: Vec<(String, String)> = if cx.options.root.is_some() {
        super::offline::unit_files(cx, &states, &patterns)?
    } else {
        let body = vec![Value::strings(&states), Value::strings(&patterns)];
        let answer = cx.manager()?.call("ListUnitFilesByPatterns", body)?;
        let rows = answer.first().map(Value::items).unwrap_or_default();
        rows.iter()
            .map(|row| {
                let field = |at: usize| {
                    row.items()
                        .get(at)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                        .to_owned()
                };
                let path = field(0);
                (
                    path.rsplit('/').next().unwrap_or_default().to_owned(),
                    field(1),
                )
            })
            .collect()
    };
    files.retain(|(name, _)| wanted_type(cx, name));
    files.sort_by_key(|(name, _)| sort_key(name));
    let newer = cx.style.shows_newer_lines();
    let mut table = if newer {
        Table::new(&["UNIT FILE", "STATE", "PRESET"])
    } else {
        Table::new(&["UNIT FILE", "STATE"])
    };
    for (name, state) in &files {
        let mut cells = vec![name.clone(), state.clone()];
        if newer {
            cells.push(preset(cx, name, state));
        }
        table.row(cells);
    }
    let legend = !cx.options.no_legend;
    let text = table.render(legend && table.len() > 0, |_| String::new());
    cx.out.write_all(text.as_bytes())?;
    if legend {
        writeln!(cx.out, "\n{} unit files listed.", table.len())?;
    }
    Ok(0)
}

/// What presets say of a file; nothing for files that presets cannot change.
fn preset(cx: &mut Context, name: &str, state: &str) -> String {
    if matches!(state, "static" | "alias" | "generated" | "transient") {
        return "-".into();
    }
    let found = super::offline::preset(cx.options.root.as_deref(), name);
    found.unwrap_or_else(|| "-".into())
}

/// All properties of each unit of one type.
fn units_of_type(cx: &mut Context, kind: &str) -> Result<Vec<(UnitRecord, Props)>, Failure> {
    cx.options.types = vec![kind.to_owned()];
    let units = select(cx)?;
    let mut out = Vec::new();
    for unit in units {
        let props = Props(cx.manager()?.all_properties(&unit.path, "")?);
        out.push((unit, props));
    }
    Ok(out)
}

pub(super) fn sockets(cx: &mut Context) -> Result<u8, Failure> {
    let mut rows = Vec::new();
    for (unit, props) in units_of_type(cx, "socket")? {
        for listen in props.items("Listen") {
            let field = |at: usize| {
                listen
                    .items()
                    .get(at)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            rows.push((
                field(1),
                field(0),
                unit.name.clone(),
                props.list("Triggers").join(", "),
            ));
        }
    }
    rows.sort_by(|a, b| {
        (!a.0.starts_with('/'), &a.0, &a.1).cmp(&(!b.0.starts_with('/'), &b.0, &b.1))
    });
    let types = cx.options.show_types;
    let header: &[&'static str] = if types {
        &["LISTEN", "TYPE", "UNIT", "ACTIVATES"]
    } else {
        &["LISTEN", "UNIT", "ACTIVATES"]
    };
    let mut table = Table::new(header);
    for (listen, kind, unit, activates) in rows {
        let mut cells = vec![listen];
        if types {
            cells.push(kind);
        }
        cells.extend([unit, activates]);
        table.row(cells);
    }
    finish(cx, &table, "sockets")
}

pub(super) fn paths(cx: &mut Context) -> Result<u8, Failure> {
    let mut table = Table::new(&["PATH", "CONDITION", "UNIT", "ACTIVATES"]);
    for (unit, props) in units_of_type(cx, "path")? {
        for path in props.items("Paths") {
            let field = |at: usize| {
                path.items()
                    .get(at)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            table.row(vec![
                field(1),
                field(0),
                unit.name.clone(),
                props.list("Triggers").join(", "),
            ]);
        }
    }
    finish(cx, &table, "paths")
}

pub(super) fn timers(cx: &mut Context) -> Result<u8, Failure> {
    let (now, monotonic, zone) = (now(), init_sys::clock::monotonic(), TimeZone::system());
    let mut rows = Vec::new();
    for (unit, props) in units_of_type(cx, "timer")? {
        let wall = props.time("NextElapseUSecRealtime");
        let boot = props.time("NextElapseUSecMonotonic");
        let next = status::render::next_elapse(wall, boot, now, monotonic);
        rows.push((
            next,
            props.time("LastTriggerUSec"),
            unit.name,
            props.list("Triggers").join(", "),
        ));
    }
    rows.sort_by_key(|(next, _, name, _)| (next.unwrap_or(u64::MAX), name.clone()));
    let missing = if cx.style.shows_newer_lines() {
        "-"
    } else {
        "n/a"
    };
    let date = |time: Option<u64>| time.map_or_else(|| missing.to_owned(), |t| stamp(t, &zone));
    let distance =
        |time: Option<u64>| time.map_or_else(|| missing.to_owned(), |t| format_relative(t, now));
    let mut table = Table::new(&["NEXT", "LEFT", "LAST", "PASSED", "UNIT", "ACTIVATES"]);
    for (next, last, unit, activates) in rows {
        table.row(vec![
            date(next),
            distance(next),
            date(last),
            distance(last),
            unit,
            activates,
        ]);
    }
    finish(cx, &table, "timers")
}

fn finish(cx: &mut Context, table: &Table, what: &str) -> Result<u8, Failure> {
    let legend = !cx.options.no_legend;
    let text = table.render(legend && table.len() > 0, |_| String::new());
    write_cut(cx, &text)?;
    if legend {
        if table.len() > 0 {
            writeln!(cx.out)?;
        }
        writeln!(cx.out, "{} {what} listed.", table.len())?;
        if !cx.options.all {
            writeln!(cx.out, "Pass --all to see loaded but inactive {what}, too.")?;
        }
    }
    Ok(0)
}

pub(super) fn jobs(cx: &mut Context) -> Result<u8, Failure> {
    let answer = cx.manager()?.call("ListJobs", vec![])?;
    let rows = answer.first().map(Value::items).unwrap_or_default();
    let patterns: Vec<String> = cx.options.args.iter().map(|a| names::pattern(a)).collect();
    let mut jobs: Vec<(u32, [String; 3])> = rows
        .iter()
        .map(|row| {
            let field = |at: usize| {
                row.items()
                    .get(at)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            (
                row.items().first().and_then(Value::as_u32).unwrap_or(0),
                [field(1), field(2), field(3)],
            )
        })
        .filter(|(_, [unit, ..])| {
            patterns.is_empty() || patterns.iter().any(|p| unit_file::glob_matches(p, unit))
        })
        .collect();
    jobs.sort_by_key(|(id, _)| *id);
    let legend = !cx.options.no_legend;
    if jobs.is_empty() {
        if legend {
            writeln!(cx.out, "No jobs running.")?;
        }
        return Ok(0);
    }
    let mut table = Table::new(&["JOB", "UNIT", "TYPE", "STATE"]);
    for (id, [unit, kind, state]) in &jobs {
        table.row(vec![
            id.to_string(),
            unit.clone(),
            kind.clone(),
            state.clone(),
        ]);
    }
    let text = table.render(legend, |_| String::new());
    cx.out.write_all(text.as_bytes())?;
    if legend {
        writeln!(cx.out, "\n{} jobs listed.", jobs.len())?;
    }
    Ok(0)
}

/// The state of a unit that is loaded, for bullets.
pub(super) fn active_state(cx: &mut Context, unit: &str) -> String {
    let value = cx
        .manager()
        .ok()
        .and_then(|m| m.unit_property(unit, bus::UNIT, "ActiveState").ok());
    value
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}
