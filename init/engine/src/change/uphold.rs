//! `Upholds=`: while the one unit is up, the other is started again whenever it is found down.

use init_api::{JobMode, JobType, LoadState};

use super::Check;
use crate::{Engine, deps::Dep, job, timers::TimerKey, units::UnitId};

/// Starts of this kind within [`INTERVAL`]; then there is a pause (systemd's own figures).
const BURST: u32 = 16;
/// Microseconds.
const INTERVAL: u64 = 10_000_000;

impl Engine {
    /// A unit changed or its job ended: it may have to be started, and so may those it upholds.
    pub(crate) fn look_after_upheld(&mut self, unit: UnitId) {
        let Some(unit_itself) = self.units.get(unit) else {
            return;
        };
        for edge in &unit_itself.edges {
            match edge.kind {
                Dep::Upholds => self.checks.push_back(Check::Upheld(edge.other)),
                Dep::UpheldBy => self.checks.push_back(Check::Upheld(unit)),
                _ => {}
            }
        }
    }

    pub(super) fn start_if_upheld(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(id) else {
            return;
        };
        let down = unit.active_state().is_inactive();
        if !down || unit.job.is_some() || unit.load_state != LoadState::Loaded {
            return;
        }
        let Some(upholder) = self.upholder(id) else {
            return;
        };
        let (name, now) = (unit.name.clone(), self.now.monotonic);
        if !self.units[id].upheld_starts.allow(now, INTERVAL, BURST) {
            let retry = TimerKey::Upheld(id);
            if self.timers.get(retry).is_none() {
                self.timers
                    .set_monotonic(retry, now.saturating_add(INTERVAL));
                let text = format!(
                    "{name}: Unit needs to be started because active unit {upholder} upholds it, \
                     but not starting since we tried this too often recently."
                );
                self.log_unit(4, id, text);
            }
            return;
        }
        let text = format!("{name}: Unit started because it is upheld by active unit {upholder}.");
        self.log_unit(6, id, text);
        self.enqueue_or_log(JobType::Start, id, JobMode::Fail);
    }

    /// A unit that is up, stays up, and upholds this one.
    fn upholder(&self, id: UnitId) -> Option<std::sync::Arc<str>> {
        let edges = self.units[id].edges.iter();
        edges
            .filter(|edge| edge.kind == Dep::UpheldBy)
            .map(|edge| &self.units[edge.other])
            .find(|other| {
                let leaving = other
                    .job
                    .and_then(|id| self.jobs.get(&id))
                    .is_some_and(|job| job::goes_down(job.kind));
                other.active_state().is_active() && !leaving
            })
            .map(|other| other.name.clone())
    }
}
