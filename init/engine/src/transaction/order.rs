//! Cycles in the order, and which job goes to break one.

use super::Transaction;
use crate::{deps::Dep, job, request::RequestError, units::UnitId};
use init_api::JobType;
use std::collections::BTreeSet;

/// The two halves of a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Down,
    Up,
}

impl Transaction<'_> {
    /// The job type that orders the unit: planned, else queued.
    pub(super) fn ordering_kind(&self, unit: UnitId) -> Option<JobType> {
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
    pub(super) fn waits_for(&self, unit: UnitId, half: Half) -> Vec<UnitId> {
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
    pub(super) fn break_cycle(&mut self) -> Result<bool, RequestError> {
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
    pub(super) fn find_cycle(
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

    pub(super) fn delete_from_cycle(&mut self, cycle: &[UnitId]) -> Result<(), RequestError> {
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
}
