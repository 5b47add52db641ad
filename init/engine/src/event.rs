//! What can happen to the manager: everything the edge reports to [`Engine::handle`](crate::Engine::handle).
//! Facts only; an event never says what is to be done.

use init_api::notify::NotifyMessage;

/// A process id.
pub type Pid = u32;

/// A name for a descriptor that the edge holds. The engine passes handles about and never sees a
/// number that the kernel knows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct FdHandle(pub u64);

/// Ties a [`Spawn`](crate::Spawn) to what becomes of it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Token(pub u64);

/// Both clocks, in microseconds, handed in with every event: the engine has no clock of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Now {
    /// Since 1970.
    pub realtime: u64,
    /// Since boot (`CLOCK_BOOTTIME`).
    pub monotonic: u64,
}

/// How a process ended, as `waitid` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Exit {
    /// `exit(code)`.
    Exited(i32),
    /// Killed by the signal of this number.
    Killed(i32),
    /// Killed by the signal, with a core dump.
    Dumped(i32),
}

/// Why nothing could be run for a [`Spawn`](crate::Spawn).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnError {
    /// For the log, e.g. `cannot read /etc/environment: No such file or directory`.
    pub text: String,
    /// The error number, 0 when there is none.
    pub errno: i32,
}

/// What the kernel lists as mounted at one place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MountPoint {
    /// Where, as an absolute path.
    pub place: String,
    /// What, e.g. `/dev/vda1` or `tmpfs`.
    pub what: String,
    /// File system type.
    pub fstype: String,
    /// Mount options, comma separated.
    pub options: String,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The process of a spawn exists. The edge reports this, or [`Event::SpawnFailed`], as the very
    /// next event after it has carried the spawn out: before exits, messages and requests.
    Spawned {
        /// Which spawn.
        token: Token,
        /// Its process.
        pid: Pid,
    },
    /// No process came of the spawn (an environment file is missing, fork failed, …).
    SpawnFailed {
        /// Which spawn.
        token: Token,
        /// Why.
        error: SpawnError,
    },
    /// The exec helper has reached `execve` and it succeeded.
    ExecDone {
        /// The process.
        pid: Pid,
    },
    /// The exec helper gave up before `execve`. The process exits with the step's code as well, so
    /// this only feeds the log.
    ExecFailed {
        /// The process.
        pid: Pid,
        /// The exit code of the step, e.g. 203.
        status: i32,
        /// What was attempted, e.g. `EXEC` with the path.
        text: String,
        /// The error number.
        errno: i32,
    },
    /// A child ended and has been reaped.
    ChildExited {
        /// The process.
        pid: Pid,
        /// How.
        exit: Exit,
    },
    /// A datagram on the notify socket, already parsed.
    Notify {
        /// The sender, from its credentials.
        pid: Pid,
        /// The sender's user.
        uid: u32,
        /// The unit in whose cgroup the sender is, if the edge found one.
        unit: Option<String>,
        /// The message.
        message: NotifyMessage,
        /// Descriptors that came with it. Those the engine does not keep it gives back by
        /// [`Action::CloseFd`](crate::Action::CloseFd).
        fds: Vec<FdHandle>,
    },
    /// Nobody is at the other end of a descriptor that a service has stored.
    StoredFdGone {
        /// The descriptor.
        fd: FdHandle,
    },
    /// The last process left this unit's cgroup.
    CgroupEmpty {
        /// The unit.
        unit: String,
    },
    /// The kernel killed a process of the unit for want of memory.
    OutOfMemory {
        /// The unit.
        unit: String,
    },
    /// Answer to [`Action::OpenSockets`](crate::Action::OpenSockets).
    SocketsOpened {
        /// The socket unit.
        unit: String,
        /// A handle for each descriptor with its name, in file order, or why it failed.
        result: Result<Vec<(FdHandle, String)>, String>,
    },
    /// A watched socket of an `Accept=no` unit is readable.
    SocketReady {
        /// The socket unit.
        unit: String,
    },
    /// A connection was accepted on a socket of an `Accept=yes` unit.
    Connection {
        /// The socket unit.
        unit: String,
        /// The connection.
        fd: FdHandle,
        /// The instance name's part after the counter: `PID-UID` or `LOCAL:PORT-REMOTE:PORT`.
        peer: String,
    },
    /// A watched path changed in the way it is watched for; the engine looks itself.
    PathChanged {
        /// The path unit.
        unit: String,
        /// Which of its paths, by position in the file.
        index: usize,
    },
    /// A PID file that the engine asked to be watched may have appeared.
    PidFileChanged {
        /// The service.
        unit: String,
    },
    /// The kernel's mount table, in full, at start and whenever it changes.
    Mounts {
        /// All mount points, in the kernel's order.
        mounts: Vec<MountPoint>,
    },
    /// Device names that exist now (`dev-vda1.device`, `dev-disk-by\x2dlabel-ROOT.device`, …), in
    /// full, at start and whenever they change.
    Devices {
        /// Unit names.
        units: Vec<String>,
    },
    /// A bus name got or lost its owner.
    BusName {
        /// The name.
        name: String,
        /// Whether somebody owns it now.
        owned: bool,
    },
    /// The time asked for by [`Engine::next_deadline`](crate::Engine::next_deadline) has come.
    Timer,
    /// The wall clock was set.
    ClockChanged,
    /// Unit files changed: read all of them again (daemon-reload).
    Reload,
}
