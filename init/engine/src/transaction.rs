//! From one request to a set of jobs that can all run: all or nothing, conflicts named.
//!
//! Building goes in the steps of the contract (1.9). The anchor job pulls in others along the
//! dependency table; each job remembers who wants it and whether that matters. Then: jobs that
//! matter to the anchor are marked; mode fail drops what it must not do; what is already so is
//! dropped; what nobody wants any longer is dropped; cycles in the order lose a job that does not
//! matter; several jobs of one unit are merged, and where they contradict each other the one that
//! does not matter goes; last, jobs already queued are looked at. Nothing here changes a unit or
//! the queue: [`crate::queue`] installs the result.

use std::collections::{BTreeMap, BTreeSet};

use init_api::{JobMode, JobType};

use crate::{
    deps::Dep,
    job::{self, Job},
    request::RequestError,
    units::{UnitId, Units},
};

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

/// The two halves of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Down,
    Up,
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

    /// Adds a job and, if it is new, everything it pulls in.
    fn add(&mut self, kind: JobType, unit: UnitId, pull: Pull) -> Result<usize, RequestError> {
        if kind != JobType::Stop {
            self.units[unit].usable()?;
        }
        if !self.units[unit].job_applicable(kind) {
            return Err(RequestError::NotApplicable {
                job: kind.as_str(),
                unit: self.name(unit).to_owned(),
            });
        }
        let (index, is_new) = self.enter(kind, unit);
        self.wanted[index].ignore_order |= pull.ignore_order;
        if let Some(by) = pull.by {
            self.wanted[index].links.push(Link {
                by,
                matters: pull.matters,
                conflicts: pull.conflicts,
            });
        }
        if is_new
            && !pull.ignore_requirements
            && kind != JobType::Nop
            && let Err(error) = self.pull_in(index, kind, unit, pull.ignore_order)
        {
            self.delete(index, true);
            return Err(error);
        }
        Ok(index)
    }

    fn enter(&mut self, kind: JobType, unit: UnitId) -> (usize, bool) {
        let list = self.by_unit.entry(unit).or_default();
        let known = list
            .iter()
            .copied()
            .find(|i| self.wanted[*i].alive && self.wanted[*i].kind == kind);
        if let Some(index) = known {
            return (index, false);
        }
        let index = self.wanted.len();
        list.push(index);
        self.wanted.push(Wanted {
            unit,
            kind,
            links: Vec::new(),
            matters: false,
            ignore_order: false,
            alive: true,
        });
        (index, true)
    }

    /// The dependency table of the contract (1.8), column by column.
    fn pull_in(
        &mut self,
        by: usize,
        kind: JobType,
        unit: UnitId,
        ignore_order: bool,
    ) -> Result<(), RequestError> {
        let edges = self.units[unit].edges.clone();
        let pull = Pull {
            by: Some(by),
            matters: true,
            conflicts: false,
            ignore_requirements: false,
            ignore_order,
        };
        if matches!(kind, JobType::Start | JobType::Restart) {
            for edge in edges.iter().filter(|edge| edge.kind.pulls_in_start()) {
                self.add(JobType::Start, edge.other, pull)?;
            }
            for edge in edges
                .iter()
                .filter(|edge| edge.kind.pulls_in_start_ignored())
            {
                self.add_ignored(JobType::Start, unit, edge.other, pull);
            }
            for edge in edges.iter().filter(|edge| edge.kind == Dep::Requisite) {
                self.add(JobType::VerifyActive, edge.other, pull)?;
            }
            for edge in edges.iter().filter(|edge| edge.kind == Dep::Conflicts) {
                match self.add(
                    JobType::Stop,
                    edge.other,
                    Pull {
                        conflicts: true,
                        ..pull
                    },
                ) {
                    Ok(_) | Err(RequestError::NotApplicable { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            for edge in edges.iter().filter(|edge| edge.kind == Dep::ConflictedBy) {
                self.add_ignored(JobType::Stop, unit, edge.other, pull);
            }
        }
        if kind == JobType::Stop {
            for edge in edges.iter().filter(|edge| edge.kind.propagates_stop()) {
                self.add_tolerant(JobType::Stop, edge.other, pull)?;
            }
        }
        if kind == JobType::Restart {
            for edge in edges.iter().filter(|edge| edge.kind.propagates_restart()) {
                self.add_tolerant(JobType::TryRestart, edge.other, pull)?;
            }
            for edge in edges
                .iter()
                .filter(|edge| edge.kind == Dep::PropagatesStopTo)
            {
                self.add_tolerant(JobType::Stop, edge.other, pull)?;
            }
        }
        if kind == JobType::Reload {
            for edge in edges
                .iter()
                .filter(|edge| edge.kind == Dep::PropagatesReloadTo)
            {
                let kind = job::collapse(JobType::TryReload, self.state(edge.other));
                if kind != JobType::Nop {
                    self.add_ignored(kind, unit, edge.other, pull);
                }
            }
        }
        Ok(())
    }

    /// Adds a propagated job after collapsing it; a unit that cannot do it is passed over.
    fn add_tolerant(
        &mut self,
        kind: JobType,
        unit: UnitId,
        pull: Pull,
    ) -> Result<(), RequestError> {
        let kind = job::collapse(kind, self.state(unit));
        if kind == JobType::Nop {
            return Ok(());
        }
        match self.add(kind, unit, pull) {
            Ok(_) | Err(RequestError::NotApplicable { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Adds a job whose failure to be planned does not matter.
    fn add_ignored(&mut self, kind: JobType, for_unit: UnitId, unit: UnitId, pull: Pull) {
        let pull = Pull {
            matters: false,
            ..pull
        };
        if let Err(error) = self.add(kind, unit, pull) {
            let quiet = matches!(error, RequestError::NotFound(_) | RequestError::Masked(_));
            let text = format!(
                "{}: Cannot add dependency job for {}, ignoring: {error}",
                self.name(for_unit),
                self.name(unit)
            );
            self.notes.push((if quiet { 7 } else { 4 }, for_unit, text));
        }
    }

    fn add_all(
        &mut self,
        unit: UnitId,
        which: fn(Dep) -> bool,
        kind: JobType,
    ) -> Result<(), RequestError> {
        let edges = self.units[unit].edges.clone();
        let pull = Pull {
            by: Some(self.anchor),
            matters: true,
            ..Pull::default()
        };
        for edge in edges.iter().filter(|edge| which(edge.kind)) {
            self.add_tolerant(kind, edge.other, pull)?;
        }
        Ok(())
    }

    /// Stop jobs for everything that is up, is not pulled in and does not ignore isolation.
    fn add_isolation(&mut self) -> Result<(), RequestError> {
        self.collect();
        let units = self.units;
        let kept: BTreeSet<UnitId> = self
            .wanted
            .iter()
            .filter(|wanted| wanted.alive)
            .map(|wanted| wanted.unit)
            .collect();
        let doomed: Vec<UnitId> = units
            .ids()
            .filter(|id| !kept.contains(id))
            .filter(|id| {
                let unit = &units[*id];
                let at_rest = unit.active_state().is_inactive() && unit.job.is_none();
                let triggers_kept = unit
                    .edges
                    .iter()
                    .any(|edge| edge.kind == Dep::Triggers && kept.contains(&edge.other));
                !unit.ignore_on_isolate() && !at_rest && !triggers_kept
            })
            .collect();
        for unit in doomed {
            let pull = Pull {
                by: Some(self.anchor),
                matters: true,
                ..Pull::default()
            };
            self.add_tolerant(JobType::Stop, unit, pull)?;
        }
        Ok(())
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

    /// The job type that orders the unit: planned, else queued.
    fn ordering_kind(&self, unit: UnitId) -> Option<JobType> {
        let mut planned = self
            .alive_jobs(unit)
            .filter(|index| !self.wanted[*index].ignore_order);
        if let Some(index) = planned.next() {
            let kind = self.wanted[index].kind;
            let queued = self
                .queued_job(unit)
                .and_then(|queued| job::merge(queued.kind, kind));
            return Some(queued.unwrap_or(kind));
        }
        if self.alive_jobs(unit).next().is_some() {
            return None;
        }
        self.queued_job(unit)
            .filter(|queued| !queued.ignore_order)
            .map(|queued| queued.kind)
    }

    /// The units whose jobs this unit's job waits for, in one half of the way: a restart orders as
    /// a stop first and as a start later, and neither may be part of a cycle.
    fn waits_for(&self, unit: UnitId, half: Half) -> Vec<UnitId> {
        let ordering_kind = |unit: UnitId| {
            let kind = self.ordering_kind(unit)?;
            let later = half == Half::Up && kind == JobType::Restart;
            Some(if later { JobType::Start } else { kind })
        };
        let Some(kind) = ordering_kind(unit) else {
            return Vec::new();
        };
        let mut others: Vec<UnitId> = self.units[unit]
            .edges
            .iter()
            .filter(|edge| match (edge.kind, ordering_kind(edge.other)) {
                (Dep::After, Some(other)) => job::later_waits(kind, other),
                (Dep::Before, Some(other)) => job::earlier_waits(kind, other),
                _ => false,
            })
            .map(|edge| edge.other)
            .collect();
        others.dedup();
        others
    }

    /// Finds one cycle in the order and breaks it; false when there is none.
    fn break_cycle(&mut self) -> Result<bool, RequestError> {
        let roots: Vec<UnitId> = self
            .by_unit
            .keys()
            .copied()
            .filter(|unit| self.alive_jobs(*unit).next().is_some())
            .collect();
        for half in [Half::Down, Half::Up] {
            let mut done = BTreeSet::new();
            for root in &roots {
                if let Some(cycle) = self.find_cycle(*root, half, &mut done) {
                    return self.delete_from_cycle(&cycle).map(|()| true);
                }
            }
        }
        Ok(false)
    }

    /// Walks the order from `root`, depth first and without recursion; a unit met again while it is
    /// still on the path closes a cycle.
    fn find_cycle(
        &self,
        root: UnitId,
        half: Half,
        done: &mut BTreeSet<UnitId>,
    ) -> Option<Vec<UnitId>> {
        if done.contains(&root) {
            return None;
        }
        let mut path: Vec<(UnitId, Vec<UnitId>)> = vec![(root, self.waits_for(root, half))];
        let mut on_path = BTreeSet::from([root]);
        while let Some((unit, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                done.insert(*unit);
                on_path.remove(unit);
                path.pop();
                continue;
            };
            if on_path.contains(&next) {
                let cycle = path
                    .iter()
                    .map(|(unit, _)| *unit)
                    .skip_while(|unit| *unit != next);
                return Some(cycle.collect());
            }
            if !done.contains(&next) {
                on_path.insert(next);
                let waits = self.waits_for(next, half);
                path.push((next, waits));
            }
        }
        None
    }

    fn delete_from_cycle(&mut self, cycle: &[UnitId]) -> Result<(), RequestError> {
        let Some(first) = cycle.first().copied() else {
            return Ok(());
        };
        let label = |transaction: &Self, unit: UnitId| {
            let kind = transaction
                .ordering_kind(unit)
                .map_or("nop", JobType::as_str);
            format!("{}/{kind}", transaction.name(unit))
        };
        let mut lines = vec![format!(
            "{}: Found ordering cycle on {}",
            self.name(first),
            label(self, first)
        )];
        for unit in cycle.iter().skip(1) {
            lines.push(format!(
                "{}: Found dependency on {}",
                self.name(first),
                label(self, *unit)
            ));
        }
        let victim = cycle.iter().rev().copied().find(|unit| {
            self.alive_jobs(*unit).next().is_some()
                && self
                    .alive_jobs(*unit)
                    .all(|index| !self.wanted[index].matters && index != self.anchor)
        });
        let verdict = match victim {
            Some(unit) => format!(
                "{}: Job {} deleted to break ordering cycle starting with {}",
                self.name(unit),
                label(self, unit),
                label(self, first)
            ),
            None => format!(
                "{}: Unable to break cycle starting with {}",
                self.name(first),
                label(self, first)
            ),
        };
        lines.push(verdict);
        self.notes
            .extend(lines.into_iter().map(|line| (3, first, line)));
        let unit = victim.ok_or(RequestError::Cyclic)?;
        self.delete_unit(unit);
        Ok(())
    }

    /// Merges the jobs of each unit. True when a contradiction had to be resolved by a deletion, so
    /// that another round is needed.
    fn merge(&mut self) -> Result<bool, RequestError> {
        let units: Vec<UnitId> = self.by_unit.keys().copied().collect();
        for unit in &units {
            let jobs: Vec<usize> = self.alive_jobs(*unit).collect();
            if let Some((first, second)) = self.contradiction(&jobs) {
                let victim = self.yields(first, second)?;
                self.delete(victim, true);
                return Ok(true);
            }
        }
        for unit in units {
            let jobs: Vec<usize> = self.alive_jobs(unit).collect();
            self.fold(unit, &jobs);
        }
        Ok(false)
    }

    fn contradiction(&self, jobs: &[usize]) -> Option<(usize, usize)> {
        let (first, rest) = jobs.split_first()?;
        let found = rest
            .iter()
            .find(|other| job::conflicting(self.wanted[*first].kind, self.wanted[**other].kind))
            .map(|other| (*first, *other));
        found.or_else(|| self.contradiction(rest))
    }

    /// Which of two contradicting jobs goes: the one that does not matter to the anchor; if neither
    /// does, the stop, unless somebody's own `Conflicts=` asked for it.
    fn yields(&self, first: usize, second: usize) -> Result<usize, RequestError> {
        let (one, two) = (&self.wanted[first], &self.wanted[second]);
        let one_stays = one.matters || first == self.anchor;
        let two_stays = two.matters || second == self.anchor;
        match (one_stays, two_stays) {
            (true, false) => Ok(second),
            (false, true) => Ok(first),
            (false, false) => {
                let (stop, start) = if one.kind == JobType::Stop {
                    (first, second)
                } else {
                    (second, first)
                };
                let conflicted = self.wanted[stop]
                    .links
                    .iter()
                    .any(|link| link.conflicts && self.wanted[link.by].alive);
                Ok(if conflicted { start } else { stop })
            }
            (true, true) => Err(RequestError::Conflicting {
                unit: self.name(one.unit).to_owned(),
                first: one.kind.as_str(),
                second: two.kind.as_str(),
            }),
        }
    }

    fn fold(&mut self, unit: UnitId, jobs: &[usize]) {
        let Some((first, rest)) = jobs.split_first().filter(|(_, rest)| !rest.is_empty()) else {
            return;
        };
        let keep = if rest.contains(&self.anchor) {
            self.anchor
        } else {
            *first
        };
        for other in jobs.iter().copied().filter(|index| *index != keep) {
            let kind = job::merge(self.wanted[keep].kind, self.wanted[other].kind);
            self.wanted[keep].kind = kind.unwrap_or(self.wanted[keep].kind);
            self.wanted[keep].matters |= self.wanted[other].matters;
            self.wanted[keep].ignore_order |= self.wanted[other].ignore_order;
            let links = std::mem::take(&mut self.wanted[other].links);
            self.wanted[keep].links.extend(links);
            self.wanted[other].alive = false;
            for wanted in &mut self.wanted {
                for link in wanted.links.iter_mut().filter(|link| link.by == other) {
                    link.by = keep;
                }
            }
        }
        self.wanted[keep].kind = job::collapse(self.wanted[keep].kind, self.state(unit));
    }

    /// A queued job that contradicts is replaced, unless the mode or the job forbids it.
    fn check_queue(&self, mode: JobMode) -> Result<(), RequestError> {
        for index in self.alive() {
            let wanted = &self.wanted[index];
            let Some(queued) = self.queued_job(wanted.unit) else {
                continue;
            };
            let protected = mode == JobMode::Fail
                || (queued.irreversible && mode != JobMode::ReplaceIrreversibly);
            if protected && job::conflicting(queued.kind, wanted.kind) {
                let anchor = &self.wanted[self.anchor];
                return Err(RequestError::Destructive {
                    anchor: format!("{}/{}", self.name(anchor.unit), anchor.kind),
                    unit: self.name(wanted.unit).to_owned(),
                    queued: queued.kind.as_str(),
                    wanted: wanted.kind.as_str(),
                });
            }
        }
        Ok(())
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
