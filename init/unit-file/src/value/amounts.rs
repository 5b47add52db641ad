//! Times, sizes, shares and limits.

use init_api::{TimeSpan, TimeUnit, bytes::parse_bytes};

use super::{Input, Outcome, Refusal};
use crate::config::{Amount, CpuWeight, Resource, ResourceLimit};

fn span_of(input: &Input<'_>, unit: TimeUnit) -> Result<TimeSpan, Refusal> {
    TimeSpan::parse_in(input.text, unit)
        .map_err(|error| Refusal::Ignored(format!("{}= {error}; it is ignored", input.key)))
}

/// A time span; bare numbers are seconds.
pub(crate) fn span(field: &mut TimeSpan, input: &mut Input<'_>) -> Outcome {
    *field = span_of(input, TimeUnit::Seconds)?;
    Ok(())
}

/// A time span of which 0 means infinity.
pub(crate) fn timeout(field: &mut TimeSpan, input: &mut Input<'_>) -> Outcome {
    *field = span_of(input, TimeUnit::Seconds)?.zero_is_infinity();
    Ok(())
}

pub(crate) fn optional_timeout(field: &mut Option<TimeSpan>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(span_of(input, TimeUnit::Seconds)?.zero_is_infinity())
    };
    Ok(())
}

pub(crate) fn optional_span(field: &mut Option<TimeSpan>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(span_of(input, TimeUnit::Seconds)?)
    };
    Ok(())
}

/// A deadline of which infinity means none: `WatchdogSec=`.
pub(crate) fn watchdog(field: &mut TimeSpan, input: &mut Input<'_>) -> Outcome {
    let span = span_of(input, TimeUnit::Seconds)?;
    *field = if span.is_infinite() {
        TimeSpan::ZERO
    } else {
        span
    };
    Ok(())
}

/// `TimerSlackNSec=`: bare numbers are nanoseconds, other units exact to the microsecond.
pub(crate) fn nanoseconds(field: &mut Option<u64>, input: &mut Input<'_>) -> Outcome {
    *field = match input
        .text
        .strip_suffix("ns")
        .unwrap_or(input.text)
        .trim()
        .parse()
    {
        Ok(number) => Some(number),
        Err(_) => Some(
            span_of(input, TimeUnit::Microseconds)?
                .as_micros()
                .saturating_mul(1000),
        ),
    };
    Ok(())
}

pub(crate) fn size(field: &mut Option<u64>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(parse_bytes(input.text).ok_or_else(|| input.wants("a size, e.g. 512K"))?)
    };
    Ok(())
}

/// Hundredths of a percent: `20%`, `12.5%`, `5‰`, `3‱`.
pub(crate) fn permyriad(text: &str) -> Option<u32> {
    let (number, unit) = if let Some(number) = text.strip_suffix('%') {
        (number, 100)
    } else if let Some(number) = text.strip_suffix('‰') {
        (number, 10)
    } else {
        (text.strip_suffix('‱')?, 1)
    };
    let number = number.trim_end();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut value = whole.parse::<u32>().ok()?.checked_mul(unit)?;
    let mut place = unit;
    for digit in fraction.chars() {
        place /= 10;
        value = value.checked_add(digit.to_digit(10)? * place)?;
    }
    Some(value)
}

/// `infinity`, a size, or a share of the machine's memory.
pub(crate) fn memory(field: &mut Option<Amount>, input: &mut Input<'_>) -> Outcome {
    let absolute = |text: &str| parse_bytes(text);
    amount(
        field,
        input,
        absolute,
        "bytes with K, M, G or T, a percentage, or infinity",
    )
}

/// `infinity`, a number, or a share of the machine's tasks.
pub(crate) fn tasks(field: &mut Option<Amount>, input: &mut Input<'_>) -> Outcome {
    let absolute = |text: &str| parse_bytes(text).filter(|number| *number > 0);
    amount(
        field,
        input,
        absolute,
        "a number, a percentage, or infinity",
    )
}

fn amount(
    field: &mut Option<Amount>,
    input: &Input<'_>,
    absolute: impl Fn(&str) -> Option<u64>,
    wanted: &str,
) -> Outcome {
    *field = match input.text {
        "" => None,
        "infinity" => Some(Amount::Infinity),
        text => Some(
            permyriad(text)
                .filter(|share| *share <= 10_000)
                .map(Amount::Permyriad)
                .or_else(|| absolute(text).map(Amount::Absolute))
                .ok_or_else(|| input.wants(wanted))?,
        ),
    };
    Ok(())
}

/// `CPUQuota=`: percent of one CPU, as time per second.
pub(crate) fn cpu_quota(field: &mut Option<TimeSpan>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        let share = permyriad(input.text)
            .filter(|share| *share > 0)
            .ok_or_else(|| input.wants("a percentage above 0"))?;
        Some(TimeSpan::from_micros(u64::from(share) * 100))
    };
    Ok(())
}

pub(crate) fn cpu_weight(field: &mut Option<CpuWeight>, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "" => None,
        "idle" => Some(CpuWeight::Idle),
        _ => Some(CpuWeight::Weight(weight_of(input)?)),
    };
    Ok(())
}

