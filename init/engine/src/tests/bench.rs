//! A machine made of tables: carries actions out at once, and writes down what happened.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use init_api::JobMode;
use unit_file::{Condition, ConditionKind, LoadedUnit};

use crate::{
    Action, Engine, Event, Exit, FdHandle, ManagerConfig, Now, Pid, Reply, Request, RequestError,
    SpawnError, Target, Verb, World,
};

/// What the engine may ask.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) files: RefCell<BTreeMap<String, String>>,
    pub(super) paths: RefCell<BTreeSet<String>>,
    pub(super) pid_files: RefCell<BTreeMap<String, Pid>>,
    pub(super) cgroups: RefCell<BTreeMap<String, BTreeSet<Pid>>>,
    dice: RefCell<u128>,
}

impl World for Facts {
    fn load(&self, name: &str) -> LoadedUnit {
        super::read(&self.files.borrow(), name)
    }

    fn condition(&self, condition: &Condition) -> bool {
        condition.kind == ConditionKind::PathExists
            && self.paths.borrow().contains(&condition.parameter)
    }

    fn cgroup_populated(&self, path: &str) -> bool {
        !self.cgroup_pids(path).is_empty()
    }

    fn cgroup_pids(&self, path: &str) -> Vec<Pid> {
        self.cgroups
            .borrow()
            .get(path)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    fn unit_of_pid(&self, pid: Pid) -> Option<String> {
        let cgroups = self.cgroups.borrow();
        let (path, _) = cgroups.iter().find(|(_, pids)| pids.contains(&pid))?;
        path.rsplit('/').next().map(str::to_owned)
    }

    fn pid_alive(&self, pid: Pid) -> bool {
        self.cgroups
            .borrow()
            .values()
            .any(|pids| pids.contains(&pid))
    }

    fn read_pid_file(&self, path: &str) -> Option<Pid> {
        self.pid_files.borrow().get(path).copied()
    }

    fn path_exists(&self, path: &str, _glob: bool) -> bool {
        self.paths.borrow().contains(path)
    }

    fn directory_not_empty(&self, path: &str) -> bool {
        self.paths
            .borrow()
            .iter()
            .any(|known| known.starts_with(&format!("{path}/")))
    }

    fn modified(&self, _path: &str) -> Option<u64> {
        None
    }

    fn random(&self) -> u128 {
        *self.dice.borrow_mut() += 1;
        *self.dice.borrow()
    }

    fn utc_offset(&self, _zone: Option<&str>, _at: u64) -> i64 {
        0
    }
}

/// The engine with a machine round it.
pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) facts: Facts,
    pub(super) now: Now,
    /// What happened, in order: `x.service ExecStart /bin/x`, `TERM 101`, `x.service done`, …
    pub(super) trace: Vec<String>,
    pub(super) log: Vec<String>,
    /// Lines on the console about jobs that take long.
    pub(super) console: Vec<String>,
    pub(super) environment: BTreeMap<String, Vec<(String, String)>>,
    pub(super) passed: BTreeMap<String, Vec<String>>,
    /// Programs for which no process can be made.
    pub(super) unspawnable: BTreeSet<String>,
    pub(super) machine: Vec<crate::MachineAction>,
    next_pid: Pid,
    next_fd: u64,
    queue: VecDeque<Action>,
}

pub(super) const SECOND: u64 = 1_000_000;

impl Bench {
    /// A machine with these unit files: `=== NAME` begins one.
    pub(super) fn new(text: &str) -> Bench {
        let mut bench = Bench {
            engine: Engine::new(ManagerConfig::default()),
            facts: Facts::default(),
            now: Now {
                realtime: 1_466_409_600 * SECOND,
                monotonic: 100 * SECOND,
            },
            trace: Vec::new(),
            log: Vec::new(),
            console: Vec::new(),
            environment: BTreeMap::new(),
            passed: BTreeMap::new(),
            unspawnable: BTreeSet::new(),
            machine: Vec::new(),
            next_pid: 100,
            next_fd: 10,
            queue: VecDeque::new(),
        };
        for target in [
            "sysinit",
            "basic",
            "shutdown",
            "sockets",
            "timers",
            "paths",
            "time-sync",
            "time-set",
        ] {
            bench.file(
                &format!("{target}.target"),
                "[Unit]\nDefaultDependencies=no\n",
            );
        }
        for part in text.split("=== ").filter(|part| !part.trim().is_empty()) {
            let (name, body) = part.split_once('\n').unwrap_or((part, ""));
            bench.file(name.trim(), body);
        }
        bench.start("sysinit.target");
        bench.trace.clear();
        bench
    }

