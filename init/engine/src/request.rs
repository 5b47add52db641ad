//! What clients ask for, and the errors they get: the words of `org.freedesktop.systemd1.Manager`
//! without its wire format.

use init_api::JobMode;

use crate::event::Pid;

/// What a client wants done with a unit. Collapsed to a job type by the unit's state at call time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// `StartUnit`
    Start,
    /// `StopUnit`
    Stop,
    /// `ReloadUnit`
    Reload,
    /// `RestartUnit`
    Restart,
    /// `TryRestartUnit`
    TryRestart,
    /// `ReloadOrRestartUnit`
    ReloadOrRestart,
    /// `ReloadOrTryRestartUnit`
    ReloadOrTryRestart,
}

/// Which processes of a unit a `KillUnit` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillWho {
    /// The main process.
    Main,
    /// The control process.
    Control,
    /// All.
    All,
    /// The main process, and it is an error if there is none.
    MainFail,
    /// The control process, and it is an error if there is none.
    ControlFail,
    /// All, and it is an error if there are none.
    AllFail,
}

/// A client's request.
#[derive(Debug, Clone)]
pub enum Request {
    /// Queue a job; answered by [`Reply::Job`].
    Job {
        /// The unit's name.
        unit: String,
        /// What to do.
        verb: Verb,
        /// How to treat jobs that are already there.
        mode: JobMode,
    },
    /// Start a unit that was just written to /run/systemd/transient; answered by [`Reply::Job`].
    /// The caller checks with [`Engine::can_be_transient`](crate::Engine::can_be_transient) before
    /// it writes the file.
    StartTransient {
        /// The unit's name.
        unit: String,
        /// Job mode.
        mode: JobMode,
        /// Processes for a scope.
        pids: Vec<Pid>,
        /// A bus client that is told to stop a scope (Controller=), if any.
        controller: Option<String>,
    },
    /// Load the unit so that its properties can be read.
    Load {
        /// The unit's name.
        unit: String,
    },
    /// The unit's drop-ins were just changed (set-property): read it again, apply limits.
    Refresh {
        /// The unit's name.
        unit: String,
    },
    /// Signal processes of a unit.
    Kill {
        /// The unit's name.
        unit: String,
        /// Which processes.
        who: KillWho,
        /// The signal's number.
        signal: i32,
    },
    /// Forget failures of one unit, or of all.
    ResetFailed {
        /// The unit's name; none: all.
        unit: Option<String>,
    },
    /// Cancel a job.
    CancelJob {
        /// Its id.
        id: u32,
    },
    /// Cancel all jobs.
    ClearJobs,
    /// Move processes into a unit's cgroup.
    AttachProcesses {
        /// The unit's name.
        unit: String,
        /// Path below the unit's cgroup, empty for itself.
        sub: String,
        /// The processes.
        pids: Vec<Pid>,
    },
    /// Stop supervising a scope's cgroup for its creator.
    AbandonScope {
        /// The unit's name.
        unit: String,
    },
    /// Keep a unit loaded for a client.
    Ref {
        /// The unit's name.
        unit: String,
    },
    /// Undo a `Ref`.
    Unref {
        /// The unit's name.
        unit: String,
    },
    /// Change the manager's environment block.
    SetEnvironment {
        /// Assignments `NAME=value`.
        set: Vec<String>,
        /// Names, or exact assignments.
        unset: Vec<String>,
    },
}

/// What a request gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing to tell.
    Done,
    /// The job's id. Its end is announced by [`Action::JobRemoved`](crate::Action::JobRemoved).
    Job(u32),
}

