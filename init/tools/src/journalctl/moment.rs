//! Moments as typed after `--since` and `--until` (systemd.time(7)): dates, times, words, `@seconds`, `-1h`.

use init_api::TimeSpan;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Reads a moment; `now` and the answer are microseconds since 1970. `None` when the text is none.
pub(crate) fn parse(text: &str, now: u64, zone: &TimeZone) -> Option<u64> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return micros_of(seconds);
    }
    let span = |span: &str| TimeSpan::parse(span).ok().map(|span| span.as_micros());
    if let Some(after) = text.strip_prefix('+') {
        return now.checked_add(span(after)?);
    }
    if let Some(before) = text.strip_prefix('-').or_else(|| text.strip_suffix(" ago")) {
        return Some(now.saturating_sub(span(before)?));
    }
    let here = Timestamp::from_microsecond(i64::try_from(now).ok()?)
        .ok()?
        .to_zoned_datetime(zone.clone())
        .datetime();
    let midnight = here.date().to_datetime(Time::midnight());
    let civil = match text {
        "now" => return Some(now),
        "today" => midnight,
        "yesterday" => midnight.checked_sub(1.day()).ok()?,
        "tomorrow" => midnight.checked_add(1.day()).ok()?,
        _ => return date(text, here, zone),
    };
    absolute(civil, zone)
}

/// Seconds with an optional fraction.
fn micros_of(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("{fraction:0<6}").parse::<u64>().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(fraction)
}

/// `[weekday] [date] [time] [UTC]`.
fn date(text: &str, here: DateTime, zone: &TimeZone) -> Option<u64> {
    let (text, zone) = match text.strip_suffix(" UTC") {
        Some(rest) => (rest, TimeZone::UTC),
        None => (text, zone.clone()),
    };
    let text = match text.split_once(' ') {
        Some((day, rest)) if day.chars().all(char::is_alphabetic) => rest,
        _ => text,
    };
    let clock = |text: &str| match text.matches(':').count() {
        1 => format!("{text}:00").parse::<Time>().ok(),
        2 => text.parse().ok(),
        _ => None,
    };
    let civil = match text.split_once([' ', 'T']) {
        Some((day, time)) => day
            .parse::<jiff::civil::Date>()
            .ok()?
            .to_datetime(clock(time)?),
        None if text.contains(':') => here.date().to_datetime(clock(text)?),
        None => text
            .parse::<jiff::civil::Date>()
            .ok()?
            .to_datetime(Time::midnight()),
    };
    absolute(civil, &zone)
}

fn absolute(civil: DateTime, zone: &TimeZone) -> Option<u64> {
    u64::try_from(zone.to_timestamp(civil).ok()?.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_466_412_763_000_000; // Mon 2016-06-20 08:52:43 UTC

    fn at(text: &str) -> Option<String> {
        parse(text, NOW, &TimeZone::UTC).map(|m| journal::render::time(m, &TimeZone::UTC, "%F %T"))
    }

    #[test]
    fn moments_are_read_as_people_type_them() {
        let cases = [
            ("2016-06-20 08:00:01", "2016-06-20 08:00:01"),
            ("2016-06-20 08:00", "2016-06-20 08:00:00"),
            ("2016-06-19", "2016-06-19 00:00:00"),
            ("Mon 2016-06-20 08:00:01 UTC", "2016-06-20 08:00:01"),
            ("07:30", "2016-06-20 07:30:00"),
            ("yesterday", "2016-06-19 00:00:00"),
            ("today", "2016-06-20 00:00:00"),
            ("-1h", "2016-06-20 07:52:43"),
            ("1h 2min ago", "2016-06-20 07:50:43"),
            ("@1466412763", "2016-06-20 08:52:43"),
        ];
        for (text, expected) in cases {
            assert_eq!(at(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(at("soon"), None);
        assert_eq!(at("2016-13-01"), None);
    }
}