    pub(super) fn file(&mut self, name: &str, text: &str) {
        let text: String = text
            .lines()
            .map(|line| format!("{}\n", line.trim()))
            .collect();
        self.facts.files.borrow_mut().insert(name.to_owned(), text);
    }

    pub(super) fn event(&mut self, event: Event) {
        let actions = self.engine.handle(self.now, event, &self.facts);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        self.queue.extend(actions);
        while let Some(action) = self.queue.pop_front() {
            if let Some(event) = self.perform(action) {
                let more = self.engine.handle(self.now, event, &self.facts);
                self.queue.extend(more);
            }
        }
    }

    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn(spawn) => {
                let words = spawn.command.argv.join(" ");
                self.trace
                    .push(format!("{} {} {words}", spawn.unit, spawn.kind.directive()));
                self.environment
                    .insert(words.clone(), spawn.environment.clone());
                let names = spawn.fds.iter().map(|(_, name)| name.clone()).collect();
                self.passed.insert(words.clone(), names);
                if self.unspawnable.contains(&words) {
                    let error = SpawnError {
                        text: "no such file".to_owned(),
                        errno: 2,
                    };
                    return Some(Event::SpawnFailed {
                        token: spawn.token,
                        error,
                    });
                }
                self.next_pid += 1;
                let pid = self.next_pid;
                self.facts
                    .cgroups
                    .borrow_mut()
                    .entry(spawn.cgroup.to_string())
                    .or_default()
                    .insert(pid);
                return Some(Event::Spawned {
                    token: spawn.token,
                    pid,
                });
            }
            Action::Kill { target, signal, .. } => {
                let name = init_api::Signal::new(signal).unwrap().name();
                match target {
                    Target::Pid(pid) => self.trace.push(format!("{name} {pid}")),
                    Target::Cgroup { path, .. } => self.trace.push(format!("{name} {path}")),
                }
            }
            Action::OpenSockets { unit, .. } => {
                self.next_fd += 1;
                let fds = vec![(FdHandle(self.next_fd), unit.to_string())];
                return Some(Event::SocketsOpened {
                    unit: unit.to_string(),
                    result: Ok(fds),
                });
            }
            Action::WatchSockets { unit, on } => self.trace.push(format!("{unit} watch={on}")),
            Action::CloseSockets { unit, .. } => self.trace.push(format!("{unit} closed")),
            Action::Machine(action) => self.machine.push(action),
            Action::Console {
                status: crate::ConsoleStatus::Busy,
                text,
            } => self
                .console
                .push(format!("[{}] {text}", crate::ConsoleStatus::Busy.word())),
            Action::Log(entry) => self.log.push(entry.message),
            Action::JobRemoved { unit, result, .. } => self.trace.push(format!("{unit} {result}")),
            Action::UnitRemoved { unit } => self.trace.push(format!("{unit} forgotten")),
            _ => {}
        }
        None
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Reply, RequestError> {
        let (reply, actions) = self.engine.request(self.now, request, &self.facts);
        self.carry_out(actions);
        reply
    }

    pub(super) fn job(
        &mut self,
        verb: Verb,
        unit: &str,
        mode: JobMode,
    ) -> Result<Reply, RequestError> {
        self.ask(Request::Job {
            unit: unit.to_owned(),
            verb,
            mode,
        })
    }

    pub(super) fn start(&mut self, unit: &str) {
        self.job(Verb::Start, unit, JobMode::Replace).unwrap();
    }

    pub(super) fn stop(&mut self, unit: &str) {
        self.job(Verb::Stop, unit, JobMode::Replace).unwrap();
    }

    pub(super) fn restart(&mut self, unit: &str) {
        self.job(Verb::Restart, unit, JobMode::Replace).unwrap();
    }

    pub(super) fn collect(&mut self) {
        let actions = self.engine.collect(self.now);
        self.carry_out(actions);
    }

    pub(super) fn main_pid(&self, unit: &str) -> Pid {
        self.engine
            .unit(unit)
            .and_then(|unit| unit.service())
            .map_or(0, |service| service.main_pid)
    }

    pub(super) fn control_pid(&self, unit: &str) -> Pid {
        self.engine.unit(unit).map_or(0, |unit| unit.control_pid())
    }

    /// A process ends; its cgroup may run empty by that.
    pub(super) fn ends(&mut self, pid: Pid, exit: Exit) {
        let mut emptied = None;
        for (path, pids) in self.facts.cgroups.borrow_mut().iter_mut() {
            if pids.remove(&pid) && pids.is_empty() {
                emptied = path.rsplit('/').next().map(str::to_owned);
            }
        }
        self.event(Event::ChildExited { pid, exit });
        if let Some(unit) = emptied {
            self.event(Event::CgroupEmpty { unit });
        }
    }

    pub(super) fn main_ends(&mut self, unit: &str, exit: Exit) {
        let pid = self.main_pid(unit);
        assert_ne!(pid, 0, "{unit} has no main process");
        self.ends(pid, exit);
    }

    pub(super) fn control_ends(&mut self, unit: &str, exit: Exit) {
        let pid = self.control_pid(unit);
        assert_ne!(pid, 0, "{unit} has no control process");
        self.ends(pid, exit);
    }

    /// A further process appears in a unit's cgroup.
    pub(super) fn straggler(&mut self, cgroup: &str) -> Pid {
        self.next_pid += 1;
        self.facts
            .cgroups
            .borrow_mut()
            .entry(cgroup.to_owned())
            .or_default()
            .insert(self.next_pid);
        self.next_pid
    }

    /// Time passes; deadlines on the way are met one by one.
    pub(super) fn pass(&mut self, usec: u64) {
        let until = self.now.monotonic + usec;
        loop {
            let next = self.engine.next_deadline();
            let wall = next
                .realtime
                .map(|at| self.now.monotonic + at.saturating_sub(self.now.realtime));
            let due = next
                .monotonic
                .into_iter()
                .chain(wall)
                .min()
                .filter(|at| *at <= until);
            let to = due.unwrap_or(until).max(self.now.monotonic);
            self.now.realtime += to - self.now.monotonic;
            self.now.monotonic = to;
            if due.is_none() {
                return;
            }
            self.event(Event::Timer);
        }
    }

    pub(super) fn notify(&mut self, unit: &str, text: &str) {
        let pid = self.main_pid(unit);
        let message = init_api::notify::NotifyMessage::parse(text);
        self.event(Event::Notify {
            pid,
            uid: 0,
            unit: Some(unit.to_owned()),
            message,
            fds: Vec::new(),
        });
    }

    /// `active (running)`
    pub(super) fn state(&self, unit: &str) -> String {
        self.engine.unit(unit).map_or_else(
            || "forgotten".to_owned(),
            |unit| format!("{} ({})", unit.active_state(), unit.sub_state()),
        )
    }

    pub(super) fn result(&self, unit: &str) -> &'static str {
        self.engine
            .unit(unit)
            .map_or("forgotten", |unit| unit.result())
    }

    /// Takes what happened so far.
    pub(super) fn happened(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }

    /// Takes the command lines that ran so far.
    pub(super) fn ran(&mut self) -> Vec<String> {
        let commands = self.happened().into_iter().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let (_, kind, rest) = (words.next()?, words.next()?, words.next()?);
            kind.starts_with("Exec").then(|| rest.to_owned())
        });
        commands.collect()
    }

    pub(super) fn has_happened(&self, line: &str) -> bool {
        self.trace.iter().any(|known| known == line)
    }

    pub(super) fn logged(&self, text: &str) -> bool {
        self.log.iter().any(|line| line == text)
    }
}

pub(super) const OK: Exit = Exit::Exited(0);
pub(super) const BAD: Exit = Exit::Exited(1);
pub(super) const TERM: Exit = Exit::Killed(15);
pub(super) const KILLED: Exit = Exit::Killed(9);
