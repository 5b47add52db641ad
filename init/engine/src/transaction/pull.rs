//! What a job pulls in: the dependency table applied, recursively.

use super::{Link, Pull, Transaction, Wanted};
use crate::{deps::Dep, job, request::RequestError, units::UnitId};
use init_api::JobType;
use std::collections::BTreeSet;

impl Transaction<'_> {
    /// Adds a job and, if it is new, everything it pulls in.
    pub(super) fn add(
        &mut self,
        kind: JobType,
        unit: UnitId,
        pull: Pull,
    ) -> Result<usize, RequestError> {
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

    /// The table of dependencies (systemd.unit(5)), kind by kind.
    pub(super) fn pull_in(
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
    pub(super) fn add_tolerant(
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
    pub(super) fn add_ignored(
        &mut self,
        kind: JobType,
        for_unit: UnitId,
        unit: UnitId,
        pull: Pull,
    ) {
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

    pub(super) fn enter(&mut self, kind: JobType, unit: UnitId) -> (usize, bool) {
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

    pub(super) fn add_all(
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
    pub(super) fn add_isolation(&mut self) -> Result<(), RequestError> {
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
}
