//! A loaded unit: what all types have in common, and the machine of its own type.

use std::sync::Arc;

use init_api::{ActiveState, JobType, LoadState, UnitType};
use unit_file::UnitConfig;

use crate::{
    deps::Edge,
    machine::Machine,
    request::RequestError,
    stamp::{RateLimit, Stamp},
};

/// When a unit went from one state to another last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Stamps {
    /// Any change of state.
    pub state_change: Stamp,
    /// From inactive to something else.
    pub inactive_exit: Stamp,
    /// To active.
    pub active_enter: Stamp,
    /// From active.
    pub active_exit: Stamp,
    /// To inactive.
    pub inactive_enter: Stamp,
}

/// The last check of conditions, or of asserts.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CheckRecord {
    /// When; unset if never.
    pub when: Stamp,
    /// Whether the unit might start.
    pub passed: bool,
    /// Each condition's own result, in file order: 1 held, -1 did not, 0 was not looked at.
    pub each: Vec<i8>,
}

/// Which files a unit was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) fragment: Option<String>,
    pub(crate) drop_ins: Vec<String>,
    /// Every file that was read, with its time of change.
    pub(crate) read: Vec<(String, u64)>,
}

/// A loaded unit.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Unit {
    /// The id.
    pub(crate) name: Arc<str>,
    /// Further names.
    pub(crate) aliases: Vec<Arc<str>>,
    pub(crate) kind: UnitType,
    pub(crate) load_state: LoadState,
    /// Why it could not be loaded, for people.
    pub(crate) load_error: Option<String>,
    pub(crate) config: Arc<UnitConfig>,
    pub(crate) files: Files,
    pub(crate) edges: Vec<Edge>,
    pub(crate) job: Option<u32>,
    pub(crate) machine: Machine,
    pub(crate) stamps: Stamps,
    pub(crate) conditions: CheckRecord,
    pub(crate) asserts: CheckRecord,
    pub(crate) start_limit: RateLimit,
    pub(crate) start_limit_hit: bool,
    /// Starts for `Upholds=`.
    pub(crate) upheld_starts: RateLimit,
    pub(crate) invocation: u128,
    /// The cgroup's path below the root; empty when the type has none.
    pub(crate) cgroup: Arc<str>,
    pub(crate) cgroup_made: bool,
    /// Clients that want it kept in memory.
    pub(crate) refs: u32,
    pub(crate) transient: bool,
    /// Cannot be stopped or forgotten: `-.slice`, `init.scope`, `-.mount`.
    pub(crate) perpetual: bool,
}

impl Unit {
    pub(crate) fn id_name(&self) -> &str {
        &self.name
    }

    pub(crate) fn active_state(&self) -> ActiveState {
        self.machine.active_state()
    }

    pub(crate) fn description(&self) -> &str {
        match self.config.unit.description.as_str() {
            "" => &self.name,
            text => text,
        }
    }

    /// Whether jobs other than stop may be queued, with the error that clients see.
    pub(crate) fn usable(&self) -> Result<(), RequestError> {
        let name = self.name.to_string();
        match self.load_state {
            LoadState::Loaded => Ok(()),
            LoadState::Masked => Err(RequestError::Masked(name)),
            LoadState::NotFound => Err(RequestError::NotFound(name)),
            LoadState::BadSetting => Err(RequestError::BadSetting(name)),
            LoadState::Error | LoadState::Stub | LoadState::Merged => {
                Err(RequestError::LoadFailed {
                    unit: name,
                    cause: self
                        .load_error
                        .clone()
                        .unwrap_or_else(|| "Input/output error".to_owned()),
                })
            }
        }
    }

    /// Whether units of this kind can do such a job. Starts are always possible: devices and mounts
    /// may come up by themselves, and the job waits for that.
    pub(crate) fn job_applicable(&self, kind: JobType) -> bool {
        match kind {
            JobType::Start | JobType::VerifyActive | JobType::Nop => true,
            JobType::Stop => !self.perpetual,
            JobType::Restart | JobType::TryRestart => !self.perpetual && self.can_start(),
            JobType::Reload | JobType::TryReload => self.can_reload(),
            JobType::ReloadOrStart => self.can_reload() && self.can_start(),
        }
    }

    pub(crate) fn can_start(&self) -> bool {
        !matches!(self.kind, UnitType::Device | UnitType::Scope) || self.transient
    }

    pub(crate) fn can_reload(&self) -> bool {
        match self.kind {
            UnitType::Service => self
                .config
                .service()
                .is_some_and(crate::Engine::service_can_reload),
            UnitType::Mount => true,
            _ => false,
        }
    }

    pub(crate) fn ignore_on_isolate(&self) -> bool {
        self.perpetual || self.config.unit.ignore_on_isolate
    }

    pub(crate) fn job_timeout(&self) -> Option<u64> {
        Some(self.config.unit.job_timeout.as_micros()).filter(|usec| *usec != u64::MAX)
    }

    pub(crate) fn job_running_timeout(&self) -> Option<u64> {
        Some(self.config.unit.job_running_timeout.as_micros()).filter(|usec| *usec != u64::MAX)
    }

    /// Whether a start leads straight to active, so that no "Starting" line is written.
    pub(crate) fn begins_silently(&self) -> bool {
        self.machine.begins_silently(&self.config)
    }

    pub(crate) fn is_oneshot(&self) -> bool {
        self.config
            .service()
            .is_some_and(|service| service.service_type == unit_file::ServiceType::Oneshot)
    }

    /// A service between two runs of its own accord.
    pub(crate) fn restarting(&self) -> bool {
        self.machine
            .service()
            .is_some_and(crate::service::Service::restarting)
    }

    pub(crate) fn skipped_by_condition(&self) -> bool {
        self.conditions.when.is_set()
            && !self.conditions.passed
            && self.active_state().is_inactive()
    }

    /// The first condition that did not hold, as `ConditionPathExists=/p`.
    pub(crate) fn unmet_condition(&self) -> Option<String> {
        let index = self.conditions.each.iter().position(|result| *result < 0)?;
        self.config
            .unit
            .conditions
            .get(index)
            .map(|condition| format!("Condition{condition}"))
    }
}
