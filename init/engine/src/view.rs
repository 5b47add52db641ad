//! What clients may look at: units, jobs and the manager itself, read only.

use std::sync::Arc;

use init_api::{ActiveState, JobState, JobType, LoadState, ManagerState, ServiceResult, UnitType};
use unit_file::UnitConfig;

use crate::{
    Engine,
    action::ExecKind,
    deps::Dep,
    event::{FdHandle, MountPoint, Pid},
    machine::Machine,
    record::ExecStatus,
    stamp::Stamp,
    timers::TimerKey,
    unit::{CheckRecord, Stamps, Unit},
    units::UnitId,
};

mod queries;

/// A unit as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct UnitView<'a> {
    engine: &'a Engine,
    id: UnitId,
    unit: &'a Unit,
}

/// A job as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct JobView<'a> {
    /// Its id.
    pub id: u32,
    /// The unit's id.
    pub unit: &'a str,
    /// What it does.
    pub kind: JobType,
    /// Whether it waits or runs.
    pub state: JobState,
    /// When it was queued.
    pub queued: Stamp,
    /// When it began to run.
    pub began: Stamp,
}

/// A service as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct ServiceView<'a> {
    /// `Result`
    pub result: ServiceResult,
    /// `ReloadResult`
    pub reload_result: ServiceResult,
    /// `MainPID`, 0 for none.
    pub main_pid: Pid,
    /// `ControlPID`, 0 for none.
    pub control_pid: Pid,
    /// The `ExecMain…` properties.
    pub main: ExecStatus,
    /// `StatusText`
    pub status_text: &'a str,
    /// `StatusErrno`
    pub status_errno: i32,
    /// `StatusBusError`
    pub status_bus_error: &'a str,
    /// `NRestarts`
    pub restarts: u32,
    /// `WatchdogTimestamp`
    pub watchdog_ping: Stamp,
    /// `WatchdogUSec`, 0 for none.
    pub watchdog_usec: u64,
    /// `NFileDescriptorStore`
    pub stored_fds: usize,
}

/// A socket as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct SocketView {
    /// `Result`
    pub result: init_api::SocketResult,
    /// `NConnections`
    pub connections: u32,
    /// `NAccepted`
    pub accepted: u32,
    /// `NRefused`
    pub refused: u32,
    /// `ControlPID`, 0 for none.
    pub control_pid: Pid,
}

/// A timer as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct TimerView {
    /// `Result`
    pub result: init_api::TimerResult,
    /// `LastTriggerUSec` and its monotonic twin.
    pub last_trigger: Stamp,
    /// `NextElapseUSecRealtime`; none: never.
    pub next_realtime: Option<u64>,
    /// `NextElapseUSecMonotonic`; none: never.
    pub next_monotonic: Option<u64>,
}

/// The manager as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct ManagerView {
    /// `SystemState`
    pub state: ManagerState,
    /// `NJobs`
    pub jobs: usize,
    /// `NInstalledJobs`
    pub installed_jobs: u32,
    /// `NFailedUnits`
    pub failed: usize,
    /// `NNames`
    pub names: usize,
    /// `FinishTimestamp`: the queue ran empty for the first time.
    pub finished: Stamp,
}

