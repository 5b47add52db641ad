//! How a unit's processes are set up between fork and exec: systemd.exec(5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ManagerDefaults;

/// `WorkingDirectory=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkingDirectory {
    /// A path, or `~` for the user's home.
    pub path: String,
    /// With `-`: a missing folder is no failure.
    pub optional: bool,
}

/// `EnvironmentFile=`, read at each process start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentFile {
    /// A path or glob.
    pub path: String,
    /// With `-`: absence is fine.
    pub optional: bool,
}

/// `StandardInput=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandardInput {
    /// `/dev/null`
    Null,
    /// The terminal, waiting for it.
    Tty,
    /// The terminal, taking it.
    TtyForce,
    /// The terminal, failing if it is not to be had.
    TtyFail,
    /// `StandardInputText=` and `StandardInputData=`.
    Data,
    /// A file.
    File(String),
    /// The connection of the activating socket.
    Socket,
    /// A passed descriptor of this name (empty: the unit's own).
    Fd(String),
}

/// `StandardOutput=` and `StandardError=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandardOutput {
    /// What standard input (for output) or output (for error) is.
    Inherit,
    /// `/dev/null`
    Null,
    /// The terminal.
    Tty,
    /// The journal.
    Journal,
    /// The journal, and the console too.
    JournalAndConsole,
    /// The kernel's log.
    Kmsg,
    /// The kernel's log, and the console too.
    KmsgAndConsole,
    /// A file, written from its start.
    File(String),
    /// A file, appended to.
    Append(String),
    /// A file, emptied first.
    Truncate(String),
    /// The connection of the activating socket.
    Socket,
    /// A passed descriptor of this name.
    Fd(String),
}

impl std::fmt::Display for StandardInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Tty => f.write_str("tty"),
            Self::TtyForce => f.write_str("tty-force"),
            Self::TtyFail => f.write_str("tty-fail"),
            Self::Data => f.write_str("data"),
            Self::File(_) => f.write_str("file"),
            Self::Socket => f.write_str("socket"),
            Self::Fd(_) => f.write_str("fd"),
        }
    }
}

/// The word that the `StandardOutput` property has on the bus.
impl std::fmt::Display for StandardOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inherit => f.write_str("inherit"),
            Self::Null => f.write_str("null"),
            Self::Tty => f.write_str("tty"),
            Self::Journal => f.write_str("journal"),
            Self::JournalAndConsole => f.write_str("journal+console"),
            Self::Kmsg => f.write_str("kmsg"),
            Self::KmsgAndConsole => f.write_str("kmsg+console"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Append(path) => write!(f, "append:{path}"),
            Self::Truncate(path) => write!(f, "truncate:{path}"),
            Self::Socket => f.write_str("socket"),
            Self::Fd(name) => write!(f, "fd:{name}"),
        }
    }
}

impl StandardOutput {
    /// Whether what is written ends up with the journal daemon.
    #[must_use]
    pub const fn needs_journal(&self) -> bool {
        matches!(
            self,
            Self::Journal | Self::JournalAndConsole | Self::Kmsg | Self::KmsgAndConsole
        )
    }
}

init_api::words! {
    /// The `Limit…=` directives: setrlimit(2) resources.
    pub enum Resource {
        Cpu = "CPU",
        Fsize = "FSIZE",
        Data = "DATA",
        Stack = "STACK",
        Core = "CORE",
        Rss = "RSS",
        Nofile = "NOFILE",
        As = "AS",
        Nproc = "NPROC",
        Memlock = "MEMLOCK",
        Locks = "LOCKS",
        Sigpending = "SIGPENDING",
        Msgqueue = "MSGQUEUE",
        Nice = "NICE",
        Rtprio = "RTPRIO",
        Rttime = "RTTIME",
    }
}

/// A resource limit; `None` is infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResourceLimit {
    /// What the process has.
    pub soft: Option<u64>,
    /// What it may raise it to.
    pub hard: Option<u64>,
}

init_api::words! {
    /// `CPUSchedulingPolicy=`
    pub enum CpuScheduling { Other = "other", Batch = "batch", Idle = "idle", Fifo = "fifo", Rr = "rr" }
}

init_api::words! {
    /// `IOSchedulingClass=`
    pub enum IoClass {
        None = "none" | "0",
        Realtime = "realtime" | "1",
        BestEffort = "best-effort" | "2",
        Idle = "idle" | "3",
    }
}

init_api::words! {
    /// `ProtectSystem=`
    pub enum ProtectSystem { No = "no", Yes = "yes", Full = "full", Strict = "strict" }
}

