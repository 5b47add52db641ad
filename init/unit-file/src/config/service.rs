//! `[Service]`

use init_api::{Signal, TimeSpan};
use serde::{Deserialize, Serialize};

use super::ManagerDefaults;
use crate::{Command, UnitName};

init_api::words! {
    /// `Type=`
    pub enum ServiceType {
        Simple = "simple",
        Exec = "exec",
        Forking = "forking",
        Oneshot = "oneshot",
        Dbus = "dbus",
        Notify = "notify",
        NotifyReload = "notify-reload",
        Idle = "idle",
    }
}

init_api::words! {
    /// `Restart=`
    pub enum Restart {
        No = "no",
        Always = "always",
        OnSuccess = "on-success",
        OnFailure = "on-failure",
        OnAbnormal = "on-abnormal",
        OnAbort = "on-abort",
        OnWatchdog = "on-watchdog",
    }
}

init_api::words! {
    /// `RestartMode=`
    pub enum RestartMode { Normal = "normal", Direct = "direct", Debug = "debug" }
}

init_api::words! {
    /// `NotifyAccess=`
    pub enum NotifyAccess { None = "none", Main = "main", Exec = "exec", All = "all" }
}

init_api::words! {
    /// `OOMPolicy=`
    pub enum OomPolicy { Continue = "continue", Stop = "stop", Kill = "kill" }
}

init_api::words! {
    /// `ExitType=`
    pub enum ExitType { Main = "main", Cgroup = "cgroup" }
}

init_api::words! {
    /// `FileDescriptorStorePreserve=`
    pub enum FdStorePreserve { No = "no", Yes = "yes", Restart = "restart" }
}

/// Exit statuses and signals: `SuccessExitStatus=` and its like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatusSet {
    /// Exit statuses, sorted.
    pub codes: Vec<u8>,
    /// Signals, sorted.
    pub signals: Vec<Signal>,
}

impl ExitStatusSet {
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.signals.is_empty()
    }

    /// Whether the exit status is in it.
    #[must_use]
    pub fn has_code(&self, code: u8) -> bool {
        self.codes.contains(&code)
    }

    /// Whether the signal is in it.
    #[must_use]
    pub fn has_signal(&self, signal: Signal) -> bool {
        self.signals.contains(&signal)
    }
}

