//! Path units.
//!
//! # The machine
//!
//! *dead* → *waiting*, watching → *running*, unwatched, while the unit is up → *waiting* again. On
//! entering *waiting* the conditions that are states (exists, not empty) are looked at, so that what
//! came to be meanwhile starts the unit at once; those that are changes are known only from the edge's
//! report. *failed* when the unit cannot be started, or is started too often.

use std::sync::Arc;

use init_api::{ActiveState, JobMode, JobType, PathResult, PathState};
use serde::{Deserialize, Serialize};
use unit_file::PathWatchKind;

use crate::{
    Engine, action::Action, change::Cause, deps::Dep, machine::Machine, queue::Outcome,
    stamp::RateLimit, units::UnitId, world::World,
};

/// What a path unit is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PathUnit {
    pub(crate) state: PathState,
    pub(crate) result: PathResult,
    pub(crate) limit: RateLimit,
}

impl PathUnit {
    pub(crate) fn new() -> Self {
        PathUnit {
            state: PathState::Dead,
            result: PathResult::Success,
            limit: RateLimit::default(),
        }
    }
}

impl Engine {
    fn path_unit(&self, id: UnitId) -> Option<&PathUnit> {
        match &self.units.get(id)?.machine {
            Machine::Path(path) => Some(path),
            _ => None,
        }
    }

    fn path_mut(&mut self, id: UnitId) -> Option<&mut PathUnit> {
        match &mut self.units[id].machine {
            Machine::Path(path) => Some(path),
            _ => None,
        }
    }

    fn path_target(&self, id: UnitId) -> Option<UnitId> {
        self.units[id]
            .edges
            .iter()
            .find(|edge| edge.kind == Dep::Triggers)
            .map(|edge| edge.other)
    }

    fn path_set_state(&mut self, id: UnitId, state: PathState) {
        let Some(path) = self.path_mut(id) else {
            return;
        };
        let old = path.state.active();
        path.state = state;
        self.unit_changed(id, old, state.active(), Cause::default());
    }

    /// A start job asks.
    pub(crate) fn path_start(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let Some(path) = self.path_unit(id) else {
            return Outcome::Already;
        };
        if !matches!(path.state, PathState::Dead | PathState::Failed) {
            return Outcome::Already;
        }
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.path() else {
            return Outcome::Already;
        };
        if self
            .path_target(id)
            .is_none_or(|target| self.units[target].usable().is_err())
        {
            let name = self.units[id].name.clone();
            self.log_unit(
                3,
                id,
                format!("{name}: Refusing to start, unit to trigger not loaded."),
            );
            return Outcome::Refused(init_api::JobResult::Failed);
        }
        self.units[id].invocation = world.random();
        if let Some(path) = self.path_mut(id) {
            path.result = PathResult::Success;
        }
        if settings.make_directory {
            for watch in settings.watches.iter().filter(|watch| {
                !matches!(
                    watch.kind,
                    PathWatchKind::Exists | PathWatchKind::ExistsGlob
                )
            }) {
                let (path, mode) = (watch.path.clone(), settings.directory_mode);
                self.actions.push(Action::MakeDirectory { path, mode });
            }
        }
        self.path_enter_waiting(id, world);
        Outcome::Begun
    }

    fn path_enter_waiting(&mut self, id: UnitId, world: &dyn World) {
        let unit = &self.units[id];
        let (name, config) = (Arc::clone(&unit.name), Arc::clone(&unit.config));
        self.actions.push(Action::WatchPaths { unit: name, config });
        self.path_set_state(id, PathState::Waiting);
        if self.path_met(id, world) {
            self.path_trigger(id);
        }
    }

    /// Whether one of the states that the unit waits for is there.
    fn path_met(&self, id: UnitId, world: &dyn World) -> bool {
        let Some(settings) = self.units[id].config.path() else {
            return false;
        };
        settings.watches.iter().any(|watch| match watch.kind {
            PathWatchKind::Exists => world.path_exists(&watch.path, false),
            PathWatchKind::ExistsGlob => world.path_exists(&watch.path, true),
            PathWatchKind::DirectoryNotEmpty => world.directory_not_empty(&watch.path),
            PathWatchKind::Changed | PathWatchKind::Modified => false,
        })
    }

