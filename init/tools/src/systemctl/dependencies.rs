//! list-dependencies: what a unit pulls in (or what pulls it in) as a tree.

use std::io::Write;

use init_api::UnitType;
use init_client::names as bus;

use super::{Context, Failure, bullet, list, names};
use crate::props::Props;

const FORWARD: [&str; 5] = ["Requires", "Requisite", "Wants", "BindsTo", "Upholds"];
const REVERSE: [&str; 5] = [
    "RequiredBy",
    "RequisiteOf",
    "WantedBy",
    "BoundBy",
    "UpheldBy",
];

pub(super) fn run(cx: &mut Context) -> Result<u8, Failure> {
    let args = if cx.options.args.is_empty() {
        vec!["default.target".to_owned()]
    } else {
        cx.options.args.clone()
    };
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            writeln!(cx.out)?;
        }
        let unit = names::mangle(arg, UnitType::Service);
        let props = Props(cx.manager()?.all_properties(&bus::unit_path(&unit), "")?);
        writeln!(cx.out, "{}", props.text("Id"))?;
        let mut walk = Walk {
            seen: vec![props.text("Id").to_owned()],
            color: list::color(),
        };
        walk.level(cx, &props, &mut Vec::new())?;
    }
    Ok(0)
}

struct Walk {
    /// The units from the root to here; printed again they would never end.
    seen: Vec<String>,
    color: bool,
}

impl Walk {
    /// `open` says for each level above whether more siblings follow there.
    fn level(
        &mut self,
        cx: &mut Context,
        props: &Props,
        open: &mut Vec<bool>,
    ) -> Result<(), Failure> {
        let keys: &[&str] = match (cx.options.after, cx.options.before, cx.options.reverse) {
            (true, ..) => &["After"],
            (_, true, _) => &["Before"],
            (_, _, true) => &REVERSE,
            _ => &FORWARD,
        };
        let mut units: Vec<String> = keys.iter().flat_map(|key| props.list(key)).collect();
        let is_target = |name: &String| name.ends_with(".target");
        units.sort_by(|a, b| {
            (is_target(a), a.to_lowercase()).cmp(&(is_target(b), b.to_lowercase()))
        });
        units.dedup();
        let count = units.len();
        for (at, unit) in units.into_iter().enumerate() {
            let last = at + 1 == count;
            if self.seen.contains(&unit) {
                if !cx.options.plain {
                    writeln!(cx.out, "  {}{}...", stem(open), branch(last))?;
                }
                continue;
            }
            self.line(cx, &unit, open, last)?;
            let expands = cx.options.all || is_target(&unit);
            if !expands {
                continue;
            }
            let props = Props(cx.manager()?.all_properties(&bus::unit_path(&unit), "")?);
            self.seen.push(unit);
            open.push(!last);
            self.level(cx, &props, open)?;
            open.pop();
            // Only the way from the root counts: a unit may be listed under several others.
            self.seen.pop();
        }
        Ok(())
    }

    fn line(&self, cx: &mut Context, unit: &str, open: &[bool], last: bool) -> Result<(), Failure> {
        if cx.options.plain {
            let indent = "  ".repeat(open.len() + 1);
            writeln!(cx.out, "{indent}{unit}")?;
            return Ok(());
        }
        let state = list::active_state(cx, unit);
        let dot = bullet::bullet(&state, cx.style, self.color);
        writeln!(cx.out, "{dot} {}{}{unit}", stem(open), branch(last))?;
        Ok(())
    }
}

fn stem(open: &[bool]) -> String {
    open.iter()
        .map(|more| if *more { "│ " } else { "  " })
        .collect()
}

fn branch(last: bool) -> &'static str {
    if last { "└─" } else { "├─" }
}
