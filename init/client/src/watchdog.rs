//! The manager's watchdog (`sd_watchdog_enabled(3)`).

use std::time::Duration;

/// How often to send `WATCHDOG=1`: half of what the manager allows; `None` when it does not watch
/// this process.
#[must_use]
pub fn interval() -> Option<Duration> {
    let variable = |name| std::env::var(name).ok();
    interval_of(
        variable("WATCHDOG_USEC").as_deref(),
        variable("WATCHDOG_PID").as_deref(),
        std::process::id(),
    )
}

fn interval_of(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if let Some(pid) = pid
        && pid.parse() != Ok(own)
    {
        return None;
    }
    let usec: u64 = usec?.parse().ok()?;
    (usec > 0).then(|| Duration::from_micros(usec / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_half_the_limit_and_only_for_the_named_process() {
        assert_eq!(
            interval_of(Some("2000000"), Some("5"), 5),
            Some(Duration::from_secs(1))
        );
        assert_eq!(
            interval_of(Some("2000000"), None, 5),
            Some(Duration::from_secs(1))
        );
        assert_eq!(interval_of(Some("2000000"), Some("6"), 5), None);
        assert_eq!(interval_of(None, None, 5), None);
        assert_eq!(interval_of(Some("0"), None, 5), None);
    }
}
