//! From whatever it is to dead: `ExecStop=`, signals in two stages, `ExecStopPost=`, signals again.

use std::sync::Arc;

use init_api::{JobResult, ServiceResult, ServiceState};
use unit_file::{FdStorePreserve, KillMode, RestartMode};

use super::Process;
use crate::{
    Engine,
    action::{Action, ExecKind},
    change::Cause,
    config::UnitFormat,
    kill::Stage,
    queue::Outcome,
    timers::TimerKey,
    units::UnitId,
    world::World,
};

impl Engine {
    /// A stop job asks.
    pub(crate) fn service_stop(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(service) = self.service_mut(id) else {
            return Outcome::Already;
        };
        service.forbid_restart = true;
        match service.state {
            ServiceState::Dead | ServiceState::Failed => return Outcome::Already,
            ServiceState::AutoRestart => {
                // The pause ends. What ran before it has been told already.
                self.service_set_end(id, ServiceState::Dead, true);
                self.service_let_go(id, false);
            }
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost
            | ServiceState::Reload
            | ServiceState::ReloadSignal
            | ServiceState::ReloadNotify => {
                self.service_enter_signal(
                    id,
                    ServiceState::StopSigterm,
                    ServiceResult::Success,
                    world,
                );
            }
            ServiceState::Running | ServiceState::Exited => {
                self.service_enter_stop(id, ServiceResult::Success, world);
            }
            ServiceState::Cleaning => return Outcome::Refused(JobResult::Failed),
            _ => {}
        }
        Outcome::Begun
    }

    pub(crate) fn service_enter_stop(
        &mut self,
        id: UnitId,
        result: ServiceResult,
        world: &dyn World,
    ) {
        if let Some(service) = self.service_mut(id) {
            service.note(result);
        }
        if !self.service_run_list(id, ExecKind::Stop, ServiceState::Stop) {
            self.service_enter_signal(id, ServiceState::StopSigterm, ServiceResult::Success, world);
        }
    }

