//! From one request to a set of jobs that can all run: all or nothing, conflicts named.
//!
//! Building goes in steps. The anchor job pulls in others along the
//! dependency table; each job remembers who wants it and whether that matters. Then: jobs that
//! matter to the anchor are marked; mode fail drops what it must not do; what is already so is
//! dropped; what nobody wants any longer is dropped; cycles in the order lose a job that does not
//! matter; several jobs of one unit are merged, and where they contradict each other the one that
//! does not matter goes; last, jobs already queued are looked at. Nothing here changes a unit or
//! the queue: [`crate::queue`] installs the result.

use std::collections::BTreeMap;

use init_api::{JobMode, JobType};

use crate::{
    deps::Dep,
    job::{self, Job},
    request::RequestError,
    units::{UnitId, Units},
};

mod merge;
mod order;
mod pull;

/// Who wants a job.
#[derive(Debug, Clone, Copy)]
struct Link {
    by: usize,
    matters: bool,
    /// The job is a stop that `by` asked for with its own `Conflicts=`.
    conflicts: bool,
}

/// A job that the transaction wants.
#[derive(Debug)]
struct Wanted {
    unit: UnitId,
    kind: JobType,
    links: Vec<Link>,
    matters: bool,
    ignore_order: bool,
    alive: bool,
}

/// One job of a finished transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedJob {
    pub(crate) unit: UnitId,
    pub(crate) kind: JobType,
    pub(crate) ignore_order: bool,
    pub(crate) anchor: bool,
}

/// A finished transaction.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) jobs: Vec<PlannedJob>,
    /// What was left out and why, for the log: priority and text, with the unit.
    pub(crate) notes: Vec<(u8, UnitId, String)>,
}

/// How a job enters the transaction.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Pull {
    by: Option<usize>,
    matters: bool,
    conflicts: bool,
    ignore_requirements: bool,
    ignore_order: bool,
}

/// A transaction being built.
#[derive(Debug)]
pub(crate) struct Transaction<'a> {
    units: &'a Units,
    queued: &'a BTreeMap<u32, Job>,
    wanted: Vec<Wanted>,
    by_unit: BTreeMap<UnitId, Vec<usize>>,
    anchor: usize,
    notes: Vec<(u8, UnitId, String)>,
}

/// Plans the jobs that `kind` on `unit` means in this mode.
pub(crate) fn plan(
    units: &Units,
    queued: &BTreeMap<u32, Job>,
    kind: JobType,
    unit: UnitId,
    mode: JobMode,
) -> Result<Plan, RequestError> {
    let mut transaction = Transaction {
        units,
        queued,
        wanted: Vec::new(),
        by_unit: BTreeMap::new(),
        anchor: 0,
        notes: Vec::new(),
    };
    transaction.build(kind, unit, mode)?;
    transaction.reduce(mode)?;
    Ok(transaction.finish())
}

