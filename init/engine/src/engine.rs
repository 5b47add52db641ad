//! The manager as a whole: what it holds, and the two doors in, events and requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use init_api::{JobMode, JobType, UnitType};

use crate::{
    action::Action,
    change::Check,
    config::ManagerConfig,
    event::{Event, MountPoint, Now, Pid, Token},
    job::Job,
    machine::Machine,
    request::{Reply, Request, RequestError},
    stamp::Stamp,
    timers::{Deadline, TimerKey, Timers},
    units::{UnitId, Units},
    world::World,
};

mod serve;

/// The manager's decisions. See the crate's text.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: ManagerConfig,
    pub(crate) now: Now,
    pub(crate) units: Units,
    /// Sections that several units have alike.
    pub(crate) shelves: unit_file::Shelves,
    pub(crate) jobs: BTreeMap<u32, Job>,
    pub(crate) next_job: u32,
    pub(crate) run_queue: VecDeque<u32>,
    pub(crate) checks: VecDeque<Check>,
    pub(crate) actions: Vec<Action>,
    pub(crate) timers: Timers,
    /// Spawns that the edge has not answered yet.
    pub(crate) tokens: BTreeMap<Token, UnitId>,
    pub(crate) next_token: u64,
    /// Main and control processes.
    pub(crate) pids: BTreeMap<Pid, UnitId>,
    /// The kernel's mount table by place.
    pub(crate) mounts: BTreeMap<String, MountPoint>,
    /// Names of devices that exist.
    pub(crate) devices: BTreeSet<String>,
    /// Variables that clients set.
    pub(crate) environment: Vec<String>,
    /// Some unit may be forgotten now.
    pub(crate) garbage: bool,
    /// Jobs have been queued since the queue was last empty.
    pub(crate) busy: bool,
    /// Which of the jobs that take long the console named last.
    pub(crate) progress: u32,
    /// The first boot transaction is over.
    pub(crate) started_up: bool,
    pub(crate) finished_at: Stamp,
    /// Targets to be started for an emergency action, not loaded yet.
    pub(crate) wanted_targets: Vec<&'static str>,
}

impl Engine {
    /// A manager that knows no unit yet.
    pub fn new(config: ManagerConfig) -> Self {
        Engine {
            config,
            now: Now::default(),
            units: Units::default(),
            shelves: unit_file::Shelves::default(),
            jobs: BTreeMap::new(),
            next_job: 0,
            run_queue: VecDeque::new(),
            checks: VecDeque::new(),
            actions: Vec::new(),
            timers: Timers::default(),
            tokens: BTreeMap::new(),
            next_token: 0,
            pids: BTreeMap::new(),
            mounts: BTreeMap::new(),
            devices: BTreeSet::new(),
            environment: Vec::new(),
            garbage: false,
            busy: false,
            progress: 0,
            started_up: false,
            finished_at: Stamp::default(),
            wanted_targets: Vec::new(),
        }
    }

    /// Takes in what happened and gives what is to be done, in order.
    pub fn handle(&mut self, now: Now, event: Event, world: &dyn World) -> Vec<Action> {
        self.now = now;
        self.dispatch(event, world);
        self.finish(world)
    }

    /// Answers a client and gives what is to be done. The answer should go out before the actions
    /// are carried out: clients learn their job's id first and of its end later.
    pub fn request(
        &mut self,
        now: Now,
        request: Request,
        world: &dyn World,
    ) -> (Result<Reply, RequestError>, Vec<Action>) {
        self.now = now;
        let reply = self.serve(request, world);
        (reply, self.finish(world))
    }

    /// Forgets units that nobody needs any longer. To be called when the loop has nothing else to do:
    /// clients may want to look at what they have just loaded.
    pub fn collect(&mut self, now: Now) -> Vec<Action> {
        self.now = now;
        self.sweep();
        std::mem::take(&mut self.actions)
    }

    /// When [`Event::Timer`] is due next.
    pub fn next_deadline(&self) -> Deadline {
        self.timers.next()
    }

    fn finish(&mut self, world: &dyn World) -> Vec<Action> {
        self.settle(world);
        for target in std::mem::take(&mut self.wanted_targets) {
            let id = self.load(target, world);
            self.enqueue_or_log(JobType::Start, id, JobMode::ReplaceIrreversibly);
            self.settle(world);
        }
        std::mem::take(&mut self.actions)
    }

