//! Asking for processes: what a command gets to know from the manager, and whose process is whose.

use std::sync::Arc;

use init_api::{Signal, UnitType};
use unit_file::{Command, NotifyAccess, StandardInput, StandardOutput};

use crate::{
    Engine,
    action::{Action, ExecKind, Spawn},
    deps::Dep,
    event::{FdHandle, Pid, Token},
    machine::Machine,
    service::Process,
    units::UnitId,
};

impl Engine {
    /// Asks the edge for a process of the unit.
    pub(crate) fn spawn(
        &mut self,
        id: UnitId,
        kind: ExecKind,
        command: Command,
        main: bool,
    ) -> Token {
        self.realize_cgroup(id);
        self.next_token += 1;
        let token = Token(self.next_token);
        self.tokens.insert(token, id);
        let config = Arc::clone(&self.units[id].config);
        let settings = config.service();
        let mut fds = if main || kind == ExecKind::Start {
            self.passed_fds(id)
        } else {
            Vec::new()
        };
        let exec = &config.exec;
        let by_socket = exec.standard_input == StandardInput::Socket
            || exec.standard_output == StandardOutput::Socket
            || exec.standard_error == StandardOutput::Socket;
        let connection = if by_socket {
            let first = self.passed_fds(id).first().map(|(handle, _)| *handle);
            fds.clear();
            first
        } else {
            None
        };
        let notify = settings.is_some_and(|settings| {
            let access = self
                .service(id)
                .and_then(|service| service.notify_access)
                .unwrap_or(settings.notify_access);
            match access {
                NotifyAccess::None => false,
                NotifyAccess::Main => main,
                NotifyAccess::Exec | NotifyAccess::All => true,
            }
        });
        let spawn = Spawn {
            token,
            unit: Arc::clone(&self.units[id].name),
            kind,
            command,
            cgroup: Arc::clone(&self.units[id].cgroup),
            environment: self.spawn_environment(id, kind, main),
            fds,
            connection,
            client: self.service(id).and_then(|service| service.connection),
            notify,
            watchdog_usec: if main {
                self.service_watchdog_usec(id)
            } else {
                None
            },
            main,
            idle: main
                && settings
                    .is_some_and(|settings| settings.service_type == unit_file::ServiceType::Idle),
            control_cgroup: !main && config.cgroup.delegate,
            config,
        };
        self.actions.push(Action::Spawn(Box::new(spawn)));
        token
    }

    /// Sockets of the units that activate this one, in order of their edges, then stored descriptors.
    fn passed_fds(&self, id: UnitId) -> Vec<(FdHandle, String)> {
        let Some(service) = self.service(id) else {
            return Vec::new();
        };
        if let Some(connection) = service.connection {
            return vec![(connection, "connection".to_owned())];
        }
        let mut fds = Vec::new();
        for edge in self.units[id]
            .edges
            .iter()
            .filter(|edge| edge.kind == Dep::TriggeredBy)
        {
            if let Machine::Socket(socket) = &self.units[edge.other].machine {
                fds.extend(socket.fds.iter().cloned());
            }
        }
        fds.extend(
            service
                .fds
                .iter()
                .map(|stored| (stored.handle, stored.name.clone())),
        );
        fds
    }

    fn spawn_environment(&self, id: UnitId, kind: ExecKind, main: bool) -> Vec<(String, String)> {
        let unit = &self.units[id];
        let mut environment = Vec::new();
        let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
        set("INVOCATION_ID", format!("{:032x}", unit.invocation));
        let Some(service) = unit.machine.service() else {
            return environment;
        };
        if let Some(pid) = service.main.pid().filter(|_| !main) {
            set("MAINPID", pid.to_string());
        }
        if service.debug_invocation {
            set("DEBUG_INVOCATION", "1".to_owned());
        }
        if matches!(kind, ExecKind::Stop | ExecKind::StopPost) {
            set("SERVICE_RESULT", service.result.to_string());
            let (code, status) = exit_words(&service.main_status);
            if let Some(code) = code {
                set("EXIT_CODE", code.to_owned());
                set("EXIT_STATUS", status);
            }
        }
        if let Some(monitor) = &service.monitor {
            set("MONITOR_SERVICE_RESULT", monitor.result.to_string());
            let (code, status) = exit_words(&monitor.main);
            if let Some(code) = code {
                set("MONITOR_EXIT_CODE", code.to_owned());
                set("MONITOR_EXIT_STATUS", status);
            }
            set(
                "MONITOR_INVOCATION_ID",
                format!("{:032x}", monitor.invocation),
            );
            set("MONITOR_UNIT", monitor.unit.clone());
        }
        environment
    }

    /// A process of a spawn exists: notes whose it is.
    pub(crate) fn note_spawned(&mut self, token: Token, pid: Pid) -> Option<UnitId> {
        let id = self.tokens.remove(&token)?;
        self.pids.insert(pid, id);
        Some(id)
    }

    /// The main and the control process of a unit.
    pub(crate) fn processes(&self, id: UnitId) -> (Option<Pid>, Option<Pid>) {
        match &self.units[id].machine {
            Machine::Service(service) => (service.main.pid(), service.control.pid()),
            Machine::Socket(socket) => (None, socket.control.pid()),
            Machine::Mount(mount) | Machine::Swap(mount) => (None, mount.control.pid()),
            _ => (None, None),
        }
    }

    /// Makes the unit's cgroup before the first process, and the slices above it.
    pub(crate) fn realize_cgroup(&mut self, id: UnitId) {
        let slice = self.units[id]
            .edges
            .iter()
            .find(|edge| edge.kind == Dep::InSlice)
            .map(|edge| edge.other);
        if let Some(slice) = slice
            && !self.units[slice].cgroup_made
        {
            self.realize_cgroup(slice);
        }
        let unit = &mut self.units[id];
        if unit.cgroup.is_empty() || std::mem::replace(&mut unit.cgroup_made, true) {
            return;
        }
        let action = Action::RealizeCgroup {
            unit: Arc::clone(&unit.name),
            path: Arc::clone(&unit.cgroup),
            config: Arc::clone(&unit.config),
        };
        self.actions.push(action);
    }

    /// The unit has no use for its cgroup now.
    pub(crate) fn drop_cgroup(&mut self, id: UnitId) {
        let unit = &mut self.units[id];
        if unit.kind != UnitType::Slice && std::mem::take(&mut unit.cgroup_made) {
            let path = Arc::clone(&unit.cgroup);
            self.actions.push(Action::RemoveCgroup { path });
        }
    }

    /// Tells a unit that is about to be started whose end is the reason.
    pub(crate) fn hand_over_monitor(&mut self, from: UnitId, to: UnitId) {
        let source = &self.units[from];
        let Some(service) = source.machine.service() else {
            return;
        };
        let monitor = crate::service::Monitor {
            unit: source.name.to_string(),
            invocation: source.invocation,
            result: service.result,
            main: service.main_status,
        };
        if let Some(target) = self.service_mut(to)
            && !matches!(target.control, Process::Alive(_))
        {
            target.monitor = Some(Box::new(monitor));
        }
    }
}

/// `exited` with the number, `killed` or `dumped` with the signal's name.
fn exit_words(status: &crate::record::ExecStatus) -> (Option<&'static str>, String) {
    let signal =
        || Signal::new(status.status).map_or_else(|| status.status.to_string(), Signal::name);
    match status.code {
        1 => (Some("exited"), status.status.to_string()),
        2 => (Some("killed"), signal()),
        3 => (Some("dumped"), signal()),
        _ => (None, String::new()),
    }
}
