//! Forgetting a failure.

use crate::{Engine, change::Cause, machine::Machine, units::UnitId};
use init_api::ActiveState;

impl Engine {
    /// Clears a failure and its traces.
    pub(crate) fn reset_failed(&mut self, id: UnitId) {
        self.units[id].start_limit.reset();
        self.units[id].start_limit_hit = false;
        match self.units[id].machine {
            Machine::Service(_) => self.service_reset_failed(id),
            Machine::Socket(_) => self.socket_reset_failed(id),
            Machine::Timer(_) => self.timer_reset_failed(id),
            Machine::Path(_) => self.path_reset_failed(id),
            Machine::Mount(_) | Machine::Swap(_) => self.mount_reset_failed(id),
            Machine::Scope(_) => self.scope_reset_failed(id),
            Machine::Target(_) | Machine::Slice(_) | Machine::Device(_) | Machine::Automount(_) => {
            }
        }
        self.garbage = true;
    }

    pub(crate) fn service_reset_failed(&mut self, id: UnitId) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.result = init_api::ServiceResult::Success;
        service.reload_result = init_api::ServiceResult::Success;
        service.restarts = 0;
        service.forget_restarts = false;
        if service.state == init_api::ServiceState::Failed {
            service.state = init_api::ServiceState::Dead;
            self.unit_changed(
                id,
                ActiveState::Failed,
                ActiveState::Inactive,
                Cause::default(),
            );
        }
    }
}
