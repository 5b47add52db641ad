//! systemctl show: every property as `Name=text`, in PID 1's order.

use std::io::Write;

use init_api::UnitType;
use init_client::names;
use jiff::tz::TimeZone;

use super::{Context, Failure, expand, jobs};
use crate::props::Props;

mod value;

pub(super) fn run(cx: &mut Context) -> Result<u8, Failure> {
    let mut targets = Vec::new();
    for arg in cx.options.args.clone() {
        if let Ok(pid) = arg.parse::<u32>() {
            let answer = cx.manager()?.call("GetUnitByPID", vec![pid.into()])?;
            targets.push(
                answer
                    .first()
                    .and_then(|v| v.as_str())
                    .unwrap_or_default()
                    .to_owned(),
            );
        } else {
            let units = expand::expand(cx, &[arg], UnitType::Service)?;
            targets.extend(units.iter().map(|unit| names::unit_path(unit)));
        }
    }
    let whole_manager = cx.options.args.is_empty();
    if whole_manager {
        targets.push(names::MANAGER_PATH.to_owned());
    }
    for (at, path) in targets.iter().enumerate() {
        if at > 0 {
            writeln!(cx.out)?;
        }
        let props = Props(cx.manager()?.all_properties(path, "")?);
        print(cx, &props)?;
        if !whole_manager && cx.options.property.is_empty() && props.yes("NeedDaemonReload") {
            jobs::warn_if_changed(cx, props.text("Id"))?;
        }
    }
    Ok(0)
}

fn print(cx: &mut Context, props: &Props) -> Result<(), Failure> {
    let wanted = cx.options.property.clone();
    let everything = cx.options.all || !wanted.is_empty();
    let zone = TimeZone::system();
    for (name, value) in &props.0 {
        if !wanted.is_empty() && !wanted.contains(name) {
            continue;
        }
        for text in value::texts(name, value, &zone) {
            if text.is_empty() && !everything {
                continue;
            }
            if cx.options.value {
                writeln!(cx.out, "{text}")?;
            } else {
                writeln!(cx.out, "{name}={text}")?;
            }
        }
    }
    Ok(())
}
