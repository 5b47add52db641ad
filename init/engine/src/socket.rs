//! Sockets.
//!
//! # The machine
//!
//! *dead* → (*start-pre* → opening → *start-post*) → *listening* ⇄ *running* → *stop-pre* →
//! *stop-pre-sigterm* → *stop-pre-sigkill* → *stop-post* → *final-sigterm* → *final-sigkill* → *dead* or *failed*.
//!
//! Opening is asked of the edge and answered by an event; it counts as *start-chown*. In *listening*
//! the sockets are watched. With `Accept=no` the first traffic starts the service and the socket is
//! *running*, unwatched, until the service is down again: what is pending then starts it anew. With
//! `Accept=yes` it stays *listening* and every connection starts an instance of the template.
//! A service that cannot be started fails the socket (`service-start-limit-hit`); one that is started
//! too often does too (`trigger-limit-hit`). Once *dead* or *failed* the sockets are closed.

use std::sync::Arc;

use init_api::{ActiveState, JobResult, JobType, SocketResult, SocketState};
use serde::{Deserialize, Serialize};
use unit_file::{Command, SocketConfig};

use crate::{
    Engine,
    action::{Action, ExecKind},
    change::Cause,
    deps::Dep,
    event::FdHandle,
    machine::Machine,
    queue::Outcome,
    record::Records,
    service::Process,
    stamp::RateLimit,
    timers::TimerKey,
    units::UnitId,
    world::World,
};

mod activate;
mod process;
mod stop;

/// What a socket is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Socket {
    pub(crate) state: SocketState,
    pub(crate) result: SocketResult,
    pub(crate) fds: Vec<(FdHandle, String)>,
    pub(crate) control: Process,
    pub(crate) command: Option<(ExecKind, usize)>,
    pub(crate) records: Records,
    pub(crate) accepted: u32,
    pub(crate) connections: u32,
    pub(crate) refused: u32,
    pub(crate) limit: RateLimit,
}

impl Socket {
    pub(crate) fn new() -> Self {
        Socket {
            state: SocketState::Dead,
            result: SocketResult::Success,
            fds: Vec::new(),
            control: Process::None,
            command: None,
            records: Records::default(),
            accepted: 0,
            connections: 0,
            refused: 0,
            limit: RateLimit::default(),
        }
    }
}

fn commands(settings: &SocketConfig, kind: ExecKind) -> &[Command] {
    match kind {
        ExecKind::StartPre => &settings.exec_start_pre,
        ExecKind::StartPost => &settings.exec_start_post,
        ExecKind::StopPre => &settings.exec_stop_pre,
        ExecKind::StopPost => &settings.exec_stop_post,
        _ => &[],
    }
}

