//! Carrying out actions, in the engine's order, and feeding back what they gave.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use init_sys::signals;
use unit_engine::{Action, Event, MachineAction, Spawn, Target};
use unit_file::UnitConfig;

use super::{
    Finish, Manager, OpenSockets, Outgoing, Source, invocation, now, paths, sockets, spawner,
};
use crate::say::{self, Level};

/// Messages that wait for the bus at most.
const MOST_TOLD: usize = 65_536;

/// Word of the shutdown program for a machine action.
pub(crate) fn shutdown_word(action: &MachineAction) -> String {
    use crate::shutdown::Ending;
    let ending = match action {
        MachineAction::Reboot | MachineAction::RebootForce | MachineAction::RebootImmediate => {
            Ending::Reboot
        }
        MachineAction::PowerOff
        | MachineAction::PowerOffForce
        | MachineAction::PowerOffImmediate => Ending::PowerOff,
        MachineAction::Halt => Ending::Halt,
        MachineAction::Kexec => Ending::Kexec,
        MachineAction::Exit(code) => Ending::Exit(*code),
    };
    ending.word()
}

impl Manager {
    /// Tells the engine what happened and carries out what it wants.
    pub(crate) fn handle(&mut self, event: Event) {
        let actions = self.engine.handle(now(), event, &self.world);
        self.carry_out(actions);
    }

    /// Carries out actions; what they give at once is told to the engine before anything else.
    pub(super) fn carry_out(&mut self, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        let mut events = VecDeque::new();
        loop {
            while let Some(action) = actions.pop_front() {
                self.one(action, &mut events);
            }
            let Some(event) = events.pop_front() else {
                break;
            };
            actions.extend(self.engine.handle(now(), event, &self.world));
        }
        self.log_findings();
    }

    fn log_findings(&mut self) {
        let findings = std::mem::take(&mut *self.world.findings.borrow_mut());
        for (unit, text) in findings {
            // A unit that nobody needs is read at every question about it; its mistakes stay.
            let mut told = self.world.told.borrow_mut();
            if told.len() >= MOST_TOLD {
                told.clear();
            }
            if !told.insert((unit.clone(), text.clone())) {
                continue;
            }
            drop(told);
            self.journal.note(4, Some(&unit), text);
        }
    }

    fn one(&mut self, action: Action, events: &mut VecDeque<Event>) {
        match action {
            Action::Spawn(spawn) => events.push_back(self.spawn(&spawn)),
            Action::Kill {
                target,
                signal,
                then,
            } => self.kill(&target, signal, &then),
            Action::RealizeCgroup { unit, path, config } => self.realize(&unit, &path, &config),
            Action::RemoveCgroup { path } => self.world.cgroups.remove(&path),
            Action::AttachPids { unit, path, pids } => self.attach(&unit, &path, &pids),
            Action::CleanUp {
                unit,
                config,
                keep_runtime,
            } => {
                if !keep_runtime {
                    spawner::clean_up(&config.exec);
                }
                self.private.take_back(&unit);
            }
            Action::RemoveFile { path } => {
                let _ = fs::remove_file(path);
            }
            Action::RemoveTransient { unit } => remove_transient(&unit),
            Action::OpenSockets { unit, config } => {
                events.push_back(self.open_sockets(&unit, &config));
            }
            Action::WatchSockets { unit, on } => self.watch_sockets(&unit, on),
            Action::CloseSockets { unit, config } => self.close_sockets(&unit, &config),
            Action::CloseFd(handle) => {
                if let Some(fd) = self.fds.remove(handle) {
                    self.poll.remove(fd.as_fd(), &Source::Stored(handle));
                }
            }
            Action::WatchPaths { unit, config } => self.watch_paths(&unit, &config),
            Action::UnwatchPaths { unit } => self.unwatch_paths(&unit),
            Action::WatchPidFile { unit, path } => self.watch_pid_file(&unit, &path),
            Action::UnwatchPidFile { unit } => self.unwatch_pid_file(&unit),
            Action::MakeDirectory { path, mode } => make_directory(&path, mode),
            Action::Touch { path } => touch(&path),
            Action::ReleaseIdle => {
                self.idle = Vec::new();
                self.untidy = true;
            }
            Action::Log(entry) => self.journal.write(&entry),
            Action::Console { status, text } => self.status.line(status, &text),
            Action::Machine(action) => self.machine_action(&action),
            Action::StartupFinished => {
                let now = now();
                self.times.finish_realtime = now.realtime;
                self.times.finish_monotonic = now.monotonic;
                self.grow_root();
                self.outgoing
                    .push_back(Outgoing::Engine(Action::StartupFinished));
            }
            Action::UnitRemoved { unit } => {
                invocation::withdraw(&unit);
                self.tell(Action::UnitRemoved { unit });
            }
            told @ (Action::UnitNew { .. }
            | Action::UnitChanged { .. }
            | Action::JobNew { .. }
            | Action::JobRemoved { .. }
            | Action::ServiceEnded { .. }) => self.tell(told),
        }
    }

