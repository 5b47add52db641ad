//! `RuntimeDirectory=` and its siblings: names below `/run`, `/var/lib`, `/var/cache`, `/var/log`
//! and `/etc`.

use crate::{
    command::simplify,
    config::DirectorySet,
    value::{Input, Outcome},
};

pub(super) fn directories(field: &mut DirectorySet, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.names.clear();
        field.links.clear();
        return Ok(());
    }
    for word in input.words()? {
        let mut parts = word.split(':');
        let name = simplify(parts.next().unwrap_or_default());
        let link = parts.next().filter(|link| !link.is_empty()).map(simplify);
        if !is_below(&name) || link.as_deref().is_some_and(|link| !is_below(link)) {
            input.warn(format_args!(
                "{word:?} is no name below a folder; it is left out"
            ));
            continue;
        }
        if let Some(link) = link {
            field.links.push((name.clone(), link));
        }
        if !field.names.contains(&name) {
            field.names.push(name);
        }
    }
    Ok(())
}

/// A relative path that stays below where it begins, and does not take the manager's own place.
fn is_below(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('/')
        && !name.split('/').any(|part| part == "..")
        && name != "private"
        && !name.starts_with("private/")
}
