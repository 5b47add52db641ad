//! The job queue: installing what a transaction planned, running what nothing stands before,
//! finishing jobs and what their results do to others.
//!
//! A job waits until no job that its order puts before it is left, then runs: the
//! unit is asked to start, stop or reload, and the job stays `running` until the unit's state says
//! that it is done ([`crate::change`]). A restart job stops its unit and then turns into a start job
//! with the same id.

use init_api::{ActiveState, JobMode, JobResult, JobState, JobType};

use crate::{
    Engine,
    action::Action,
    deps::{Dep, Edge},
    job::{self, Job},
    request::RequestError,
    stamp::Stamp,
    timers::TimerKey,
    transaction::{self, Plan},
    units::UnitId,
    world::World,
};

/// What came of asking a unit to start, stop or reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Under way, or already over: the unit's state tells.
    Begun,
    /// Nothing to do: the job is done.
    Already,
    /// Not now: the job waits until the unit's state changes.
    Again,
    /// The job ends with this result.
    Refused(JobResult),
}

/// Whether the end of a job is logged: not when there was nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Announce,
    Silent,
}

impl Engine {
    /// Plans and installs the jobs for one request and gives the anchor's id.
    pub(crate) fn enqueue(
        &mut self,
        kind: JobType,
        unit: UnitId,
        mode: JobMode,
    ) -> Result<u32, RequestError> {
        let kind = job::collapse(kind, self.units[unit].active_state());
        let plan = transaction::plan(&self.units, &self.jobs, kind, unit, mode)?;
        Ok(self.install(plan, mode))
    }

    /// The same for jobs that the manager itself wants; a refusal is only logged.
    pub(crate) fn enqueue_or_log(&mut self, kind: JobType, unit: UnitId, mode: JobMode) {
        if let Err(error) = self.enqueue(kind, unit, mode) {
            let name = self.units[unit].name.clone();
            self.log_unit(
                4,
                unit,
                format!("{name}: Failed to enqueue {kind} job, ignoring: {error}"),
            );
        }
    }

    fn install(&mut self, plan: Plan, mode: JobMode) -> u32 {
        for (priority, unit, text) in plan.notes {
            self.log_unit(priority, unit, text);
        }
        if matches!(mode, JobMode::Isolate | JobMode::Flush) {
            self.cancel_others(&plan.jobs);
        }
        let mut anchor = 0;
        for planned in &plan.jobs {
            let id = self.install_one(planned, mode);
            if planned.anchor {
                anchor = id;
            }
        }
        anchor
    }

    /// Isolation and flushing first cancel every queued job that is not part of the transaction.
    fn cancel_others(&mut self, planned: &[transaction::PlannedJob]) {
        let doomed: Vec<u32> = self
            .jobs
            .values()
            .filter(|job| !planned.iter().any(|planned| planned.unit == job.unit))
            .filter(|job| !job.irreversible && !self.units[job.unit].ignore_on_isolate())
            .map(|job| job.id)
            .collect();
        for id in doomed {
            self.finish_job(id, JobResult::Canceled, false);
        }
    }

    fn install_one(&mut self, planned: &transaction::PlannedJob, mode: JobMode) -> u32 {
        let irreversible = mode == JobMode::ReplaceIrreversibly;
        let old = self.units[planned.unit]
            .job
            .and_then(|id| self.jobs.get(&id))
            .map(|job| (job.id, job.kind));
        if planned.kind == JobType::Nop {
            return self.run_nop(planned.unit);
        }
        if let Some((id, kind)) = old {
            match job::merge(kind, planned.kind) {
                Some(merged) => return self.merge_into(id, planned, merged, irreversible),
                None => self.finish_job(id, JobResult::Canceled, false),
            }
        }
        let id = self.new_job_id();
        let job = Job {
            id,
            unit: planned.unit,
            kind: planned.kind,
            state: JobState::Waiting,
            irreversible,
            ignore_order: planned.ignore_order,
            queued: Stamp::from(self.now),
            began: Stamp::default(),
            scheduled: false,
            cursor: 0,
            reload_failed: false,
        };
        self.jobs.insert(id, job);
        self.units[planned.unit].job = Some(id);
        let timeout = self.units[planned.unit].job_timeout();
        if let Some(timeout) = timeout {
            self.timers.set_monotonic(
                TimerKey::Job(id),
                self.now.monotonic.saturating_add(timeout),
            );
        }
        let unit = self.units[planned.unit].name.clone();
        self.actions.push(Action::JobNew { id, unit });
        self.schedule(id);
        id
    }