init_api::words! {
    /// `ProtectHome=`
    pub enum ProtectHome { No = "no", Yes = "yes", ReadOnly = "read-only", Tmpfs = "tmpfs" }
}

init_api::words! {
    /// `MountFlags=`
    pub enum MountPropagation { Shared = "shared", Slave = "slave", Private = "private" }
}

init_api::words! {
    /// `RuntimeDirectoryPreserve=`
    pub enum DirectoryPreserve { No = "no", Yes = "yes", Restart = "restart" }
}

init_api::words! {
    /// `UtmpMode=`
    pub enum UtmpMode { Init = "init", Login = "login", User = "user" }
}

init_api::words! {
    /// A syslog level.
    pub enum LogLevel {
        Emerg = "emerg" | "0",
        Alert = "alert" | "1",
        Crit = "crit" | "2",
        Err = "err" | "error" | "3",
        Warning = "warning" | "warn" | "4",
        Notice = "notice" | "5",
        Info = "info" | "6",
        Debug = "debug" | "7",
    }
}

impl LogLevel {
    /// 0 for emerg to 7 for debug.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Emerg => 0,
            Self::Alert => 1,
            Self::Crit => 2,
            Self::Err => 3,
            Self::Warning => 4,
            Self::Notice => 5,
            Self::Info => 6,
            Self::Debug => 7,
        }
    }
}

/// Linux capabilities as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CapabilitySet(pub u64);

/// `RuntimeDirectory=` and its four siblings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectorySet {
    /// Names below `/run`, `/var/lib`, ….
    pub names: Vec<String>,
    /// Symbolic links to them: name and link.
    pub links: Vec<(String, String)>,
    /// The mode of each.
    pub mode: u32,
}

impl Default for DirectorySet {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            links: Vec::new(),
            mode: 0o755,
        }
    }
}

/// A path of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxPath {
    /// The path.
    pub path: String,
    /// With `-`: absence is fine.
    pub optional: bool,
    /// With `+`: below `RootDirectory=`.
    pub below_root: bool,
}

/// `BindPaths=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindPath {
    /// What is seen.
    pub source: String,
    /// Where.
    pub target: String,
    /// With `-`: absence is fine.
    pub optional: bool,
    /// Mounts below the source too (`rbind`, the default).
    pub recursive: bool,
}

/// `TemporaryFileSystem=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemporaryFile {
    /// Where.
    pub path: String,
    /// Mount options.
    pub options: String,
}

/// `SystemCallFilter=` or `RestrictAddressFamilies=`: words as written, groups (`@…`) included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemCallFilter {
    /// Whether the words are those allowed; else those denied.
    pub allow: bool,
    /// The words.
    pub names: Vec<String>,
}

