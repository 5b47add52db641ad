//! Calendar expressions of `OnCalendar=`: `Mon..Fri *-*-* 10:00`, `daily`, `*:0/10`.
//!
//! A [`Calendar`] is kept normalised; printing gives the normalised form of
//! `systemd-analyze calendar`, and reading that gives the same value.

use serde::{Deserialize, Serialize};

mod next;
mod parse;
mod print;

pub use parse::CalendarError;

/// A set of points in time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Calendar {
    /// Bit 0 is Monday; 0 means every day.
    weekdays: u8,
    year: Field,
    month: Field,
    day: Field,
    /// Days count from the end of the month: `~`.
    from_end: bool,
    hour: Field,
    minute: Field,
    /// In microseconds.
    second: Field,
    zone: Zone,
}

/// In which zone an expression is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// The machine's.
    Local,
    /// `UTC`
    Utc,
    /// A name of the time zone database.
    Named(String),
}

/// The values that one component may have; empty means any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Field(Vec<Range>);

/// `start`, `start..stop`, `start/step`, `start..stop/step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Range {
    start: u64,
    stop: Option<u64>,
    /// 0 for a single value.
    step: u64,
}

const SECOND: u64 = 1_000_000;

impl Calendar {
    /// The zone in which the expression is meant.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }
}

impl From<Calendar> for String {
    fn from(calendar: Calendar) -> Self {
        calendar.to_string()
    }
}

impl TryFrom<String> for Calendar {
    type Error = CalendarError;

    fn try_from(text: String) -> Result<Self, CalendarError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
