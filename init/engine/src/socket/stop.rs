//! From whatever it is to dead: commands, signals, closing.

use crate::{
    Engine,
    action::{Action, ExecKind},
    kill::Stage,
    queue::Outcome,
    service::Process,
    units::UnitId,
    world::World,
};
use init_api::{SocketResult, SocketState};
use std::sync::Arc;

impl Engine {
    /// A stop job asks.
    pub(crate) fn socket_stop(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(socket) = self.socket(id) else {
            return Outcome::Already;
        };
        match socket.state {
            SocketState::Dead | SocketState::Failed => return Outcome::Already,
            SocketState::StartPre | SocketState::StartChown | SocketState::StartPost => {
                self.socket_enter_signal(
                    id,
                    SocketState::StopPreSigterm,
                    SocketResult::Success,
                    world,
                );
            }
            SocketState::Listening | SocketState::Running => {
                self.socket_enter_stop(id, SocketResult::Success, world);
            }
            _ => {}
        }
        Outcome::Begun
    }

    pub(crate) fn socket_note(&mut self, id: UnitId, result: SocketResult) {
        if let Some(socket) = self.socket_mut(id)
            && socket.result == SocketResult::Success
        {
            socket.result = result;
        }
    }

    pub(crate) fn socket_enter_stop(
        &mut self,
        id: UnitId,
        result: SocketResult,
        world: &dyn World,
    ) {
        self.socket_note(id, result);
        if !self.socket_run_list(id, ExecKind::StopPre, SocketState::StopPre) {
            self.socket_enter_stop_post(id, world);
        }
    }

    pub(crate) fn socket_enter_stop_post(&mut self, id: UnitId, world: &dyn World) {
        self.socket_close(id);
        if !self.socket_run_list(id, ExecKind::StopPost, SocketState::StopPost) {
            self.socket_enter_signal(id, SocketState::FinalSigterm, SocketResult::Success, world);
        }
    }

    pub(crate) fn socket_enter_signal(
        &mut self,
        id: UnitId,
        state: SocketState,
        result: SocketResult,
        world: &dyn World,
    ) {
        self.socket_note(id, result);
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.socket() else {
            return;
        };
        let control = self
            .socket(id)
            .map_or(Process::None, |socket| socket.control);
        let stage = match state {
            SocketState::StopPreSigkill | SocketState::FinalSigkill => Stage::Kill,
            _ => Stage::Terminate,
        };
        if self.kill_unit(id, stage, Process::None, control, world) {
            self.arm(id, settings.timeout);
            self.socket_set_state(id, state);
            return;
        }
        match state {
            SocketState::StopPreSigterm => {
                self.socket_enter_signal(
                    id,
                    SocketState::StopPreSigkill,
                    SocketResult::Success,
                    world,
                );
            }
            SocketState::StopPreSigkill => self.socket_enter_stop_post(id, world),
            SocketState::FinalSigterm => {
                self.socket_enter_signal(
                    id,
                    SocketState::FinalSigkill,
                    SocketResult::Success,
                    world,
                );
            }
            _ => self.socket_enter_dead(id),
        }
    }

    pub(crate) fn socket_close(&mut self, id: UnitId) {
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        if socket.fds.is_empty() {
            return;
        }
        socket.fds.clear();
        let unit = &self.units[id];
        let (unit, config) = (Arc::clone(&unit.name), Arc::clone(&unit.config));
        self.actions.push(Action::WatchSockets {
            unit: Arc::clone(&unit),
            on: false,
        });
        self.actions.push(Action::CloseSockets { unit, config });
    }

    pub(crate) fn socket_enter_dead(&mut self, id: UnitId) {
        self.socket_close(id);
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        let result = socket.result;
        let well = result == SocketResult::Success;
        if !well {
            self.announce_result(id, well, result.as_str());
        }
        self.socket_set_state(
            id,
            if well {
                SocketState::Dead
            } else {
                SocketState::Failed
            },
        );
        self.drop_cgroup(id);
    }

    pub(crate) fn socket_timed_out(&mut self, id: UnitId, world: &dyn World) {
        let Some(socket) = self.socket(id) else {
            return;
        };
        let state = socket.state;
        let name = self.units[id].name.clone();
        self.log_unit(4, id, format!("{name}: State '{state}' timed out."));
        let late = SocketResult::Timeout;
        match state {
            SocketState::StartPre => {
                self.socket_enter_signal(id, SocketState::FinalSigterm, late, world);
            }
            SocketState::StartPost => self.socket_enter_stop(id, late, world),
            SocketState::StopPre => {
                self.socket_enter_signal(id, SocketState::StopPreSigterm, late, world);
            }
            SocketState::StopPreSigterm => {
                self.socket_enter_signal(id, SocketState::StopPreSigkill, late, world);
            }
            SocketState::StopPreSigkill => {
                self.socket_note(id, late);
                self.socket_enter_stop_post(id, world);
            }
            SocketState::StopPost => {
                self.socket_enter_signal(id, SocketState::FinalSigterm, late, world);
            }
            SocketState::FinalSigterm => {
                self.socket_enter_signal(id, SocketState::FinalSigkill, late, world);
            }
            SocketState::FinalSigkill => {
                self.socket_note(id, late);
                self.socket_enter_dead(id);
            }
            _ => {}
        }
    }

    pub(crate) fn socket_cgroup_empty(&mut self, id: UnitId, world: &dyn World) {
        let Some(socket) = self.socket(id) else {
            return;
        };
        if socket.control.is_some() {
            return;
        }
        match socket.state {
            SocketState::StopPreSigterm | SocketState::StopPreSigkill => {
                self.socket_enter_stop_post(id, world);
            }
            SocketState::FinalSigterm | SocketState::FinalSigkill => self.socket_enter_dead(id),
            _ => {}
        }
    }

    pub(crate) fn socket_reset_failed(&mut self, id: UnitId) {
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        socket.result = SocketResult::Success;
        socket.limit.reset();
        if socket.state == SocketState::Failed {
            self.socket_set_state(id, SocketState::Dead);
        }
    }
}
