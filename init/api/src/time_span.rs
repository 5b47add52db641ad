//! Time spans as unit files and `systemctl` write them: `1min 30s`, `100ms`, `infinity`.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// A span of time in microseconds; [`TimeSpan::INFINITY`] never passes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TimeSpan(u64);

/// The unit of a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Keys ending in `USec`.
    Microseconds,
    /// Keys ending in `Sec`, and everything else.
    Seconds,
}

/// Why a text is no time span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeSpanError {
    /// Nothing was given.
    #[error("a time span is wanted, e.g. 1min 30s, and nothing was given")]
    Empty,
    /// Something that is no number.
    #[error("a time span is wanted, e.g. 1min 30s, got {0:?}")]
    Number(String),
    /// A unit that does not exist.
    #[error("{0:?} is no unit of time (possible: us, ms, s, min, h, d, w, month, y)")]
    Unit(String),
    /// More than fits in 64 bits of microseconds.
    #[error("the time span {0:?} is too long; infinity is possible")]
    TooLong(String),
}

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// 30.44 days, systemd.time(7).
const MONTH: u64 = 2_629_800 * SECOND;
/// 365.25 days.
const YEAR: u64 = 31_557_600 * SECOND;

const UNITS: &[(&str, u64)] = &[
    ("seconds", SECOND),
    ("second", SECOND),
    ("sec", SECOND),
    ("s", SECOND),
    ("minutes", MINUTE),
    ("minute", MINUTE),
    ("min", MINUTE),
    ("m", MINUTE),
    ("months", MONTH),
    ("month", MONTH),
    ("M", MONTH),
    ("msec", 1000),
    ("ms", 1000),
    ("hours", HOUR),
    ("hour", HOUR),
    ("hr", HOUR),
    ("h", HOUR),
    ("days", DAY),
    ("day", DAY),
    ("d", DAY),
    ("weeks", WEEK),
    ("week", WEEK),
    ("w", WEEK),
    ("years", YEAR),
    ("year", YEAR),
    ("y", YEAR),
    ("usec", 1),
    ("us", 1),
    ("µs", 1),
    ("μs", 1),
];

impl TimeSpan {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// Never over.
    pub const INFINITY: Self = Self(u64::MAX);

    /// A span of this many microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// A span of this many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1000))
    }

    /// A span of this many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }

    /// The microseconds; `u64::MAX` for infinity, as on D-Bus.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Whether it never passes.
    #[must_use]
    pub const fn is_infinite(self) -> bool {
        self.0 == u64::MAX
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As a `Duration`; `None` for infinity.
    #[must_use]
    pub const fn finite(self) -> Option<Duration> {
        if self.is_infinite() {
            None
        } else {
            Some(Duration::from_micros(self.0))
        }
    }

    /// Zero taken as infinity: the rule of all `Timeout…Sec=`.
    #[must_use]
    pub const fn zero_is_infinity(self) -> Self {
        if self.0 == 0 { Self::INFINITY } else { self }
    }

    /// Reads a span whose bare numbers are seconds.
    ///
    /// # Errors
    /// When the text is no time span, or is too long for 64 bits of microseconds.
    pub fn parse(text: &str) -> Result<Self, TimeSpanError> {
        Self::parse_in(text, TimeUnit::Seconds)
    }

    /// Reads a span whose bare numbers are of `unit`.
    ///
    /// # Errors
    /// When the text is no time span, or is too long for 64 bits of microseconds.
    pub fn parse_in(text: &str, unit: TimeUnit) -> Result<Self, TimeSpanError> {
        let bare = match unit {
            TimeUnit::Microseconds => 1,
            TimeUnit::Seconds => SECOND,
        };
        let mut rest = text.trim();
        if rest == "infinity" {
            return Ok(Self::INFINITY);
        }
        if rest.is_empty() {
            return Err(TimeSpanError::Empty);
        }
        let too_long = || TimeSpanError::TooLong(text.to_owned());
        let mut total = 0_u64;
        while !rest.is_empty() {
            let (part, after) = one_part(rest, bare)?;
            total = part
                .and_then(|micros| total.checked_add(micros))
                .ok_or_else(too_long)?;
            rest = after.trim_start();
        }
        if total == u64::MAX {
            Err(too_long())
        } else {
            Ok(Self(total))
        }
    }

    /// The text with no more detail than `accuracy` microseconds: `FORMAT_TIMESPAN` of systemd.
    #[must_use]
    pub fn format(self, accuracy: u64) -> String {
        if self.is_infinite() {
            return "infinity".to_owned();
        }
        if self.is_zero() {
            return "0".to_owned();
        }
        let mut left = self.0;
        let mut parts = Vec::new();
        for (name, unit) in FORMAT {
            if left == 0 || (left < accuracy && !parts.is_empty()) {
                break;
            }
            if left < *unit {
                continue;
            }
            let whole = left / unit;
            let fraction = left % unit;
            if left < MINUTE && fraction > 0 {
                let unit_digits = unit.ilog10();
                let dropped = accuracy.max(1).ilog10().min(unit_digits);
                let digits = usize::try_from(unit_digits - dropped).unwrap_or(0);
                if digits > 0 {
                    let shown = fraction / 10_u64.pow(dropped);
                    parts.push(format!("{whole}.{shown:0digits$}{name}"));
                    break;
                }
            }
            parts.push(format!("{whole}{name}"));
            left = fraction;
        }
        if parts.is_empty() {
            "0".to_owned()
        } else {
            parts.join(" ")
        }
    }
}

