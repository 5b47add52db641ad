//! The doors to the views: units, jobs and the manager itself.

use super::{JobView, ManagerView, UnitView};
use crate::{Engine, event::Pid, units::UnitId};
use init_api::{ActiveState, JobType, ManagerState};

impl Engine {
    pub(super) fn view(&self, id: UnitId) -> Option<UnitView<'_>> {
        self.units.get(id).map(|unit| UnitView {
            engine: self,
            id,
            unit,
        })
    }

    /// The unit of this name, if it is loaded.
    pub fn unit(&self, name: &str) -> Option<UnitView<'_>> {
        self.view(self.units.find(name)?)
    }

    /// All loaded units.
    pub fn units(&self) -> impl Iterator<Item = UnitView<'_>> {
        self.units.ids().filter_map(|id| self.view(id))
    }

    /// The unit whose main or control process this is. Others are found by their cgroup.
    pub fn unit_by_pid(&self, pid: Pid) -> Option<UnitView<'_>> {
        self.view(*self.pids.get(&pid)?)
    }

    /// A queued job.
    pub fn job(&self, id: u32) -> Option<JobView<'_>> {
        let job = self.jobs.get(&id)?;
        Some(JobView {
            id,
            unit: self.units.get(job.unit)?.id_name(),
            kind: job.kind,
            state: job.state,
            queued: job.queued,
            began: job.began,
        })
    }

    /// All queued jobs.
    pub fn jobs(&self) -> impl Iterator<Item = JobView<'_>> {
        self.jobs.keys().filter_map(|id| self.job(*id))
    }

    /// The manager's environment block: its own variables, then what clients set.
    pub fn environment(&self) -> Vec<String> {
        let key = |assignment: &str| {
            assignment
                .split_once('=')
                .map_or(assignment, |(name, _)| name)
                .to_owned()
        };
        let own = self
            .config
            .environment
            .iter()
            .filter(|own| !self.environment.iter().any(|set| key(set) == key(own)));
        own.chain(&self.environment).cloned().collect()
    }

    /// The manager's settings.
    pub fn settings(&self) -> &crate::ManagerConfig {
        &self.config
    }

    /// The manager itself.
    pub fn manager(&self) -> ManagerView {
        let failed = self
            .units
            .ids()
            .filter(|id| self.units[*id].active_state() == ActiveState::Failed)
            .count();
        ManagerView {
            state: self.system_state(failed),
            jobs: self.jobs.len(),
            installed_jobs: self.next_job,
            failed,
            names: self.units.len(),
            finished: self.finished_at,
        }
    }

    pub(super) fn system_state(&self, failed: usize) -> ManagerState {
        let starting = |name: &str| {
            self.unit(name)
                .and_then(|unit| unit.job())
                .is_some_and(|job| matches!(job.kind, JobType::Start | JobType::Restart))
        };
        let up = |name: &str| {
            self.unit(name)
                .is_some_and(|unit| unit.active_state().is_active())
        };
        if starting("shutdown.target") || up("shutdown.target") {
            ManagerState::Stopping
        } else if !self.started_up {
            let basic = up("basic.target");
            if basic {
                ManagerState::Starting
            } else {
                ManagerState::Initializing
            }
        } else if ["rescue.target", "emergency.target"]
            .into_iter()
            .any(|name| up(name) || starting(name))
        {
            ManagerState::Maintenance
        } else if failed > 0 {
            ManagerState::Degraded
        } else {
            ManagerState::Running
        }
    }
}
