//! What the edge is asked to do. The engine hands these out in order; the edge carries them out in
//! that order and reports back with [`Event`](crate::Event)s where an action says so.

use std::sync::Arc;

use init_api::{JobResult, ServiceResult};
use unit_file::{Command, UnitConfig};

use crate::event::{FdHandle, Pid, Token};

/// Which of a service's command lists a process belongs to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum ExecKind {
    /// `ExecCondition=`
    Condition,
    /// `ExecStartPre=`, also of sockets, mounts
    StartPre,
    /// `ExecStart=`; the command that a mount or swap unit implies, when starting
    Start,
    /// `ExecStartPost=`
    StartPost,
    /// `ExecReload=`; a remount
    Reload,
    /// `ExecStop=`; an unmount
    Stop,
    /// `ExecStopPost=`
    StopPost,
    /// `ExecStopPre=` of a socket
    StopPre,
}

impl ExecKind {
    /// The directive's name.
    pub fn directive(self) -> &'static str {
        match self {
            ExecKind::Condition => "ExecCondition",
            ExecKind::StartPre => "ExecStartPre",
            ExecKind::Start => "ExecStart",
            ExecKind::StartPost => "ExecStartPost",
            ExecKind::Reload => "ExecReload",
            ExecKind::Stop => "ExecStop",
            ExecKind::StopPost => "ExecStopPost",
            ExecKind::StopPre => "ExecStopPre",
        }
    }
}

/// A process to be started for a unit.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Spawn {
    /// Comes back in [`Event::Spawned`](crate::Event::Spawned).
    pub token: Token,
    /// The unit's id.
    pub unit: Arc<str>,
    /// Which list the command is from.
    pub kind: ExecKind,
    /// The command. Its words are not yet expanded: variables are known only once the environment
    /// files have been read, and that is the edge's.
    pub command: Command,
    /// The unit's settings: environment, credentials, limits, sandbox, directories.
    pub config: Arc<UnitConfig>,
    /// The unit's cgroup below the root, e.g. `/system.slice/x.service`.
    pub cgroup: Arc<str>,
    /// Variables that the manager adds last: MAINPID, `SERVICE_RESULT`, `INVOCATION_ID`, …
    /// PATH, USER, `LISTEN_PID`, `WATCHDOG_PID`, `SYSTEMD_EXEC_PID`, `JOURNAL_STREAM` and the DIRECTORY
    /// variables are the edge's.
    pub environment: Vec<(String, String)>,
    /// Descriptors to pass from 3 on, with their `LISTEN_FDNAMES`. Empty: no LISTEN_ variables.
    pub fds: Vec<(FdHandle, String)>,
    /// The connection for `StandardInput=socket` and its kin.
    pub connection: Option<FdHandle>,
    /// The connection that the service is for, passed or not: its environment says who is there.
    pub client: Option<FdHandle>,
    /// Whether `NOTIFY_SOCKET` is set.
    pub notify: bool,
    /// `WATCHDOG_USEC` and `WATCHDOG_PID` are set when this is.
    pub watchdog_usec: Option<u64>,
    /// The main process of the unit: it alone gets a watchdog, the tty and `LISTEN_FDS`.
    pub main: bool,
    /// `Type=idle`: the helper waits for [`Action::ReleaseIdle`], at most five seconds.
    pub idle: bool,
    /// A control command of a delegated unit goes into the sub-cgroup `.control`.
    pub control_cgroup: bool,
}

/// A set of processes to signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One process.
    Pid(Pid),
    /// Every process in the cgroup and below it, except some.
    Cgroup {
        /// The cgroup's path below the root.
        path: Arc<str>,
        /// Processes that have had their signal or must not have it.
        except: Vec<Pid>,
    },
}

/// One journal entry of the manager's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Syslog priority, 0 to 7.
    pub priority: u8,
    /// The text (MESSAGE=).
    pub message: String,
    /// Further fields: UNIT, `MESSAGE_ID`, `INVOCATION_ID`, `JOB_ID`, `JOB_TYPE`, `JOB_RESULT`, …
    pub fields: Vec<(&'static str, String)>,
}

/// The word in brackets of a console line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsoleStatus {
    /// `[  OK  ]`
    Ok,
    /// `[FAILED]`
    Failed,
    /// `[DEPEND]`
    Depend,
    /// `[ TIME ]`
    Time,
    /// `[ WARN ]`
    Warn,
    /// `[ SKIP ]`
    Skip,
    /// `[ INFO ]`
    Info,
    /// `[ **** ]`: a job takes long.
    Busy,
    /// Blanks in place of a word: something has begun.
    Begin,
}

impl ConsoleStatus {
    /// The six characters between the brackets.
    pub fn word(self) -> &'static str {
        match self {
            ConsoleStatus::Ok => "  OK  ",
            ConsoleStatus::Failed => "FAILED",
            ConsoleStatus::Depend => "DEPEND",
            ConsoleStatus::Time => " TIME ",
            ConsoleStatus::Warn => " WARN ",
            ConsoleStatus::Skip => " SKIP ",
            ConsoleStatus::Info => " INFO ",
            ConsoleStatus::Busy => " **** ",
            ConsoleStatus::Begin => "      ",
        }
    }
}