impl Transaction<'_> {
    fn build(&mut self, kind: JobType, unit: UnitId, mode: JobMode) -> Result<(), RequestError> {
        let ignore_order = mode == JobMode::IgnoreDependencies;
        let ignore_requirements = ignore_order || mode == JobMode::IgnoreRequirements;
        let pull = Pull {
            ignore_requirements,
            ignore_order,
            ..Pull::default()
        };
        self.anchor = self.add(kind, unit, pull)?;
        match mode {
            JobMode::Isolate => self.add_isolation()?,
            JobMode::Triggering => {
                self.add_all(unit, |dep| dep == Dep::TriggeredBy, JobType::Stop)?;
            }
            JobMode::RestartDependencies => {
                self.add_all(unit, Dep::propagates_restart, JobType::TryRestart)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn state(&self, unit: UnitId) -> init_api::ActiveState {
        self.units[unit].active_state()
    }

    fn name(&self, unit: UnitId) -> &str {
        self.units[unit].id_name()
    }

    fn queued_job(&self, unit: UnitId) -> Option<&Job> {
        self.units[unit].job.and_then(|id| self.queued.get(&id))
    }

    fn reduce(&mut self, mode: JobMode) -> Result<(), RequestError> {
        self.mark_what_matters();
        if mode == JobMode::Fail {
            self.drop_destructive();
        }
        self.drop_redundant();
        // Merged types order differently, so each step may have to be looked at again.
        loop {
            self.collect();
            if self.break_cycle()? || self.merge()? {
                continue;
            }
            if !self.break_cycle()? {
                break;
            }
        }
        self.drop_redundant();
        self.check_queue(mode)
    }

    fn alive(&self) -> impl Iterator<Item = usize> + '_ {
        self.wanted
            .iter()
            .enumerate()
            .filter(|(_, wanted)| wanted.alive)
            .map(|(index, _)| index)
    }

    fn mark_what_matters(&mut self) {
        let mut wants: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in self.alive() {
            for link in self.wanted[index].links.iter().filter(|link| link.matters) {
                wants.entry(link.by).or_default().push(index);
            }
        }
        let mut open = vec![self.anchor];
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut self.wanted[index].matters, true) {
                open.extend(wants.get(&index).into_iter().flatten());
            }
        }
    }

    /// Mode fail: what does not matter must not stop a unit that is up or turn round a queued job.
    fn drop_destructive(&mut self) {
        let doomed: Vec<usize> = self
            .alive()
            .filter(|index| {
                let wanted = &self.wanted[*index];
                let state = self.state(wanted.unit);
                let stops = wanted.kind == JobType::Stop
                    && (state.is_active() || state == init_api::ActiveState::Activating);
                let reverses = self
                    .queued_job(wanted.unit)
                    .is_some_and(|queued| job::conflicting(wanted.kind, queued.kind));
                !wanted.matters && (stops || reverses)
            })
            .collect();
        for index in doomed {
            self.delete(index, true);
        }
    }

    fn drop_redundant(&mut self) {
        let lists: Vec<(UnitId, Vec<usize>)> = self
            .by_unit
            .iter()
            .map(|(unit, list)| (*unit, list.clone()))
            .collect();
        for (unit, list) in lists {
            let alive: Vec<usize> = list
                .into_iter()
                .filter(|index| self.wanted[*index].alive)
                .collect();
            let state = self.state(unit);
            let keep = alive.iter().any(|index| {
                let kind = self.wanted[*index].kind;
                *index == self.anchor
                    || !job::redundant(kind, state)
                    || self
                        .queued_job(unit)
                        .is_some_and(|queued| job::conflicting(kind, queued.kind))
            });
            if !keep {
                alive
                    .into_iter()
                    .for_each(|index| self.delete(index, false));
            }
        }
    }

    /// Drops jobs that no living job wants.
    fn collect(&mut self) {
        loop {
            let doomed: Vec<usize> = self
                .alive()
                .filter(|index| *index != self.anchor)
                .filter(|index| {
                    !self.wanted[*index]
                        .links
                        .iter()
                        .any(|link| self.wanted[link.by].alive)
                })
                .collect();
            if doomed.is_empty() {
                return;
            }
            doomed
                .into_iter()
                .for_each(|index| self.delete(index, false));
        }
    }

    /// Deletes a job, and with `dependents` also the jobs that cannot do without it.
    fn delete(&mut self, index: usize, dependents: bool) {
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            if !std::mem::replace(&mut self.wanted[index].alive, false) || !dependents {
                continue;
            }
            open.extend(
                self.wanted[index]
                    .links
                    .iter()
                    .filter(|link| link.matters)
                    .map(|link| link.by),
            );
        }
    }

    fn delete_unit(&mut self, unit: UnitId) {
        for index in self.by_unit.get(&unit).cloned().unwrap_or_default() {
            self.delete(index, true);
        }
    }

    fn alive_jobs(&self, unit: UnitId) -> impl Iterator<Item = usize> + '_ {
        self.by_unit
            .get(&unit)
            .into_iter()
            .flatten()
            .copied()
            .filter(|index| self.wanted[*index].alive)
    }

    fn finish(self) -> Plan {
        let anchor = self.anchor;
        let jobs = self
            .wanted
            .iter()
            .enumerate()
            .filter(|(_, wanted)| wanted.alive)
            .map(|(index, wanted)| PlannedJob {
                unit: wanted.unit,
                kind: wanted.kind,
                ignore_order: wanted.ignore_order,
                anchor: index == anchor,
            })
            .collect();
        Plan {
            jobs,
            notes: self.notes,
        }
    }
}
