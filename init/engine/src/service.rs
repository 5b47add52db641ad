//! Services.
//!
//! # The machine
//!
//! A service goes through these states (systemd's sub states):
//!
//! ```text
//! dead ─► condition ─► start-pre ─► start ─► start-post ─► running ─► stop ─► stop-sigterm ─► stop-sigkill
//!   ▲                                                   │    ▲ │ └──► exited                       │
//!   │                                                   │    │ └► reload …                         ▼
//!   └── (auto-restart) ◄── dead │ failed ◄── final-sigkill ◄── final-sigterm ◄── stop-post ◄───────┘
//! ```
//!
//! Each state waits for one thing, and a deadline (`TimerKey::State`) that ends the waiting:
//!
//! * **condition, start-pre, start-post**: the control process, one command of the list after the
//!   other. A command that fails sends the service to *stop-sigterm* with that result; an
//!   `ExecCondition=` that exits 1–254 does so with `exec-condition`, which is no failure.
//! * **start**: what `Type=` says. simple and idle wait for the fork only; exec for `execve`;
//!   oneshot for the end of the last command; forking for the end of the parent (a *control*
//!   process here) and the PID file; notify for `READY=1`; dbus for the bus name.
//! * **running**: nothing; the end of the main process decides. A failure goes to *stop-sigterm* (the
//!   rest of the cgroup), a clean end to *exited* with `RemainAfterExit=` and to *stop* without.
//! * **exited**: a stop request.
//! * **reload**: `ExecReload=`; or, entered by `RELOADING=1`, the `READY=1` after it.
//!   **reload-signal** and **reload-notify**: `RELOADING=1`, then `READY=1` (notify-reload).
//! * **stop**: the `ExecStop=` list; never entered after a failed start or a failed main process.
//! * **stop-watchdog, stop-sigterm, stop-sigkill**: main and control process gone.
//! * **stop-post**: the `ExecStopPost=` list.
//! * **final-sigterm, final-sigkill**: everything in the cgroup gone.
//! * **auto-restart**: the pause of `RestartSec=`; then a restart job is queued, so that the start
//!   limit, the dependents and the order all count.
//!
//! Every entry to a killing state that finds nobody to kill goes on at once to the next. The result
//! is the first failure seen; later ones do not replace it.
//!
//! The spawn of a process is answered by an event, so a process may be "asked for" for a moment: it
//! counts as alive then, and is signalled as soon as it exists if the service has moved on.

use init_api::{ServiceResult, ServiceState};
use serde::{Deserialize, Serialize};
use unit_file::{Command, NotifyAccess, ServiceConfig};

use crate::{
    action::ExecKind,
    event::{FdHandle, Pid, Token},
    record::{ExecStatus, Records},
    stamp::Stamp,
};

mod cgroup;
mod exit;
mod main_pid;
mod notify;
mod reload;
mod restart;
mod start;
mod stop;
mod timeout;
mod verdict;

pub(crate) use verdict::{Judge, describe, verdict};

/// A process that is asked for, or exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Process {
    /// There is none.
    #[default]
    None,
    /// The edge has been asked.
    Asked(Token),
    /// It runs.
    Alive(Pid),
}

impl Process {
    pub(crate) fn is_some(self) -> bool {
        self != Process::None
    }

    pub(crate) fn pid(self) -> Option<Pid> {
        match self {
            Process::Alive(pid) => Some(pid),
            Process::None | Process::Asked(_) => None,
        }
    }
}

/// A descriptor that a service left with the manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredFd {
    pub(crate) handle: FdHandle,
    pub(crate) name: String,
}

/// About the unit whose end started this service (`MONITOR_*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Monitor {
    pub(crate) unit: String,
    pub(crate) invocation: u128,
    pub(crate) result: ServiceResult,
    pub(crate) main: ExecStatus,
}

