//! Times in answers: RFC 3339 in UTC with as many decimals as needed, and seconds left.

use std::fmt::Write as _;

const SECOND: u64 = 1_000_000_000;

/// A time in nanoseconds since 1970 as RFC 3339 text, trailing zeros of the fraction cut.
#[must_use]
pub fn rfc3339_nanos(nanos: u64) -> String {
    let (seconds, fraction) = (nanos / SECOND, nanos % SECOND);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Whole seconds until `expiration`, rounded up, never below zero.
#[must_use]
pub fn ttl_seconds(expiration: u64, now: u64) -> i64 {
    i64::try_from(expiration.saturating_sub(now).div_ceil(SECOND)).unwrap_or(i64::MAX)
}

/// Year, month and day of a day counted from 1970-01-01 (proleptic Gregorian calendar).
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that the leap day ends a year of 366 days.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::{rfc3339_nanos, ttl_seconds};

    #[test]
    fn times_are_written_in_utc_with_the_decimals_needed() {
        assert_eq!(rfc3339_nanos(0), "1970-01-01T00:00:00Z");
        assert_eq!(
            rfc3339_nanos(951_782_400_000_000_000),
            "2000-02-29T00:00:00Z"
        );
        assert_eq!(
            rfc3339_nanos(1_456_789_012_120_000_000),
            "2016-02-29T23:36:52.12Z"
        );
        assert_eq!(
            rfc3339_nanos(4_102_444_799_000_000_001),
            "2099-12-31T23:59:59.000000001Z"
        );
    }

    #[test]
    fn the_seconds_left_are_rounded_up_and_not_negative() {
        assert_eq!(ttl_seconds(5_000_000_000, 4_000_000_001), 1);
        assert_eq!(ttl_seconds(5_000_000_000, 5_000_000_000), 0);
        assert_eq!(ttl_seconds(5_000_000_000, 9_000_000_000), 0);
        assert_eq!(ttl_seconds(105_000_000_000, 5_000_000_000), 100);
    }
}
