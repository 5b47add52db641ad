//! Automounts, as far as they go here: an automount starts its mount along with itself, so that what
//! lies behind is there, only not lazily. *dead* → *waiting* → *running* while the mount is up.

use init_api::{AutomountState, JobMode, JobType};
use serde::{Deserialize, Serialize};

use crate::{Engine, change::Cause, deps::Dep, machine::Machine, queue::Outcome, units::UnitId};

/// What an automount is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Automount {
    pub(crate) state: AutomountState,
}

impl Automount {
    pub(crate) fn new() -> Self {
        Automount {
            state: AutomountState::Dead,
        }
    }
}

impl Engine {
    fn automount_set_state(&mut self, id: UnitId, state: AutomountState) {
        let Machine::Automount(automount) = &mut self.units[id].machine else {
            return;
        };
        let old = automount.state.active();
        automount.state = state;
        self.unit_changed(id, old, state.active(), Cause::default());
    }

    pub(crate) fn automount_start(&mut self, id: UnitId) -> Outcome {
        let target = self.units[id]
            .edges
            .iter()
            .find(|edge| edge.kind == Dep::Triggers)
            .map(|edge| edge.other);
        self.automount_set_state(id, AutomountState::Waiting);
        if let Some(target) = target {
            self.enqueue_or_log(JobType::Start, target, JobMode::Replace);
        }
        Outcome::Begun
    }

    pub(crate) fn automount_stop(&mut self, id: UnitId) -> Outcome {
        self.automount_set_state(id, AutomountState::Dead);
        Outcome::Begun
    }

    /// The mount behind it came or went.
    pub(crate) fn automount_told(&mut self, id: UnitId, mount: UnitId) {
        let Machine::Automount(automount) = &self.units[id].machine else {
            return;
        };
        let up = self.units[mount].active_state().is_active();
        match automount.state {
            AutomountState::Waiting if up => self.automount_set_state(id, AutomountState::Running),
            AutomountState::Running if !up => self.automount_set_state(id, AutomountState::Waiting),
            _ => {}
        }
    }
}
