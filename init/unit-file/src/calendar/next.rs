//! The next point in time of a calendar expression.

use init_api::civil::{Date, days_in_month};

use super::{Calendar, Field, Range, SECOND, Zone};

const DAY: u64 = 86_400 * SECOND;
/// Where systemd stops looking as well.
const LAST_YEAR: i64 = 2199;

impl Calendar {
    /// The first point in time after `after` (microseconds since 1970), or `None` when there is
    /// none any more. `offset` gives the seconds east of UTC of a zone (`None`: the machine's) at
    /// a time in seconds since 1970.
    pub fn next(&self, after: u64, offset: &dyn Fn(Option<&str>, u64) -> i64) -> Option<u64> {
        let shift = |utc: u64| -> i64 {
            let seconds = match &self.zone {
                Zone::Utc => 0,
                Zone::Local => offset(None, utc / SECOND),
                Zone::Named(name) => offset(Some(name), utc / SECOND),
            };
            seconds.saturating_mul(1_000_000)
        };
        let mut local = after.checked_add_signed(shift(after))?;
        // A change of the offset can put a local time before `after`: look further then.
        for _ in 0..8 {
            local = self.next_local(local)?;
            let guess = local.checked_add_signed(-shift(local))?;
            let utc = local.checked_add_signed(-shift(guess))?;
            if utc > after {
                return Some(utc);
            }
        }
        None
    }

    /// As [`Calendar::next`] on a machine whose zone is UTC.
    #[must_use]
    pub fn next_utc(&self, after: u64) -> Option<u64> {
        self.next(after, &|_, _| 0)
    }

    /// The first local time after a local time.
    fn next_local(&self, after: u64) -> Option<u64> {
        let from = after.checked_add(1)?;
        let mut date = Date::from_days(i64::try_from(from / DAY).ok()?);
        let mut time = from % DAY;
        while date.year <= LAST_YEAR {
            if !self.year.has(u64::try_from(date.year).ok()?) {
                date = Date {
                    year: date.year + 1,
                    month: 1,
                    day: 1,
                };
            } else if !self.month.has(u64::from(date.month)) {
                date = next_month(date);
            } else {
                if self.has_day(date)
                    && let Some(time) = self.time_from(time)
                {
                    return u64::try_from(date.days())
                        .ok()?
                        .checked_mul(DAY)?
                        .checked_add(time);
                }
                date = Date::from_days(date.days() + 1);
            }
            time = 0;
        }
        None
    }

    fn has_day(&self, date: Date) -> bool {
        let day = if self.from_end {
            days_in_month(date.year, date.month) - date.day + 1
        } else {
            date.day
        };
        self.day.has(u64::from(day))
            && (self.weekdays == 0 || self.weekdays & (1 << date.weekday()) != 0)
    }

    /// The first time of day not before `from`.
    fn time_from(&self, from: u64) -> Option<u64> {
        let (mut hour, mut minute, mut rest) = (
            from / (3600 * SECOND),
            from / (60 * SECOND) % 60,
            from % (60 * SECOND),
        );
        while let Some(next) = self.hour.first_from(hour, 23) {
            if next != hour {
                (hour, minute, rest) = (next, 0, 0);
            }
            while let Some(next) = self.minute.first_from(minute, 59) {
                if next != minute {
                    (minute, rest) = (next, 0);
                }
                if let Some(second) = self.second.first_from(rest, 60 * SECOND - 1) {
                    return Some((hour * 60 + minute) * 60 * SECOND + second);
                }
                (minute, rest) = (minute + 1, 0);
            }
            (hour, minute, rest) = (hour + 1, 0, 0);
        }
        None
    }
}

fn next_month(date: Date) -> Date {
    match date.month {
        12 => Date {
            year: date.year + 1,
            month: 1,
            day: 1,
        },
        month => Date {
            year: date.year,
            month: month + 1,
            day: 1,
        },
    }
}

impl Field {
    fn has(&self, value: u64) -> bool {
        self.0.is_empty()
            || self
                .0
                .iter()
                .any(|range| range.first_from(value) == Some(value))
    }

    /// The smallest value from `from` to `last` that is in it.
    fn first_from(&self, from: u64, last: u64) -> Option<u64> {
        let value = if self.0.is_empty() {
            Some(from)
        } else {
            self.0
                .iter()
                .filter_map(|range| range.first_from(from))
                .min()
        };
        value.filter(|value| *value <= last)
    }
}

impl Range {
    fn first_from(self, from: u64) -> Option<u64> {
        if from <= self.start {
            return Some(self.start);
        }
        if self.step == 0 {
            return None;
        }
        let value = self.start + (from - self.start).div_ceil(self.step) * self.step;
        (self.stop.is_none_or(|stop| value <= stop)).then_some(value)
    }
}
