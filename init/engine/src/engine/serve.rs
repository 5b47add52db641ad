//! What clients ask for, checked and answered.

use super::Engine;
use crate::{
    action::Action,
    event::Pid,
    request::{Reply, Request, RequestError, Verb},
    units::UnitId,
    world::World,
};
use init_api::{JobMode, JobResult, JobType, LoadState};

pub(super) fn parse_name(name: &str) -> Result<unit_file::UnitName, RequestError> {
    unit_file::UnitName::new(name).map_err(|_| RequestError::InvalidName(name.to_owned()))
}

impl Engine {
    pub(super) fn serve(
        &mut self,
        request: Request,
        world: &dyn World,
    ) -> Result<Reply, RequestError> {
        match request {
            Request::Job { unit, verb, mode } => {
                self.serve_job(&unit, verb, mode, world).map(Reply::Job)
            }
            Request::StartTransient {
                unit,
                mode,
                pids,
                controller,
            } => {
                self.can_be_transient(&unit)?;
                let id = self.named(&unit, world)?;
                self.refresh(id, world);
                if let Some(scope) = self.scope_mut(id) {
                    scope.pids = pids;
                    scope.controller = controller;
                }
                self.units[id].transient = true;
                self.enqueue(JobType::Start, id, mode).map(Reply::Job)
            }
            Request::Load { unit } => self.named(&unit, world).map(|_| Reply::Done),
            Request::Refresh { unit } => {
                let id = self.named(&unit, world)?;
                self.refresh(id, world);
                Ok(Reply::Done)
            }
            Request::Kill { unit, who, signal } => {
                let id = self.known(&unit)?;
                self.kill_by_request(id, who, signal, world)?;
                Ok(Reply::Done)
            }
            Request::ResetFailed { unit: Some(unit) } => {
                let id = self.known(&unit)?;
                self.reset_failed(id);
                Ok(Reply::Done)
            }
            Request::ResetFailed { unit: None } => {
                let ids: Vec<UnitId> = self.units.ids().collect();
                ids.into_iter().for_each(|id| self.reset_failed(id));
                Ok(Reply::Done)
            }
            Request::CancelJob { id } => {
                if !self.jobs.contains_key(&id) {
                    return Err(RequestError::NoSuchJob(id));
                }
                self.finish_job(id, JobResult::Canceled, true);
                Ok(Reply::Done)
            }
            Request::ClearJobs => {
                let ids: Vec<u32> = self.jobs.keys().copied().collect();
                ids.into_iter()
                    .for_each(|id| self.finish_job(id, JobResult::Canceled, false));
                Ok(Reply::Done)
            }
            Request::AttachProcesses { unit, sub, pids } => self.serve_attach(&unit, &sub, pids),
            Request::AbandonScope { unit } => {
                let id = self.known(&unit)?;
                if self.scope_abandon(id) {
                    Ok(Reply::Done)
                } else {
                    Err(RequestError::NotActive(format!(
                        "Scope {unit} is not running, cannot abandon."
                    )))
                }
            }
            Request::Ref { unit } => {
                let id = self.named(&unit, world)?;
                self.units[id].refs = self.units[id].refs.saturating_add(1);
                Ok(Reply::Done)
            }
            Request::Unref { unit } => {
                let id = self.known(&unit)?;
                self.units[id].refs = self.units[id].refs.saturating_sub(1);
                self.garbage = true;
                Ok(Reply::Done)
            }
            Request::SetEnvironment { set, unset } => {
                self.change_environment(set, &unset);
                Ok(Reply::Done)
            }
        }
    }

