//! Reading calendar expressions.

use std::str::FromStr;

use super::{Calendar, Field, Range, SECOND, Zone};

/// Why a text is no calendar expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no calendar expression: {reason} (e.g. Mon..Fri *-*-* 10:00:00)")]
pub struct CalendarError {
    /// The expression.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

const SHORTHANDS: &[(&str, &str)] = &[
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
    ("semi-annually", "*-01,07-01 00:00:00"),
    ("biannually", "*-01,07-01 00:00:00"),
    ("bi-annually", "*-01,07-01 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("anually", "*-01-01 00:00:00"),
];

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

type Reason = &'static str;

impl FromStr for Calendar {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        parse(text.trim()).map_err(|reason| CalendarError {
            text: text.to_owned(),
            reason,
        })
    }
}

fn parse(text: &str) -> Result<Calendar, Reason> {
    let (text, zone) = split_zone(text);
    let lower = text.to_ascii_lowercase();
    let text = SHORTHANDS
        .iter()
        .find(|(name, _)| *name == lower)
        .map_or(text, |(_, expression)| *expression);
    if text.is_empty() {
        return Err("nothing is given");
    }
    let mut calendar = Calendar {
        weekdays: 0,
        year: Field::default(),
        month: Field::default(),
        day: Field::default(),
        from_end: false,
        hour: Field::single(0),
        minute: Field::single(0),
        second: Field::single(0),
        zone,
    };
    let mut parts = text.split_whitespace().peekable();
    if let Some(bits) = parts.peek().and_then(|part| weekdays(part)) {
        calendar.weekdays = if bits? == 0x7f { 0 } else { bits? };
        parts.next();
    }
    if let Some(part) = parts.peek()
        && !part.contains(':')
    {
        calendar.date(part)?;
        parts.next();
    }
    if let Some(part) = parts.next() {
        calendar.time(part)?;
    }
    if parts.next().is_some() {
        return Err("there is more than weekdays, date, time and zone");
    }
    Ok(calendar)
}

/// The zone at the end, when the last word can be one.
fn split_zone(text: &str) -> (&str, Zone) {
    let Some((rest, last)) = text.rsplit_once(char::is_whitespace) else {
        return (text, Zone::Local);
    };
    let rest = rest.trim_end();
    if last.eq_ignore_ascii_case("UTC") {
        return (rest, Zone::Utc);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    let letters = last.starts_with(|c: char| c.is_ascii_uppercase()) && last.chars().all(plain);
    if letters
        && (last.contains('/')
            || matches!(
                last,
                "GMT" | "CET" | "EET" | "MET" | "WET" | "EST" | "MST" | "HST"
            ))
    {
        return (rest, Zone::Named(last.to_owned()));
    }
    (text, Zone::Local)
}

/// The bits of a list of weekdays; `None` when the text is none.
fn weekdays(text: &str) -> Option<Result<u8, Reason>> {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let mut bits = 0;
    for item in text.trim_end_matches(',').split(',') {
        let (first, last) = match item.split_once("..").or_else(|| item.split_once('-')) {
            Some((first, last)) => (first, last),
            None => (item, item),
        };
        let (Some(first), Some(last)) = (weekday(first), weekday(last)) else {
            return Some(Err("a weekday is not one (Mon, Tuesday, …)"));
        };
        if first > last {
            return Some(Err("a range of weekdays runs backwards"));
        }
        for day in first..=last {
            bits |= 1 << day;
        }
    }
    Some(Ok(bits))
}

fn weekday(text: &str) -> Option<usize> {
    let lower = text.to_ascii_lowercase();
    WEEKDAYS
        .iter()
        .position(|day| *day == lower || day.get(..3) == Some(lower.as_str()))
}

impl Calendar {
    fn date(&mut self, text: &str) -> Result<(), Reason> {
        let (rest, from_end, day) = match text.rsplit_once('~') {
            Some((rest, day)) => (rest, true, day),
            None => {
                let (rest, day) = text.rsplit_once('-').ok_or("a date is Y-M-D or M-D")?;
                (rest, false, day)
            }
        };
        let (year, month) = rest
            .split_once('-')
            .map_or((None, rest), |(y, m)| (Some(y), m));
        self.from_end = from_end;
        self.day = field(day, 1, 31, 1)?;
        self.month = field(month, 1, 12, 1)?;
        if let Some(year) = year {
            self.year = field(year, 0, 2199, 1)?;
            for range in &mut self.year.0 {
                range.start = full_year(range.start);
                range.stop = range.stop.map(full_year);
            }
            if self.year.0.iter().any(|range| range.start < 1970) {
                return Err("years begin in 1970");
            }
        }
        Ok(())
    }

    fn time(&mut self, text: &str) -> Result<(), Reason> {
        let mut parts = text.split(':');
        let (Some(hour), Some(minute)) = (parts.next(), parts.next()) else {
            return Err("a time is h:m or h:m:s");
        };
        self.hour = field(hour, 0, 23, 1)?;
        self.minute = field(minute, 0, 59, 1)?;
        if let Some(second) = parts.next() {
            self.second = field(second, 0, 60 * SECOND + SECOND - 1, SECOND)?;
        }
        if parts.next().is_some() {
            Err("a time is h:m or h:m:s")
        } else {
            Ok(())
        }
    }
}

/// Two digits mean a year around 2000.
const fn full_year(year: u64) -> u64 {
    match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    }
}

/// One component; numbers are multiples of `unit`.
fn field(text: &str, low: u64, high: u64, unit: u64) -> Result<Field, Reason> {
    if text == "*" {
        // Every second, not every microsecond.
        let every = Range {
            start: 0,
            stop: None,
            step: SECOND,
        };
        return Ok(Field(if unit == 1 { Vec::new() } else { vec![every] }));
    }
    let mut ranges = Vec::new();
    for item in text.split(',') {
        let range = range(item, unit)?;
        if range.start < low || range.stop.unwrap_or(range.start) > high {
            return Err("a number is out of its range");
        }
        ranges.push(range);
    }
    ranges.sort_unstable();
    ranges.dedup();
    Ok(Field(ranges))
}

fn range(text: &str, unit: u64) -> Result<Range, Reason> {
    let (span, step) = match text.split_once('/') {
        Some((span, step)) => (span, Some(number(step, unit)?)),
        None => (text, None),
    };
    if step == Some(0) {
        return Err("a step must not be zero");
    }
    let Some((start, stop)) = span.split_once("..") else {
        return Ok(Range {
            start: number(span, unit)?,
            stop: None,
            step: step.unwrap_or(0),
        });
    };
    let (start, stop, step) = (
        number(start, unit)?,
        number(stop, unit)?,
        step.unwrap_or(unit),
    );
    if stop < start {
        return Err("a range runs backwards");
    }
    // The end is the last value that is met.
    let stop = stop - (stop - start) % step;
    Ok(if stop == start {
        Range {
            start,
            stop: None,
            step: 0,
        }
    } else {
        Range {
            start,
            stop: Some(stop),
            step,
        }
    })
}

fn number(text: &str, unit: u64) -> Result<u64, Reason> {
    const WANTED: Reason = "a number is missing where one is wanted";
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if unit > 1 => (whole, fraction),
        _ => (text, ""),
    };
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || !digits(whole) || !digits(fraction) {
        return Err(WANTED);
    }
    let whole: u64 = whole.parse().map_err(|_| WANTED)?;
    let mut value = whole * unit;
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        value += u64::from(digit - b'0') * place;
    }
    Ok(value)
}

impl Field {
    pub(super) fn single(value: u64) -> Self {
        Self(vec![Range {
            start: value,
            stop: None,
            step: 0,
        }])
    }
}
