//! A unit as it is configured: every field holds what is in force, defaults filled in.
//!
//! The structs say what a unit may configure; the table of directives ([`crate::directives`]) says
//! which text fills which field. Nothing here is a state.

use init_api::UnitType;
use serde::{Deserialize, Serialize};

use crate::UnitName;

mod cgroup;
mod exec;
mod install;
mod kill;
mod mount;
mod service;
mod shared;
mod socket;
mod trigger;
mod unit;
mod values;

pub use cgroup::{CgroupConfig, CpuWeight, DeviceAllow, DevicePolicy, IoLimit, IoLimitKind};
pub use exec::{
    BindPath, CapabilitySet, CpuScheduling, DirectoryPreserve, DirectorySet, EnvironmentFile,
    ExecConfig, IoClass, LogLevel, MountPropagation, ProtectHome, ProtectSystem, Resource,
    ResourceLimit, SandboxPath, StandardInput, StandardOutput, SystemCallFilter, TemporaryFile,
    UtmpMode, WorkingDirectory,
};
pub use install::InstallSection;
pub use kill::{KillConfig, KillMode};
pub use mount::{AutomountConfig, MountConfig, SwapConfig};
pub use service::{
    ExitStatusSet, ExitType, FdStorePreserve, NotifyAccess, OomPolicy, Restart, RestartMode,
    ServiceConfig, ServiceType,
};
pub use shared::{Shared, Shelf};
pub use socket::{Bind6Only, Listen, ListenAddress, ListenKind, SocketConfig};
pub use trigger::{PathConfig, PathWatch, PathWatchKind, TimerBase, TimerConfig, TimerTrigger};
pub use unit::{CollectMode, EmergencyAction, UnitSection};
pub use values::{Amount, RateLimit};

/// One unit, configured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitConfig {
    /// The name it was loaded by (specifiers were expanded for it).
    pub name: UnitName,
    /// `[Unit]`
    pub unit: UnitSection,
    /// `[Install]`
    pub install: Shared<InstallSection>,
    /// How its processes are set up (service, socket, mount, swap).
    pub exec: Shared<ExecConfig>,
    /// How its processes are killed (the same, and scope).
    pub kill: Shared<KillConfig>,
    /// What its cgroup is given (the same, scope and slice).
    pub cgroup: Shared<CgroupConfig>,
    /// What only this kind of unit has.
    pub kind: KindConfig,
}

/// The sections of units that were loaded before, for [`UnitConfig::share`].
#[derive(Debug, Default)]
pub struct Shelves {
    install: Shelf<InstallSection>,
    exec: Shelf<ExecConfig>,
    kill: Shelf<KillConfig>,
    cgroup: Shelf<CgroupConfig>,
}

/// What only one kind of unit configures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum KindConfig {
    /// A service.
    Service(Box<ServiceConfig>),
    /// A socket.
    Socket(Box<SocketConfig>),
    /// A target.
    Target,
    /// A device.
    Device,
    /// A mount.
    Mount(Box<MountConfig>),
    /// An automount.
    Automount(Box<AutomountConfig>),
    /// A swap.
    Swap(Box<SwapConfig>),
    /// A timer.
    Timer(Box<TimerConfig>),
    /// A path unit.
    Path(Box<PathConfig>),
    /// A slice.
    Slice,
    /// A scope.
    Scope(Box<ScopeConfig>),
}

/// `[Scope]`: processes that another program started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeConfig {
    /// `RuntimeMaxSec=`
    pub runtime_max: init_api::TimeSpan,
    /// `TimeoutStopSec=`
    pub timeout_stop: init_api::TimeSpan,
    /// `OOMPolicy=`
    pub oom_policy: OomPolicy,
}

/// What units have that say nothing themselves: `system.conf`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManagerDefaults {
    /// `DefaultTimeoutStartSec=`
    pub timeout_start: init_api::TimeSpan,
    /// `DefaultTimeoutStopSec=`
    pub timeout_stop: init_api::TimeSpan,
    /// `DefaultDeviceTimeoutSec=`
    pub timeout_device: init_api::TimeSpan,
    /// `DefaultRestartSec=`
    pub restart: init_api::TimeSpan,
    /// `DefaultStartLimitIntervalSec=` and `DefaultStartLimitBurst=`
    pub start_limit: RateLimit,
    /// `DefaultTasksMax=`
    pub tasks_max: Amount,
    /// `DefaultTimerAccuracySec=`
    pub timer_accuracy: init_api::TimeSpan,
    /// `DefaultOOMPolicy=`
    pub oom_policy: OomPolicy,
    /// `DefaultOOMScoreAdjust=`
    pub oom_score_adjust: Option<i32>,
    /// `DefaultStandardOutput=`
    pub standard_output: StandardOutput,
    /// `DefaultStandardError=`
    pub standard_error: StandardOutput,
    /// `DefaultLimitNOFILE=` and its like.
    pub limits: std::collections::BTreeMap<Resource, ResourceLimit>,
    /// `DefaultMemoryAccounting=`, `DefaultTasksAccounting=`, `DefaultCPUAccounting=`,
    /// `DefaultIOAccounting=`, in this order.
    pub accounting: [bool; 4],
}

