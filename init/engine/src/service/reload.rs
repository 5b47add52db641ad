//! Reloading: `ExecReload=`, or the signal and the messages of notify-reload. A failure does not stop
//! the service.

use std::sync::Arc;

use init_api::{JobResult, ServiceResult, ServiceState};
use unit_file::ServiceType;

use crate::{
    Engine,
    action::{Action, ExecKind, Target},
    queue::Outcome,
    units::UnitId,
    world::World,
};

impl Engine {
    /// A reload job asks.
    pub(crate) fn service_reload(&mut self, id: UnitId, _world: &dyn World) -> Outcome {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return Outcome::Refused(JobResult::Invalid);
        };
        let now = self.now.monotonic;
        let Some(service) = self.service_mut(id) else {
            return Outcome::Refused(JobResult::Invalid);
        };
        match service.state {
            ServiceState::Running | ServiceState::Exited => {}
            ServiceState::Reload | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                return Outcome::Begun;
            }
            state if state.active() == init_api::ActiveState::Activating => return Outcome::Again,
            _ => return Outcome::Refused(JobResult::Invalid),
        }
        service.reload_result = ServiceResult::Success;
        if settings.service_type == ServiceType::NotifyReload {
            service.reload_begin = now;
            let Some(pid) = service.main.pid() else {
                return Outcome::Refused(JobResult::Failed);
            };
            let signal = settings.reload_signal.number();
            self.actions.push(Action::Kill {
                target: Target::Pid(pid),
                signal,
                then: Vec::new(),
            });
            self.arm(id, settings.timeout_start);
            self.service_set_state(id, ServiceState::ReloadSignal);
        } else if !self.service_run_list(id, ExecKind::Reload, ServiceState::Reload) {
            return Outcome::Refused(JobResult::Invalid);
        }
        Outcome::Begun
    }

    /// The reload is over, well or not; the service goes on.
    pub(crate) fn service_reloaded(
        &mut self,
        id: UnitId,
        result: ServiceResult,
        world: &dyn World,
    ) {
        if let Some(service) = self.service_mut(id) {
            service.reload_result = result;
        }
        if result == ServiceResult::Success {
            self.service_load_pid_file(id, world);
        }
        self.service_enter_running(id, ServiceResult::Success, world);
        if let Some(service) = self.service_mut(id) {
            service.reload_result = ServiceResult::Success;
        }
    }

    /// Whether a reload can do anything.
    pub(crate) fn service_can_reload(settings: &unit_file::ServiceConfig) -> bool {
        !settings.exec_reload.is_empty() || settings.service_type == ServiceType::NotifyReload
    }
}
