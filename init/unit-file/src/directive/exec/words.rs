//! Directives of systemd.exec(5) with a form of their own.

use std::collections::BTreeMap;

use crate::{
    command::simplify,
    config::{MountPropagation, Resource, ResourceLimit, WorkingDirectory},
    value::{Input, Outcome, resource_limit},
};

/// `WorkingDirectory=`: `~` or a path, with `-` if it may be missing. A bad one makes the unit
/// unusable: running somewhere else would be worse.
pub(super) fn working_directory(
    field: &mut Option<WorkingDirectory>,
    input: &mut Input<'_>,
) -> Outcome {
    let (optional, rest) = input
        .text
        .strip_prefix('-')
        .map_or((false, input.text), |rest| (true, rest));
    if rest.is_empty() {
        *field = None;
        return Ok(());
    }
    let path = match input.specifiers.expand(rest) {
        Ok(path) if path == "~" => path,
        Ok(path) if path.starts_with('/') => simplify(&path),
        _ if optional => return Err(input.wants("an absolute path or ~")),
        Ok(_) => return Err(input.fatal("wants an absolute path or ~")),
        Err(error) => return Err(input.fatal(error)),
    };
    *field = Some(WorkingDirectory { path, optional });
    Ok(())
}

/// `Limit…=`
pub(super) fn limit(
    field: &mut BTreeMap<Resource, ResourceLimit>,
    input: &mut Input<'_>,
) -> Outcome {
    let name = input.key.strip_prefix("Limit").unwrap_or(input.key);
    let resource: Resource = name.parse().map_err(|_| input.wants("a known resource"))?;
    if input.text.is_empty() {
        field.remove(&resource);
        return Ok(());
    }
    let limit = resource_limit(resource, input.text).map_err(|wanted| input.wants(wanted))?;
    field.insert(resource, limit);
    Ok(())
}

/// `MountFlags=`, with the `r` that mount(8) puts in front.
pub(super) fn propagation(field: &mut Option<MountPropagation>, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "" => None,
        "shared" | "rshared" => Some(MountPropagation::Shared),
        "slave" | "rslave" => Some(MountPropagation::Slave),
        "private" | "rprivate" => Some(MountPropagation::Private),
        _ => return Err(input.wants("shared, slave or private")),
    };
    Ok(())
}

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "12", "13", "14", "15", "local0", "local1", "local2", "local3", "local4", "local5",
    "local6", "local7",
];

pub(super) fn facility(field: &mut u8, input: &mut Input<'_>) -> Outcome {
    *field = FACILITIES
        .iter()
        .position(|name| *name == input.text)
        .and_then(|at| u8::try_from(at).ok())
        .or_else(|| input.text.parse().ok().filter(|number| *number < 24))
        .ok_or_else(|| input.wants("a syslog facility, e.g. daemon"))?;
    Ok(())
}

/// `LogExtraFields=`: `FIELD=value`.
pub(super) fn extra_fields(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        let name = word.split_once('=').map_or("", |(name, _)| name);
        let fits = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name
                .bytes()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_');
        if fits {
            field.push(word);
        } else {
            input.warn(format_args!("{word:?} is no FIELD=value; it is left out"));
        }
    }
    Ok(())
}
