//! The wait between two attempts: init-api's back-off with this process's dice.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use init_api::backoff::Backoff;

/// Short at first, since the next endpoint is often well; never longer than what a person calls soon.
const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Pause(Backoff);

impl Default for Pause {
    fn default() -> Self {
        Pause(Backoff::new(FIRST, LONGEST))
    }
}

impl Pause {
    /// With other bounds.
    pub(crate) fn between(first: Duration, longest: Duration) -> Pause {
        Pause(Backoff::new(first, longest))
    }

    pub(crate) fn next(&mut self) -> Duration {
        self.0.next_delay(dice())
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }
}

/// Between 0 and 1. The hasher's keys are random in every process, which is all that jitter needs.
fn dice() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    f64::from(u32::try_from(bits >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