/// systemd.exec(5)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of systemd.exec(5)"
)]
pub struct ExecConfig {
    /// `WorkingDirectory=`
    pub working_directory: Option<WorkingDirectory>,
    /// `RootDirectory=`
    pub root_directory: Option<String>,
    /// `User=`
    pub user: Option<String>,
    /// `Group=`
    pub group: Option<String>,
    /// `SupplementaryGroups=`
    pub supplementary_groups: Vec<String>,
    /// `DynamicUser=` (accepted; the user must exist)
    pub dynamic_user: bool,
    /// `PAMName=` (accepted with a warning)
    pub pam_name: Option<String>,
    /// `Environment=`: name and value, later ones replacing.
    pub environment: Vec<(String, String)>,
    /// `EnvironmentFile=`
    pub environment_files: Vec<EnvironmentFile>,
    /// `PassEnvironment=`
    pub pass_environment: Vec<String>,
    /// `UnsetEnvironment=`: `NAME` or `NAME=value`.
    pub unset_environment: Vec<String>,
    /// `StandardInput=`
    pub standard_input: StandardInput,
    /// `StandardInputText=`, `StandardInputData=`
    pub standard_input_data: Vec<u8>,
    /// `StandardOutput=`
    pub standard_output: StandardOutput,
    /// `StandardError=`
    pub standard_error: StandardOutput,
    /// `TTYPath=`
    pub tty_path: Option<String>,
    /// `TTYReset=`
    pub tty_reset: bool,
    /// `TTYVHangup=`
    pub tty_vhangup: bool,
    /// `TTYVTDisallocate=`
    pub tty_vt_disallocate: bool,
    /// `TTYRows=`
    pub tty_rows: Option<u32>,
    /// `TTYColumns=`
    pub tty_columns: Option<u32>,
    /// `SyslogIdentifier=`
    pub syslog_identifier: Option<String>,
    /// `SyslogFacility=`, 0 to 23.
    pub syslog_facility: u8,
    /// `SyslogLevel=`
    pub syslog_level: LogLevel,
    /// `SyslogLevelPrefix=`
    pub syslog_level_prefix: bool,
    /// `LogLevelMax=`
    pub log_level_max: Option<LogLevel>,
    /// `LogExtraFields=`: `NAME=value`.
    pub log_extra_fields: Vec<String>,
    /// `UtmpIdentifier=`
    pub utmp_identifier: Option<String>,
    /// `UtmpMode=`
    pub utmp_mode: UtmpMode,
    /// `Nice=`
    pub nice: Option<i32>,
    /// `OOMScoreAdjust=`
    pub oom_score_adjust: Option<i32>,
    /// `UMask=`
    pub umask: u32,
    /// `CPUSchedulingPolicy=`
    pub cpu_scheduling: Option<CpuScheduling>,
    /// `CPUSchedulingPriority=`
    pub cpu_scheduling_priority: u32,
    /// `CPUSchedulingResetOnFork=`
    pub cpu_scheduling_reset_on_fork: bool,
    /// `CPUAffinity=`
    pub cpu_affinity: Vec<u32>,
    /// `IOSchedulingClass=`
    pub io_scheduling_class: Option<IoClass>,
    /// `IOSchedulingPriority=`
    pub io_scheduling_priority: Option<u32>,
    /// `TimerSlackNSec=`, in nanoseconds.
    pub timer_slack: Option<u64>,
    /// `IgnoreSIGPIPE=`
    pub ignore_sigpipe: bool,
    /// `Limit…=`, the manager's defaults included.
    pub limits: BTreeMap<Resource, ResourceLimit>,
    /// `CapabilityBoundingSet=`; `None` leaves all.
    pub capability_bounding_set: Option<CapabilitySet>,
    /// `AmbientCapabilities=`
    pub ambient_capabilities: CapabilitySet,
    /// `SecureBits=`, as prctl(2) takes them.
    pub secure_bits: u32,
    /// `NoNewPrivileges=`
    pub no_new_privileges: bool,
    /// `MountFlags=`
    pub mount_flags: Option<MountPropagation>,
    /// `PrivateMounts=`
    pub private_mounts: bool,
    /// `PrivateTmp=`
    pub private_tmp: bool,
    /// `PrivateDevices=`
    pub private_devices: bool,
    /// `PrivateNetwork=`
    pub private_network: bool,
    /// `PrivateIPC=`
    pub private_ipc: bool,
    /// `PrivateUsers=` (accepted)
    pub private_users: bool,
    /// `NetworkNamespacePath=`
    pub network_namespace_path: Option<String>,
    /// `ProtectSystem=`
    pub protect_system: ProtectSystem,
    /// `ProtectHome=`
    pub protect_home: ProtectHome,
    /// `ProtectKernelTunables=`
    pub protect_kernel_tunables: bool,
    /// `ProtectKernelModules=`
    pub protect_kernel_modules: bool,
    /// `ProtectKernelLogs=`
    pub protect_kernel_logs: bool,
    /// `ProtectControlGroups=`
    pub protect_control_groups: bool,
    /// `ProtectClock=`
    pub protect_clock: bool,
    /// `ProtectHostname=`
    pub protect_hostname: bool,
    /// `ReadWritePaths=`
    pub read_write_paths: Vec<SandboxPath>,
    /// `ReadOnlyPaths=`
    pub read_only_paths: Vec<SandboxPath>,
    /// `InaccessiblePaths=`
    pub inaccessible_paths: Vec<SandboxPath>,
    /// `BindPaths=`
    pub bind_paths: Vec<BindPath>,
    /// `BindReadOnlyPaths=`
    pub bind_read_only_paths: Vec<BindPath>,
    /// `TemporaryFileSystem=`
    pub temporary_file_systems: Vec<TemporaryFile>,
    /// `SystemCallFilter=`
    pub system_call_filter: Option<SystemCallFilter>,
    /// `SystemCallErrorNumber=`, as written.
    pub system_call_error_number: Option<String>,
    /// `SystemCallArchitectures=`
    pub system_call_architectures: Vec<String>,
    /// `RestrictAddressFamilies=`
    pub restrict_address_families: Option<SystemCallFilter>,
    /// `LockPersonality=` (accepted)
    pub lock_personality: bool,
    /// `MemoryDenyWriteExecute=` (accepted)
    pub memory_deny_write_execute: bool,
    /// `RestrictRealtime=` (accepted)
    pub restrict_realtime: bool,
    /// `RestrictSUIDSGID=` (accepted)
    pub restrict_suid_sgid: bool,
    /// `RuntimeDirectory=`
    pub runtime_directory: DirectorySet,
    /// `RuntimeDirectoryPreserve=`
    pub runtime_directory_preserve: DirectoryPreserve,
    /// `StateDirectory=`
    pub state_directory: DirectorySet,
    /// `CacheDirectory=`
    pub cache_directory: DirectorySet,
    /// `LogsDirectory=`
    pub logs_directory: DirectorySet,
    /// `ConfigurationDirectory=`
    pub configuration_directory: DirectorySet,
}

