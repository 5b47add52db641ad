//! Reading calendar expressions.

use std::str::FromStr;

use init_api::civil::Date;

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
    if let Some(seconds) = text.strip_prefix('@') {
        return instant(
            seconds
                .parse()
                .map_err(|_| "after @ come seconds since 1970")?,
        );
    }
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

/// One point in time, given in seconds since 1970.
fn instant(seconds: u64) -> Result<Calendar, Reason> {
    const TOO_FAR: Reason = "the time is after the year 2199";
    let date = Date::from_days(i64::try_from(seconds / 86_400).map_err(|_| TOO_FAR)?);
    let year = u64::try_from(date.year).map_err(|_| TOO_FAR)?;
    let calendar = Calendar {
        weekdays: 0,
        year: Field::single(year),
        month: Field::single(date.month.into()),
        day: Field::single(date.day.into()),
        from_end: false,
        hour: Field::single(seconds / 3600 % 24),
        minute: Field::single(seconds / 60 % 60),
        second: Field::single(seconds % 60 * SECOND),
        zone: Zone::Utc,
    };
    if year > 2199 {
        Err(TOO_FAR)
    } else {
        Ok(calendar)
    }
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
        self.day = field(day, 1)?;
        self.from_end = from_end && !self.day.0.is_empty();
        if self.from_end {
            // Only days that every month has.
            fits_from_end(&self.day)?;
        } else {
            fits(&self.day, 1, 31)?;
        }
        self.month = field(month, 1)?;
        fits(&self.month, 1, 12)?;
        if let Some(year) = year {
            self.year = field(year, 1)?;
            for range in &mut self.year.0 {
                range.start = full_year(range.start);
                range.stop = range.stop.map(full_year);
            }
            fits(&self.year, 1970, 2199)?;
        }
        Ok(())
    }

    fn time(&mut self, text: &str) -> Result<(), Reason> {
        let mut parts = text.split(':');
        let (Some(hour), Some(minute)) = (parts.next(), parts.next()) else {
            return Err("a time is h:m or h:m:s");
        };
        self.hour = field(hour, 1)?;
        fits(&self.hour, 0, 23)?;
        self.minute = field(minute, 1)?;
        fits(&self.minute, 0, 59)?;
        if let Some(second) = parts.next() {
            self.second = field(second, SECOND)?;
            fits(&self.second, 0, 60 * SECOND - 1)?;
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
fn field(text: &str, unit: u64) -> Result<Field, Reason> {
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
        ranges.push(range(item, unit)?);
    }
    ranges.sort_unstable();
    ranges.dedup();
    let every = Range {
        start: 0,
        stop: None,
        step: SECOND,
    };
    if unit > 1 && ranges.contains(&every) {
        ranges = vec![every];
    }
    Ok(Field(ranges))
}

const OUT: Reason = "a number is out of its range, or a step leads out of it at once";

/// Whether all numbers are from `low` to `high`, and each step is taken at least once.
fn fits(field: &Field, low: u64, high: u64) -> Result<(), Reason> {
    for range in &field.0 {
        let end = range.stop.unwrap_or(high);
        let inside = (low..=high).contains(&range.start) && (low..=high).contains(&end);
        if !inside || range.step > high - low || range.start + range.step > end {
            return Err(OUT);
        }
    }
    Ok(())
}

/// As [`fits`] for days from the end of a month: a step leads towards the end.
fn fits_from_end(field: &Field) -> Result<(), Reason> {
    for range in &field.0 {
        let lowest = match range.stop {
            Some(stop) if (1..=28).contains(&stop) => range.start,
            Some(_) => return Err(OUT),
            None => range.start.saturating_sub(range.step),
        };
        if !(1..=28).contains(&lowest) || range.start > 28 {
            return Err(OUT);
        }
    }
    Ok(())
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
