//! Lists that allow, or with `~` deny.

use crate::{
    config::SystemCallFilter,
    value::{Input, Outcome},
};

/// `SystemCallFilter=`
pub(super) fn system_calls(field: &mut Option<SystemCallFilter>, input: &mut Input<'_>) -> Outcome {
    let letters = |word: &str| {
        word.strip_prefix('@')
            .unwrap_or(word)
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c))
    };
    merge(
        field,
        input,
        letters,
        "system calls or groups like @system-service",
    )
}

/// `RestrictAddressFamilies=`; `none` is a list that allows nothing.
pub(super) fn address_families(
    field: &mut Option<SystemCallFilter>,
    input: &mut Input<'_>,
) -> Outcome {
    if input.text == "none" {
        *field = Some(SystemCallFilter {
            allow: true,
            names: Vec::new(),
        });
        return Ok(());
    }
    merge(
        field,
        input,
        |word| word.starts_with("AF_"),
        "address families like AF_INET",
    )
}

/// The first line decides whether the list allows or denies; a later line of the other sort takes
/// its words out of it.
fn merge(
    field: &mut Option<SystemCallFilter>,
    input: &mut Input<'_>,
    fits: impl Fn(&str) -> bool,
    wanted: &str,
) -> Outcome {
    if input.text.is_empty() {
        *field = None;
        return Ok(());
    }
    let (invert, list) = input
        .text
        .strip_prefix('~')
        .map_or((false, input.text), |rest| (true, rest));
    let mut names = Vec::new();
    for word in list.split_whitespace() {
        if fits(word) {
            names.push(word.to_owned());
        } else {
            input.warn(format_args!("wants {wanted}; {word:?} is left out"));
        }
    }
    let filter = field.get_or_insert(SystemCallFilter {
        allow: !invert,
        names: Vec::new(),
    });
    if filter.allow == invert {
        filter.names.retain(|name| !names.contains(name));
    } else {
        names.retain(|name| !filter.names.contains(name));
        filter.names.append(&mut names);
    }
    Ok(())
}
