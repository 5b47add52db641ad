//! The normalised form, as `systemd-analyze calendar` prints it.

use std::fmt;

use init_api::civil::WEEKDAYS;

use super::{Calendar, Field, SECOND, Zone};

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weekdays != 0 {
            weekdays(f, self.weekdays)?;
            f.write_str(" ")?;
        }
        field(f, &self.year, 4, 1)?;
        f.write_str("-")?;
        field(f, &self.month, 2, 1)?;
        f.write_str(if self.from_end { "~" } else { "-" })?;
        field(f, &self.day, 2, 1)?;
        f.write_str(" ")?;
        field(f, &self.hour, 2, 1)?;
        f.write_str(":")?;
        field(f, &self.minute, 2, 1)?;
        f.write_str(":")?;
        field(f, &self.second, 2, SECOND)?;
        match &self.zone {
            Zone::Local => Ok(()),
            Zone::Utc => f.write_str(" UTC"),
            Zone::Named(name) => write!(f, " {name}"),
        }
    }
}

/// Three days in a row are a range, two are a list.
fn weekdays(f: &mut fmt::Formatter<'_>, bits: u8) -> fmt::Result {
    let set = |day: usize| day < WEEKDAYS.len() && bits & (1 << day) != 0;
    let mut separator = "";
    let mut day = 0;
    while day < WEEKDAYS.len() {
        if !set(day) {
            day += 1;
            continue;
        }
        let first = day;
        while set(day + 1) {
            day += 1;
        }
        write!(f, "{separator}{}", WEEKDAYS[first])?;
        if day > first {
            f.write_str(if day > first + 1 { ".." } else { "," })?;
            f.write_str(WEEKDAYS[day])?;
        }
        separator = ",";
        day += 1;
    }
    Ok(())
}

fn field(f: &mut fmt::Formatter<'_>, field: &Field, width: usize, unit: u64) -> fmt::Result {
    if field.0.is_empty() {
        return f.write_str("*");
    }
    if let [only] = field.0.as_slice()
        && unit > 1
        && (only.start, only.stop, only.step) == (0, None, unit)
    {
        return f.write_str("*");
    }
    for (index, range) in field.0.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        number(f, range.start, width, unit)?;
        if let Some(stop) = range.stop {
            f.write_str("..")?;
            number(f, stop, width, unit)?;
        }
        if range.step > 0 && !(range.stop.is_some() && range.step == unit) {
            f.write_str("/")?;
            number(f, range.step, 1, unit)?;
        }
    }
    Ok(())
}

fn number(f: &mut fmt::Formatter<'_>, value: u64, width: usize, unit: u64) -> fmt::Result {
    write!(f, "{:0width$}", value / unit)?;
    match value % unit {
        0 => Ok(()),
        fraction => write!(f, ".{fraction:06}"),
    }
}
