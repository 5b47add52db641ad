//! Signs of life for PID 1 (`WatchdogSec=`): sent from the loop itself, so that a loop that hangs sends none.

use std::time::{Duration, Instant};

/// When the next sign is due.
#[derive(Debug)]
pub(super) struct Watchdog {
    every: Option<Duration>,
    next: Option<Instant>,
}

impl Watchdog {
    /// With the pause between two signs; `None` when nobody watches.
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self { every, next: None }
    }

    /// Whether one is due; then the next is planned.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let Some(every) = self.every else {
            return false;
        };
        if self.next.is_some_and(|next| now < next) {
            return false;
        }
        self.next = now.checked_add(every);
        true
    }

    /// How long the loop may sleep, at most `most`.
    pub(super) fn patience(&self, now: Instant, most: Duration) -> Duration {
        self.next
            .map_or(most, |next| next.saturating_duration_since(now).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_due_at_once_and_then_after_each_pause() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut dog = Watchdog::new(Some(second));
        assert!(dog.is_due(start));
        assert!(!dog.is_due(start + second / 2));
        assert_eq!(dog.patience(start + second / 2, second * 30), second / 2);
        assert!(dog.is_due(start + second));
        assert_eq!(dog.patience(start + second, second / 4), second / 4);
    }

    #[test]
    fn who_is_not_watched_sends_nothing() {
        let mut dog = Watchdog::new(None);
        assert!(!dog.is_due(Instant::now()));
        let most = Duration::from_secs(30);
        assert_eq!(dog.patience(Instant::now(), most), most);
    }
}
