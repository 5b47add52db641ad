//! Values of directives: booleans and numbers as unit files write them.

/// A boolean: 1/yes/y/true/t/on, 0/no/n/false/f/off, in any case.
pub(crate) fn boolean_of(text: &str) -> Option<bool> {
    let is = |word: &&&str| text.eq_ignore_ascii_case(word);
    if ["1", "yes", "y", "true", "t", "on"]
        .iter()
        .find(is)
        .is_some()
    {
        Some(true)
    } else if ["0", "no", "n", "false", "f", "off"]
        .iter()
        .find(is)
        .is_some()
    {
        Some(false)
    } else {
        None
    }
}