/// What the whole machine is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineAction {
    /// Reboot: run the shutdown program.
    Reboot,
    /// The same without stopping units first was asked for (`*Action=reboot-force`).
    RebootForce,
    /// `reboot(2)` at once.
    RebootImmediate,
    /// Power off: run the shutdown program.
    PowerOff,
    /// Power off without stopping units.
    PowerOffForce,
    /// Power off at once.
    PowerOffImmediate,
    /// Halt: run the shutdown program.
    Halt,
    /// Boot the loaded kernel.
    Kexec,
    /// End the manager with this code (containers).
    Exit(u8),
}

/// What the edge is to do.
#[derive(Debug, Clone)]
pub enum Action {
    /// Start a process; answered by `Spawned` or `SpawnFailed`, later `ExecDone` or `ExecFailed`.
    Spawn(Box<Spawn>),
    /// Send a signal.
    Kill {
        /// To whom.
        target: Target,
        /// The signal's number.
        signal: i32,
        /// Signals that follow it at once: SIGCONT, SIGHUP.
        then: Vec<i32>,
    },
    /// Make the unit's cgroup, set its limits, watch it for emptiness. Given again when limits change.
    RealizeCgroup {
        /// The unit.
        unit: Arc<str>,
        /// Path below the root.
        path: Arc<str>,
        /// Where the limits are.
        config: Arc<UnitConfig>,
    },
    /// The unit's cgroup is not needed any longer.
    RemoveCgroup {
        /// Path below the root.
        path: Arc<str>,
    },
    /// Move processes into a cgroup (scopes).
    AttachPids {
        /// The unit.
        unit: Arc<str>,
        /// Path below the root.
        path: Arc<str>,
        /// The processes.
        pids: Vec<Pid>,
    },
    /// Remove what the unit's settings made: `RuntimeDirectory` (unless kept), private /tmp.
    CleanUp {
        /// The unit.
        unit: Arc<str>,
        /// Its settings.
        config: Arc<UnitConfig>,
        /// Whether its runtime directories stay.
        keep_runtime: bool,
    },
    /// Remove a file (a PID file), if it is there.
    RemoveFile {
        /// Which.
        path: String,
    },
    /// A transient unit is gone: remove its unit file and drop-ins below /run/systemd/transient.
    RemoveTransient {
        /// The unit.
        unit: Arc<str>,
    },
    /// Make the sockets; answered by `SocketsOpened`.
    OpenSockets {
        /// The socket unit.
        unit: Arc<str>,
        /// Its settings.
        config: Arc<UnitConfig>,
    },
    /// Wait for readability (or for connections when `Accept=yes`), or stop waiting.
    WatchSockets {
        /// The socket unit.
        unit: Arc<str>,
        /// Start or stop.
        on: bool,
    },
    /// Close the sockets of the unit, and remove their files when `RemoveOnStop=` says so.
    CloseSockets {
        /// The socket unit.
        unit: Arc<str>,
        /// Its settings.
        config: Arc<UnitConfig>,
    },
    /// Close a descriptor: a connection, a stored one, one that came with a message.
    CloseFd(FdHandle),
    /// Watch the paths of a path unit; reported by `PathChanged`.
    WatchPaths {
        /// The path unit.
        unit: Arc<str>,
        /// Its settings.
        config: Arc<UnitConfig>,
    },
    /// Stop watching them.
    UnwatchPaths {
        /// The path unit.
        unit: Arc<str>,
    },
    /// Watch for a PID file; reported by `PidFileChanged`.
    WatchPidFile {
        /// The service.
        unit: Arc<str>,
        /// The file.
        path: String,
    },
    /// Stop watching for it.
    UnwatchPidFile {
        /// The service.
        unit: Arc<str>,
    },
    /// Create a directory with the mode if it is missing (mount points, `MakeDirectory=`).
    MakeDirectory {
        /// Which.
        path: String,
        /// Its mode.
        mode: u32,
    },
    /// Create or touch a timer's stamp file (`Persistent=`).
    Touch {
        /// Which.
        path: String,
    },
    /// Let the processes of `Type=idle` services go on.
    ReleaseIdle,
    /// Write a journal entry.
    Log(LogEntry),
    /// Write a line to the console, when status output is on.
    Console {
        /// The word in brackets.
        status: ConsoleStatus,
        /// The text.
        text: String,
    },
    /// The machine is to go down, or the manager to end.
    Machine(MachineAction),
    /// A unit was loaded (signal `UnitNew`).
    UnitNew {
        /// Its id.
        unit: Arc<str>,
    },
    /// A unit was forgotten (signal `UnitRemoved`).
    UnitRemoved {
        /// Its id.
        unit: Arc<str>,
    },
    /// A unit's properties changed (signal `PropertiesChanged`).
    UnitChanged {
        /// Its id.
        unit: Arc<str>,
    },
    /// A job was queued (signal `JobNew`).
    JobNew {
        /// The job.
        id: u32,
        /// Its unit.
        unit: Arc<str>,
    },
    /// A job ended (signal `JobRemoved`).
    JobRemoved {
        /// The job.
        id: u32,
        /// Its unit.
        unit: Arc<str>,
        /// How it ended.
        result: JobResult,
    },
    /// The job queue ran empty for the first time (signal `StartupFinished`).
    StartupFinished,
    /// A service ended unsuccessfully or not; for clients that wait on the unit (`--wait`).
    ServiceEnded {
        /// The service.
        unit: Arc<str>,
        /// How.
        result: ServiceResult,
    },
}