    fn dispatch(&mut self, event: Event, world: &dyn World) {
        match event {
            Event::Spawned { token, pid } => self.on_spawned(token, pid, world),
            Event::SpawnFailed { token, error } => {
                let Some(id) = self.tokens.remove(&token) else {
                    return;
                };
                match self.units[id].machine {
                    Machine::Service(_) => self.service_spawn_failed(id, token, &error, world),
                    Machine::Socket(_) => self.socket_spawn_failed(id, token, world),
                    Machine::Mount(_) | Machine::Swap(_) => self.mount_spawn_failed(id, token),
                    _ => {}
                }
            }
            Event::ExecDone { pid } => {
                if let Some(id) = self.pids.get(&pid).copied() {
                    self.service_exec_done(id, pid, world);
                }
            }
            Event::ExecFailed {
                pid,
                status,
                text,
                errno,
            } => self.on_exec_failed(pid, status, &text, errno),
            Event::ChildExited { pid, exit } => {
                let Some(id) = self.pids.remove(&pid) else {
                    return;
                };
                match self.units[id].machine {
                    Machine::Service(_) => self.service_child_exited(id, pid, exit, world),
                    Machine::Socket(_) => self.socket_child_exited(id, pid, exit, world),
                    Machine::Mount(_) | Machine::Swap(_) => self.mount_child_exited(id, pid, exit),
                    _ => {}
                }
            }
            Event::Notify {
                pid,
                uid,
                unit,
                message,
                fds,
            } => {
                let by_pid = self.pids.get(&pid).copied();
                let id = by_pid.or_else(|| unit.as_deref().and_then(|name| self.units.find(name)));
                match id {
                    Some(id) if self.units[id].kind == UnitType::Service => {
                        self.service_notify(id, (pid, uid), &message, fds, world);
                    }
                    _ => self.actions.extend(fds.into_iter().map(Action::CloseFd)),
                }
            }
            Event::CgroupEmpty { unit } => {
                let Some(id) = self.units.find(&unit) else {
                    return;
                };
                match self.units[id].machine {
                    Machine::Service(_) => self.service_cgroup_empty(id, world),
                    Machine::Scope(_) => self.scope_cgroup_empty(id),
                    Machine::Socket(_) => self.socket_cgroup_empty(id, world),
                    _ => {}
                }
            }
            Event::OutOfMemory { unit } => {
                if let Some(id) = self
                    .units
                    .find(&unit)
                    .filter(|id| self.service(*id).is_some())
                {
                    self.service_out_of_memory(id, world);
                }
            }
            Event::SocketsOpened { unit, result } => {
                if let Some(id) = self.units.find(&unit) {
                    self.socket_opened(id, result, world);
                }
            }
            Event::SocketReady { unit } => {
                if let Some(id) = self.units.find(&unit) {
                    self.socket_ready(id, world);
                }
            }
            Event::Connection { unit, fd, peer } => match self.units.find(&unit) {
                Some(id) => self.socket_connection(id, fd, &peer, world),
                None => self.actions.push(Action::CloseFd(fd)),
            },
            Event::PathChanged { unit, index } => {
                if let Some(id) = self.units.find(&unit) {
                    self.path_changed(id, index, world);
                }
            }
            Event::PidFileChanged { unit } => {
                if let Some(id) = self.units.find(&unit) {
                    self.service_pid_file_changed(id, world);
                }
            }
            Event::Mounts { mounts } => self.mounts_changed(mounts),
            Event::Devices { units } => self.devices_changed(units),
            Event::StoredFdGone { fd } => self.forget_stored_fd(fd),
            Event::BusName { name, owned } => self.on_bus_name(&name, owned, world),
            Event::Timer => self.on_timer(world),
            Event::ClockChanged => self.timers_clock_changed(world),
            Event::Reload => self.reload_all(world),
        }
    }

    fn on_spawned(&mut self, token: Token, pid: Pid, world: &dyn World) {
        let Some(id) = self.note_spawned(token, pid) else {
            return;
        };
        match self.units[id].machine {
            Machine::Service(_) => self.service_spawned(id, token, pid, world),
            Machine::Socket(_) => self.socket_spawned(id, token, pid),
            Machine::Mount(_) | Machine::Swap(_) => self.mount_spawned(id, token, pid),
            _ => {}
        }
    }

    fn on_exec_failed(&mut self, pid: Pid, status: i32, text: &str, errno: i32) {
        let Some(id) = self.pids.get(&pid).copied() else {
            return;
        };
        let name = self.units[id].name.clone();
        let step = u8::try_from(status)
            .ok()
            .and_then(init_api::exit::status_name)
            .unwrap_or("EXEC");
        self.log_unit_with(
            3,
            id,
            format!("{name}: Failed at step {step} spawning {text}"),
            vec![("ERRNO", errno.to_string())],
        );
    }

    fn on_bus_name(&mut self, name: &str, owned: bool, world: &dyn World) {
        let ids: Vec<UnitId> = self
            .units
            .ids()
            .filter(|id| {
                self.units[*id]
                    .config
                    .service()
                    .is_some_and(|settings| settings.bus_name.as_deref() == Some(name))
            })
            .collect();
        for id in ids.into_iter().filter(|_| owned) {
            self.service_bus_name_owned(id, world);
        }
    }

    fn on_timer(&mut self, world: &dyn World) {
        // Bounded: a deadline that is set into the past by its own handling fires once per event.
        let mut due = Vec::new();
        while let Some(key) = self.timers.pop_due(self.now) {
            due.push(key);
        }
        for key in due {
            self.fire(key, world);
            self.settle(world);
        }
    }

    fn fire(&mut self, key: TimerKey, world: &dyn World) {
        match key {
            TimerKey::State(id) => match self.units.get(id).map(|unit| &unit.machine) {
                Some(Machine::Service(_)) => self.service_timed_out(id, world),
                Some(Machine::Socket(_)) => self.socket_timed_out(id, world),
                Some(Machine::Mount(_) | Machine::Swap(_)) => self.mount_timed_out(id, world),
                Some(Machine::Scope(_)) => self.scope_timed_out(id, world),
                _ => {}
            },
            TimerKey::Watchdog(id) => self.service_watchdog_expired(id, world),
            TimerKey::Elapse(id) | TimerKey::Calendar(id) => self.timer_elapsed(id),
            TimerKey::Upheld(id) => self.checks.push_back(Check::Upheld(id)),
            TimerKey::Progress => self.tell_progress(),
            TimerKey::Job(id) | TimerKey::JobRunning(id) => self.job_timed_out(id),
        }
    }
}
