//! One line per event on standard error, with the priority that PID 1 turns into a journal field
//! when it reads the stream. A closed standard error stops nothing.

use std::io::Write as _;

use cloud_config_document::{Diagnostic, Severity};

fn line(priority: u8, text: &str) {
    let mut out = std::io::stderr().lock();
    // PID 1 sets this for services whose output goes to the journal.
    let _ = if std::env::var_os("JOURNAL_STREAM").is_some() {
        writeln!(out, "<{priority}>{text}")
    } else {
        writeln!(out, "{text}")
    };
}

/// Something asked for was not done.
pub(crate) fn error(text: &str) {
    line(3, text);
}

/// Something may not be as it was meant.
pub(crate) fn warning(text: &str) {
    line(4, text);
}

/// What an operator wants to read of a healthy boot.
pub(crate) fn info(text: &str) {
    line(6, text);
}

/// A finding about the document.
pub(crate) fn diagnostic(found: &Diagnostic) {
    let text = found.to_string();
    match found.severity {
        Severity::Error => error(&text),
        Severity::Warning => warning(&text),
        Severity::Info => info(&text),
    }
}
