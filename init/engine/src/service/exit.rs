//! A process of a service ended, or its cgroup ran empty.

use std::sync::Arc;

use init_api::{ServiceResult, ServiceState};
use unit_file::ServiceType;

use super::{Judge, Process, commands, describe, verdict};
use crate::{
    Engine,
    action::ExecKind,
    announce::ID_PROCESS_EXIT,
    event::{Exit, Pid},
    units::UnitId,
    world::World,
};

impl Engine {
    /// One of the service's processes was reaped.
    pub(crate) fn service_child_exited(
        &mut self,
        id: UnitId,
        pid: Pid,
        exit: Exit,
        world: &dyn World,
    ) {
        let Some(service) = self.service(id) else {
            return;
        };
        if service.main == Process::Alive(pid) {
            self.service_main_exited(id, pid, exit, world);
        } else if service.control == Process::Alive(pid) {
            self.service_control_exited(id, exit, world);
        }
    }

    fn log_exit(&mut self, id: UnitId, who: &str, exit: Exit, result: ServiceResult) {
        let priority = if result == ServiceResult::Success {
            7
        } else {
            5
        };
        let name = self.units[id].name.clone();
        let fields = vec![("MESSAGE_ID", ID_PROCESS_EXIT.to_owned())];
        self.log_unit_with(
            priority,
            id,
            format!("{name}: {who} process exited, {}", describe(exit)),
            fields,
        );
    }

    fn service_main_exited(&mut self, id: UnitId, pid: Pid, exit: Exit, world: &dyn World) {
        let now = self.now;
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        if settings.service_type == ServiceType::Forking
            && self.service_follow_pid_file(id, pid, world)
        {
            return;
        }
        let oneshot = settings.service_type == ServiceType::Oneshot;
        let judge = if oneshot {
            Judge::Command
        } else {
            Judge::Daemon
        };
        let real = verdict(exit, judge, Some(&settings.success_exit_status));
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.main = Process::None;
        service.main_status.ended(exit, now);
        let mut result = real;
        if let Some(index) = service.main_command {
            service.records.ended(ExecKind::Start, index, exit, now);
            if settings
                .exec_start
                .get(index)
                .is_some_and(|command| command.flags.ignore_failure)
            {
                result = ServiceResult::Success;
            }
        }
        if service.oom_killed && result != ServiceResult::Success {
            result = ServiceResult::OomKill;
        }
        service.note(result);
        let next = service
            .main_command
            .map(|index| index + 1)
            .filter(|next| *next < settings.exec_start.len());
        let state = service.state;
        self.log_exit(id, "Main", exit, result);
        if let Some(next) = next
            && oneshot
            && result == ServiceResult::Success
            && state == ServiceState::Start
        {
            self.service_run_main(id, next);
            return;
        }
        if let Some(service) = self.service_mut(id) {
            service.main_command = None;
        }
        self.service_main_gone(
            id,
            settings.service_type,
            settings.remain_after_exit,
            result,
            world,
        );
    }

    fn service_main_gone(
        &mut self,
        id: UnitId,
        kind: ServiceType,
        remain: bool,
        result: ServiceResult,
        world: &dyn World,
    ) {
        let Some(service) = self.service(id) else {
            return;
        };
        let control = service.control.is_some();
        match service.state {
            ServiceState::Start if kind == ServiceType::Oneshot => {
                if result == ServiceResult::Success {
                    self.service_enter_start_post(id, world);
                } else {
                    self.service_enter_signal(id, ServiceState::StopSigterm, result, world);
                }
            }
            ServiceState::Start
                if matches!(
                    kind,
                    ServiceType::Notify | ServiceType::NotifyReload | ServiceType::Dbus
                ) =>
            {
                let result = match result {
                    ServiceResult::Success if remain => return,
                    ServiceResult::Success => ServiceResult::Protocol,
                    failure => failure,
                };
                self.service_enter_signal(id, ServiceState::StopSigterm, result, world);
            }
            ServiceState::Start | ServiceState::Running => {
                self.service_enter_running(id, result, world);
            }
            ServiceState::StartPost | ServiceState::Reload if control => {}
            ServiceState::StartPost
            | ServiceState::Reload
            | ServiceState::ReloadSignal
            | ServiceState::ReloadNotify => self.service_enter_running(id, result, world),
            ServiceState::StopWatchdog | ServiceState::StopSigterm | ServiceState::StopSigkill
                if !control =>
            {
                self.service_enter_stop_post(id, result, world);
            }
            ServiceState::Stop if !control => {
                self.service_enter_signal(id, ServiceState::StopSigterm, result, world);
            }
            ServiceState::StopPost if !control => {
                self.service_enter_signal(id, ServiceState::FinalSigterm, result, world);
            }
            ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill
                if !control =>
            {
                self.service_finish_if_empty(id, result, world);
            }
            _ => {}
        }
    }

