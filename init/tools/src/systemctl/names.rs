//! From what a user types to a unit name or a pattern of unit names.

use init_api::UnitType;
use unit_file::UnitName;

/// Whether the text is a pattern.
pub(super) fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether the text ends in `.service`, `.socket` and so on.
pub(super) fn has_unit_suffix(text: &str) -> bool {
    text.rsplit_once('.')
        .is_some_and(|(stem, suffix)| !stem.is_empty() && UnitType::from_suffix(suffix).is_some())
}

/// The unit meant by an argument: absolute paths are mount points or devices, anything without a
/// suffix gets that of `kind`, and characters that names cannot have are escaped. What cannot be a
/// name at all stays as it is, for PID 1 to refuse; so do patterns, which match units of all kinds.
pub(crate) fn mangle(text: &str, kind: UnitType) -> String {
    if is_glob(text) {
        return text.to_owned();
    }
    match UnitName::mangle(text, kind) {
        Ok(name) => name.as_str().to_owned(),
        Err(_) => text.to_owned(),
    }
}

/// Patterns for lists: one without a suffix matches units of every kind.
pub(super) fn pattern(text: &str) -> String {
    if is_glob(text) {
        text.to_owned()
    } else {
        mangle(text, UnitType::Service)
    }
}
