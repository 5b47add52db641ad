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

use init_api::{
    ActiveState, JobMode, JobResult, JobType, ServiceResult, SocketResult, SocketState,
};
use serde::{Deserialize, Serialize};
use unit_file::{Command, SocketConfig};

use crate::{
    Engine,
    action::{Action, ExecKind},
    change::Cause,
    deps::Dep,
    event::{Exit, FdHandle, Pid, Token},
    kill::Stage,
    machine::Machine,
    queue::Outcome,
    record::{ExecStatus, Records},
    service::Process,
    service::{Judge, verdict},
    stamp::RateLimit,
    timers::TimerKey,
    units::UnitId,
    world::World,
};

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

fn as_socket_result(result: ServiceResult) -> SocketResult {
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

    /// Traffic on a socket with `Accept=no`.
    pub(crate) fn socket_ready(&mut self, id: UnitId, world: &dyn World) {
        if self
            .socket(id)
            .is_none_or(|socket| socket.state != SocketState::Listening)
            || self.stop_is_queued(id)
        {
            return;
        }
        if !self.socket_within_limit(id, world) {
            return;
        }
        let Some(service) = self.socket_service(id) else {
            return;
        };
        let unit = self.units[id].name.clone();
        self.actions.push(Action::WatchSockets { unit, on: false });
        let up = !self.units[service].active_state().is_inactive();
        let pending = self.units[service]
            .job
            .and_then(|job| self.jobs.get(&job))
            .is_some_and(|job| matches!(job.kind, JobType::Start | JobType::Restart));
        if !up
            && !pending
            && self
                .enqueue(JobType::Start, service, JobMode::Replace)
                .is_err()
        {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: Failed to queue service startup job"),
            );
            self.socket_enter_stop(id, SocketResult::Resources, world);
            return;
        }
        self.socket_set_state(id, SocketState::Running);
    }

    /// A socket that is to be closed takes nothing any more, whoever waits in its queue.
    fn stop_is_queued(&self, id: UnitId) -> bool {
        let job = self.units[id].job.and_then(|job| self.jobs.get(&job));
        job.is_some_and(|job| job.kind == JobType::Stop)
    }

    fn socket_within_limit(&mut self, id: UnitId, world: &dyn World) -> bool {
        let now = self.now.monotonic;
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.socket() else {
            return false;
        };
        let limit = settings.trigger_limit;
        let fine = self.socket_mut(id).is_some_and(|socket| {
            socket
                .limit
                .allow(now, limit.interval.as_micros(), limit.burst)
        });
        if !fine {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: Trigger limit hit, refusing further activation."),
            );
            self.socket_enter_stop(id, SocketResult::TriggerLimitHit, world);
        }
        fine
    }

    /// A connection on a socket with `Accept=yes`: an instance of the template is loaded and started.
    pub(crate) fn socket_connection(
        &mut self,
        id: UnitId,
        fd: FdHandle,
        peer: &str,
        world: &dyn World,
    ) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.socket() else {
            return;
        };
        let listening = self
            .socket(id)
            .is_some_and(|socket| socket.state == SocketState::Listening);
        if !listening || self.stop_is_queued(id) || !self.socket_within_limit(id, world) {
            self.actions.push(Action::CloseFd(fd));
            return;
        }
        let Some(socket) = self.socket_mut(id) else {
            return;
        };
        if socket.connections >= settings.max_connections {
            socket.refused = socket.refused.saturating_add(1);
            let count = socket.connections;
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: Too many incoming connections ({count}), dropping connection."),
            );
            self.actions.push(Action::CloseFd(fd));
            return;
        }
        let number = socket.accepted;
        socket.accepted = socket.accepted.saturating_add(1);
        let instance = format!("{number}-{peer}");
        let service = config
            .triggers()
            .and_then(|template| template.with_instance(&instance).ok())
            .map(|name| self.load(name.as_str(), world));
        let Some(service) = service else {
            self.actions.push(Action::CloseFd(fd));
            return;
        };
        self.units.connect(service, Dep::After, id, true);
        let socket_name = self.units[id].name.to_string();
        if let Some(machine) = self.service_mut(service) {
            machine.connection = Some(fd);
            machine.socket = Some(socket_name);
        }
        if let Err(error) = self.enqueue(JobType::Start, service, JobMode::Replace) {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!(
                    "{name}: Failed to start {}: {error}",
                    self.units[service].name
                ),
            );
            if let Some(machine) = self.service_mut(service) {
                machine.connection = None;
                machine.socket = None;
            }
            self.actions.push(Action::CloseFd(fd));
            return;
        }
        if let Some(socket) = self.socket_mut(id) {
            socket.connections = socket.connections.saturating_add(1);
        }
        let unit = self.units[id].name.clone();
        self.actions.push(Action::UnitChanged { unit });
    }

    /// The service of a connection is over.
    pub(crate) fn socket_connection_ended(&mut self, name: &str) {
        if let Some(id) = self.units.find(name)
            && let Some(socket) = self.socket_mut(id)
        {
            socket.connections = socket.connections.saturating_sub(1);
        }
    }

    /// The service behind the socket changed its state.
    pub(crate) fn socket_told(&mut self, id: UnitId, service: UnitId, world: &dyn World) {
        let running = self.socket(id).is_some_and(|socket| {
            matches!(socket.state, SocketState::Running | SocketState::Listening)
        });
        let accept = self.units[id]
            .config
            .socket()
            .is_some_and(|settings| settings.accept);
        if !running || accept || self.units[service].job.is_some() {
            return;
        }
        let state = self.units[service].active_state();
        let limited = self.units[service].start_limit_hit;
        if state == ActiveState::Failed && limited {
            self.socket_enter_stop(id, SocketResult::ServiceStartLimitHit, world);
            return;
        }
        let listening = self
            .socket(id)
            .is_some_and(|socket| socket.state == SocketState::Listening);
        if state.is_inactive() && !listening {
            self.socket_enter_listening(id);
        } else if !state.is_inactive() && listening {
            let unit = self.units[id].name.clone();
            self.actions.push(Action::WatchSockets { unit, on: false });
            self.socket_set_state(id, SocketState::Running);
        }
    }

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

    fn socket_note(&mut self, id: UnitId, result: SocketResult) {
        if let Some(socket) = self.socket_mut(id)
            && socket.result == SocketResult::Success
        {
            socket.result = result;
        }
    }

    fn socket_enter_stop(&mut self, id: UnitId, result: SocketResult, world: &dyn World) {
        self.socket_note(id, result);
        if !self.socket_run_list(id, ExecKind::StopPre, SocketState::StopPre) {
            self.socket_enter_stop_post(id, world);
        }
    }

    fn socket_enter_stop_post(&mut self, id: UnitId, world: &dyn World) {
        self.socket_close(id);
        if !self.socket_run_list(id, ExecKind::StopPost, SocketState::StopPost) {
            self.socket_enter_signal(id, SocketState::FinalSigterm, SocketResult::Success, world);
        }
    }

    fn socket_enter_signal(
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

    fn socket_close(&mut self, id: UnitId) {
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

    fn socket_enter_dead(&mut self, id: UnitId) {
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

    fn socket_control_done(&mut self, id: UnitId, result: SocketResult, world: &dyn World) {
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
