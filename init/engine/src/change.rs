//! What a unit's change of state means for its job and for other units: the one place where jobs
//! end, dependents are stopped, and `OnFailure=` and its kin are started.

use init_api::{ActiveState, JobMode, JobResult, JobState, JobType, UnitType};

mod uphold;

use crate::{Engine, action::Action, deps::Dep, job, stamp::Stamp, units::UnitId, world::World};

/// Something to look at again once the present event has been worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Whether this unit, and those it pulled in, are still needed (`StopWhenUnneeded=`).
    Unneeded(UnitId),
    /// Whether units bound to this one must stop (`BindsTo=`).
    Bound(UnitId),
    /// Units that trigger this one want to know how it is.
    Triggered(UnitId),
    /// Whether a unit that is up wants this one to be up (`Upholds=`).
    Upheld(UnitId),
    /// A start that never came to the unit itself (time, dependency): `OnFailure=` holds all the same.
    NeverStarted(UnitId),
}

impl Check {
    /// Whether it is about this unit.
    pub(crate) fn is_about(self, id: UnitId) -> bool {
        match self {
            Check::Unneeded(unit)
            | Check::Bound(unit)
            | Check::Triggered(unit)
            | Check::Upheld(unit)
            | Check::NeverStarted(unit) => unit == id,
        }
    }
}

/// What the unit itself knows about the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cause {
    /// It will start itself again: nobody is told of a failure yet.
    pub(crate) will_restart: bool,
    /// The reload that just ended was in vain.
    pub(crate) reload_failed: bool,
}

impl Engine {
    /// To be called after every change of a unit's sub state, with the active states of before and now.
    pub(crate) fn unit_changed(
        &mut self,
        unit: UnitId,
        old: ActiveState,
        new: ActiveState,
        cause: Cause,
    ) {
        self.note_times(unit, old, new);
        let unexpected = self.settle_job(unit, new, cause);
        if unexpected && old != new {
            self.follow_unexpected(unit, old, new);
        }
        if old != new {
            self.follow_end(unit, old, new, cause);
            self.checks.push_back(Check::Unneeded(unit));
            if new.is_inactive() {
                self.checks.push_back(Check::Bound(unit));
                self.garbage = true;
            }
            self.look_after_upheld(unit);
        }
        self.checks.push_back(Check::Triggered(unit));
        let name = self.units[unit].name.clone();
        self.actions.push(Action::UnitChanged { unit: name });
    }

    fn note_times(&mut self, unit: UnitId, old: ActiveState, new: ActiveState) {
        let now = Stamp::from(self.now);
        let stamps = &mut self.units[unit].stamps;
        stamps.state_change = now;
        if old == new {
            return;
        }
        if old.is_inactive() && !new.is_inactive() {
            stamps.inactive_exit = now;
        } else if !old.is_inactive() && new.is_inactive() {
            stamps.inactive_enter = now;
        }
        if !old.is_active() && new.is_active() {
            stamps.active_enter = now;
        } else if old.is_active() && !new.is_active() {
            stamps.active_exit = now;
        }
    }

