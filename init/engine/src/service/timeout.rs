//! The deadline of a step has passed.

use std::sync::Arc;

use init_api::{ServiceResult, ServiceState, Signal};

use super::Process;
use crate::{
    Engine,
    action::{Action, Target},
    units::UnitId,
    world::World,
};

impl Engine {
    pub(crate) fn service_timed_out(&mut self, id: UnitId, world: &dyn World) {
        let Some(service) = self.service(id) else {
            return;
        };
        let state = service.state;
        let late = ServiceResult::Timeout;
        let send_sigkill = self.units[id].config.kill.send_sigkill;
        match state {
            ServiceState::Condition
            | ServiceState::StartPre
            | ServiceState::Start
            | ServiceState::StartPost => {
                self.say_late(id, &format!("{state} operation timed out. Terminating."));
                self.service_enter_signal(id, ServiceState::StopSigterm, late, world);
            }
            ServiceState::Running => {
                self.say_late(id, "Service reached runtime time limit. Stopping.");
                self.service_enter_stop(id, late, world);
            }
            ServiceState::Reload | ServiceState::ReloadSignal | ServiceState::ReloadNotify => {
                self.say_late(id, "Reload operation timed out. Killing reload process.");
                self.service_kill_control(id);
                self.service_reloaded(id, late, world);
            }
            ServiceState::Stop => {
                self.say_late(id, "Stopping timed out. Terminating.");
                self.service_enter_signal(id, ServiceState::StopSigterm, late, world);
            }
            ServiceState::StopWatchdog | ServiceState::StopSigterm if send_sigkill => {
                self.say_late(id, &format!("State '{state}' timed out. Killing."));
                self.service_enter_signal(id, ServiceState::StopSigkill, late, world);
            }
            ServiceState::StopWatchdog | ServiceState::StopSigterm => {
                self.say_late(id, &format!("State '{state}' timed out. Skipping SIGKILL."));
                self.service_enter_stop_post(id, late, world);
            }
            ServiceState::StopSigkill => {
                self.say_late(id, "Processes still around after SIGKILL. Ignoring.");
                self.service_enter_stop_post(id, late, world);
            }
            ServiceState::StopPost => {
                self.say_late(id, "State 'stop-post' timed out. Terminating.");
                self.service_enter_signal(id, ServiceState::FinalSigterm, late, world);
            }
            ServiceState::FinalWatchdog | ServiceState::FinalSigterm if send_sigkill => {
                self.say_late(id, &format!("State '{state}' timed out. Killing."));
                self.service_enter_signal(id, ServiceState::FinalSigkill, late, world);
            }
            ServiceState::FinalWatchdog | ServiceState::FinalSigterm => {
                self.say_late(
                    id,
                    &format!("State '{state}' timed out. Skipping SIGKILL. Entering failed mode."),
                );
                self.service_enter_dead(id, late, false);
            }
            ServiceState::FinalSigkill => {
                self.say_late(
                    id,
                    "Processes still around after final SIGKILL. Entering failed mode.",
                );
                self.service_enter_dead(id, late, true);
            }
            ServiceState::AutoRestart => self.service_enter_restart(id),
            ServiceState::Dead
            | ServiceState::Failed
            | ServiceState::Exited
            | ServiceState::Cleaning => {}
        }
    }

    fn say_late(&mut self, id: UnitId, text: &str) {
        let name = self.units[id].name.clone();
        self.log_unit(4, id, format!("{name}: {text}"));
    }

    fn service_kill_control(&mut self, id: UnitId) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        if let Process::Alive(pid) = std::mem::take(&mut service.control) {
            self.pids.remove(&pid);
            let signal = Signal::KILL.number();
            self.actions.push(Action::Kill {
                target: Target::Pid(pid),
                signal,
                then: Vec::new(),
            });
        }
        if let Some(service) = self.service_mut(id) {
            service.control_command = None;
        }
    }

    /// No ping in time.
    pub(crate) fn service_watchdog_expired(&mut self, id: UnitId, world: &dyn World) {
        let config = Arc::clone(&self.units[id].config);
        let limit = self.service_watchdog_usec(id).unwrap_or_else(|| {
            config
                .service()
                .map_or(0, |settings| settings.watchdog.as_micros())
        });
        if !self.service(id).is_some_and(super::Service::is_watched) {
            return;
        }
        let span = init_api::TimeSpan::from_micros(limit);
        self.say_late(id, &format!("Watchdog timeout (limit {span})!"));
        self.service_enter_signal(
            id,
            ServiceState::StopWatchdog,
            ServiceResult::Watchdog,
            world,
        );
    }
}