    /// Makes the root file system as long as its partition, once, beside everything else: when the
    /// login is up, or when the boot is done.
    fn grow_root(&mut self) {
        let machine = self.world.machine.place == crate::boot::Place::Machine;
        if !machine || self.grown || self.finish.is_some() {
            return;
        }
        self.grown = true;
        if let Err(e) = init_sys::spawn::fork_work(crate::boot::growfs::grow_root) {
            say::log(
                Level::Warning,
                &format!("cannot grow the root file system: {e}"),
            );
        }
    }

    /// Clients are told; the queue is bounded, and nobody needs an old state.
    fn tell(&mut self, action: Action) {
        if let Action::JobRemoved { unit, .. } = &action
            && ["sshd.service", "sshd.socket"].contains(&unit.as_ref())
        {
            self.grow_root();
        }
        if self.outgoing.len() < MOST_TOLD {
            self.outgoing.push_back(Outgoing::Engine(action));
        }
    }

    /// A unit whose processes will write to the journal has a new run.
    fn publish_invocation(&self, unit: &str) {
        let id = self.engine.unit(unit).map_or(0, |unit| unit.invocation());
        if id != 0 {
            // Without the link the journal's entries only lack a field, and the unit starts all the same.
            let _ = invocation::publish(unit, id);
        }
    }

    fn spawn(&mut self, spawn: &Spawn) -> Event {
        self.publish_invocation(&spawn.unit);
        let block = self.engine.environment();
        let manager = block
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let manager = manager.collect();
        let boot_id = self.world.machine.facts.boot_id.as_deref();
        let given = self
            .private
            .give(&spawn.unit, &spawn.config.exec, boot_id.unwrap_or_default());
        match spawner::start(spawn, &self.world, &self.fds, manager, given) {
            Ok(child) => {
                let source = Source::Exec(child.pid);
                if self.poll.add(child.report.as_fd(), source).is_ok() {
                    self.starting.insert(child.pid, child.report);
                }
                self.idle.extend(child.idle);
                Event::Spawned {
                    token: spawn.token,
                    pid: child.pid,
                }
            }
            Err(e) => Event::SpawnFailed {
                token: spawn.token,
                error: e.for_engine(),
            },
        }
    }

    fn kill(&mut self, target: &Target, signal: i32, then: &[i32]) {
        match target {
            Target::Pid(pid) => {
                let Ok(pid) = i32::try_from(*pid) else { return };
                send_all(pid, signal, then);
            }
            Target::Cgroup { path, except } => {
                let tree = self.world.cgroups.tree();
                // Processes that fork while they are being killed are caught in the next round.
                let mut done: Vec<i32> = except
                    .iter()
                    .filter_map(|pid| i32::try_from(*pid).ok())
                    .collect();
                if signal == 9 && except.is_empty() && tree.kill(path).is_ok() {
                    return;
                }
                for _ in 0..8 {
                    let fresh: Vec<i32> = tree
                        .all_processes(path)
                        .into_iter()
                        .filter(|pid| *pid > 1 && !done.contains(pid))
                        .collect();
                    if fresh.is_empty() {
                        break;
                    }
                    for pid in fresh {
                        send_all(pid, signal, then);
                        done.push(pid);
                    }
                }
            }
        }
    }

    fn realize(&mut self, unit: &str, path: &str, config: &Arc<UnitConfig>) {
        let owner = config
            .exec
            .user
            .as_deref()
            .filter(|_| config.cgroup.delegate)
            .and_then(|name| {
                let accounts =
                    init_sys::accounts::Accounts::read(std::path::Path::new("/")).ok()?;
                accounts.user(name).map(|user| user.uid)
            });
        if let Err(e) = self
            .world
            .cgroups
            .realize(unit, path, &config.cgroup, owner)
        {
            self.journal.note(
                4,
                Some(unit),
                format!("{unit}: cannot make cgroup {path}: {e}"),
            );
        }
    }

    fn attach(&mut self, unit: &str, path: &str, pids: &[u32]) {
        self.publish_invocation(unit);
        let _ = self.world.cgroups.tree().create(path);
        for pid in pids {
            let Ok(pid) = i32::try_from(*pid) else {
                continue;
            };
            if let Err(e) = self.world.cgroups.tree().attach(path, pid) {
                self.journal.note(
                    4,
                    Some(unit),
                    format!("{unit}: cannot move process {pid} to {path}: {e}"),
                );
            }
        }
    }

    fn open_sockets(&mut self, unit: &str, config: &Arc<UnitConfig>) -> Event {
        let Some(settings) = config.socket() else {
            return Event::SocketsOpened {
                unit: unit.to_owned(),
                result: Err("no socket unit".to_owned()),
            };
        };
        let name = settings.fd_name.clone().unwrap_or_else(|| unit.to_owned());
        let result = match sockets::open(settings) {
            Ok(opened) => {
                let handles: Vec<_> = opened.into_iter().map(|fd| self.fds.add(fd)).collect();
                let named = handles
                    .iter()
                    .map(|handle| (*handle, name.clone()))
                    .collect();
                let open = OpenSockets {
                    handles,
                    accept: settings.accept,
                    config: config.clone(),
                };
                self.sockets.insert(unit.to_owned(), open);
                Ok(named)
            }
            Err(e) => Err(self.explain(&e)),
        };
        Event::SocketsOpened {
            unit: unit.to_owned(),
            result,
        }
    }

