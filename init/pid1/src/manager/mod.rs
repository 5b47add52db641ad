//! The manager: carries out what the engine decides, and tells it what happens.
//!
//! Owns the descriptors, the children and the clocks; decides nothing about units. Everything that
//! happens becomes an engine event here, every action is carried out here, and what clients have to
//! know is put into a queue that the bus empties ([`Manager::next_outgoing`]).

mod actions;
pub(crate) mod cgroups;
pub(crate) mod devices;
pub(crate) mod facts;
mod fds;
mod invocation;
mod journal;
mod notify;
mod paths;
mod poll;
mod private;
mod reexec;
mod signals;
mod sockets;
mod spawner;
mod status;
mod timers;
mod turn;
mod world;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use init_sys::cgroup::Cgroups;
use unit_engine::{
    Action, Engine, Event, FdHandle, MachineAction, ManagerConfig, Now, Reply, Request,
    RequestError,
};
use unit_file::UnitConfig;

pub(crate) use facts::Machine;
pub(crate) use poll::{Poll, Source};
pub(crate) use reexec::{Handed, Kept};
use world::RealWorld;

/// What clients are told, in order.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    /// `JobNew`, `JobRemoved`, `UnitNew`, `UnitRemoved`, `UnitChanged`, `ServiceEnded` and
    /// `StartupFinished` of the engine.
    Engine(Action),
    /// A reload of all unit files begins (true) or has ended.
    Reloading(bool),
}

/// What the loop does when the current turn is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Become the shutdown program with this word.
    Shutdown(String),
    /// Execute this program anew with the state kept.
    Reexec,
}

/// Points in time of the boot, in microseconds, for `systemd-analyze` and the manager's properties.
#[derive(Debug, Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct BootTimes {
    pub(crate) userspace_realtime: u64,
    pub(crate) userspace_monotonic: u64,
    pub(crate) finish_realtime: u64,
    pub(crate) finish_monotonic: u64,
}

/// The manager's state outside the engine.
pub(crate) struct Manager {
    engine: Engine,
    world: RealWorld,
    pub(crate) poll: Poll,
    fds: fds::Fds,
    journal: journal::Journal,
    status: status::Status,
    timers: timers::Timers,
    notify: notify::Notify,
    signals: OwnedFd,
    mounts: File,
    devices: devices::Devices,
    /// Reports of exec helpers that have not reached execve yet.
    starting: HashMap<u32, OwnedFd>,
    idle: Vec<OwnedFd>,
    private: private::Private,
    sockets: BTreeMap<String, OpenSockets>,
    watchers: BTreeMap<String, paths::Watcher>,
    pid_files: BTreeMap<String, OwnedFd>,
    outgoing: VecDeque<Outgoing>,
    spare: crate::spare::Spare,
    finish: Option<Finish>,
    /// Much was allocated and freed: see [`Manager::tidy`].
    untidy: bool,
    /// Whether the root file system was made as long as its partition.
    grown: bool,
    ctrl_alt_del: Vec<u64>,
    pub(crate) times: BootTimes,
}

/// Sockets of a socket unit.
struct OpenSockets {
    handles: Vec<FdHandle>,
    accept: bool,
    config: Arc<UnitConfig>,
}

/// Both clocks as the engine wants them.
pub(crate) fn now() -> Now {
    Now {
        realtime: init_sys::clock::realtime(),
        monotonic: init_sys::clock::boottime(),
    }
}

impl Manager {
    /// A manager without units, or the one from before re-execution.
    pub(crate) fn new(
        machine: Machine,
        times: BootTimes,
        kept: Option<reexec::Kept>,
    ) -> io::Result<Manager> {
        let tree = Cgroups::find().unwrap_or_else(|| Cgroups::at("/sys/fs/cgroup"));
        let cgroups = cgroups::UnitCgroups::new(tree)?;
        let cmdline = machine.cmdline();
        let settings = crate::boot::config::read(&cmdline);
        let place = machine.place;
        let config = ManagerConfig {
            container: place == crate::boot::Place::Container,
            userspace_began: times.userspace_monotonic,
            environment: settings
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            ..settings.manager
        };
        let loader = unit_file::UnitLoader::new(init_sys::tree::RealTree::system())
            .with_facts(machine.facts.clone())
            .with_defaults(settings.defaults);
        let world = RealWorld {
            machine,
            cgroups,
            loader,
            findings: std::cell::RefCell::default(),
            told: std::cell::RefCell::default(),
        };
        let mut kept = kept;
        let restored = kept.as_mut().and_then(|kept| kept.engine.take());
        let (engine, first_actions) = match restored {
            Some(snapshot) => Engine::restore(config, snapshot, now(), &world),
            None => (Engine::new(config), Vec::new()),
        };
        let mut manager = Manager {
            engine,
            world,
            poll: Poll::new()?,
            fds: fds::Fds::default(),
            journal: journal::Journal::new(),
            status: status::Status::new(&cmdline, place == crate::boot::Place::Machine),
            timers: timers::Timers::new()?,
            notify: notify::Notify::open(kept.as_mut().and_then(|kept| kept.notify.take()))?,
            signals: init_sys::signals::open_signalfd()?,
            mounts: File::open("/proc/self/mountinfo")?,
            devices: devices::Devices::new(place),
            starting: HashMap::new(),
            idle: Vec::new(),
            private: private::Private::default(),
            sockets: BTreeMap::new(),
            watchers: BTreeMap::new(),
            pid_files: BTreeMap::new(),
            outgoing: VecDeque::new(),
            untidy: false,
            spare: crate::spare::Spare::new(),
            finish: None,
            grown: false,
            ctrl_alt_del: Vec::new(),
            times,
        };
        manager.watch_all()?;
        if let Some(kept) = kept {
            manager.take_over(kept);
        }
        manager.carry_out(first_actions);
        Ok(manager)
    }