    fn new_job_id(&mut self) -> u32 {
        self.next_job = self.next_job.wrapping_add(1).max(1);
        self.next_job
    }

    /// Nothing to do: the job exists only to be reported.
    fn run_nop(&mut self, unit: UnitId) -> u32 {
        let id = self.new_job_id();
        let unit = self.units[unit].name.clone();
        self.actions.push(Action::JobNew {
            id,
            unit: unit.clone(),
        });
        self.actions.push(Action::JobRemoved {
            id,
            unit,
            result: JobResult::Done,
        });
        id
    }

    fn merge_into(
        &mut self,
        id: u32,
        planned: &transaction::PlannedJob,
        merged: JobType,
        irreversible: bool,
    ) -> u32 {
        let state = self.units[planned.unit].active_state();
        let Some(job) = self.jobs.get_mut(&id) else {
            return id;
        };
        job.irreversible |= irreversible;
        job.ignore_order |= planned.ignore_order;
        let late = planned.kind != JobType::Reload && job::superset(job.kind, planned.kind);
        if job.state == JobState::Waiting || !late {
            job.kind = job::collapse(merged, state);
            job.state = JobState::Waiting;
        }
        self.schedule(id);
        id
    }

    /// Puts a job into the run queue.
    pub(crate) fn schedule(&mut self, id: u32) {
        if let Some(job) = self.jobs.get_mut(&id)
            && !std::mem::replace(&mut job.scheduled, true)
        {
            self.run_queue.push_back(id);
        }
    }

    /// Runs jobs and checks until nothing is left that could go on now.
    pub(crate) fn settle(&mut self, world: &dyn World) {
        loop {
            if let Some(id) = self.run_queue.pop_front() {
                self.run_job(id, world);
            } else if let Some(check) = self.checks.pop_front() {
                self.run_check(check, world);
            } else {
                break;
            }
        }
        self.note_idle();
    }

    /// The position of an edge whose other end has a job that has to come first; none: it can run.
    /// The search begins where it ended last, so that a target with thousands of units behind it
    /// is not looked through from the start each time one of them is done.
    fn blocker(&self, job: &Job) -> Option<usize> {
        if job.ignore_order || job.kind == JobType::Nop {
            return None;
        }
        let edges = &self.units[job.unit].edges;
        let blocks = |edge: &Edge| {
            let other = self.units[edge.other].job.and_then(|id| self.jobs.get(&id));
            other.is_some_and(|other| match edge.kind {
                Dep::After => job::later_waits(job.kind, other.kind),
                Dep::Before => job::earlier_waits(job.kind, other.kind),
                _ => false,
            })
        };
        let (looked_at, rest) = edges.split_at(job.cursor.min(edges.len()));
        rest.iter()
            .position(blocks)
            .map(|position| looked_at.len() + position)
            .or_else(|| looked_at.iter().position(blocks))
    }