/// `CPUShares=` of cgroup v1: 1024 shares are weight 100.
pub(crate) fn cpu_shares(field: &mut Option<CpuWeight>, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "" => None,
        text => {
            let shares: u64 = text
                .parse()
                .ok()
                .filter(|shares| (2..=262_144).contains(shares))
                .ok_or_else(|| input.wants("2 to 262144"))?;
            Some(CpuWeight::Weight((shares * 100 / 1024).clamp(1, 10_000)))
        }
    };
    Ok(())
}

pub(crate) fn io_weight(field: &mut Option<u64>, input: &mut Input<'_>) -> Outcome {
    *field = if input.text.is_empty() {
        None
    } else {
        Some(weight_of(input)?)
    };
    Ok(())
}

/// `BlockIOWeight=` of cgroup v1: 500 is weight 100.
pub(crate) fn block_io_weight(field: &mut Option<u64>, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "" => None,
        text => {
            let weight: u64 = text
                .parse()
                .ok()
                .filter(|weight| (10..=1000).contains(weight))
                .ok_or_else(|| input.wants("10 to 1000"))?;
            Some((weight * 100 / 500).clamp(1, 10_000))
        }
    };
    Ok(())
}

fn weight_of(input: &Input<'_>) -> Result<u64, Refusal> {
    input
        .text
        .parse()
        .ok()
        .filter(|weight| (1..=10_000).contains(weight))
        .ok_or_else(|| input.wants("1 to 10000"))
}

/// Bytes or operations per second: base 1000, unlike memory.
pub(crate) fn rate(text: &str) -> Option<Amount> {
    if text == "infinity" {
        return Some(Amount::Infinity);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit = match suffix {
        "" | "B" => 1,
        "K" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        _ => return None,
    };
    Some(Amount::Absolute(
        number.parse::<u64>().ok()?.checked_mul(unit)?,
    ))
}

/// `Limit…=`: `soft:hard` or one value for both.
pub(crate) fn resource_limit(
    resource: Resource,
    text: &str,
) -> Result<ResourceLimit, &'static str> {
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let (soft, hard) = (limit_value(resource, soft)?, limit_value(resource, hard)?);
    if soft.unwrap_or(u64::MAX) > hard.unwrap_or(u64::MAX) {
        return Err("a soft limit that is not above the hard one");
    }
    Ok(ResourceLimit { soft, hard })
}

fn limit_value(resource: Resource, text: &str) -> Result<Option<u64>, &'static str> {
    if text == "infinity" {
        return Ok(None);
    }
    match resource {
        // Whole seconds, rounded up.
        Resource::Cpu => TimeSpan::parse(text)
            .map(|span| Some(span.as_micros().div_ceil(1_000_000)))
            .map_err(|_| "a time or infinity, or two as soft:hard"),
        Resource::Rttime => TimeSpan::parse_in(text, TimeUnit::Microseconds)
            .map(|span| Some(span.as_micros()))
            .map_err(|_| "a time or infinity, or two as soft:hard"),
        Resource::Nice => nice_limit(text)
            .map(Some)
            .ok_or("a nice level (+n, -n) or a raw limit"),
        Resource::Nofile
        | Resource::Nproc
        | Resource::Locks
        | Resource::Sigpending
        | Resource::Rtprio => text
            .parse()
            .map(Some)
            .map_err(|_| "a number or infinity, or two as soft:hard"),
        Resource::Fsize
        | Resource::Data
        | Resource::Stack
        | Resource::Core
        | Resource::Rss
        | Resource::As
        | Resource::Memlock
        | Resource::Msgqueue => parse_bytes(text)
            .map(Some)
            .ok_or("a size or infinity, or two as soft:hard"),
    }
}

/// `+n` and `-n` are nice levels, a bare number is the raw limit: 20 minus the level.
fn nice_limit(text: &str) -> Option<u64> {
    if text.starts_with(['+', '-']) {
        let level: i64 = text
            .parse()
            .ok()
            .filter(|level| (-20..=19).contains(level))?;
        u64::try_from(20 - level).ok()
    } else {
        text.parse().ok().filter(|limit| (1..=40).contains(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percent_permille_or_permyriad() {
        for (text, wanted) in [
            ("20%", Some(2000)),
            ("12.5%", Some(1250)),
            ("5‰", Some(50)),
            ("3‱", Some(3)),
            ("5", None),
            ("x%", None),
        ] {
            assert_eq!(permyriad(text), wanted, "{text}");
        }
    }

    #[test]
    fn limits_are_one_value_or_two_and_know_their_units() {
        for (resource, text, soft, hard) in [
            (Resource::Nofile, "1024:4096", Some(1024), Some(4096)),
            (Resource::Nproc, "infinity", None, None),
            (Resource::Core, "2M", Some(2 << 20), Some(2 << 20)),
            (Resource::Cpu, "1min", Some(60), Some(60)),
            (Resource::Nice, "-5", Some(25), Some(25)),
            (Resource::Nice, "30", Some(30), Some(30)),
            (Resource::Stack, "8M:infinity", Some(8 << 20), None),
        ] {
            assert_eq!(
                resource_limit(resource, text),
                Ok(ResourceLimit { soft, hard }),
                "{text}"
            );
        }
        for text in ["4096:1024", "x", "", "infinity:5"] {
            assert!(resource_limit(Resource::Nofile, text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_base_1000() {
        assert_eq!(rate("5M"), Some(Amount::Absolute(5_000_000)));
        assert_eq!(rate("infinity"), Some(Amount::Infinity));
        assert_eq!(rate("5X"), None);
    }
}
