//! Waiting longer after each failure, with jitter: the one rule for all our retry loops.

use std::time::Duration;

/// A growing delay. The dice are the caller's, so that tests and simulations can repeat a run.
///
/// ```
/// use std::time::Duration;
/// let mut backoff = init_api::backoff::Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// assert_eq!(backoff.next_delay(1.0), Duration::from_millis(100));
/// assert_eq!(backoff.next_delay(1.0), Duration::from_millis(200));
/// assert_eq!(backoff.next_delay(0.0), Duration::from_millis(200)); // half of 400 ms at least
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `first`, doubles, never exceeds `longest`.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// The next delay: between half and all of the step, by `dice` in `0.0..=1.0`.
    pub fn next_delay(&mut self, dice: f64) -> Duration {
        let factor = 1_u32.checked_shl(self.failures.min(30)).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let step = self.first.saturating_mul(factor).min(self.longest);
        step.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0)
    }

    /// After a success: start over.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many delays were given since the last success.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}
