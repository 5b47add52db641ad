//! Names of units, users and groups.

use init_api::UnitType;

use super::{Input, Outcome};
use crate::{Dependency, DependencyKind, DependencyOrigin, UnitName};

/// `Requires=` and its like: names accumulate and cannot be taken back. A template stands for the
/// instance that this unit is.
pub(crate) fn dependencies(field: &mut Vec<Dependency>, input: &mut Input<'_>) -> Outcome {
    let Ok(kind) = input.key.parse::<DependencyKind>() else {
        return Err(input.wants("a kind of dependency"));
    };
    for word in input.words()? {
        match UnitName::new(word) {
            Ok(name) => {
                let other = instance_for(name, input.specifiers.name);
                let dependency = Dependency {
                    kind,
                    other,
                    origin: DependencyOrigin::File,
                };
                if !field.contains(&dependency) {
                    field.push(dependency);
                }
            }
            Err(error) => input.warn(format_args!("{error}; it is left out")),
        }
    }
    Ok(())
}

/// The unit that a dependency of `of` on `name` means.
pub(crate) fn instance_for(name: UnitName, of: &UnitName) -> UnitName {
    if !name.is_template() {
        return name;
    }
    let instance = of.instance().unwrap_or_else(|| of.prefix());
    name.with_instance(instance).unwrap_or(name)
}

/// A unit of any kind; nothing takes it back.
pub(crate) fn unit(field: &mut Option<UnitName>, input: &mut Input<'_>) -> Outcome {
    unit_where(field, input, |_| true, "the name of a unit")
}

/// A service; nothing takes it back.
pub(crate) fn service(field: &mut Option<UnitName>, input: &mut Input<'_>) -> Outcome {
    unit_where(
        field,
        input,
        |kind| kind == UnitType::Service,
        "the name of a service",
    )
}

/// A slice; nothing takes it back.
pub(crate) fn slice(field: &mut Option<UnitName>, input: &mut Input<'_>) -> Outcome {
    unit_where(
        field,
        input,
        |kind| kind == UnitType::Slice,
        "the name of a slice",
    )
}

fn unit_where(
    field: &mut Option<UnitName>,
    input: &Input<'_>,
    fits: impl Fn(UnitType) -> bool,
    wanted: &str,
) -> Outcome {
    if input.text.is_empty() {
        return Ok(());
    }
    let name = UnitName::new(input.expand(input.text)?)
        .ok()
        .filter(|name| fits(name.kind()) && !name.is_template())
        .ok_or_else(|| input.wants(wanted))?;
    *field = Some(name);
    Ok(())
}

/// Sockets.
pub(crate) fn sockets(field: &mut Vec<UnitName>, input: &mut Input<'_>) -> Outcome {
    for word in input.words()? {
        match UnitName::new(word.clone()) {
            Ok(name) if name.kind() == UnitType::Socket => {
                field.push(instance_for(name, input.specifiers.name));
            }
            _ => input.warn(format_args!("{word:?} is no socket unit; it is left out")),
        }
    }
    Ok(())
}

/// A user or group, by name or number; a bad one makes the unit unusable, since running as
/// somebody else would be worse.
pub(crate) fn account(field: &mut Option<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        *field = None;
        return Ok(());
    }
    let name = input
        .expand(input.text)
        .map_err(|_| input.fatal("has an unknown specifier"))?;
    if !is_account(&name) {
        return Err(input.fatal(format_args!("wants a user or group, got {name:?}")));
    }
    *field = Some(name);
    Ok(())
}

/// Several groups.
pub(crate) fn accounts(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for name in input.words()? {
        if !is_account(&name) {
            return Err(input.fatal(format_args!("wants users or groups, got {name:?}")));
        }
        field.push(name);
    }
    Ok(())
}

/// A name that passwd(5) and group(5) can have, however odd, or a number other than the two
/// reserved ones. Whether there is such a user shows when the process is started.
fn is_account(name: &str) -> bool {
    if let Ok(number) = name.parse::<u32>() {
        return number != u32::MAX && number != 0xffff;
    }
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    !digits
        && name.len() < 256
        && !matches!(name, "." | "..")
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || c == ':' || c == '/')
}
