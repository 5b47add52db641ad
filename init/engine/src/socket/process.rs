//! The control process of a socket: its commands in turn.

use super::commands;
use crate::{
    Engine,
    event::{Exit, Pid, Token},
    record::ExecStatus,
    service::Process,
    service::{Judge, verdict},
    units::UnitId,
    world::World,
};
use init_api::{ServiceResult, SocketResult, SocketState};
use std::sync::Arc;

pub(super) fn as_socket_result(result: ServiceResult) -> SocketResult {
    match result {
        ServiceResult::Success => SocketResult::Success,
        ServiceResult::Timeout => SocketResult::Timeout,
        ServiceResult::ExitCode => SocketResult::ExitCode,
        ServiceResult::Signal => SocketResult::Signal,
        ServiceResult::CoreDump => SocketResult::CoreDump,
        _ => SocketResult::Resources,
    }
}

impl Engine {
    pub(crate) fn socket_spawned(&mut self, id: UnitId, token: Token, pid: Pid) {
        let status = ExecStatus::begun(pid, self.now);
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        if socket.control == Process::Asked(token) {
            socket.control = Process::Alive(pid);
            if let Some((kind, index)) = socket.command {
                socket.records.set(kind, index, status);
            }
        }
    }

    pub(crate) fn socket_spawn_failed(&mut self, id: UnitId, token: Token, world: &dyn World) {
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        if socket.control == Process::Asked(token) {
            socket.control = Process::None;
            self.socket_control_done(id, SocketResult::Resources, world);
        }
    }

    pub(crate) fn socket_child_exited(
        &mut self,
        id: UnitId,
        pid: Pid,
        exit: Exit,
        world: &dyn World,
    ) {
        let now = self.now;
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.socket() else {
            return;
        };
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        if socket.control != Process::Alive(pid) {
            return;
        }
        socket.control = Process::None;
        let mut result = as_socket_result(verdict(exit, Judge::Command, None));
        let command = socket.command.take();
        if let Some((kind, index)) = command {
            socket.records.ended(kind, index, exit, now);
            let list = commands(settings, kind);
            if list
                .get(index)
                .is_some_and(|command| command.flags.ignore_failure)
            {
                result = SocketResult::Success;
            }
            if result == SocketResult::Success && index + 1 < list.len() {
                self.socket_run(id, settings, kind, index + 1);
                return;
            }
        }
        self.socket_control_done(id, result, world);
    }

    pub(crate) fn socket_control_done(
        &mut self,
        id: UnitId,
        result: SocketResult,
        world: &dyn World,
    ) {
        let Some(socket) = self.socket(id) else {
            return;
        };
        let well = result == SocketResult::Success;
        match socket.state {
            SocketState::StartPre if well => self.socket_open(id),
            SocketState::StartPre => {
                self.socket_enter_signal(id, SocketState::FinalSigterm, result, world);
            }
            SocketState::StartPost if well => self.socket_enter_listening(id),
            SocketState::StartPost => self.socket_enter_stop(id, result, world),
            SocketState::StopPre | SocketState::StopPreSigterm | SocketState::StopPreSigkill => {
                self.socket_note(id, result);
                self.socket_enter_stop_post(id, world);
            }
            SocketState::StopPost | SocketState::FinalSigterm | SocketState::FinalSigkill => {
                self.socket_note(id, result);
                self.socket_enter_dead(id);
            }
            _ => {}
        }
    }
}