    /// The final stages wait for the whole cgroup when that is what was signalled.
    fn service_finish_if_empty(&mut self, id: UnitId, result: ServiceResult, world: &dyn World) {
        let whole = matches!(
            self.units[id].config.kill.mode,
            unit_file::KillMode::ControlGroup | unit_file::KillMode::Mixed
        );
        if whole && world.cgroup_populated(&self.units[id].cgroup) {
            if let Some(service) = self.service_mut(id) {
                service.note(result);
            }
            return;
        }
        self.service_enter_dead(id, result, true);
    }

    fn service_control_exited(&mut self, id: UnitId, exit: Exit, world: &dyn World) {
        let now = self.now;
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.service() else {
            return;
        };
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.control = Process::None;
        let command = service.control_command.take();
        // The parent of a forking service is judged like a daemon, by the manual of SuccessExitStatus=.
        let (judge, also_clean) = match command {
            Some((ExecKind::Start, _)) => (Judge::Command, Some(&settings.success_exit_status)),
            _ => (Judge::Command, None),
        };
        let real = verdict(exit, judge, also_clean);
        let mut result = real;
        let mut next = None;
        if let Some((kind, index)) = command {
            service.records.ended(kind, index, exit, now);
            let list = commands(settings, kind);
            if list
                .get(index)
                .is_some_and(|command| command.flags.ignore_failure)
            {
                result = ServiceResult::Success;
            }
            next = (index + 1 < list.len()).then_some((kind, index + 1));
        }
        let state = service.state;
        let skips = state == ServiceState::Condition
            && matches!(exit, Exit::Exited(status) if (1..255).contains(&status))
            && result != ServiceResult::Success;
        if skips {
            result = ServiceResult::ExecCondition;
        }
        if state != ServiceState::Reload {
            service.note(result);
        }
        self.log_exit(id, "Control", exit, result);
        let listed = matches!(
            state,
            ServiceState::Condition
                | ServiceState::StartPre
                | ServiceState::StartPost
                | ServiceState::Reload
                | ServiceState::Stop
                | ServiceState::StopPost
        );
        match next {
            Some((kind, index)) if listed && result == ServiceResult::Success => {
                self.service_run_control(id, kind, index);
            }
            _ => self.service_control_done(id, state, result, world),
        }
    }

    fn service_control_done(
        &mut self,
        id: UnitId,
        state: ServiceState,
        result: ServiceResult,
        world: &dyn World,
    ) {
        let well = result == ServiceResult::Success;
        let main = self
            .service(id)
            .is_some_and(|service| service.main.is_some());
        match state {
            ServiceState::Condition if well => self.service_enter_start_pre(id, world),
            ServiceState::StartPre if well => self.service_enter_start(id, world),
            ServiceState::Start if well => self.service_forked(id, world),
            ServiceState::StartPost if well => {
                self.service_load_pid_file(id, world);
                let result = self
                    .service(id)
                    .map_or(ServiceResult::Success, |service| service.result);
                self.service_enter_running(id, result, world);
            }
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost
            | ServiceState::Stop => {
                self.service_enter_signal(id, ServiceState::StopSigterm, result, world);
            }
            ServiceState::Reload => self.service_reloaded(id, result, world),
            ServiceState::StopWatchdog | ServiceState::StopSigterm | ServiceState::StopSigkill
                if !main =>
            {
                self.service_enter_stop_post(id, result, world);
            }
            ServiceState::StopPost => {
                self.service_enter_signal(id, ServiceState::FinalSigterm, result, world);
            }
            ServiceState::FinalWatchdog
            | ServiceState::FinalSigterm
            | ServiceState::FinalSigkill
                if !main =>
            {
                self.service_finish_if_empty(id, result, world);
            }
            _ => {}
        }
    }
}
