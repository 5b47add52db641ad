//! From dead to running: conditions of the service's own, the command lists in turn, and the moment
//! at which each `Type=` counts as started.

use std::sync::Arc;

use init_api::{ServiceResult, ServiceState};
use unit_file::ServiceType;

use super::{Process, commands};
use crate::{
    Engine,
    action::{Action, ExecKind},
    event::{Pid, SpawnError, Token},
    queue::Outcome,
    record::ExecStatus,
    stamp::Stamp,
    timers::TimerKey,
    units::UnitId,
    world::World,
};

impl Engine {
    /// Begins a start. Conditions, asserts and the start limit have been looked at.
    pub(crate) fn service_start(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(service) = self.service_mut(id) else {
            return Outcome::Already;
        };
        match service.state {
            ServiceState::Dead | ServiceState::Failed => {}
            ServiceState::AutoRestart if service.restart_due => {}
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost => {
                return Outcome::Begun;
            }
            _ => return Outcome::Again,
        }
        if std::mem::take(&mut service.forget_restarts) {
            service.restarts = 0;
        }
        service.result = ServiceResult::Success;
        service.reload_result = ServiceResult::Success;
        service.main_status = ExecStatus::default();
        service.records.clear();
        service.main_command = None;
        service.main_known = false;
        service.status_text = None;
        service.status_errno = 0;
        service.status_bus_error = None;
        service.forbid_restart = false;
        service.restart_due = false;
        service.said_reloading = false;
        service.said_stopping = false;
        service.watchdog_override = None;
        service.watchdog_ping = Stamp::default();
        service.notify_access = None;
        service.oom_killed = false;
        self.units[id].invocation = world.random();
        self.service_enter_condition(id, world);
        Outcome::Begun
    }

    fn service_enter_condition(&mut self, id: UnitId, world: &dyn World) {
        if !self.service_run_list(id, ExecKind::Condition, ServiceState::Condition) {
            self.service_enter_start_pre(id, world);
        }
    }

    pub(crate) fn service_enter_start_pre(&mut self, id: UnitId, world: &dyn World) {
        if !self.service_run_list(id, ExecKind::StartPre, ServiceState::StartPre) {
            self.service_enter_start(id, world);
        }
    }

    /// Enters a state and runs the first command of its list as the control process; false if the
    /// list is empty.
    pub(crate) fn service_run_list(
        &mut self,
        id: UnitId,
        kind: ExecKind,
        state: ServiceState,
    ) -> bool {
        let config = Arc::clone(&self.units[id].config);
        let empty = config
            .service()
            .is_none_or(|service| commands(service, kind).is_empty());
        if empty {
            return false;
        }
        self.service_run_control(id, kind, 0);
        self.service_set_state(id, state);
        true
    }