impl ExecConfig {
    pub(super) fn new(defaults: &ManagerDefaults) -> Self {
        Self {
            working_directory: None,
            root_directory: None,
            user: None,
            group: None,
            supplementary_groups: Vec::new(),
            dynamic_user: false,
            pam_name: None,
            environment: Vec::new(),
            environment_files: Vec::new(),
            pass_environment: Vec::new(),
            unset_environment: Vec::new(),
            standard_input: StandardInput::Null,
            standard_input_data: Vec::new(),
            standard_output: defaults.standard_output.clone(),
            standard_error: defaults.standard_error.clone(),
            tty_path: None,
            tty_reset: false,
            tty_vhangup: false,
            tty_vt_disallocate: false,
            tty_rows: None,
            tty_columns: None,
            syslog_identifier: None,
            syslog_facility: 3,
            syslog_level: LogLevel::Info,
            syslog_level_prefix: true,
            log_level_max: None,
            log_extra_fields: Vec::new(),
            utmp_identifier: None,
            utmp_mode: UtmpMode::Init,
            nice: None,
            oom_score_adjust: defaults.oom_score_adjust,
            umask: 0o022,
            cpu_scheduling: None,
            cpu_scheduling_priority: 0,
            cpu_scheduling_reset_on_fork: false,
            cpu_affinity: Vec::new(),
            io_scheduling_class: None,
            io_scheduling_priority: None,
            timer_slack: None,
            ignore_sigpipe: true,
            limits: defaults.limits.clone(),
            capability_bounding_set: None,
            ambient_capabilities: CapabilitySet::default(),
            secure_bits: 0,
            no_new_privileges: false,
            mount_flags: None,
            private_mounts: false,
            private_tmp: false,
            private_devices: false,
            private_network: false,
            private_ipc: false,
            private_users: false,
            network_namespace_path: None,
            protect_system: ProtectSystem::No,
            protect_home: ProtectHome::No,
            protect_kernel_tunables: false,
            protect_kernel_modules: false,
            protect_kernel_logs: false,
            protect_control_groups: false,
            protect_clock: false,
            protect_hostname: false,
            read_write_paths: Vec::new(),
            read_only_paths: Vec::new(),
            inaccessible_paths: Vec::new(),
            bind_paths: Vec::new(),
            bind_read_only_paths: Vec::new(),
            temporary_file_systems: Vec::new(),
            system_call_filter: None,
            system_call_error_number: None,
            system_call_architectures: Vec::new(),
            restrict_address_families: None,
            lock_personality: false,
            memory_deny_write_execute: false,
            restrict_realtime: false,
            restrict_suid_sgid: false,
            runtime_directory: DirectorySet::default(),
            runtime_directory_preserve: DirectoryPreserve::No,
            state_directory: DirectorySet::default(),
            cache_directory: DirectorySet::default(),
            logs_directory: DirectorySet::default(),
            configuration_directory: DirectorySet::default(),
        }
    }

    /// Whether the process needs a mount namespace of its own.
    #[must_use]
    pub fn needs_mount_namespace(&self) -> bool {
        self.private_mounts
            || self
                .mount_flags
                .is_some_and(|flags| flags != MountPropagation::Shared)
            || self.private_tmp
            || self.private_devices
            || self.protect_system != ProtectSystem::No
            || self.protect_home != ProtectHome::No
            || self.protect_kernel_tunables
            || self.protect_kernel_modules
            || self.protect_kernel_logs
            || self.protect_control_groups
            || !self.read_write_paths.is_empty()
            || !self.read_only_paths.is_empty()
            || !self.inaccessible_paths.is_empty()
            || !self.bind_paths.is_empty()
            || !self.bind_read_only_paths.is_empty()
            || !self.temporary_file_systems.is_empty()
    }
}
