//! The last lines of a unit's log, as `systemctl status` shows them.

use journal::render::{FORMATS, Format, Style, render};
use journal::{Journal, Source};

/// At most `lines` lines since a point in time, rendered; empty when there is no journal.
pub(crate) fn of_unit(unit: &str, since: Option<u64>, lines: usize, format: &str) -> String {
    let journal = Journal::open(Source::Machine { root: "/".into() });
    let format = FORMATS
        .iter()
        .find(|(name, _)| *name == format)
        .map_or(Format::Short, |(_, format)| *format);
    let style = Style::plain(format);
    let mut out = Vec::new();
    for entry in journal::tail_of_unit(&journal, unit, since, lines) {
        // Writing to memory cannot fail.
        let _ = render(&mut out, &entry, &style);
    }
    String::from_utf8_lossy(&out).into_owned()
}
