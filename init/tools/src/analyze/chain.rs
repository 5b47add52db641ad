//! The chain of units that a unit had to wait for.

use std::collections::HashMap;
use std::io::Write;

use init_api::{TimeSpan, UnitType};
use init_client::{Manager, names};

use super::{UnitTimes, unit_times};
use crate::systemctl::{Failure, mangle};

pub(super) fn run(out: &mut dyn Write, args: &[String]) -> Result<u8, Failure> {
    let mut manager = Manager::connect()?;
    let unit = args.first().map_or_else(
        || "default.target".to_owned(),
        |a| mangle(a, UnitType::Service),
    );
    let id = manager.property(&names::unit_path(&unit), names::UNIT, "Id")?;
    let unit = id.as_str().unwrap_or(&unit).to_owned();
    let times: HashMap<String, UnitTimes> = unit_times(&mut manager)?
        .into_iter()
        .map(|t| (t.name.clone(), t))
        .collect();
    let start = manager.property(
        names::MANAGER_PATH,
        names::MANAGER,
        "UserspaceTimestampMonotonic",
    )?;
    let start = start.as_u64().unwrap_or(0);
    writeln!(
        out,
        "The time when unit became active or started is printed after the \"@\" character.\n\
         The time the unit took to start is printed after the \"+\" character.\n"
    )?;
    writeln!(out, "{}", label(&unit, times.get(&unit), start))?;
    let mut current = unit;
    let mut seen = vec![current.clone()];
    for depth in 0.. {
        let after = manager
            .property(&names::unit_path(&current), names::UNIT, "After")?
            .as_strings();
        let limit = times.get(&current).map_or(u64::MAX, |t| t.active);
        let Some(next) = slowest(&after, &times, limit, &seen) else {
            break;
        };
        writeln!(
            out,
            "{}└─{}",
            "  ".repeat(depth),
            label(&next, times.get(&next), start)
        )?;
        seen.push(next.clone());
        current = next;
    }
    Ok(0)
}

/// The unit that became active last of those that come before.
fn slowest(
    after: &[String],
    times: &HashMap<String, UnitTimes>,
    limit: u64,
    seen: &[String],
) -> Option<String> {
    let known = after.iter().filter_map(|name| times.get(name));
    let found = known
        .filter(|t| t.active <= limit && !seen.contains(&t.name))
        .max_by_key(|t| t.active)?;
    Some(found.name.clone())
}

fn label(name: &str, times: Option<&UnitTimes>, start: u64) -> String {
    let span = |micros: u64| TimeSpan::from_micros(micros).format(1000);
    match times {
        Some(t) if t.took() > 0 => format!(
            "{name} @{} +{}",
            span(t.began.saturating_sub(start)),
            span(t.took())
        ),
        Some(t) => format!("{name} @{}", span(t.active.saturating_sub(start))),
        None => name.to_owned(),
    }
}
