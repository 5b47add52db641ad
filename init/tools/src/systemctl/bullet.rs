//! The dot in front of a unit, and its colour.

use crate::style::{self, Style};

const RED: &str = "31";
const GREEN: &str = "32";
const WHITE: &str = "37";

/// The bullet for an active state.
pub(super) fn bullet(active_state: &str, style: Style, color: bool) -> String {
    let (text, code) = match active_state {
        "active" => ("●", GREEN),
        "reloading" => (style.raw(style::BULLET_RELOADING), GREEN),
        "failed" => (style.raw(style::BULLET_FAILED), RED),
        "inactive" | "maintenance" => (style.raw(style::BULLET_INACTIVE), WHITE),
        _ => ("●", WHITE),
    };
    paint(text, code, color && code != WHITE)
}

/// The colour that a state is written in.
pub(super) fn state(text: &str, active_state: &str, color: bool) -> String {
    match active_state {
        "active" | "reloading" => paint(text, "1;32", color),
        "failed" => paint(text, "1;31", color),
        _ => text.to_owned(),
    }
}

pub(super) fn paint(text: &str, code: &str, color: bool) -> String {
    if color {
        format!("\x1b[{code}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
