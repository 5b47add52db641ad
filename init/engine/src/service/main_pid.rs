//! Which process is the main one: PID files, guesses, a new one in the place of the old.

use super::Process;
use crate::{Engine, action::Action, event::Pid, units::UnitId, world::World};
use init_api::{ServiceResult, ServiceState};
use std::sync::Arc;

impl Engine {
    /// The parent of a forking service has ended well: who is the main process?
    pub(crate) fn service_forked(&mut self, id: UnitId, world: &dyn World) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        if let Some(path) = &settings.pid_file {
            if !self.service_load_pid_file(id, world) {
                if world.cgroup_populated(&self.units[id].cgroup) {
                    let name = self.units[id].name.clone();
                    self.log_unit(
                        5,
                        id,
                        format!("{name}: Can't open PID file {path} (yet?) after start, waiting."),
                    );
                    self.service_watch_pid_file(id, path);
                } else {
                    self.service_enter_signal(
                        id,
                        ServiceState::StopSigterm,
                        ServiceResult::Protocol,
                        world,
                    );
                }
                return;
            }
        } else if settings.guess_main_pid {
            self.service_guess_main(id, world);
        }
        self.service_enter_start_post(id, world);
    }

    /// The only process left is the main one.
    pub(crate) fn service_guess_main(&mut self, id: UnitId, world: &dyn World) {
        let pids = world.cgroup_pids(&self.units[id].cgroup);
        if let [pid] = pids.as_slice() {
            self.service_set_main(id, *pid);
        }
    }

    /// Takes the main process from the PID file; false if there is none that can be it.
    pub(crate) fn service_load_pid_file(&mut self, id: UnitId, world: &dyn World) -> bool {
        let config = Arc::clone(&self.units[id].config);
        let Some(path) = config
            .service()
            .and_then(|settings| settings.pid_file.as_ref())
        else {
            return false;
        };
        let Some(pid) = world.read_pid_file(path) else {
            return false;
        };
        if self
            .service(id)
            .is_some_and(|service| service.main == Process::Alive(pid))
        {
            return true;
        }
        let ours = world
            .unit_of_pid(pid)
            .is_some_and(|unit| unit == *self.units[id].name);
        if !world.pid_alive(pid) || !ours {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: New main PID {pid} does not belong to service, refusing."),
            );
            return false;
        }
        self.service_set_main(id, pid);
        true
    }

    /// A main process that ended may have put another in its place before.
    pub(crate) fn service_follow_pid_file(
        &mut self,
        id: UnitId,
        ended: Pid,
        world: &dyn World,
    ) -> bool {
        let config = Arc::clone(&self.units[id].config);
        let Some(path) = config
            .service()
            .and_then(|settings| settings.pid_file.as_ref())
        else {
            return false;
        };
        world.read_pid_file(path).is_some_and(|pid| pid != ended)
            && self.service_load_pid_file(id, world)
    }

    /// The PID file may be there now.
    pub(crate) fn service_pid_file_changed(&mut self, id: UnitId, world: &dyn World) {
        let waiting = self.service(id).is_some_and(|service| {
            service.state == ServiceState::Start
                && !service.main.is_some()
                && !service.control.is_some()
        });
        if waiting && self.service_load_pid_file(id, world) {
            let unit = self.units[id].name.clone();
            self.actions.push(Action::UnwatchPidFile { unit });
            self.service_enter_start_post(id, world);
        }
    }

    /// Notes another main process.
    pub(crate) fn service_set_main(&mut self, id: UnitId, pid: Pid) {
        let now = self.now;
        let Some(service) = self.service_mut(id) else {
            return;
        };
        let old = service.main.pid();
        service.main = Process::Alive(pid);
        service.main_known = true;
        if old != Some(pid) {
            service.main_status = crate::record::ExecStatus::begun(pid, now);
        }
        if let Some(old) = old {
            self.pids.remove(&old);
        }
        self.pids.insert(pid, id);
    }
}
