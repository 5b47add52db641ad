//! `[Timer]` and `[Path]`: units that start others.

use init_api::TimeSpan;
use serde::{Deserialize, Serialize};

use super::{ManagerDefaults, RateLimit};
use crate::{Calendar, UnitName};

init_api::words! {
    /// What a timer's span counts from.
    pub enum TimerBase {
        Active = "OnActiveSec",
        Boot = "OnBootSec",
        Startup = "OnStartupSec",
        UnitActive = "OnUnitActiveSec",
        UnitInactive = "OnUnitInactiveSec",
    }
}

/// One reason for a timer to elapse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimerTrigger {
    /// So long after something.
    Monotonic(TimerBase, TimeSpan),
    /// At points in time.
    Calendar(Calendar),
}

/// `[Timer]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of systemd.timer(5)"
)]
pub struct TimerConfig {
    /// `On…Sec=`, `OnCalendar=`
    pub triggers: Vec<TimerTrigger>,
    /// `OnClockChange=`
    pub on_clock_change: bool,
    /// `OnTimezoneChange=`
    pub on_timezone_change: bool,
    /// `AccuracySec=`
    pub accuracy: TimeSpan,
    /// `RandomizedDelaySec=`
    pub randomized_delay: TimeSpan,
    /// `FixedRandomDelay=`
    pub fixed_random_delay: bool,
    /// `DeferReactivation=`
    pub defer_reactivation: bool,
    /// `Persistent=`
    pub persistent: bool,
    /// `WakeSystem=`
    pub wake_system: bool,
    /// `RemainAfterElapse=`
    pub remain_after_elapse: bool,
    /// `Unit=`
    pub unit: Option<UnitName>,
}

impl TimerConfig {
    pub(super) fn new(defaults: &ManagerDefaults) -> Self {
        Self {
            triggers: Vec::new(),
            on_clock_change: false,
            on_timezone_change: false,
            accuracy: defaults.timer_accuracy,
            randomized_delay: TimeSpan::ZERO,
            fixed_random_delay: false,
            defer_reactivation: false,
            persistent: false,
            wake_system: false,
            remain_after_elapse: true,
            unit: None,
        }
    }

    /// Whether any trigger is a point in time.
    #[must_use]
    pub fn has_calendar(&self) -> bool {
        self.triggers
            .iter()
            .any(|trigger| matches!(trigger, TimerTrigger::Calendar(_)))
    }
}

init_api::words! {
    /// What a path unit waits for.
    pub enum PathWatchKind {
        Exists = "PathExists",
        ExistsGlob = "PathExistsGlob",
        Changed = "PathChanged",
        Modified = "PathModified",
        DirectoryNotEmpty = "DirectoryNotEmpty",
    }
}

/// One path that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathWatch {
    /// For what.
    pub kind: PathWatchKind,
    /// The path, or glob.
    pub path: String,
}

/// `[Path]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathConfig {
    /// `PathExists=` and its like, in the order of the file.
    pub watches: Vec<PathWatch>,
    /// `MakeDirectory=`
    pub make_directory: bool,
    /// `DirectoryMode=`
    pub directory_mode: u32,
    /// `TriggerLimitIntervalSec=`, `TriggerLimitBurst=`
    pub trigger_limit: RateLimit,
    /// `Unit=`
    pub unit: Option<UnitName>,
}

impl Default for PathConfig {
    fn default() -> Self {
        Self {
            watches: Vec::new(),
            make_directory: false,
            directory_mode: 0o755,
            trigger_limit: RateLimit {
                interval: TimeSpan::from_secs(2),
                burst: 200,
            },
            unit: None,
        }
    }
}