impl Engine {
    fn socket(&self, id: UnitId) -> Option<&Socket> {
        match &self.units.get(id)?.machine {
            Machine::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    fn socket_mut(&mut self, id: UnitId) -> Option<&mut Socket> {
        match &mut self.units[id].machine {
            Machine::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    fn socket_service(&self, id: UnitId) -> Option<UnitId> {
        self.units[id]
            .edges
            .iter()
            .find(|edge| edge.kind == Dep::Triggers)
            .map(|edge| edge.other)
    }

    fn socket_set_state(&mut self, id: UnitId, state: SocketState) {
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        let old = socket.state.active();
        socket.state = state;
        if matches!(
            state,
            SocketState::Dead | SocketState::Failed | SocketState::Listening | SocketState::Running
        ) {
            self.timers.cancel(TimerKey::State(id));
        }
        self.unit_changed(id, old, state.active(), Cause::default());
    }

    /// A start job asks.
    pub(crate) fn socket_start(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(socket) = self.socket(id) else {
            return Outcome::Already;
        };
        match socket.state {
            SocketState::Dead | SocketState::Failed => {}
            state if state.active() == ActiveState::Activating => return Outcome::Begun,
            _ => return Outcome::Again,
        }
        let accept = self.units[id]
            .config
            .socket()
            .is_some_and(|settings| settings.accept);
        if let Some(service) = self.socket_service(id).filter(|_| !accept) {
            if self.units[service].usable().is_err() {
                let (name, other) = (
                    self.units[id].name.clone(),
                    self.units[service].name.clone(),
                );
                self.log_unit(
                    3,
                    id,
                    format!("{name}: Socket service {other} not loaded, refusing."),
                );
                return Outcome::Refused(JobResult::Failed);
            }
            let up = self.units[service]
                .machine
                .service()
                .is_some_and(|service| {
                    !matches!(
                        service.state,
                        init_api::ServiceState::Dead
                            | init_api::ServiceState::Failed
                            | init_api::ServiceState::AutoRestart
                    )
                });
            if up {
                let (name, other) = (
                    self.units[id].name.clone(),
                    self.units[service].name.clone(),
                );
                self.log_unit(
                    3,
                    id,
                    format!("{name}: Socket service {other} already active, refusing."),
                );
                return Outcome::Refused(JobResult::Failed);
            }
        }
        self.units[id].invocation = world.random();
        if let Some(socket) = self.socket_mut(id) {
            socket.result = SocketResult::Success;
            socket.records.clear();
        }
        if !self.socket_run_list(id, ExecKind::StartPre, SocketState::StartPre) {
            self.socket_open(id);
        }
        Outcome::Begun
    }

    fn socket_run_list(&mut self, id: UnitId, kind: ExecKind, state: SocketState) -> bool {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config
            .socket()
            .filter(|settings| !commands(settings, kind).is_empty())
        else {
            return false;
        };
        self.socket_run(id, settings, kind, 0);
        self.socket_set_state(id, state);
        true
    }

    fn socket_run(&mut self, id: UnitId, settings: &SocketConfig, kind: ExecKind, index: usize) {
        let Some(command) = commands(settings, kind).get(index) else {
            return;
        };
        self.arm(id, settings.timeout);
        let token = self.spawn(id, kind, command.clone(), false);
        if let Some(socket) = self.socket_mut(id) {
            socket.control = Process::Asked(token);
            socket.command = Some((kind, index));
        }
    }

    fn socket_open(&mut self, id: UnitId) {
        let unit = &self.units[id];
        let action = Action::OpenSockets {
            unit: Arc::clone(&unit.name),
            config: Arc::clone(&unit.config),
        };
        let has_fds = self.socket(id).is_some_and(|socket| !socket.fds.is_empty());
        if has_fds {
            self.socket_opened_well(id);
        } else {
            self.actions.push(action);
            self.socket_set_state(id, SocketState::StartChown);
        }
    }

    /// The edge has opened the sockets, or could not.
    pub(crate) fn socket_opened(
        &mut self,
        id: UnitId,
        result: Result<Vec<(FdHandle, String)>, String>,
        world: &dyn World,
    ) {
        let waiting = self
            .socket(id)
            .is_some_and(|socket| socket.state == SocketState::StartChown);
        match result {
            Ok(fds) => {
                if let Some(socket) = self.socket_mut(id) {
                    socket.fds = fds;
                }
                if waiting {
                    self.socket_opened_well(id);
                } else {
                    self.socket_close(id);
                }
            }
            Err(text) => {
                let name = self.units[id].name.clone();
                self.log_unit(
                    3,
                    id,
                    format!("{name}: Failed to create listening socket: {text}"),
                );
                if waiting {
                    self.socket_enter_signal(
                        id,
                        SocketState::FinalSigterm,
                        SocketResult::Resources,
                        world,
                    );
                }
            }
        }
    }

    fn socket_opened_well(&mut self, id: UnitId) {
        if !self.socket_run_list(id, ExecKind::StartPost, SocketState::StartPost) {
            self.socket_enter_listening(id);
        }
    }

    fn socket_enter_listening(&mut self, id: UnitId) {
        let unit = self.units[id].name.clone();
        self.actions.push(Action::WatchSockets { unit, on: true });
        self.socket_set_state(id, SocketState::Listening);
    }

    /// A socket that is to be closed takes nothing any more, whoever waits in its queue.
    fn stop_is_queued(&self, id: UnitId) -> bool {
        let job = self.units[id].job.and_then(|job| self.jobs.get(&job));
        job.is_some_and(|job| job.kind == JobType::Stop)
    }
}
