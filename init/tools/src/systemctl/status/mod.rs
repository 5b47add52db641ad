//! systemctl status: collect what is shown, then print it.

mod collect;
mod manager;
pub(crate) mod render;

use std::io::Write;

use init_api::UnitType;
use init_client::names as bus;

use super::{Context, Failure, complain, expand, jobs, list, names};
use crate::clock;
use crate::style;
use render::Look;

pub(super) fn look(cx: &Context) -> Look {
    Look {
        style: cx.style,
        now: clock::now(),
        monotonic: init_sys::clock::monotonic(),
        zone: jiff::tz::TimeZone::system(),
        width: list::width(cx),
        color: list::color(),
    }
}

pub(super) fn run(cx: &mut Context) -> Result<u8, Failure> {
    if cx.options.args.is_empty() {
        let text = manager::text(cx)?;
        cx.out.write_all(text.as_bytes())?;
        if cx.options.all {
            let units = list::select(cx)?;
            for unit in units {
                writeln!(cx.out)?;
                one(cx, &unit.name)?;
            }
        }
        return Ok(0);
    }
    let mut code = 0;
    let mut first = true;
    for arg in cx.options.args.clone() {
        let units = match arg.parse::<u32>() {
            Ok(pid) => vec![unit_of_pid(cx, pid)?],
            Err(_) => expand::expand(cx, &[arg], UnitType::Service)?,
        };
        for unit in units {
            if !std::mem::take(&mut first) {
                writeln!(cx.out)?;
            }
            let result = one(cx, &unit)?;
            code = if result == 0 { code } else { result };
        }
    }
    Ok(code)
}

fn unit_of_pid(cx: &mut Context, pid: u32) -> Result<String, Failure> {
    let answer = cx
        .manager()?
        .call("GetUnitByPID", vec![pid.into()])
        .map_err(|e| Failure {
            text: format!("Failed to get unit for PID {pid}: {e}"),
            code: 1,
        })?;
    let path = answer.first().and_then(|v| v.as_str()).unwrap_or_default();
    bus::unit_of_path(path).ok_or_else(|| Failure::new(format!("PID {pid} belongs to no unit")))
}

/// One unit; the exit code of its state.
fn one(cx: &mut Context, unit: &str) -> Result<u8, Failure> {
    let view = collect::unit(cx, unit)?;
    let props = &view.props;
    let unknown = props.text("LoadState") == "not-found" && props.text("ActiveState") == "inactive";
    if unknown && cx.style.shows_newer_lines() {
        cx.out.flush()?;
        complain(&cx.style.say(style::NO_SUCH_UNIT, &[unit]));
        return Ok(4);
    }
    let text = render::render(&view, &look(cx));
    cx.out.write_all(text.as_bytes())?;
    if props.yes("NeedDaemonReload") {
        cx.out.flush()?;
        jobs::warn_if_changed(cx, props.text("Id"))?;
    }
    Ok(match props.text("ActiveState") {
        _ if unknown => 4,
        "active" | "reloading" => 0,
        _ => 3,
    })
}

/// `systemctl help UNIT`: its documentation.
pub(super) fn manual(cx: &mut Context) -> Result<u8, Failure> {
    for arg in cx.options.args.clone() {
        let unit = names::mangle(&arg, UnitType::Service);
        let pages = cx
            .manager()?
            .unit_property(&unit, bus::UNIT, "Documentation")?
            .as_strings();
        if pages.is_empty() {
            complain(&format!("Documentation for {unit} not known."));
        }
        for page in pages {
            match page.strip_prefix("man:").and_then(|p| p.split_once('(')) {
                Some((name, section)) => {
                    std::process::Command::new("man")
                        .arg(section.trim_end_matches(')'))
                        .arg(name)
                        .status()?;
                }
                None => writeln!(cx.out, "{page}")?,
            }
        }
    }
    Ok(0)
}
