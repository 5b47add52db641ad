//! Several jobs of one unit: merged, or one of them yields; and what is queued already.

use super::Transaction;
use crate::{job, request::RequestError, units::UnitId};
use init_api::{JobMode, JobType};

impl Transaction<'_> {
    /// Merges the jobs of each unit. True when a contradiction had to be resolved by a deletion, so
    /// that another round is needed.
    pub(super) fn merge(&mut self) -> Result<bool, RequestError> {
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

    pub(super) fn contradiction(&self, jobs: &[usize]) -> Option<(usize, usize)> {
        let (first, rest) = jobs.split_first()?;
        let found = rest
            .iter()
            .find(|other| job::conflicting(self.wanted[*first].kind, self.wanted[**other].kind))
            .map(|other| (*first, *other));
        found.or_else(|| self.contradiction(rest))
    }

    /// Which of two contradicting jobs goes: the one that does not matter to the anchor; if neither
    /// does, the stop, unless somebody's own `Conflicts=` asked for it.
    pub(super) fn yields(&self, first: usize, second: usize) -> Result<usize, RequestError> {
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

    pub(super) fn fold(&mut self, unit: UnitId, jobs: &[usize]) {
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
    pub(super) fn check_queue(&self, mode: JobMode) -> Result<(), RequestError> {
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
}