/// Why a request was refused. The text is what systemctl prints; [`RequestError::bus_name`] decides
/// its exit code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No unit of that name has a file.
    #[error("Unit {0} not found.")]
    NotFound(String),
    /// The unit is not in memory.
    #[error("Unit {0} not loaded.")]
    NotLoaded(String),
    /// The unit is masked.
    #[error("Unit {0} is masked.")]
    Masked(String),
    /// The unit's file has a fatal mistake.
    #[error("Unit {0} has a bad unit file setting.")]
    BadSetting(String),
    /// The unit's file could not be read.
    #[error(
        "Unit {unit} failed to load properly, please adjust/correct and reload service manager: {cause}"
    )]
    LoadFailed {
        /// The unit.
        unit: String,
        /// Why.
        cause: String,
    },
    /// A template was named where an instance is needed.
    #[error("Unit name {0} is missing the instance name.")]
    MissingInstance(String),
    /// Not a unit name.
    #[error("Unit name {0} is not valid.")]
    InvalidName(String),
    /// The type of unit cannot do this.
    #[error("Job type {job} is not applicable for unit {unit}.")]
    NotApplicable {
        /// The job's type.
        job: &'static str,
        /// The unit.
        unit: String,
    },
    /// `RefuseManualStart`= or `RefuseManualStop`=.
    #[error(
        "Operation refused, unit {0} may be requested by dependency only (it is configured to refuse manual start/stop)."
    )]
    OnlyByDependency(String),
    /// Isolation of a unit without `AllowIsolate`=.
    #[error("Operation refused, unit may not be isolated.")]
    NoIsolation,
    /// Isolate with another verb than start.
    #[error("Isolate is only valid for start.")]
    IsolateNotStart,
    /// Mode fail, or an irreversible job in the way.
    #[error(
        "Transaction for {anchor} is destructive ({unit} has '{queued}' job queued, but '{wanted}' is included in transaction)."
    )]
    Destructive {
        /// What was asked for, `UNIT/TYPE`.
        anchor: String,
        /// The unit in question.
        unit: String,
        /// The job it has.
        queued: &'static str,
        /// The job the transaction has.
        wanted: &'static str,
    },
    /// Two jobs of a unit contradict each other and neither can go.
    #[error(
        "Transaction contains conflicting jobs '{first}' and '{second}' for {unit}. Probably contradicting requirement dependencies configured."
    )]
    Conflicting {
        /// The unit.
        unit: String,
        /// One job.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// The order has a cycle that cannot be broken.
    #[error("Transaction order is cyclic. See system logs for details.")]
    Cyclic,
    /// The transient unit exists already.
    #[error("Unit {0} was already loaded or has a fragment file.")]
    Exists(String),
    /// No such job.
    #[error("Job {0} does not exist.")]
    NoSuchJob(u32),
    /// Nobody to signal.
    #[error("No matching processes to kill")]
    NoProcess,
    /// Main or control process asked for and not there.
    #[error("{0}")]
    NoSuchProcess(String),
    /// An argument made no sense.
    #[error("{0}")]
    Invalid(String),
    /// The unit is not in a state for this.
    #[error("{0}")]
    NotActive(String),
}

impl RequestError {
    /// The D-Bus error name.
    pub fn bus_name(&self) -> &'static str {
        match self {
            RequestError::NotFound(_) | RequestError::NotLoaded(_) => {
                "org.freedesktop.systemd1.NoSuchUnit"
            }
            RequestError::Masked(_) => "org.freedesktop.systemd1.UnitMasked",
            RequestError::BadSetting(_) => "org.freedesktop.systemd1.BadUnitSetting",
            RequestError::LoadFailed { .. } => "org.freedesktop.systemd1.LoadFailed",
            RequestError::MissingInstance(_)
            | RequestError::InvalidName(_)
            | RequestError::IsolateNotStart
            | RequestError::Invalid(_) => "org.freedesktop.DBus.Error.InvalidArgs",
            RequestError::NotApplicable { .. } => "org.freedesktop.systemd1.JobTypeNotApplicable",
            RequestError::OnlyByDependency(_) => "org.freedesktop.systemd1.OnlyByDependency",
            RequestError::NoIsolation => "org.freedesktop.systemd1.NoIsolation",
            RequestError::Destructive { .. } => "org.freedesktop.systemd1.TransactionIsDestructive",
            RequestError::Conflicting { .. } => {
                "org.freedesktop.systemd1.TransactionJobsConflicting"
            }
            RequestError::Cyclic => "org.freedesktop.systemd1.TransactionOrderIsCyclic",
            RequestError::Exists(_) => "org.freedesktop.systemd1.UnitExists",
            RequestError::NoSuchJob(_) => "org.freedesktop.systemd1.NoSuchJob",
            RequestError::NoProcess | RequestError::NoSuchProcess(_) => {
                "org.freedesktop.systemd1.NoSuchProcess"
            }
            RequestError::NotActive(_) => "org.freedesktop.systemd1.UnitInactive",
        }
    }
}
