//! Traffic and connections: what they start, and within which limits.

use crate::{Engine, action::Action, deps::Dep, event::FdHandle, units::UnitId, world::World};
use init_api::{ActiveState, JobMode, JobType, SocketResult, SocketState};
use std::sync::Arc;

impl Engine {
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

    pub(crate) fn socket_within_limit(&mut self, id: UnitId, world: &dyn World) -> bool {
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
}
