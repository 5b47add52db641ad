//! The cgroup of a service ran empty, or out of memory.

use crate::{Engine, announce::ID_OUT_OF_MEMORY, units::UnitId, world::World};
use init_api::{ServiceResult, ServiceState};
use std::sync::Arc;
use unit_file::ServiceType;

impl Engine {
    /// The last process has left the cgroup.
    pub(crate) fn service_cgroup_empty(&mut self, id: UnitId, world: &dyn World) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let Some(service) = self.service(id) else {
            return;
        };
        let idle = !service.main.is_some() && !service.control.is_some();
        match service.state {
            ServiceState::Start if idle && settings.service_type == ServiceType::Forking => {
                self.service_enter_signal(
                    id,
                    ServiceState::StopSigterm,
                    ServiceResult::Protocol,
                    world,
                );
            }
            ServiceState::Start
                if idle
                    && matches!(
                        settings.service_type,
                        ServiceType::Notify | ServiceType::NotifyReload | ServiceType::Dbus
                    ) =>
            {
                self.service_enter_signal(
                    id,
                    ServiceState::StopSigterm,
                    ServiceResult::Protocol,
                    world,
                );
            }
            ServiceState::Running if idle => {
                self.service_enter_running(id, ServiceResult::Success, world);
            }
            ServiceState::StopWatchdog | ServiceState::StopSigterm | ServiceState::StopSigkill
                if idle =>
            {
                self.service_enter_stop_post(id, ServiceResult::Success, world);
            }
            ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill
                if idle =>
            {
                self.service_enter_dead(id, ServiceResult::Success, true);
            }
            ServiceState::Dead | ServiceState::Failed => self.drop_cgroup(id),
            _ => {}
        }
    }

    /// The kernel ran out of memory for the service.
    pub(crate) fn service_out_of_memory(&mut self, id: UnitId, world: &dyn World) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let name = self.units[id].name.clone();
        self.log_unit_with(
            5,
            id,
            format!("{name}: A process of this unit has been killed by the OOM killer."),
            vec![("MESSAGE_ID", ID_OUT_OF_MEMORY.to_owned())],
        );
        if settings.oom_policy == unit_file::OomPolicy::Continue {
            return;
        }
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.oom_killed = true;
        match service.state {
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost => {
                self.service_enter_signal(
                    id,
                    ServiceState::StopSigterm,
                    ServiceResult::OomKill,
                    world,
                );
            }
            ServiceState::Running
            | ServiceState::Exited
            | ServiceState::Reload
            | ServiceState::ReloadSignal
            | ServiceState::ReloadNotify => {
                self.service_enter_stop(id, ServiceResult::OomKill, world);
            }
            _ => service.note(ServiceResult::OomKill),
        }
    }
}
