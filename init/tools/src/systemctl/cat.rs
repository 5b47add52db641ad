//! systemctl cat: the files that make a unit.

use std::io::Write;

use init_api::UnitType;
use init_client::names as bus;
use unit_file::UnitName;

use super::{Context, Failure, complain, expand, jobs, offline};

pub(super) fn run(cx: &mut Context) -> Result<u8, Failure> {
    let mut code = 0;
    let units = expand::units(cx, UnitType::Service)?;
    let mut first = true;
    for unit in units {
        let files = files_of(cx, &unit)?;
        if files.is_empty() {
            complain(&format!("No files found for {unit}."));
            code = 1;
            continue;
        }
        if !is_template(&unit) {
            jobs::warn_if_changed(cx, &unit)?;
        }
        for path in files {
            if !std::mem::take(&mut first) {
                writeln!(cx.out)?;
            }
            writeln!(cx.out, "# {path}")?;
            match std::fs::read(&path) {
                Ok(text) => cx.out.write_all(&text)?,
                Err(error) => {
                    complain(&format!("Failed to cat {path}: {error}"));
                    code = 1;
                }
            }
        }
    }
    Ok(code)
}

fn is_template(unit: &str) -> bool {
    UnitName::new(unit).is_ok_and(|name| name.is_template())
}

/// The fragment and the drop-ins, in the order in which they apply.
pub(super) fn files_of(cx: &mut Context, unit: &str) -> Result<Vec<String>, Failure> {
    if let Ok(name) = UnitName::new(unit)
        && name.is_template()
    {
        // PID 1 knows instances only.
        let found = offline::loader(cx).load(&name);
        return Ok(found.fragment.into_iter().chain(found.drop_ins).collect());
    }
    let manager = cx.manager()?;
    let fragment = manager.unit_property(unit, bus::UNIT, "FragmentPath")?;
    let drop_ins = manager
        .unit_property(unit, bus::UNIT, "DropInPaths")?
        .as_strings();
    let fragment = fragment
        .as_str()
        .filter(|path| !path.is_empty())
        .map(str::to_owned);
    Ok(fragment.into_iter().chain(drop_ins).collect())
}