    /// Runs one command as the control process, with the deadline of its phase.
    pub(crate) fn service_run_control(&mut self, id: UnitId, kind: ExecKind, index: usize) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let Some(command) = commands(settings, kind).get(index) else {
            return;
        };
        let timeout = match kind {
            ExecKind::Stop | ExecKind::StopPost => settings.timeout_stop,
            _ => settings.timeout_start,
        };
        self.arm(id, timeout);
        let token = self.spawn(id, kind, command.clone(), false);
        if let Some(service) = self.service_mut(id) {
            service.control = Process::Asked(token);
            service.control_command = Some((kind, index));
        }
    }

    pub(crate) fn service_enter_start(&mut self, id: UnitId, world: &dyn World) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        if settings.exec_start.is_empty() {
            self.arm(id, settings.timeout_start);
            // Without this step it would go from dead to dead, and nobody would be told of its end.
            self.service_set_state(id, ServiceState::Start);
            self.service_enter_start_post(id, world);
            return;
        }
        if settings.service_type == ServiceType::Forking {
            self.service_run_control(id, ExecKind::Start, 0);
        } else {
            self.service_run_main(id, 0);
        }
        self.service_set_state(id, ServiceState::Start);
    }

    /// Runs one command of `ExecStart=` as the main process.
    pub(crate) fn service_run_main(&mut self, id: UnitId, index: usize) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let Some(command) = settings.exec_start.get(index) else {
            return;
        };
        self.arm(id, settings.timeout_start);
        let token = self.spawn(id, ExecKind::Start, command.clone(), true);
        if let Some(service) = self.service_mut(id) {
            service.main = Process::Asked(token);
            service.main_known = true;
            service.main_command = Some(index);
        }
    }

    pub(crate) fn service_enter_start_post(&mut self, id: UnitId, world: &dyn World) {
        self.service_ping(id);
        if !self.service_run_list(id, ExecKind::StartPost, ServiceState::StartPost) {
            self.service_enter_running(id, ServiceResult::Success, world);
        }
    }

    /// The service is up, or has come to an end while it was: the one place that decides what the
    /// end of the main process means.
    pub(crate) fn service_enter_running(
        &mut self,
        id: UnitId,
        result: ServiceResult,
        world: &dyn World,
    ) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let good = self.service_good(id, world);
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.note(result);
        if good {
            if service.said_stopping {
                self.service_enter_stop_by_notify(id);
            } else if service.said_reloading {
                self.service_enter_reload_by_notify(id);
            } else {
                self.arm(id, settings.runtime_max);
                self.service_set_state(id, ServiceState::Running);
            }
        } else if result != ServiceResult::Success {
            self.service_enter_signal(id, ServiceState::StopSigterm, result, world);
        } else if settings.remain_after_exit {
            self.timers.cancel(TimerKey::State(id));
            self.service_set_state(id, ServiceState::Exited);
        } else {
            self.service_enter_stop(id, ServiceResult::Success, world);
        }
    }

    /// Whether the service still does what it is for.
    pub(crate) fn service_good(&self, id: UnitId, world: &dyn World) -> bool {
        let Some(service) = self.service(id) else {
            return false;
        };
        if service.main.is_some() {
            return true;
        }
        let whole_cgroup = self.units[id]
            .config
            .service()
            .is_some_and(|settings| settings.exit_type == unit_file::ExitType::Cgroup);
        (!service.main_known || whole_cgroup) && world.cgroup_populated(&self.units[id].cgroup)
    }

    /// The process of a spawn exists.
    pub(crate) fn service_spawned(
        &mut self,
        id: UnitId,
        token: Token,
        pid: Pid,
        world: &dyn World,
    ) {
        let now = self.now;
        let config = Arc::clone(&self.units[id].config);
        let Some(kind) = config.service().map(|settings| settings.service_type) else {
            return;
        };
        let Some(service) = self.service_mut(id) else {
            return;
        };
        let status = ExecStatus::begun(pid, now);
        if service.main == Process::Asked(token) {
            service.main = Process::Alive(pid);
            service.main_status = status;
            if let Some(index) = service.main_command {
                service.records.set(ExecKind::Start, index, status);
            }
        } else if service.control == Process::Asked(token) {
            service.control = Process::Alive(pid);
            if let Some((kind, index)) = service.control_command {
                service.records.set(kind, index, status);
            }
            return;
        } else {
            return;
        }
        match service.state {
            ServiceState::Start if matches!(kind, ServiceType::Simple | ServiceType::Idle) => {
                self.service_enter_start_post(id, world);
            }
            ServiceState::StopSigterm | ServiceState::FinalSigterm => self.kill_late(id, pid),
            _ => {}
        }
    }

    /// Nothing could be run.
    pub(crate) fn service_spawn_failed(
        &mut self,
        id: UnitId,
        token: Token,
        error: &SpawnError,
        world: &dyn World,
    ) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        if service.main == Process::Asked(token) {
            service.main = Process::None;
            service.main_command = None;
        } else if service.control == Process::Asked(token) {
            service.control = Process::None;
            service.control_command = None;
        } else {
            return;
        }
        let state = service.state;
        let name = self.units[id].name.clone();
        self.log_unit(
            4,
            id,
            format!("{name}: Failed to run '{state}' task: {}", error.text),
        );
        let bad = ServiceResult::Resources;
        match state {
            ServiceState::Condition | ServiceState::StartPre => {
                self.service_enter_dead(id, bad, true);
            }
            ServiceState::Start => {
                self.service_enter_signal(id, ServiceState::StopSigterm, bad, world);
            }
            ServiceState::StartPost => self.service_enter_stop(id, bad, world),
            ServiceState::Reload => self.service_reloaded(id, bad, world),
            ServiceState::Stop => {
                self.service_enter_signal(id, ServiceState::StopSigterm, bad, world);
            }
            ServiceState::StopPost => {
                self.service_enter_signal(id, ServiceState::FinalSigterm, bad, world);
            }
            _ => {}
        }
    }

    /// The main process has become the program.
    pub(crate) fn service_exec_done(&mut self, id: UnitId, pid: Pid, world: &dyn World) {
        let exec = self.units[id]
            .config
            .service()
            .is_some_and(|settings| settings.service_type == ServiceType::Exec);
        let at_start = self.service(id).is_some_and(|service| {
            service.state == ServiceState::Start && service.main == Process::Alive(pid)
        });
        if exec && at_start {
            self.service_enter_start_post(id, world);
        }
    }

    /// The bus name of a service of type dbus has an owner.
    pub(crate) fn service_bus_name_owned(&mut self, id: UnitId, world: &dyn World) {
        let dbus = self.units[id]
            .config
            .service()
            .is_some_and(|settings| settings.service_type == ServiceType::Dbus);
        if dbus
            && self
                .service(id)
                .is_some_and(|service| service.state == ServiceState::Start)
        {
            self.service_enter_start_post(id, world);
        }
    }

    /// Changes the state, keeps the watchdog in step and tells everybody.
    pub(crate) fn service_set_state(&mut self, id: UnitId, state: ServiceState) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        let old = service.state.active();
        service.state = state;
        let cause = crate::change::Cause {
            will_restart: false,
            reload_failed: service.reload_result != ServiceResult::Success,
        };
        let watched = service.is_watched();
        if matches!(
            state,
            ServiceState::Dead | ServiceState::Failed | ServiceState::Exited
        ) {
            self.timers.cancel(TimerKey::State(id));
        }
        if watched {
            self.service_arm_watchdog(id);
        } else {
            self.timers.cancel(TimerKey::Watchdog(id));
        }
        self.unit_changed(id, old, state.active(), cause);
    }

    /// Watches for the PID file of a forking service.
    pub(crate) fn service_watch_pid_file(&mut self, id: UnitId, path: &str) {
        let unit = self.units[id].name.clone();
        self.actions.push(Action::WatchPidFile {
            unit,
            path: path.to_owned(),
        });
    }
}
