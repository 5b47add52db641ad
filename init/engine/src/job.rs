//! A queued job, and the tables of what job types mean to each other and to a unit's state.
//! Decides nothing about units; [`crate::transaction`] and [`crate::queue`] use the tables.

use init_api::{ActiveState, JobResult, JobState, JobType};
use serde::{Deserialize, Serialize};

use crate::{stamp::Stamp, units::UnitId};

/// A job in the queue. A unit has at most one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Job {
    pub(crate) id: u32,
    pub(crate) unit: UnitId,
    pub(crate) kind: JobType,
    pub(crate) state: JobState,
    /// Only a transaction of mode replace-irreversibly may replace it.
    pub(crate) irreversible: bool,
    /// Mode ignore-dependencies: waits for nothing.
    pub(crate) ignore_order: bool,
    pub(crate) queued: Stamp,
    pub(crate) began: Stamp,
    /// Set while it sits in the run queue.
    #[serde(skip)]
    pub(crate) scheduled: bool,
    /// The edge at which it was found waiting last: where to look first the next time.
    #[serde(skip)]
    pub(crate) cursor: usize,
    /// The result of a reload, told by the unit before it goes back to active.
    pub(crate) reload_failed: bool,
}

/// The type that stands for both, or none: stop merges with nothing else.
pub(crate) fn merge(first: JobType, second: JobType) -> Option<JobType> {
    use JobType::{Reload, ReloadOrStart, Restart, Start, Stop, VerifyActive};
    if first == second {
        return Some(first);
    }
    match (first, second) {
        (Stop, _) | (_, Stop) => None,
        (Start, VerifyActive) | (VerifyActive, Start) => Some(Start),
        (Start | VerifyActive, Restart) | (Restart, Start | VerifyActive) => Some(Restart),
        (Start, Reload | ReloadOrStart) | (Reload | ReloadOrStart, Start) => Some(ReloadOrStart),
        (VerifyActive, Reload) | (Reload, VerifyActive) => Some(Reload),
        (VerifyActive, ReloadOrStart) | (ReloadOrStart, VerifyActive) => Some(ReloadOrStart),
        (Reload, Restart) | (Restart, Reload) => Some(Restart),
        (ReloadOrStart, Restart) | (Restart, ReloadOrStart) => Some(Restart),
        (ReloadOrStart, Reload) | (Reload, ReloadOrStart) => Some(ReloadOrStart),
        _ => None,
    }
}

/// Whether one contradicts the other.
pub(crate) fn conflicting(first: JobType, second: JobType) -> bool {
    merge(first, second).is_none()
}

/// Whether doing `first` does all that `second` would.
pub(crate) fn superset(first: JobType, second: JobType) -> bool {
    merge(first, second) == Some(first)
}

/// Whether the unit is already where the job would bring it.
pub(crate) fn redundant(kind: JobType, state: ActiveState) -> bool {
    match kind {
        JobType::Start | JobType::VerifyActive => state.is_active(),
        JobType::Stop => state.is_inactive(),
        JobType::Reload => state == ActiveState::Reloading,
        JobType::Nop => true,
        JobType::Restart | JobType::TryRestart | JobType::TryReload | JobType::ReloadOrStart => {
            false
        }
    }
}

/// The types that depend on the unit's state become plain ones.
pub(crate) fn collapse(kind: JobType, state: ActiveState) -> JobType {
    let down = state.is_inactive() || state == ActiveState::Deactivating;
    match kind {
        JobType::TryRestart if down => JobType::Nop,
        JobType::TryRestart => JobType::Restart,
        JobType::TryReload if down => JobType::Nop,
        JobType::TryReload => JobType::Reload,
        JobType::ReloadOrStart if down => JobType::Start,
        JobType::ReloadOrStart => JobType::Reload,
        plain => plain,
    }
}

/// Whether the job first brings its unit down: such jobs go before others whatever the direction.
pub(crate) fn goes_down(kind: JobType) -> bool {
    matches!(kind, JobType::Stop | JobType::Restart | JobType::TryRestart)
}

/// Whether the job of a unit that is ordered after another has to wait for the other's job.
pub(crate) fn later_waits(later: JobType, earlier: JobType) -> bool {
    later != JobType::Nop && earlier != JobType::Nop && !goes_down(later)
}

/// Whether the job of a unit that is ordered before another has to wait for the other's job.
pub(crate) fn earlier_waits(earlier: JobType, later: JobType) -> bool {
    earlier != JobType::Nop && later != JobType::Nop && goes_down(later)
}

/// Whether a failure of this job takes dependent start jobs with it.
pub(crate) fn is_failure(result: JobResult) -> bool {
    result != JobResult::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: [JobType; 6] = [
        JobType::Start,
        JobType::VerifyActive,
        JobType::Stop,
        JobType::Reload,
        JobType::Restart,
        JobType::ReloadOrStart,
    ];

    #[test]
    fn merging_does_not_depend_on_the_order() {
        for first in PLAIN {
            for second in PLAIN {
                assert_eq!(
                    merge(first, second),
                    merge(second, first),
                    "{first} {second}"
                );
            }
        }
    }

    #[test]
    fn a_stop_merges_with_nothing_else() {
        for other in PLAIN.into_iter().filter(|kind| *kind != JobType::Stop) {
            assert!(conflicting(JobType::Stop, other), "{other}");
        }
    }

    #[test]
    fn a_merged_job_does_all_that_both_would() {
        for first in PLAIN {
            for second in PLAIN {
                if let Some(both) = merge(first, second) {
                    assert!(
                        superset(both, first) && superset(both, second),
                        "{first} {second}"
                    );
                }
            }
        }
    }

    #[test]
    fn types_that_ask_for_the_state_collapse_to_plain_ones() {
        for (kind, state, want) in [
            (JobType::TryRestart, ActiveState::Inactive, JobType::Nop),
            (JobType::TryRestart, ActiveState::Active, JobType::Restart),
            (
                JobType::TryRestart,
                ActiveState::Activating,
                JobType::Restart,
            ),
            (JobType::TryReload, ActiveState::Failed, JobType::Nop),
            (
                JobType::ReloadOrStart,
                ActiveState::Deactivating,
                JobType::Start,
            ),
            (JobType::ReloadOrStart, ActiveState::Active, JobType::Reload),
        ] {
            assert_eq!(collapse(kind, state), want, "{kind} {state}");
        }
    }

    #[test]
    fn of_two_ordered_jobs_exactly_one_waits() {
        for later in PLAIN {
            for earlier in PLAIN {
                assert!(
                    later_waits(later, earlier) != earlier_waits(earlier, later),
                    "{later} {earlier}"
                );
            }
        }
    }
}
