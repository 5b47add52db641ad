//! Forgetting units that nobody needs any longer.

use crate::{Engine, action::Action, machine::Machine, units::UnitId};
use init_api::ActiveState;
use std::sync::Arc;

impl Engine {
    /// Forgets units that are inactive, have no job and are named by none that stays.
    pub(crate) fn sweep(&mut self) {
        if !std::mem::take(&mut self.garbage) {
            return;
        }
        let mut kept = std::collections::BTreeSet::new();
        let mut open: Vec<UnitId> = self.units.ids().filter(|id| self.stays(*id)).collect();
        while let Some(id) = open.pop() {
            if kept.insert(id) {
                open.extend(
                    self.units[id]
                        .edges
                        .iter()
                        .filter(|edge| edge.declared)
                        .map(|edge| edge.other),
                );
            }
        }
        let doomed: Vec<UnitId> = self.units.ids().filter(|id| !kept.contains(id)).collect();
        for id in doomed {
            self.forget(id);
        }
    }

    /// Whether a unit stays in memory for its own sake.
    pub(super) fn stays(&self, id: UnitId) -> bool {
        let unit = &self.units[id];
        let state = unit.active_state();
        let collect_failed =
            unit.config.unit.collect_mode == unit_file::CollectMode::InactiveOrFailed;
        let at_rest =
            state == ActiveState::Inactive || (state == ActiveState::Failed && collect_failed);
        let holds_fds = unit
            .machine
            .service()
            .is_some_and(|service| !service.fds.is_empty());
        unit.perpetual || unit.job.is_some() || unit.refs > 0 || !at_rest || holds_fds
    }

    pub(super) fn forget(&mut self, id: UnitId) {
        use crate::timers::TimerKey;
        for key in [
            TimerKey::State(id),
            TimerKey::Watchdog(id),
            TimerKey::Elapse(id),
            TimerKey::Calendar(id),
            TimerKey::Upheld(id),
        ] {
            self.timers.cancel(key);
        }
        self.tokens.retain(|_, unit| *unit != id);
        self.pids.retain(|_, unit| *unit != id);
        self.checks.retain(|check| !check.is_about(id));
        self.drop_cgroup(id);
        let Some(unit) = self.units.remove(id) else {
            return;
        };
        if let Machine::Service(service) = &unit.machine {
            let handles = service
                .fds
                .iter()
                .map(|stored| stored.handle)
                .chain(service.connection);
            self.actions.extend(handles.map(Action::CloseFd));
        }
        if unit.transient {
            self.actions.push(Action::RemoveTransient {
                unit: Arc::clone(&unit.name),
            });
        }
        self.actions.push(Action::UnitRemoved { unit: unit.name });
    }
}