    pub(super) fn serve_job(
        &mut self,
        name: &str,
        verb: Verb,
        mode: JobMode,
        world: &dyn World,
    ) -> Result<u32, RequestError> {
        let id = self.named(name, world)?;
        if self.units[id].load_state == LoadState::NotFound
            && self.units[id].active_state().is_inactive()
        {
            self.refresh(id, world);
        }
        let unit = &self.units[id];
        let gone = matches!(
            unit.load_state,
            LoadState::NotFound | LoadState::Error | LoadState::BadSetting
        );
        if verb == Verb::Stop && gone && unit.active_state().is_inactive() {
            return Err(RequestError::NotLoaded(unit.name.to_string()));
        }
        let reloadable = unit.can_reload();
        let kind = match verb {
            Verb::Start => JobType::Start,
            Verb::Stop => JobType::Stop,
            Verb::Reload => JobType::Reload,
            Verb::Restart => JobType::Restart,
            Verb::TryRestart => JobType::TryRestart,
            Verb::ReloadOrRestart if reloadable => JobType::ReloadOrStart,
            Verb::ReloadOrRestart => JobType::Restart,
            Verb::ReloadOrTryRestart if reloadable => JobType::TryReload,
            Verb::ReloadOrTryRestart => JobType::TryRestart,
        };
        let settings = &unit.config.unit;
        let starts = matches!(
            kind,
            JobType::Start | JobType::Restart | JobType::TryRestart | JobType::ReloadOrStart
        );
        let stops = matches!(kind, JobType::Stop | JobType::Restart | JobType::TryRestart);
        if (starts && settings.refuse_manual_start) || (stops && settings.refuse_manual_stop) {
            return Err(RequestError::OnlyByDependency(unit.name.to_string()));
        }
        if mode == JobMode::Isolate {
            if kind != JobType::Start {
                return Err(RequestError::IsolateNotStart);
            }
            if unit.load_state == LoadState::Loaded && !settings.allow_isolate {
                return Err(RequestError::NoIsolation);
            }
        }
        if kind != JobType::Stop {
            unit.usable()?;
        }
        if matches!(kind, JobType::TryRestart | JobType::Restart) && !unit.job_applicable(kind) {
            return Err(RequestError::NotApplicable {
                job: kind.as_str(),
                unit: unit.name.to_string(),
            });
        }
        self.enqueue(kind, id, mode)
    }

    pub(super) fn serve_attach(
        &mut self,
        name: &str,
        sub: &str,
        pids: Vec<Pid>,
    ) -> Result<Reply, RequestError> {
        let id = self.known(name)?;
        let unit = &self.units[id];
        if unit.cgroup.is_empty() || unit.active_state().is_inactive() {
            return Err(RequestError::NotActive(format!(
                "Unit {name} is not active, refusing."
            )));
        }
        let sub = sub.trim_matches('/');
        let safe = sub.split('/').all(|part| part != ".." && part != ".");
        if !safe || (!sub.is_empty() && !unit.config.cgroup.delegate) {
            return Err(RequestError::Invalid(format!(
                "Control group path '{sub}' is not below a delegated unit."
            )));
        }
        let path = if sub.is_empty() {
            unit.cgroup.to_string()
        } else {
            format!("{}/{sub}", unit.cgroup)
        };
        let unit = unit.name.clone();
        self.actions.push(Action::AttachPids {
            unit,
            path: path.into(),
            pids,
        });
        Ok(Reply::Done)
    }

    /// Whether a transient unit of this name may be made now.
    pub fn can_be_transient(&self, name: &str) -> Result<(), RequestError> {
        let name = parse_name(name)?;
        let Some(id) = self.units.find(&name) else {
            return Ok(());
        };
        let unit = &self.units[id];
        let free = unit.active_state() == init_api::ActiveState::Inactive
            && unit.job.is_none()
            && (unit.load_state == LoadState::NotFound || unit.transient);
        if free {
            Ok(())
        } else {
            Err(RequestError::Exists(name.to_string()))
        }
    }

    /// The unit of a name that a client gave, loaded if need be.
    pub(super) fn named(&mut self, name: &str, world: &dyn World) -> Result<UnitId, RequestError> {
        let name = parse_name(name)?;
        if name.is_template() {
            return Err(RequestError::MissingInstance(name.to_string()));
        }
        Ok(self.load(&name, world))
    }

    /// The unit of a name that a client gave, if it is loaded.
    pub(super) fn known(&self, name: &str) -> Result<UnitId, RequestError> {
        let name = parse_name(name)?;
        self.units
            .find(&name)
            .ok_or_else(|| RequestError::NotLoaded(name.to_string()))
    }

    pub(super) fn change_environment(&mut self, set: Vec<String>, unset: &[String]) {
        let key = |assignment: &str| {
            assignment
                .split_once('=')
                .map_or(assignment, |(name, _)| name)
                .to_owned()
        };
        self.environment.retain(|known| {
            !unset
                .iter()
                .any(|gone| gone == known || *gone == key(known))
        });
        for assignment in set {
            self.environment
                .retain(|known| key(known) != key(&assignment));
            self.environment.push(assignment);
        }
        self.environment.sort();
    }
}