    /// Sends the signal of a stage and waits, or goes on at once when there is nobody to wait for.
    pub(crate) fn service_enter_signal(
        &mut self,
        id: UnitId,
        state: ServiceState,
        result: ServiceResult,
        world: &dyn World,
    ) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.note(result);
        let (main, control) = (service.main, service.control);
        let stage = match state {
            ServiceState::StopWatchdog | ServiceState::FinalWatchdog => Stage::Watchdog,
            ServiceState::StopSigkill | ServiceState::FinalSigkill => Stage::Kill,
            _ => Stage::Terminate,
        };
        if self.kill_unit(id, stage, main, control, world) {
            let timeout = match stage {
                Stage::Watchdog => settings.timeout_abort.unwrap_or(settings.timeout_stop),
                _ => settings.timeout_stop,
            };
            self.arm(id, timeout);
            self.service_set_state(id, state);
            return;
        }
        let again = ServiceResult::Success;
        match state {
            ServiceState::StopWatchdog | ServiceState::StopSigterm if config.kill.send_sigkill => {
                self.service_enter_signal(id, ServiceState::StopSigkill, again, world);
            }
            ServiceState::StopWatchdog | ServiceState::StopSigterm | ServiceState::StopSigkill => {
                self.service_enter_stop_post(id, again, world);
            }
            ServiceState::FinalWatchdog | ServiceState::FinalSigterm
                if config.kill.send_sigkill =>
            {
                self.service_enter_signal(id, ServiceState::FinalSigkill, again, world);
            }
            _ => self.service_enter_dead(id, again, true),
        }
    }

    pub(crate) fn service_enter_stop_post(
        &mut self,
        id: UnitId,
        result: ServiceResult,
        world: &dyn World,
    ) {
        if let Some(service) = self.service_mut(id) {
            service.note(result);
        }
        if !self.service_run_list(id, ExecKind::StopPost, ServiceState::StopPost) {
            self.service_enter_signal(
                id,
                ServiceState::FinalSigterm,
                ServiceResult::Success,
                world,
            );
        }
    }

    /// The end: failed or not, restarted or not.
    pub(crate) fn service_enter_dead(
        &mut self,
        id: UnitId,
        result: ServiceResult,
        may_restart: bool,
    ) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.note(result);
        let result = service.result;
        let well = matches!(
            result,
            ServiceResult::Success | ServiceResult::ExecCondition
        );
        let end = if well {
            ServiceState::Dead
        } else {
            ServiceState::Failed
        };
        let restart = may_restart && self.service_shall_restart(id, settings);
        let early = self.config.unit_format != UnitFormat::Description;
        if early {
            self.announce_result(id, well, result.as_str());
        }
        if !(restart && settings.restart_mode == RestartMode::Direct) {
            self.service_set_end(id, end, restart);
        }
        if !early {
            self.announce_result(id, well, result.as_str());
        }
        let unit = self.units[id].name.clone();
        if restart {
            self.service_enter_auto_restart(id, settings);
        } else {
            if let Some(service) = self.service_mut(id) {
                service.forget_restarts = true;
                service.debug_invocation = false;
            }
            self.actions.push(Action::ServiceEnded { unit, result });
        }
        self.service_let_go(id, restart);
    }

    /// Sets a final state; `restart` keeps `OnFailure=` and the like quiet.
    fn service_set_end(&mut self, id: UnitId, end: ServiceState, restart: bool) {
        self.timers.cancel(TimerKey::State(id));
        self.timers.cancel(TimerKey::Watchdog(id));
        let Some(service) = self.service_mut(id) else {
            return;
        };
        let old = service.state.active();
        service.state = end;
        service.control_command = None;
        service.main_command = None;
        self.unit_changed(
            id,
            old,
            end.active(),
            Cause {
                will_restart: restart,
                reload_failed: false,
            },
        );
    }

    /// Gives back what only a running service needs: directories, the PID file, the connection,
    /// stored descriptors, the cgroup.
    pub(crate) fn service_let_go(&mut self, id: UnitId, restart: bool) {
        let config = Arc::clone(&self.units[id].config);
        let unit = self.units[id].name.clone();
        let Some(settings) = config.service() else {
            return;
        };
        let pending_restart = restart
            || self.units[id]
                .job
                .and_then(|job| self.jobs.get(&job))
                .is_some_and(|job| {
                    matches!(
                        job.kind,
                        init_api::JobType::Restart | init_api::JobType::Start
                    )
                });
        let keep_runtime = match config.exec.runtime_directory_preserve {
            unit_file::DirectoryPreserve::Yes => true,
            unit_file::DirectoryPreserve::Restart => pending_restart,
            unit_file::DirectoryPreserve::No => false,
        };
        self.actions.push(Action::CleanUp {
            unit: unit.clone(),
            config: Arc::clone(&config),
            keep_runtime,
        });
        if let Some(path) = &settings.pid_file {
            self.actions.push(Action::UnwatchPidFile { unit });
            self.actions.push(Action::RemoveFile { path: path.clone() });
        }
        let keep_fds = match settings.fd_store_preserve {
            FdStorePreserve::Yes => true,
            FdStorePreserve::Restart => pending_restart,
            FdStorePreserve::No => false,
        };
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.main = Process::None;
        service.control = Process::None;
        service.monitor = None;
        let mut closing: Vec<_> = service.connection.take().into_iter().collect();
        if !keep_fds {
            closing.extend(service.fds.drain(..).map(|stored| stored.handle));
        }
        let socket = service.socket.take();
        self.actions
            .extend(closing.into_iter().map(Action::CloseFd));
        if let Some(socket) = socket {
            self.socket_connection_ended(&socket);
        }
        let emptied = !matches!(config.kill.mode, KillMode::Process | KillMode::None);
        if !restart && emptied {
            self.drop_cgroup(id);
        }
    }
}