/// `[Service]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of systemd.service(5)"
)]
pub struct ServiceConfig {
    /// `Type=`, decided: `oneshot` without `ExecStart=`, `dbus` with only `BusName=`.
    pub service_type: ServiceType,
    /// `ExitType=`
    pub exit_type: ExitType,
    /// `ExecCondition=`
    pub exec_condition: Vec<Command>,
    /// `ExecStartPre=`
    pub exec_start_pre: Vec<Command>,
    /// `ExecStart=`
    pub exec_start: Vec<Command>,
    /// `ExecStartPost=`
    pub exec_start_post: Vec<Command>,
    /// `ExecReload=`
    pub exec_reload: Vec<Command>,
    /// `ExecReloadPost=`
    pub exec_reload_post: Vec<Command>,
    /// `ExecStop=`
    pub exec_stop: Vec<Command>,
    /// `ExecStopPost=`
    pub exec_stop_post: Vec<Command>,
    /// `Restart=`
    pub restart: Restart,
    /// `RestartMode=`
    pub restart_mode: RestartMode,
    /// `RestartSec=`
    pub restart_sec: TimeSpan,
    /// `RestartSteps=`
    pub restart_steps: u32,
    /// `RestartMaxDelaySec=`
    pub restart_max_delay: TimeSpan,
    /// `TimeoutStartSec=`, decided (oneshot without one: infinity).
    pub timeout_start: TimeSpan,
    /// `TimeoutStopSec=`
    pub timeout_stop: TimeSpan,
    /// `TimeoutAbortSec=`; `TimeoutStopSec=` when not given.
    pub timeout_abort: Option<TimeSpan>,
    /// `RuntimeMaxSec=`
    pub runtime_max: TimeSpan,
    /// `RuntimeRandomizedExtraSec=`
    pub runtime_randomized_extra: TimeSpan,
    /// `WatchdogSec=`; zero for none.
    pub watchdog: TimeSpan,
    /// `RemainAfterExit=`
    pub remain_after_exit: bool,
    /// `GuessMainPID=`
    pub guess_main_pid: bool,
    /// `PIDFile=`, absolute.
    pub pid_file: Option<String>,
    /// `BusName=`
    pub bus_name: Option<String>,
    /// `SuccessExitStatus=`
    pub success_exit_status: ExitStatusSet,
    /// `RestartPreventExitStatus=`
    pub restart_prevent_exit_status: ExitStatusSet,
    /// `RestartForceExitStatus=`
    pub restart_force_exit_status: ExitStatusSet,
    /// `NotifyAccess=`, decided (notify types and `WatchdogSec=`: main).
    pub notify_access: NotifyAccess,
    /// `PermissionsStartOnly=`
    pub permissions_start_only: bool,
    /// `RootDirectoryStartOnly=`
    pub root_directory_start_only: bool,
    /// `NonBlocking=`
    pub non_blocking: bool,
    /// `Sockets=`
    pub sockets: Vec<UnitName>,
    /// `FileDescriptorStoreMax=`
    pub fd_store_max: u32,
    /// `FileDescriptorStorePreserve=`
    pub fd_store_preserve: FdStorePreserve,
    /// `OOMPolicy=`
    pub oom_policy: OomPolicy,
    /// `ReloadSignal=`
    pub reload_signal: Signal,
}

impl ServiceConfig {
    pub(super) fn new(defaults: &ManagerDefaults) -> Self {
        Self {
            service_type: ServiceType::Simple,
            exit_type: ExitType::Main,
            exec_condition: Vec::new(),
            exec_start_pre: Vec::new(),
            exec_start: Vec::new(),
            exec_start_post: Vec::new(),
            exec_reload: Vec::new(),
            exec_reload_post: Vec::new(),
            exec_stop: Vec::new(),
            exec_stop_post: Vec::new(),
            restart: Restart::No,
            restart_mode: RestartMode::Normal,
            restart_sec: defaults.restart,
            restart_steps: 0,
            restart_max_delay: TimeSpan::INFINITY,
            timeout_start: defaults.timeout_start,
            timeout_stop: defaults.timeout_stop,
            timeout_abort: None,
            runtime_max: TimeSpan::INFINITY,
            runtime_randomized_extra: TimeSpan::ZERO,
            watchdog: TimeSpan::ZERO,
            remain_after_exit: false,
            guess_main_pid: true,
            pid_file: None,
            bus_name: None,
            success_exit_status: ExitStatusSet::default(),
            restart_prevent_exit_status: ExitStatusSet::default(),
            restart_force_exit_status: ExitStatusSet::default(),
            notify_access: NotifyAccess::None,
            permissions_start_only: false,
            root_directory_start_only: false,
            non_blocking: false,
            sockets: Vec::new(),
            fd_store_max: 0,
            fd_store_preserve: FdStorePreserve::Restart,
            oom_policy: defaults.oom_policy,
            reload_signal: Signal::HUP,
        }
    }

    /// The eight command lists with the names of their directives, in the order of a service's
    /// life.
    #[must_use]
    pub fn commands(&self) -> [(&'static str, &[Command]); 8] {
        [
            ("ExecCondition", &self.exec_condition),
            ("ExecStartPre", &self.exec_start_pre),
            ("ExecStart", &self.exec_start),
            ("ExecStartPost", &self.exec_start_post),
            ("ExecReload", &self.exec_reload),
            ("ExecReloadPost", &self.exec_reload_post),
            ("ExecStop", &self.exec_stop),
            ("ExecStopPost", &self.exec_stop_post),
        ]
    }
}