/// What a service is at. See the module's text for the machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Service {
    pub(crate) state: ServiceState,
    pub(crate) result: ServiceResult,
    pub(crate) reload_result: ServiceResult,
    pub(crate) main: Process,
    /// Whether it is known which process is the main one. Without (forking, nothing to go by) the
    /// cgroup stands for it.
    pub(crate) main_known: bool,
    pub(crate) control: Process,
    /// The command that the control process runs.
    pub(crate) control_command: Option<(ExecKind, usize)>,
    /// The position in `ExecStart=` that the main process runs.
    pub(crate) main_command: Option<usize>,
    pub(crate) main_status: ExecStatus,
    pub(crate) records: Records,
    pub(crate) status_text: Option<String>,
    pub(crate) status_errno: i32,
    pub(crate) status_bus_error: Option<String>,
    pub(crate) restarts: u32,
    pub(crate) forget_restarts: bool,
    /// A stop was asked for: no automatic restart.
    pub(crate) forbid_restart: bool,
    /// The pause of an automatic restart is over; a start job may proceed from auto-restart.
    pub(crate) restart_due: bool,
    pub(crate) watchdog_override: Option<u64>,
    pub(crate) watchdog_ping: Stamp,
    pub(crate) notify_access: Option<NotifyAccess>,
    /// The process has said RELOADING=1 and not yet READY=1.
    pub(crate) said_reloading: bool,
    /// The process has said STOPPING=1.
    pub(crate) said_stopping: bool,
    /// When the reload was asked for (its RELOADING=1 must be later).
    pub(crate) reload_begin: u64,
    pub(crate) fds: Vec<StoredFd>,
    /// The connection of an `Accept=yes` socket, and that socket's name.
    pub(crate) connection: Option<FdHandle>,
    pub(crate) socket: Option<String>,
    pub(crate) monitor: Option<Box<Monitor>>,
    pub(crate) oom_killed: bool,
    /// It failed and runs again by `RestartMode=debug`: its processes are told to say more.
    pub(crate) debug_invocation: bool,
}

impl Service {
    pub(crate) fn new() -> Self {
        Service {
            state: ServiceState::Dead,
            result: ServiceResult::Success,
            reload_result: ServiceResult::Success,
            main: Process::None,
            main_known: false,
            control: Process::None,
            control_command: None,
            main_command: None,
            main_status: ExecStatus::default(),
            records: Records::default(),
            status_text: None,
            status_errno: 0,
            status_bus_error: None,
            restarts: 0,
            forget_restarts: false,
            forbid_restart: false,
            restart_due: false,
            watchdog_override: None,
            watchdog_ping: Stamp::default(),
            notify_access: None,
            said_reloading: false,
            said_stopping: false,
            reload_begin: 0,
            fds: Vec::new(),
            connection: None,
            socket: None,
            monitor: None,
            oom_killed: false,
            debug_invocation: false,
        }
    }

    /// Between two runs of its own accord.
    pub(crate) fn restarting(&self) -> bool {
        self.state == ServiceState::AutoRestart
    }

    /// Whether the watchdog deadline counts in this state.
    fn is_watched(&self) -> bool {
        matches!(
            self.state,
            ServiceState::StartPost
                | ServiceState::Running
                | ServiceState::Reload
                | ServiceState::ReloadSignal
                | ServiceState::ReloadNotify
        )
    }

    /// Keeps the first failure.
    fn note(&mut self, result: ServiceResult) {
        if self.result == ServiceResult::Success {
            self.result = result;
        }
    }
}

/// The list of commands of a kind.
pub(crate) fn commands(config: &ServiceConfig, kind: ExecKind) -> &[Command] {
    match kind {
        ExecKind::Condition => &config.exec_condition,
        ExecKind::StartPre => &config.exec_start_pre,
        ExecKind::Start => &config.exec_start,
        ExecKind::StartPost => &config.exec_start_post,
        ExecKind::Reload => &config.exec_reload,
        ExecKind::Stop => &config.exec_stop,
        ExecKind::StopPost => &config.exec_stop_post,
        ExecKind::StopPre => &[],
    }
}
