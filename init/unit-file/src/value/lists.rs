//! Lists: words accumulate, nothing empties.

use super::{Input, Outcome};
use crate::environment::is_name;

/// Words as written, for what is expanded elsewhere.
pub(crate) fn raw_words(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
    } else {
        field.extend(input.text.split_whitespace().map(str::to_owned));
    }
    Ok(())
}

/// CPUs or memory nodes: `0-3,5 7`.
pub(crate) fn indices(field: &mut Vec<u32>, input: &mut Input<'_>) -> Outcome {
    /// More CPUs than any kernel of ours has.
    const MOST: u32 = 8192;
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let mut all = field.clone();
    for word in input
        .text
        .split([' ', '\t', ','])
        .filter(|word| !word.is_empty())
    {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            return Err(input.wants("numbers and ranges, e.g. 0-3,5"));
        };
        if last < first || last >= MOST {
            return Err(input.wants("numbers and ranges, e.g. 0-3,5"));
        }
        all.extend(first..=last);
    }
    all.sort_unstable();
    all.dedup();
    *field = all;
    Ok(())
}

/// `Environment=`: later assignments of a name replace the earlier in its place.
pub(crate) fn environment(field: &mut Vec<(String, String)>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_name(name)) else {
            input.warn(format_args!("{word:?} is no NAME=value; it is left out"));
            continue;
        };
        let value = value.to_owned();
        match field.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => field.push((name.to_owned(), value)),
        }
    }
    Ok(())
}

/// Names of variables.
pub(crate) fn variable_names(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        if is_name(&word) {
            field.push(word);
        } else {
            input.warn(format_args!(
                "{word:?} is no name of a variable; it is left out"
            ));
        }
    }
    Ok(())
}

/// Names of variables, or whole assignments.
pub(crate) fn variables(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        if is_name(word.split_once('=').map_or(word.as_str(), |(name, _)| name)) {
            field.push(word);
        } else {
            input.warn(format_args!(
                "{word:?} is neither NAME nor NAME=value; it is left out"
            ));
        }
    }
    Ok(())
}