    /// Ends the unit's job if the new state says so. True if no job wanted this change.
    fn settle_job(&mut self, unit: UnitId, new: ActiveState, cause: Cause) -> bool {
        let Some(id) = self.units[unit].job else {
            return true;
        };
        let Some(job) = self.jobs.get(&id) else {
            return true;
        };
        let (kind, running) = (job.kind, job.state == JobState::Running);
        if !running {
            self.schedule(id);
        }
        let ended = if new == ActiveState::Failed {
            JobResult::Failed
        } else {
            JobResult::Done
        };
        match kind {
            JobType::Start | JobType::VerifyActive => {
                if new.is_active() {
                    self.finish_job(id, JobResult::Done, true);
                    return false;
                }
                let unexpected = running && new != ActiveState::Activating;
                if unexpected && new.is_inactive() {
                    self.finish_job(id, ended, true);
                }
                unexpected
            }
            JobType::Reload | JobType::ReloadOrStart | JobType::TryReload => {
                if !running || matches!(new, ActiveState::Activating | ActiveState::Reloading) {
                    return false;
                }
                if new == ActiveState::Active {
                    let result = if cause.reload_failed {
                        JobResult::Failed
                    } else {
                        JobResult::Done
                    };
                    self.finish_job(id, result, true);
                    return false;
                }
                if new.is_inactive() {
                    self.finish_job(id, ended, true);
                }
                true
            }
            JobType::Stop | JobType::Restart | JobType::TryRestart => {
                if new.is_inactive() {
                    self.finish_job(id, JobResult::Done, true);
                    return false;
                }
                let unexpected = running && new != ActiveState::Deactivating;
                if unexpected {
                    self.finish_job(id, JobResult::Failed, true);
                }
                unexpected
            }
            JobType::Nop => true,
        }
    }

    /// A unit that came or went without a job takes its dependencies along.
    fn follow_unexpected(&mut self, unit: UnitId, old: ActiveState, new: ActiveState) {
        let up = |state: ActiveState| state.is_active() || state == ActiveState::Activating;
        let edges = self.units[unit].edges.clone();
        let ordered = |other: UnitId| {
            edges
                .iter()
                .any(|edge| edge.kind == Dep::After && edge.other == other)
        };
        if old.is_inactive() && up(new) {
            for edge in &edges {
                let state = self.units[edge.other].active_state();
                if edge.kind.pulls_in_start() && !up(state) && !ordered(edge.other) {
                    self.enqueue_or_log(JobType::Start, edge.other, JobMode::Replace);
                } else if edge.kind == Dep::Wants && !up(state) && !ordered(edge.other) {
                    let _ignored = self.enqueue(JobType::Start, edge.other, JobMode::Fail);
                } else if edge.kind == Dep::Conflicts && !state.is_inactive() {
                    self.enqueue_or_log(JobType::Stop, edge.other, JobMode::Replace);
                }
            }
        } else if up(old) && !up(new) {
            for edge in edges.iter().filter(|edge| edge.kind == Dep::BoundBy) {
                let state = self.units[edge.other].active_state();
                if !state.is_inactive() && state != ActiveState::Deactivating {
                    self.enqueue_or_log(JobType::Stop, edge.other, JobMode::Replace);
                }
            }
        }
    }

    /// A unit that ended, well or not, starts what it names for that.
    fn follow_end(&mut self, unit: UnitId, old: ActiveState, new: ActiveState, cause: Cause) {
        if cause.will_restart {
            return;
        }
        let (kind, mode, action) = match new {
            ActiveState::Failed => {
                self.announce_failed(unit);
                let settings = &self.units[unit].config.unit;
                (
                    Dep::OnFailure,
                    settings.on_failure_job_mode,
                    settings.failure_action,
                )
            }
            ActiveState::Inactive if !old.is_inactive() => {
                let settings = &self.units[unit].config.unit;
                (
                    Dep::OnSuccess,
                    settings.on_success_job_mode,
                    settings.success_action,
                )
            }
            _ => return,
        };
        self.start_named(unit, kind, mode);
        let why = if new == ActiveState::Failed {
            "unit failed"
        } else {
            "unit succeeded"
        };
        self.emergency(action, unit, why);
    }

    /// Starts what the unit names for its end.
    fn start_named(&mut self, unit: UnitId, kind: Dep, mode: JobMode) {
        let others: Vec<UnitId> = self.units[unit]
            .edges
            .iter()
            .filter(|edge| edge.kind == kind)
            .map(|edge| edge.other)
            .collect();
        if !others.is_empty() {
            let name = self.units[unit].name.clone();
            self.log_unit(
                6,
                unit,
                format!("{name}: Triggering {}= dependencies.", kind.property()),
            );
        }
        for other in others {
            self.hand_over_monitor(unit, other);
            self.enqueue_or_log(JobType::Start, other, mode);
        }
    }