    /// The edge saw something happen to a watched path.
    pub(crate) fn path_changed(&mut self, id: UnitId, index: usize, world: &dyn World) {
        if self
            .path_unit(id)
            .is_none_or(|path| path.state != PathState::Waiting)
        {
            return;
        }
        let change = self.units[id]
            .config
            .path()
            .and_then(|settings| settings.watches.get(index))
            .is_some_and(|watch| {
                matches!(watch.kind, PathWatchKind::Changed | PathWatchKind::Modified)
            });
        if change || self.path_met(id, world) {
            self.path_trigger(id);
        }
    }

    fn path_trigger(&mut self, id: UnitId) {
        let config = Arc::clone(&self.units[id].config);
        let Some(settings) = config.path() else {
            return;
        };
        let now = self.now.monotonic;
        let limit = settings.trigger_limit;
        let fine = self.path_mut(id).is_some_and(|path| {
            path.limit
                .allow(now, limit.interval.as_micros(), limit.burst)
        });
        if !fine {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: Trigger limit hit, refusing further activation."),
            );
            self.path_enter_dead(id, PathResult::TriggerLimitHit);
            return;
        }
        let Some(target) = self.path_target(id) else {
            return;
        };
        if let Err(error) = self.enqueue(JobType::Start, target, JobMode::Replace) {
            let name = self.units[id].name.clone();
            self.log_unit(
                4,
                id,
                format!("{name}: Failed to queue unit startup job: {error}"),
            );
            self.path_enter_dead(id, PathResult::Resources);
            return;
        }
        self.path_set_state(id, PathState::Running);
    }

    /// The unit behind the path changed its state.
    pub(crate) fn path_told(&mut self, id: UnitId, target: UnitId, world: &dyn World) {
        let Some(path) = self.path_unit(id) else {
            return;
        };
        let state = path.state;
        if !matches!(state, PathState::Running | PathState::Waiting)
            || self.units[target].job.is_some()
        {
            return;
        }
        let active = self.units[target].active_state();
        if active == ActiveState::Failed && self.units[target].start_limit_hit {
            self.path_enter_dead(id, PathResult::UnitStartLimitHit);
        } else if state == PathState::Running && active.is_inactive() {
            self.path_enter_waiting(id, world);
        } else if state == PathState::Waiting && active.is_inactive() && self.path_met(id, world) {
            self.path_trigger(id);
        } else if state == PathState::Waiting && !active.is_inactive() {
            self.path_set_state(id, PathState::Running);
        }
    }

    fn path_enter_dead(&mut self, id: UnitId, result: PathResult) {
        let Some(path) = self.path_mut(id) else {
            return;
        };
        path.result = result;
        let unit = self.units[id].name.clone();
        self.actions.push(Action::UnwatchPaths { unit });
        let well = result == PathResult::Success;
        if !well {
            self.announce_result(id, well, result.as_str());
        }
        self.path_set_state(
            id,
            if well {
                PathState::Dead
            } else {
                PathState::Failed
            },
        );
    }

    /// A stop job asks.
    pub(crate) fn path_stop(&mut self, id: UnitId) -> Outcome {
        match self.path_unit(id).map(|path| path.state) {
            Some(PathState::Waiting | PathState::Running) => {
                self.path_enter_dead(id, PathResult::Success);
                Outcome::Begun
            }
            _ => Outcome::Already,
        }
    }

    pub(crate) fn path_reset_failed(&mut self, id: UnitId) {
        if self
            .path_unit(id)
            .is_some_and(|path| path.state == PathState::Failed)
        {
            if let Some(path) = self.path_mut(id) {
                path.result = PathResult::Success;
            }
            self.path_set_state(id, PathState::Dead);
        }
    }
}