    /// Whoever has the address is named, if it is one of ours.
    fn explain(&self, error: &sockets::OpenError) -> String {
        let text = init_api::chain(error);
        if !error.in_use() {
            return text;
        }
        let owner = self.sockets.iter().find(|(_, open)| {
            let listen = open.config.socket().map(|settings| &settings.listen);
            listen.is_some_and(|all| {
                all.iter()
                    .any(|one| one.address.to_string() == error.address())
            })
        });
        owner.map_or_else(
            || text.clone(),
            |(unit, _)| format!("{text} ({unit} listens there)"),
        )
    }

    fn watch_sockets(&mut self, unit: &str, on: bool) {
        let Some(open) = self.sockets.get(unit) else {
            return;
        };
        for handle in &open.handles {
            let Some(fd) = self.fds.get(*handle) else {
                continue;
            };
            let source = Source::Socket {
                unit: unit.to_owned(),
                fd: *handle,
            };
            if !on {
                self.poll.remove(fd, &source);
            } else if !self.poll.has(&source)
                && let Err(e) = self.poll.add(fd, source)
            {
                say::log(
                    Level::Warning,
                    &format!("cannot watch a socket of {unit}: {e}"),
                );
            }
        }
    }

    fn close_sockets(&mut self, unit: &str, config: &Arc<UnitConfig>) {
        self.watch_sockets(unit, false);
        let Some(open) = self.sockets.remove(unit) else {
            return;
        };
        for handle in open.handles {
            drop(self.fds.remove(handle));
        }
        if let Some(settings) = config.socket().filter(|settings| settings.remove_on_stop) {
            sockets::remove_files(settings);
        }
    }

    pub(super) fn watch_paths(&mut self, unit: &str, config: &Arc<UnitConfig>) {
        self.unwatch_paths(unit);
        let Some(settings) = config.path() else {
            return;
        };
        match paths::Watcher::new(&settings.watches) {
            Ok(watcher) => {
                let _ = self.poll.add(watcher.fd(), Source::Path(unit.to_owned()));
                self.watchers.insert(unit.to_owned(), watcher);
            }
            Err(e) => self
                .journal
                .note(3, Some(unit), format!("{unit}: cannot watch paths: {e}")),
        }
    }

    fn unwatch_paths(&mut self, unit: &str) {
        if let Some(watcher) = self.watchers.remove(unit) {
            self.poll
                .remove(watcher.fd(), &Source::Path(unit.to_owned()));
        }
    }

    fn watch_pid_file(&mut self, unit: &str, path: &str) {
        self.unwatch_pid_file(unit);
        if let Ok(fd) = paths::pid_file(path) {
            let _ = self.poll.add(fd.as_fd(), Source::PidFile(unit.to_owned()));
            self.pid_files.insert(unit.to_owned(), fd);
        }
    }

    fn unwatch_pid_file(&mut self, unit: &str) {
        if let Some(fd) = self.pid_files.remove(unit) {
            self.poll
                .remove(fd.as_fd(), &Source::PidFile(unit.to_owned()));
        }
    }

    fn machine_action(&mut self, action: &MachineAction) {
        match action {
            MachineAction::RebootImmediate | MachineAction::PowerOffImmediate
                if self.world.machine.place == crate::boot::Place::Machine =>
            {
                use rustix::system::{RebootCommand, reboot};
                rustix::fs::sync();
                let command = match action {
                    MachineAction::RebootImmediate => RebootCommand::Restart,
                    _ => RebootCommand::PowerOff,
                };
                let _ = reboot(command);
            }
            _ => {}
        }
        self.finish = Some(Finish::Shutdown(shutdown_word(action)));
    }
}

fn send_all(pid: i32, signal: i32, then: &[i32]) {
    if pid <= 1 {
        return;
    }
    let _ = signals::kill(pid, signal);
    for next in then {
        let _ = signals::kill(pid, *next);
    }
}

fn remove_transient(unit: &str) {
    for folder in [
        "/run/systemd/transient",
        "/run/systemd/system.control",
        "/run/systemd/transient.control",
    ] {
        let _ = fs::remove_file(format!("{folder}/{unit}"));
        let _ = fs::remove_dir_all(format!("{folder}/{unit}.d"));
    }
}

fn make_directory(path: &str, mode: u32) {
    if let Err(e) = DirBuilder::new().recursive(true).mode(mode).create(path) {
        say::log(Level::Warning, &format!("cannot make {path}: {e}"));
    }
}

fn touch(path: &str) {
    if let Some(parent) = std::path::Path::new(path).parent() {
        let _ = fs::create_dir_all(parent);
    }
    let opened = fs::OpenOptions::new().create(true).append(true).open(path);
    let now = std::time::SystemTime::now();
    let _ = opened.and_then(|file| file.set_modified(now));
}