    fn run_job(&mut self, id: u32, world: &dyn World) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        job.scheduled = false;
        let (unit, kind, state) = (job.unit, job.kind, job.state);
        if state == JobState::Running {
            return;
        }
        if let Some(position) = self.jobs.get(&id).and_then(|job| self.blocker(job)) {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.cursor = position;
            }
            return;
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.state = JobState::Running;
            job.began = Stamp::from(self.now);
        }
        if let Some(timeout) = self.units[unit].job_running_timeout() {
            self.timers.set_monotonic(
                TimerKey::JobRunning(id),
                self.now.monotonic.saturating_add(timeout),
            );
        }
        let mark = self.actions.len();
        let outcome = match kind {
            JobType::Start => self.start_unit(unit, world),
            JobType::VerifyActive => match self.units[unit].active_state() {
                state if state.is_active() => Outcome::Already,
                ActiveState::Activating => Outcome::Again,
                _ => Outcome::Refused(JobResult::Skipped),
            },
            JobType::Stop | JobType::Restart => self.stop_unit(unit, world),
            JobType::Reload => self.reload_unit(unit, world),
            JobType::Nop | JobType::TryRestart | JobType::TryReload | JobType::ReloadOrStart => {
                Outcome::Already
            }
        };
        self.conclude(id, unit, kind, outcome, mark);
    }

    fn conclude(&mut self, id: u32, unit: UnitId, kind: JobType, outcome: Outcome, mark: usize) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        match outcome {
            Outcome::Begun => {
                if job.state == JobState::Running && job.kind == kind {
                    self.announce_begin(unit, kind, mark);
                }
            }
            Outcome::Already => self.end_job(id, JobResult::Done, true, Voice::Silent),
            Outcome::Again => {
                job.state = JobState::Waiting;
                self.timers.cancel(TimerKey::JobRunning(id));
            }
            Outcome::Refused(result) => self.finish_job(id, result, true),
        }
    }

    /// Ends a job. `recursive`: a failure takes dependent jobs with it.
    pub(crate) fn finish_job(&mut self, id: u32, result: JobResult, recursive: bool) {
        self.end_job(id, result, recursive, Voice::Announce);
    }

    fn end_job(&mut self, id: u32, result: JobResult, recursive: bool, voice: Voice) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let (unit, kind) = (job.unit, job.kind);
        self.timers.cancel(TimerKey::JobRunning(id));
        if result == JobResult::Done && kind == JobType::Restart {
            job.kind = JobType::Start;
            job.state = JobState::Waiting;
            if voice == Voice::Announce {
                self.announce_end(unit, id, JobType::Stop, result);
            }
            self.schedule(id);
            self.wake_neighbours(unit);
            return;
        }
        self.jobs.remove(&id);
        self.timers.cancel(TimerKey::Job(id));
        self.units[unit].job = None;
        if voice == Voice::Announce {
            self.announce_end(unit, id, kind, result);
        }
        let name = self.units[unit].name.clone();
        self.actions.push(Action::JobRemoved {
            id,
            unit: name,
            result,
        });
        if recursive && job::is_failure(result) {
            self.fail_dependents(unit, kind);
        } else if recursive
            && kind == JobType::Start
            && self.units[unit].active_state().is_inactive()
        {
            // Done without being active: a condition did not hold. Requisite= wants it active.
            self.fail_jobs_of(unit, |dep| dep == Dep::RequisiteOf);
        }
        if kind == JobType::Start && matches!(result, JobResult::Timeout | JobResult::Dependency) {
            self.checks
                .push_back(crate::change::Check::NeverStarted(unit));
        }
        self.wake_neighbours(unit);
        self.checks.push_back(crate::change::Check::Unneeded(unit));
        self.checks.push_back(crate::change::Check::Triggered(unit));
        // A start that came to nothing changed nothing: what it waits for will.
        if job::goes_down(kind) {
            self.look_after_upheld(unit);
        }
        self.garbage = true;
    }

    fn fail_dependents(&mut self, unit: UnitId, kind: JobType) {
        match kind {
            JobType::Start | JobType::VerifyActive | JobType::ReloadOrStart => {
                self.fail_jobs_of(unit, Dep::propagates_start_failure);
            }
            JobType::Stop => self.fail_jobs_of(unit, |dep| dep == Dep::ConflictedBy),
            _ => {}
        }
    }

    fn fail_jobs_of(&mut self, unit: UnitId, which: fn(Dep) -> bool) {
        let doomed: Vec<u32> = self.units[unit]
            .edges
            .iter()
            .filter(|edge| which(edge.kind))
            .filter_map(|edge| self.units[edge.other].job)
            .filter(|id| {
                self.jobs
                    .get(id)
                    .is_some_and(|job| matches!(job.kind, JobType::Start | JobType::VerifyActive))
            })
            .collect();
        for id in doomed {
            self.finish_job(id, JobResult::Dependency, true);
        }
    }

    /// Jobs ordered against this unit may be able to run now.
    fn wake_neighbours(&mut self, unit: UnitId) {
        let ids: Vec<u32> = self.units[unit]
            .edges
            .iter()
            .filter(|edge| matches!(edge.kind, Dep::After | Dep::Before))
            .filter_map(|edge| self.units[edge.other].job)
            .collect();
        ids.into_iter().for_each(|id| self.schedule(id));
    }

    /// A job took too long.
    pub(crate) fn job_timed_out(&mut self, id: u32) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        let (unit, kind) = (job.unit, job.kind);
        let name = self.units[unit].name.clone();
        self.log_unit(4, unit, format!("{name}: Job {name}/{kind} timed out."));
        let action = self.units[unit].config.unit.job_timeout_action;
        self.finish_job(id, JobResult::Timeout, true);
        self.emergency(action, unit, "job timed out");
    }

    /// The queue ran empty: idle services may go on, and the first time start-up is finished.
    fn note_idle(&mut self) {
        if self.jobs.is_empty() && self.busy {
            self.busy = false;
            self.timers.cancel(TimerKey::Progress);
            self.actions.push(Action::ReleaseIdle);
            if !std::mem::replace(&mut self.started_up, true) {
                self.finished_at = Stamp::from(self.now);
                self.actions.push(Action::StartupFinished);
            }
        } else if !self.jobs.is_empty() && !std::mem::replace(&mut self.busy, true) {
            self.watch_progress();
        }
    }
}