/// Units in the order of printing.
const FORMAT: &[(&str, u64)] = &[
    ("y", YEAR),
    ("month", MONTH),
    ("w", WEEK),
    ("d", DAY),
    ("h", HOUR),
    ("min", MINUTE),
    ("s", SECOND),
    ("ms", 1000),
    ("us", 1),
];

/// One number with its unit: the microseconds (`None` when too many) and what follows.
fn one_part(text: &str, bare: u64) -> Result<(Option<u64>, &str), TimeSpanError> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (whole, mut rest) = text.split_at(end);
    let mut fraction = "";
    if let Some(after) = rest.strip_prefix('.') {
        let end = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        (fraction, rest) = after.split_at(end);
        if fraction.is_empty() {
            return Err(TimeSpanError::Number(text.to_owned()));
        }
    }
    if whole.is_empty() && fraction.is_empty() {
        return Err(TimeSpanError::Number(text.to_owned()));
    }
    let word = rest.trim_start();
    let end = word
        .find(|c: char| !c.is_alphabetic())
        .unwrap_or(word.len());
    let (name, after) = word.split_at(end);
    let unit = if name.is_empty() {
        bare
    } else {
        UNITS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, micros)| *micros)
            .ok_or_else(|| TimeSpanError::Unit(name.to_owned()))?
    };
    Ok((micros(whole, fraction, unit), after))
}

fn micros(whole: &str, fraction: &str, unit: u64) -> Option<u64> {
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut total = whole.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        total = total.checked_add(u64::from(digit - b'0') * place)?;
    }
    Some(total)
}

/// The text with full detail, as `systemctl show` prints it.
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.format(1))
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_written_as_systemd_does() {
        for (text, written) in [
            ("1min 30s", "1min 30s"),
            ("100ms", "100ms"),
            ("2h", "2h"),
            ("20", "20s"),
            ("5m", "5min"),
            ("1.5", "1.500000s"),
            ("3us", "3us"),
            ("infinity", "infinity"),
            ("0", "0"),
            ("1h30m5s", "1h 30min 5s"),
            (" 2 weeks 1d ", "2w 1d"),
            ("1M", "1month"),
            ("1y", "1y"),
            ("0.3", "300ms"),
            ("1500us", "1.500ms"),
        ] {
            assert_eq!(
                TimeSpan::parse(text).unwrap().to_string(),
                written,
                "{text}"
            );
        }
        assert_eq!(
            TimeSpan::parse_in("5", TimeUnit::Microseconds),
            Ok(TimeSpan(5))
        );
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        assert_eq!(TimeSpan::parse(""), Err(TimeSpanError::Empty));
        assert!(matches!(
            TimeSpan::parse("junk"),
            Err(TimeSpanError::Number(_))
        ));
        assert!(matches!(
            TimeSpan::parse("5 parsecs"),
            Err(TimeSpanError::Unit(_))
        ));
        assert!(matches!(
            TimeSpan::parse("99999999999y"),
            Err(TimeSpanError::TooLong(_))
        ));
        assert!(matches!(
            TimeSpan::parse("-5"),
            Err(TimeSpanError::Number(_))
        ));
    }

    #[test]
    fn accuracy_cuts_the_small_units() {
        let span = TimeSpan::from_micros(3_661_500_000);
        assert_eq!(span.format(1), "1h 1min 1.500000s");
        assert_eq!(span.format(1000), "1h 1min 1.500s");
        assert_eq!(span.format(SECOND), "1h 1min 1s");
        assert_eq!(span.format(MINUTE), "1h 1min");
    }
}