    /// Tells the engine what is mounted and which devices there are.
    pub(crate) fn settle(&mut self) {
        let _ = self.cgroups().create("/init.scope");
        if let Err(e) = self.cgroups().attach("/init.scope", 1) {
            crate::say::log(
                crate::say::Level::Warning,
                &format!("PID 1 stays in the root cgroup: {e}"),
            );
        }
        self.mounts_changed();
        self.devices_changed();
        // They exist from now on, whether or not a unit names them.
        for unit in ["-.slice", "init.scope"] {
            let unit = unit.to_owned();
            if let Err(e) = self.submit(Request::Load { unit }) {
                crate::say::log(
                    crate::say::Level::Warning,
                    &format!("a unit that always exists cannot be loaded: {e}"),
                );
            }
        }
    }

    /// Begins to load the modules of the devices that nobody waits for.
    pub(crate) fn begin_devices(&mut self) {
        self.devices.start_coldplug();
    }

    /// Starts the first target of a boot.
    ///
    /// # Errors
    /// The engine's refusal.
    pub(crate) fn start_first(&mut self, target: &str) -> Result<(), RequestError> {
        let request = Request::Job {
            unit: target.to_owned(),
            verb: unit_engine::Verb::Start,
            mode: init_api::JobMode::Isolate,
        };
        self.submit(request).map(|_| ())
    }

    fn watch_all(&mut self) -> io::Result<()> {
        self.poll.add(self.signals.as_fd(), Source::Signals)?;
        self.poll.add(self.notify.as_fd(), Source::Notify)?;
        self.poll.add(self.timers.monotonic(), Source::Monotonic)?;
        self.poll.add(self.timers.realtime(), Source::Realtime)?;
        self.poll
            .add(self.world.cgroups.watch_fd(), Source::Cgroups)?;
        self.poll.add(self.mounts.as_fd(), Source::Mounts)?;
        self.devices.watch(&mut self.poll);
        Ok(())
    }

    /// All queries.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The machine: specifiers, virtualization, container or not.
    pub(crate) fn machine(&self) -> &Machine {
        &self.world.machine
    }

    /// Cgroups, for memory.current and the like.
    pub(crate) fn cgroups(&self) -> &Cgroups {
        self.world.cgroups.tree()
    }

    /// The unit that a process belongs to.
    pub(crate) fn unit_of_pid(&self, pid: u32) -> Option<String> {
        self.world.cgroups.unit_of(i32::try_from(pid).unwrap_or(0))
    }

    /// The unit files.
    pub(crate) fn loader(&self) -> &unit_file::UnitLoader<init_sys::tree::RealTree> {
        &self.world.loader
    }

    /// A request of a client: decided by the engine, all its actions carried out.
    ///
    /// # Errors
    /// The engine's refusal.
    pub(crate) fn submit(&mut self, request: Request) -> Result<Reply, RequestError> {
        let (answer, actions) = self.engine.request(now(), request, &self.world);
        self.carry_out(actions);
        answer
    }

    /// The next thing that clients have to be told.
    pub(crate) fn next_outgoing(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// Reads all unit files again (daemon-reload).
    pub(crate) fn reload(&mut self) {
        self.outgoing.push_back(Outgoing::Reloading(true));
        crate::boot::generators::run(&self.world.machine.cmdline(), self.world.machine.place);
        self.world.machine.refresh();
        *self.world.loader.facts_mut() = self.world.machine.facts.clone();
        let settings = crate::boot::config::read(&self.world.machine.cmdline());
        *self.world.loader.defaults_mut() = settings.defaults;
        self.world.loader.forget();
        self.world.told.borrow_mut().clear();
        self.handle(Event::Reload);
        self.untidy = true;
        self.outgoing.push_back(Outgoing::Reloading(false));
    }

    /// Lets go of memory that starting, stopping or reloading needed: the boot takes about three
    /// times what PID 1 needs afterwards.
    pub(crate) fn tidy(&mut self) {
        if std::mem::take(&mut self.untidy) {
            self.outgoing.shrink_to_fit();
            self.starting.shrink_to_fit();
            init_sys::memory::give_back();
        }
    }

    /// Executes this program anew when the turn is over (daemon-reexec).
    pub(crate) fn reexec(&mut self) {
        self.finish = Some(Finish::Reexec);
    }

    /// The machine is to go down now, without stopping units first (`Reboot()`, `PowerOff()`, …).
    pub(crate) fn end_machine(&mut self, action: &MachineAction) {
        self.finish = Some(Finish::Shutdown(actions::shutdown_word(action)));
    }

    /// What to do when the turn is over.
    pub(crate) fn take_finish(&mut self) -> Option<Finish> {
        self.finish.take()
    }
}
