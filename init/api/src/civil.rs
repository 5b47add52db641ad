//! Days, dates and weekdays of the proleptic Gregorian calendar, without time zones.

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// The year, astronomical.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// Short names of weekdays, Monday first.
pub const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Days of a 400-year cycle.
const CYCLE: i64 = 146_097;

impl Date {
    /// The date this many days after 1970-01-01.
    #[must_use]
    pub fn from_days(days: i64) -> Self {
        // Years are counted from March so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let cycle = shifted.div_euclid(CYCLE);
        let day_of_cycle = shifted.rem_euclid(CYCLE);
        let year_of_cycle = (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36_524
            - day_of_cycle / 146_096)
            / 365;
        let day_of_year =
            day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        Self {
            year: year_of_cycle + cycle * 400 + i64::from(month <= 2),
            month: u32::try_from(month).unwrap_or(1),
            day: u32::try_from(day).unwrap_or(1),
        }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub fn days(self) -> i64 {
        let year = if self.month <= 2 {
            self.year - 1
        } else {
            self.year
        };
        let cycle = year.div_euclid(400);
        let year_of_cycle = year.rem_euclid(400);
        let month_from_march = i64::from(if self.month > 2 {
            self.month - 3
        } else {
            self.month + 9
        });
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(self.day) - 1;
        let day_of_cycle =
            year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
        cycle * CYCLE + day_of_cycle - 719_468
    }

    /// 0 for Monday to 6 for Sunday.
    #[must_use]
    pub fn weekday(self) -> u32 {
        // 1970-01-01 was a Thursday.
        u32::try_from((self.days() + 3).rem_euclid(7)).unwrap_or(0)
    }
}

/// How many days a month has.
#[must_use]
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree_over_eight_centuries() {
        let mut date = Date {
            year: 1600,
            month: 1,
            day: 1,
        };
        for days in date.days()..(Date {
            year: 2400,
            month: 1,
            day: 1,
        })
        .days()
        {
            assert_eq!(Date::from_days(days), date);
            assert_eq!(date.days(), days);
            date.day += 1;
            if date.day > days_in_month(date.year, date.month) {
                (date.day, date.month) = (1, date.month + 1);
            }
            if date.month > 12 {
                (date.month, date.year) = (1, date.year + 1);
            }
        }
    }

    #[test]
    fn the_tutorials_day_was_a_monday() {
        assert_eq!(
            Date {
                year: 2016,
                month: 6,
                day: 20
            }
            .weekday(),
            0
        );
        assert_eq!(
            Date {
                year: 1970,
                month: 1,
                day: 1
            }
            .weekday(),
            3
        );
    }
}
