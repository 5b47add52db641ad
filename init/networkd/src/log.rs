//! One line per event on standard error, with the priority prefix that PID 1 turns into a journal
//! field. A closed standard error is nobody's fault and stops nothing.

use std::io::Write as _;

fn line(priority: u8, text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "<{priority}>{text}");
}

/// Needs a person.
pub fn error(text: &str) {
    line(3, text);
}

/// May soon need a person.
pub fn warning(text: &str) {
    line(4, text);
}

/// What an operator wants to read of a healthy boot.
pub fn info(text: &str) {
    line(6, text);
}