impl Default for ManagerDefaults {
    fn default() -> Self {
        use init_api::TimeSpan;
        Self {
            timeout_start: TimeSpan::from_secs(90),
            timeout_stop: TimeSpan::from_secs(90),
            timeout_device: TimeSpan::from_secs(90),
            restart: TimeSpan::from_millis(100),
            start_limit: RateLimit {
                interval: TimeSpan::from_secs(10),
                burst: 5,
            },
            // CoreOS took the limit away: container hosts run thousands of threads per service.
            tasks_max: Amount::Infinity,
            timer_accuracy: TimeSpan::from_secs(60),
            oom_policy: OomPolicy::Stop,
            oom_score_adjust: None,
            standard_output: StandardOutput::Journal,
            standard_error: StandardOutput::Inherit,
            limits: std::collections::BTreeMap::from([
                (
                    Resource::Nofile,
                    ResourceLimit {
                        soft: Some(1024),
                        hard: Some(524_288),
                    },
                ),
                (
                    Resource::Memlock,
                    ResourceLimit {
                        soft: Some(8 << 20),
                        hard: Some(8 << 20),
                    },
                ),
            ]),
            accounting: [true, true, true, false],
        }
    }
}

impl UnitConfig {
    /// A unit of this name that configures nothing, with `defaults` in force.
    #[must_use]
    pub fn new(name: UnitName, defaults: &ManagerDefaults) -> Self {
        let kind = KindConfig::new(name.kind(), defaults);
        Self {
            unit: UnitSection::new(&name, defaults),
            install: Shared::new(InstallSection::default()),
            exec: Shared::new(ExecConfig::new(defaults)),
            kill: Shared::new(KillConfig::default()),
            cgroup: Shared::new(CgroupConfig::new(&name, defaults)),
            kind,
            name,
        }
    }

    /// Lets go of memory that it does not need: sections that another unit has too are held
    /// once, lists are cut to their length. To be called for what stays in memory.
    pub fn share(&mut self, shelves: &mut Shelves) {
        shelves.install.share(&mut self.install);
        shelves.exec.share(&mut self.exec);
        shelves.kill.share(&mut self.kill);
        shelves.cgroup.share(&mut self.cgroup);
        self.unit.dependencies.shrink_to_fit();
        self.unit.conditions.shrink_to_fit();
        self.unit.documentation.shrink_to_fit();
        self.unit.requires_mounts_for.shrink_to_fit();
    }

    /// The service's part, if this is a service.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceConfig> {
        match &self.kind {
            KindConfig::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The socket's part, if this is a socket.
    #[must_use]
    pub fn socket(&self) -> Option<&SocketConfig> {
        match &self.kind {
            KindConfig::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The timer's part, if this is a timer.
    #[must_use]
    pub fn timer(&self) -> Option<&TimerConfig> {
        match &self.kind {
            KindConfig::Timer(timer) => Some(timer),
            _ => None,
        }
    }

    /// The path unit's part, if this is one.
    #[must_use]
    pub fn path(&self) -> Option<&PathConfig> {
        match &self.kind {
            KindConfig::Path(path) => Some(path),
            _ => None,
        }
    }

    /// The mount's part, if this is a mount.
    #[must_use]
    pub fn mount(&self) -> Option<&MountConfig> {
        match &self.kind {
            KindConfig::Mount(mount) => Some(mount),
            _ => None,
        }
    }

    /// The scope's part, if this is a scope.
    #[must_use]
    pub fn scope(&self) -> Option<&ScopeConfig> {
        match &self.kind {
            KindConfig::Scope(scope) => Some(scope),
            _ => None,
        }
    }

    /// The unit that this socket, timer, path or automount starts. A socket with `Accept=yes`
    /// gives the template of its instances; a name too long to have a service gives none.
    #[must_use]
    pub fn triggers(&self) -> Option<UnitName> {
        let same = |kind| self.name.with_kind(kind).ok();
        let service = || same(UnitType::Service);
        match &self.kind {
            KindConfig::Socket(socket) => match &socket.service {
                Some(service) => Some(service.clone()),
                None if socket.accept => {
                    UnitName::new(format!("{}@.service", self.name.prefix())).ok()
                }
                None => service(),
            },
            KindConfig::Timer(timer) => timer.unit.clone().or_else(service),
            KindConfig::Path(path) => path.unit.clone().or_else(service),
            KindConfig::Automount(_) => same(UnitType::Mount),
            _ => None,
        }
    }
}

impl KindConfig {
    fn new(kind: UnitType, defaults: &ManagerDefaults) -> Self {
        match kind {
            UnitType::Service => Self::Service(Box::new(ServiceConfig::new(defaults))),
            UnitType::Socket => Self::Socket(Box::new(SocketConfig::new(defaults))),
            UnitType::Target => Self::Target,
            UnitType::Device => Self::Device,
            UnitType::Mount => Self::Mount(Box::new(MountConfig::new(defaults))),
            UnitType::Automount => Self::Automount(Box::default()),
            UnitType::Swap => Self::Swap(Box::new(SwapConfig::new(defaults))),
            UnitType::Timer => Self::Timer(Box::new(TimerConfig::new(defaults))),
            UnitType::Path => Self::Path(Box::default()),
            UnitType::Slice => Self::Slice,
            UnitType::Scope => Self::Scope(Box::new(ScopeConfig {
                runtime_max: init_api::TimeSpan::INFINITY,
                timeout_stop: defaults.timeout_stop,
                oom_policy: OomPolicy::Continue,
            })),
        }
    }
}