    pub(crate) fn run_check(&mut self, check: Check, world: &dyn World) {
        match check {
            Check::Unneeded(unit) => {
                self.stop_if_unneeded(unit);
                let pulled: Vec<UnitId> = self
                    .units
                    .get(unit)
                    .into_iter()
                    .flat_map(|unit| &unit.edges)
                    .filter(|edge| edge.kind.inverse().pins_needed())
                    .map(|edge| edge.other)
                    .collect();
                pulled
                    .into_iter()
                    .for_each(|other| self.stop_if_unneeded(other));
            }
            Check::Bound(unit) => self.stop_bound(unit),
            Check::Triggered(unit) => self.tell_triggers(unit, world),
            Check::Upheld(unit) => self.start_if_upheld(unit),
            Check::NeverStarted(unit) => {
                let mode = self
                    .units
                    .get(unit)
                    .map(|unit| unit.config.unit.on_failure_job_mode);
                if let Some(mode) = mode {
                    self.start_named(unit, Dep::OnFailure, mode);
                }
            }
        }
    }

    fn stop_if_unneeded(&mut self, id: UnitId) {
        let Some(unit) = self.units.get(id) else {
            return;
        };
        let state = unit.active_state();
        if !unit.config.unit.stop_when_unneeded || unit.job.is_some() || !state.is_active() {
            return;
        }
        let needed = unit
            .edges
            .iter()
            .filter(|edge| edge.kind.pins_needed())
            .any(|edge| {
                let other = &self.units[edge.other];
                let coming = other
                    .job
                    .and_then(|id| self.jobs.get(&id))
                    .is_some_and(|job| !matches!(job.kind, JobType::Stop | JobType::Nop));
                coming || !other.active_state().is_inactive()
            });
        if !needed {
            let name = unit.name.clone();
            self.log_unit(6, id, format!("{name}: Unit not needed anymore. Stopping."));
            self.enqueue_or_log(JobType::Stop, id, JobMode::Fail);
        }
    }

    fn stop_bound(&mut self, unit: UnitId) {
        let Some(culprit) = self.units.get(unit) else {
            return;
        };
        if culprit.job.is_some() || !culprit.active_state().is_inactive() || culprit.restarting() {
            return;
        }
        let culprit_name = culprit.name.clone();
        let bound: Vec<UnitId> = culprit
            .edges
            .iter()
            .filter(|edge| edge.kind == Dep::BoundBy)
            .map(|edge| edge.other)
            .filter(|other| {
                let state = self.units[*other].active_state();
                let stopping = self.units[*other]
                    .job
                    .and_then(|id| self.jobs.get(&id))
                    .is_some_and(|job| job::goes_down(job.kind));
                !stopping && (state.is_active() || state == ActiveState::Activating)
            })
            .collect();
        for other in bound {
            let name = self.units[other].name.clone();
            let text =
                format!("{name}: Unit is bound to inactive unit {culprit_name}. Stopping, too.");
            self.log_unit(6, other, text);
            self.enqueue_or_log(JobType::Stop, other, JobMode::Replace);
        }
    }

    fn tell_triggers(&mut self, unit: UnitId, world: &dyn World) {
        let triggers: Vec<(UnitId, UnitType)> = self
            .units
            .get(unit)
            .into_iter()
            .flat_map(|unit| &unit.edges)
            .filter(|edge| edge.kind == Dep::TriggeredBy)
            .map(|edge| (edge.other, self.units[edge.other].kind))
            .collect();
        for (trigger, kind) in triggers {
            match kind {
                UnitType::Socket => self.socket_told(trigger, unit, world),
                UnitType::Timer => self.timer_told(trigger, unit, world),
                UnitType::Path => self.path_told(trigger, unit, world),
                UnitType::Automount => self.automount_told(trigger, unit),
                _ => {}
            }
        }
    }
}
