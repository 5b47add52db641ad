//! Start limits.

use crate::{Engine, change::Cause, machine::Machine, units::UnitId};
use init_api::ActiveState;

impl Engine {
    /// Counts a start; one too many makes the unit fail.
    pub(crate) fn within_start_limit(&mut self, id: UnitId) -> bool {
        if matches!(
            self.units[id].machine,
            Machine::Target(_)
                | Machine::Slice(_)
                | Machine::Scope(_)
                | Machine::Device(_)
                | Machine::Automount(_)
        ) {
            return true;
        }
        let now = self.now.monotonic;
        let unit = &mut self.units[id];
        let limit = unit.config.unit.start_limit;
        if unit
            .start_limit
            .allow(now, limit.interval.as_micros(), limit.burst)
        {
            unit.start_limit_hit = false;
            return true;
        }
        unit.start_limit_hit = true;
        let action = unit.config.unit.start_limit_action;
        let name = unit.name.clone();
        self.log_unit(
            4,
            id,
            format!("{name}: Start request repeated too quickly."),
        );
        self.fail_by_limit(id);
        self.emergency(action, id, "unit hit its start limit");
        false
    }

    pub(super) fn fail_by_limit(&mut self, id: UnitId) {
        match &mut self.units[id].machine {
            Machine::Service(_) => {
                self.service_enter_dead(id, init_api::ServiceResult::StartLimitHit, false);
            }
            Machine::Socket(socket) => {
                socket.result = init_api::SocketResult::StartLimitHit;
                let old = socket.state.active();
                socket.state = init_api::SocketState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Timer(timer) => {
                timer.result = init_api::TimerResult::StartLimitHit;
                let old = timer.state.active();
                timer.state = init_api::TimerState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Path(path) => {
                path.result = init_api::PathResult::StartLimitHit;
                let old = path.state.active();
                path.state = init_api::PathState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Mount(mount) | Machine::Swap(mount) => {
                mount.result = init_api::MountResult::StartLimitHit;
                let old = mount.state.active();
                mount.state = init_api::MountState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Target(_)
            | Machine::Slice(_)
            | Machine::Scope(_)
            | Machine::Device(_)
            | Machine::Automount(_) => {}
        }
    }
}
