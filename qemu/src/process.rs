//! Facts about a process from /proc: used CPU time, and the start time that tells it from a later one with its number.

use std::fs;

fn fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// User and system seconds so far.
pub(crate) fn cpu_seconds(pid: u32) -> Option<f64> {
    let fields = fields(pid)?;
    let ticks: u32 = fields
        .get(11)?
        .parse::<u32>()
        .ok()?
        .saturating_add(fields.get(12)?.parse().ok()?);
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second()).ok()?;
    Some(f64::from(ticks) / f64::from(per_second))
}

/// Start time in clock ticks since the host's boot, if the process lives (a zombie does not).
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let fields = fields(pid)?;
    if fields
        .first()
        .is_some_and(|state| state == "Z" || state == "X")
    {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_has_a_start_time_and_a_missing_one_has_none() {
        let own = std::process::id();
        assert!(start_time(own).is_some());
        assert!(cpu_seconds(own).is_some());
        assert!(resident_kib(own).is_some());
        assert_eq!(start_time(u32::MAX), None);
    }
}
