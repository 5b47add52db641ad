//! Arguments to unit names: patterns match the units that PID 1 has loaded.

use init_api::UnitType;

use super::{Context, Failure, names};

/// The unit names that the arguments mean. A pattern that matches nothing gives nothing.
pub(super) fn units(cx: &mut Context, kind: UnitType) -> Result<Vec<String>, Failure> {
    let args = cx.options.args.clone();
    expand(cx, &args, kind)
}

pub(super) fn expand(
    cx: &mut Context,
    args: &[String],
    kind: UnitType,
) -> Result<Vec<String>, Failure> {
    let (patterns, mut out): (Vec<String>, Vec<String>) = args
        .iter()
        .map(|arg| names::mangle(arg, kind))
        .partition(|name| names::is_glob(name));
    if !patterns.is_empty() {
        let found = cx.manager()?.list_units_by_patterns(&[], &patterns)?;
        out.extend(found.into_iter().map(|unit| unit.name));
    }
    if out.is_empty() && args.is_empty() {
        return Err(Failure::new("Too few arguments."));
    }
    Ok(out)
}
