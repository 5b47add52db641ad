//! The clocks, as microseconds: the engine is given these and never looks itself.

use rustix::time::{ClockId, clock_gettime};

fn micros(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(nanos / 1000)
}

/// Microseconds since boot, without the time spent suspended.
#[must_use]
pub fn monotonic() -> u64 {
    micros(ClockId::Monotonic)
}

/// Microseconds since 1970 (UTC).
#[must_use]
pub fn realtime() -> u64 {
    micros(ClockId::Realtime)
}

/// Microseconds since boot, with the time spent suspended.
#[must_use]
pub fn boottime() -> u64 {
    micros(ClockId::Boottime)
}
