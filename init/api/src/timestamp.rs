//! Points in time as `systemctl` prints them: `Mon 2016-06-20 08:52:43 UTC`, `53s ago`.

use crate::civil::{Date, WEEKDAYS};

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
const MONTH: u64 = 2_629_800 * SECOND;
const YEAR: u64 = 31_557_600 * SECOND;

/// Microseconds since 1970 as `Mon 2016-06-20 08:52:43 UTC`; empty for 0 and for "never".
#[must_use]
pub fn format_timestamp(micros: u64) -> String {
    if micros == 0 || micros == u64::MAX {
        return String::new();
    }
    let seconds = micros / SECOND;
    let date = Date::from_days(i64::try_from(seconds / 86_400).unwrap_or(0));
    let weekday = usize::try_from(date.weekday())
        .ok()
        .and_then(|day| WEEKDAYS.get(day));
    format!(
        "{} {:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        weekday.unwrap_or(&"Mon"),
        date.year,
        date.month,
        date.day,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// How long before (`ago`) or after (`left`) `now` a point in time is: `3min 32s ago`.
#[must_use]
pub fn format_relative(micros: u64, now: u64) -> String {
    let (span, word) = if micros > now {
        (micros - now, "left")
    } else {
        (now - micros, "ago")
    };
    let plural = |n: u64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    let text = match span {
        YEAR.. => format!(
            "{} {}",
            plural(span / YEAR, "year"),
            plural(span % YEAR / MONTH, "month")
        ),
        MONTH.. => format!(
            "{} {}",
            plural(span / MONTH, "month"),
            plural(span % MONTH / DAY, "day")
        ),
        WEEK.. => format!(
            "{} {}",
            plural(span / WEEK, "week"),
            plural(span % WEEK / DAY, "day")
        ),
        _ if span >= 2 * DAY => plural(span / DAY, "day"),
        _ if span >= 25 * HOUR => format!("1 day {}h", (span - DAY) / HOUR),
        _ if span >= 6 * HOUR => format!("{}h", span / HOUR),
        HOUR.. => format!("{}h {}min", span / HOUR, span % HOUR / MINUTE),
        _ if span >= 5 * MINUTE => format!("{}min", span / MINUTE),
        MINUTE.. => format!("{}min {}s", span / MINUTE, span % MINUTE / SECOND),
        SECOND.. => format!("{}s", span / SECOND),
        1000.. => format!("{}ms", span / 1000),
        1.. => format!("{span}us"),
        0 => return "now".to_owned(),
    };
    format!("{text} {word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_name_the_day_and_utc() {
        assert_eq!(
            format_timestamp(1_466_412_763_000_000),
            "Mon 2016-06-20 08:52:43 UTC"
        );
        assert_eq!(format_timestamp(0), "");
    }

    #[test]
    fn relative_times_get_coarser_with_distance() {
        let now = 100 * YEAR;
        for (before, text) in [
            (0, "now"),
            (53 * SECOND, "53s ago"),
            (212 * SECOND, "3min 32s ago"),
            (6 * MINUTE, "6min ago"),
            (90 * MINUTE, "1h 30min ago"),
            (7 * HOUR, "7h ago"),
            (26 * HOUR, "1 day 2h ago"),
            (3 * DAY, "3 days ago"),
            (8 * DAY, "1 week 1 day ago"),
        ] {
            assert_eq!(format_relative(now - before, now), text);
        }
        assert_eq!(format_relative(now + 5 * SECOND, now), "5s left");
    }
}
