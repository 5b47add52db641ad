//! Points in time on both clocks, and the rate limit that start limits and trigger limits share.

use serde::{Deserialize, Serialize};

use crate::event::Now;

/// When something happened, on both clocks, in microseconds; zero means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamp {
    /// Since 1970.
    pub realtime: u64,
    /// Since boot.
    pub monotonic: u64,
}

impl Stamp {
    /// Whether it has happened at all.
    pub fn is_set(self) -> bool {
        self.realtime != 0 || self.monotonic != 0
    }
}

impl From<Now> for Stamp {
    fn from(now: Now) -> Self {
        Stamp {
            realtime: now.realtime,
            monotonic: now.monotonic,
        }
    }
}

/// Counts events in a window that begins with the first event after the last window ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct RateLimit {
    begin: u64,
    count: u32,
}

impl RateLimit {
    /// Notes one event at `now`; false when it is one too many. An interval or burst of 0 is no limit.
    pub(crate) fn allow(&mut self, now: u64, interval: u64, burst: u32) -> bool {
        if interval == 0 || burst == 0 {
            return true;
        }
        if self.count == 0 || now >= self.begin.saturating_add(interval) {
            self.begin = now;
            self.count = 1;
            return true;
        }
        if self.count < burst {
            self.count += 1;
            return true;
        }
        false
    }

    /// Forgets what was counted.
    pub(crate) fn reset(&mut self) {
        *self = RateLimit::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_allows_its_burst_and_refuses_one_more_until_the_window_has_passed() {
        let mut limit = RateLimit::default();
        for at in 1..=5 {
            assert!(limit.allow(at, 10, 5), "event {at}");
        }
        assert!(!limit.allow(6, 10, 5));
        assert!(limit.allow(11, 10, 5));
    }

    #[test]
    fn an_interval_of_zero_is_no_limit() {
        let mut limit = RateLimit::default();
        assert!((0..100).all(|at| limit.allow(at, 0, 5)));
    }
}