impl<'a> UnitView<'a> {
    /// `Id`
    pub fn name(&self) -> &'a str {
        &self.unit.name
    }

    /// `Names`: the id and the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(&self.unit.name)
            .chain(&self.unit.aliases)
            .map(|name| &**name)
    }

    /// The type.
    pub fn kind(&self) -> UnitType {
        self.unit.kind
    }

    /// `Description`; the id if there is none.
    pub fn description(&self) -> &'a str {
        self.unit.description()
    }

    /// `LoadState`
    pub fn load_state(&self) -> LoadState {
        self.unit.load_state
    }

    /// `LoadError`: the error as clients know it, with its bus name.
    pub fn load_error(&self) -> Option<(&'static str, String)> {
        let error = self.unit.usable().err()?;
        Some((error.bus_name(), error.to_string()))
    }

    /// What is wrong with its files, in more words than `load_error` has.
    pub fn load_problem(&self) -> Option<&'a str> {
        self.unit.load_error.as_deref()
    }

    /// `ActiveState`
    pub fn active_state(&self) -> ActiveState {
        self.unit.active_state()
    }

    /// `SubState`
    pub fn sub_state(&self) -> &'static str {
        self.unit.machine.sub_state()
    }

    /// Its settings.
    pub fn config(&self) -> &'a Arc<UnitConfig> {
        &self.unit.config
    }

    /// `FragmentPath`, empty for none.
    pub fn fragment(&self) -> &'a str {
        self.unit.files.fragment.as_deref().unwrap_or_default()
    }

    /// `DropInPaths`
    pub fn drop_ins(&self) -> &'a [String] {
        &self.unit.files.drop_ins
    }

    /// Every file that was read, with its time of change: when one differs now, `NeedDaemonReload`.
    pub fn files(&self) -> &'a [(String, u64)] {
        &self.unit.files.read
    }

    /// The timestamps of its changes of state.
    pub fn stamps(&self) -> Stamps {
        self.unit.stamps
    }

    /// The last check of `Condition…=`, in the order of the settings.
    pub fn conditions(&self) -> &'a CheckRecord {
        &self.unit.conditions
    }

    /// The last check of `Assert…=`, in the order of the settings.
    pub fn asserts(&self) -> &'a CheckRecord {
        &self.unit.asserts
    }

    /// `Job`
    pub fn job(&self) -> Option<JobView<'a>> {
        self.engine.job(self.unit.job?)
    }

    /// The other ends of a kind of edge, sorted.
    pub fn dependencies(&self, kind: Dep) -> Vec<&'a str> {
        let mut names: Vec<&str> = self
            .unit
            .edges
            .iter()
            .filter(|edge| edge.kind == kind)
            .map(|edge| self.engine.units[edge.other].id_name())
            .collect();
        names.sort_unstable();
        names
    }

    /// `ControlGroup`, empty unless it has one now.
    pub fn control_group(&self) -> &'a str {
        match &*self.unit.cgroup {
            "" if &*self.unit.name == "-.slice" => "/",
            path if self.unit.cgroup_made => path,
            _ => "",
        }
    }

    /// `InvocationID`, 0 for none.
    pub fn invocation(&self) -> u128 {
        self.unit.invocation
    }

    /// `Transient`
    pub fn transient(&self) -> bool {
        self.unit.transient
    }

    /// `Perpetual`
    pub fn perpetual(&self) -> bool {
        self.unit.perpetual
    }

    /// `CanStart`
    pub fn can_start(&self) -> bool {
        self.unit.load_state == LoadState::Loaded && self.unit.can_start()
    }

    /// `CanStop`
    pub fn can_stop(&self) -> bool {
        !self.unit.perpetual && self.unit.kind != UnitType::Device
    }

    /// `CanReload`
    pub fn can_reload(&self) -> bool {
        self.unit.can_reload()
    }

    /// The service's part.
    pub fn service(&self) -> Option<ServiceView<'a>> {
        let service = self.unit.machine.service()?;
        Some(ServiceView {
            result: service.result,
            reload_result: service.reload_result,
            main_pid: service.main.pid().unwrap_or(0),
            control_pid: service.control.pid().unwrap_or(0),
            main: service.main_status,
            status_text: service.status_text.as_deref().unwrap_or_default(),
            status_errno: service.status_errno,
            status_bus_error: service.status_bus_error.as_deref().unwrap_or_default(),
            restarts: service.restarts,
            watchdog_ping: service.watchdog_ping,
            // Settled at each start: infinite before.
            watchdog_usec: if self.active_state().is_inactive() {
                u64::MAX
            } else {
                self.engine.service_watchdog_usec(self.id).unwrap_or(0)
            },
            stored_fds: service.fds.len(),
        })
    }

    /// The socket's part.
    pub fn socket(&self) -> Option<SocketView> {
        match &self.unit.machine {
            Machine::Socket(socket) => Some(SocketView {
                result: socket.result,
                connections: socket.connections,
                accepted: socket.accepted,
                refused: socket.refused,
                control_pid: socket.control.pid().unwrap_or(0),
            }),
            _ => None,
        }
    }

    /// The timer's part.
    pub fn timer(&self) -> Option<TimerView> {
        match &self.unit.machine {
            Machine::Timer(timer) => Some(TimerView {
                result: timer.result,
                last_trigger: timer.last_trigger,
                next_realtime: self.engine.timers.get(TimerKey::Calendar(self.id)),
                next_monotonic: self.engine.timers.get(TimerKey::Elapse(self.id)),
            }),
            _ => None,
        }
    }

    /// The mount's part: the entry of the kernel's table, if it is mounted.
    pub fn mounted(&self) -> Option<&'a MountPoint> {
        let place = crate::mount::mount_place(&self.unit.config)?;
        self.engine.mounts.get(&place)
    }

    /// `Result` of whatever type it is; `success` for types without one.
    pub fn result(&self) -> &'static str {
        match &self.unit.machine {
            Machine::Service(service) => service.result.as_str(),
            Machine::Socket(socket) => socket.result.as_str(),
            Machine::Timer(timer) => timer.result.as_str(),
            Machine::Path(path) => path.result.as_str(),
            Machine::Mount(mount) | Machine::Swap(mount) => mount.result.as_str(),
            Machine::Scope(scope) => scope.result.as_str(),
            Machine::Target(_) | Machine::Slice(_) | Machine::Device(_) | Machine::Automount(_) => {
                "success"
            }
        }
    }

    /// How the command at this position of a list last ran.
    pub fn exec_status(&self, kind: ExecKind, index: usize) -> Option<ExecStatus> {
        match &self.unit.machine {
            Machine::Service(service) => service.records.get(kind, index),
            Machine::Socket(socket) => socket.records.get(kind, index),
            Machine::Mount(mount) | Machine::Swap(mount) => mount.records.get(kind, index),
            _ => None,
        }
    }

    /// `ControlPID` of a mount or swap, 0 for none.
    pub fn control_pid(&self) -> Pid {
        self.engine.processes(self.id).1.unwrap_or(0)
    }

    /// The sockets that it holds open.
    pub fn socket_fds(&self) -> &'a [(FdHandle, String)] {
        match &self.unit.machine {
            Machine::Socket(socket) => &socket.fds,
            _ => &[],
        }
    }
}

impl Engine {}
