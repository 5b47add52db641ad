//! Deadlines, on both clocks. The edge keeps one timer per clock, set to the earliest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{event::Now, units::UnitId};

/// What a deadline is for. Each has at most one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum TimerKey {
    /// The current step of a unit took too long, or its pause is over.
    State(UnitId),
    /// The service has not pinged.
    Watchdog(UnitId),
    /// A timer unit elapses by the monotonic clock.
    Elapse(UnitId),
    /// A timer unit elapses by the wall clock.
    Calendar(UnitId),
    /// An upheld unit may be tried again.
    Upheld(UnitId),
    /// A job has been in the queue for too long.
    Job(u32),
    /// A job has been running for too long.
    JobRunning(u32),
    /// The next line on the console about jobs that take long.
    Progress,
}

/// The earliest deadlines, for the edge's timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deadline {
    /// Microseconds since boot.
    pub monotonic: Option<u64>,
    /// Microseconds since 1970.
    pub realtime: Option<u64>,
}

/// All deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    when: BTreeMap<TimerKey, u64>,
    monotonic: BTreeSet<(u64, TimerKey)>,
    realtime: BTreeSet<(u64, TimerKey)>,
}

impl TimerKey {
    fn by_wall_clock(self) -> bool {
        matches!(self, TimerKey::Calendar(_))
    }
}

impl Timers {
    /// Sets a deadline by the monotonic clock; `u64::MAX` is never.
    pub(crate) fn set_monotonic(&mut self, key: TimerKey, at: u64) {
        self.set(key, at);
    }

    /// Sets a deadline by the clock that belongs to the key; `u64::MAX` is never.
    pub(crate) fn set(&mut self, key: TimerKey, at: u64) {
        self.cancel(key);
        if at == u64::MAX {
            return;
        }
        self.when.insert(key, at);
        self.queue(key).insert((at, key));
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(at) = self.when.remove(&key) {
            self.queue(key).remove(&(at, key));
        }
    }

    pub(crate) fn get(&self, key: TimerKey) -> Option<u64> {
        self.when.get(&key).copied()
    }

    fn queue(&mut self, key: TimerKey) -> &mut BTreeSet<(u64, TimerKey)> {
        if key.by_wall_clock() {
            &mut self.realtime
        } else {
            &mut self.monotonic
        }
    }

    /// Takes one deadline that has passed.
    pub(crate) fn pop_due(&mut self, now: Now) -> Option<TimerKey> {
        let due = |queue: &BTreeSet<(u64, TimerKey)>, now: u64| {
            queue.first().copied().filter(|(at, _)| *at <= now)
        };
        let (_, key) =
            due(&self.monotonic, now.monotonic).or_else(|| due(&self.realtime, now.realtime))?;
        self.cancel(key);
        Some(key)
    }

    pub(crate) fn next(&self) -> Deadline {
        let first = |queue: &BTreeSet<(u64, TimerKey)>| queue.first().map(|(at, _)| *at);
        Deadline {
            monotonic: first(&self.monotonic),
            realtime: first(&self.realtime),
        }
    }

    /// All of them, for a snapshot.
    pub(crate) fn all(&self) -> Vec<(TimerKey, u64)> {
        self.when.iter().map(|(key, at)| (*key, *at)).collect()
    }
}
