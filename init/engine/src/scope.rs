//! Scopes: processes that somebody else started, under our supervision.
//!
//! # The machine
//!
//! *dead* → *running*, as soon as the processes are asked to be moved → (*abandoned* when the creator
//! lets go) → *stop-sigterm* → *stop-sigkill* → *dead*, or *failed* after a timeout. A scope whose
//! cgroup runs empty is *dead* at once. Scopes are transient: once dead they are forgotten.

use std::sync::Arc;

use init_api::{JobResult, ScopeResult, ScopeState};
use serde::{Deserialize, Serialize};

use crate::{
    Engine, action::Action, change::Cause, event::Pid, kill::Stage, machine::Machine,
    queue::Outcome, service::Process, timers::TimerKey, units::UnitId, world::World,
};

/// What a scope is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) state: ScopeState,
    pub(crate) result: ScopeResult,
    /// The processes to begin with.
    pub(crate) pids: Vec<Pid>,
    /// The bus name of who made it.
    pub(crate) controller: Option<String>,
}

impl Scope {
    pub(crate) fn new() -> Self {
        Scope {
            state: ScopeState::Dead,
            result: ScopeResult::Success,
            pids: Vec::new(),
            controller: None,
        }
    }
}

impl Engine {
    fn scope(&self, id: UnitId) -> Option<&Scope> {
        match &self.units.get(id)?.machine {
            Machine::Scope(scope) => Some(scope),
            _ => None,
        }
    }

    pub(crate) fn scope_mut(&mut self, id: UnitId) -> Option<&mut Scope> {
        match &mut self.units[id].machine {
            Machine::Scope(scope) => Some(scope),
            _ => None,
        }
    }

    fn scope_set_state(&mut self, id: UnitId, state: ScopeState) {
        let Some(scope) = self.scope_mut(id) else {
            return;
        };
        let old = scope.state.active();
        scope.state = state;
        self.unit_changed(id, old, state.active(), Cause::default());
    }

    /// A start job asks.
    pub(crate) fn scope_start(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let config = Arc::clone(&self.units[id].config);
        let limit = config
            .scope()
            .map_or(u64::MAX, |scope| scope.runtime_max.as_micros());
        let perpetual = self.units[id].perpetual;
        let Some(scope) = self.scope_mut(id) else {
            return Outcome::Already;
        };
        match scope.state {
            ScopeState::Dead => {}
            ScopeState::Failed => return Outcome::Refused(JobResult::Failed),
            ScopeState::StopSigterm | ScopeState::StopSigkill => return Outcome::Again,
            _ => return Outcome::Already,
        }
        let pids = std::mem::take(&mut scope.pids);
        if pids.is_empty() && !perpetual {
            return Outcome::Refused(JobResult::Failed);
        }
        self.units[id].invocation = world.random();
        self.realize_cgroup(id);
        let unit = &self.units[id];
        let action = Action::AttachPids {
            unit: Arc::clone(&unit.name),
            path: Arc::clone(&unit.cgroup),
            pids,
        };
        if !perpetual {
            self.actions.push(action);
        }
        self.timers.set_monotonic(
            TimerKey::State(id),
            self.now.monotonic.saturating_add(limit),
        );
        self.scope_set_state(id, ScopeState::Running);
        Outcome::Begun
    }

    /// A stop job asks.
    pub(crate) fn scope_stop(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        match self.scope(id).map(|scope| scope.state) {
            Some(ScopeState::Running | ScopeState::Abandoned) => {
                self.scope_enter_signal(id, ScopeState::StopSigterm, ScopeResult::Success, world);
                Outcome::Begun
            }
            Some(ScopeState::StopSigterm | ScopeState::StopSigkill) => Outcome::Begun,
            _ => Outcome::Already,
        }
    }

    fn scope_enter_signal(
        &mut self,
        id: UnitId,
        state: ScopeState,
        result: ScopeResult,
        world: &dyn World,
    ) {
        let config = Arc::clone(&self.units[id].config);
        let timeout = config
            .scope()
            .map_or(u64::MAX, |scope| scope.timeout_stop.as_micros());
        if let Some(scope) = self.scope_mut(id)
            && scope.result == ScopeResult::Success
        {
            scope.result = result;
        }
        let stage = if state == ScopeState::StopSigkill {
            Stage::Kill
        } else {
            Stage::Terminate
        };
        if self.kill_unit(id, stage, Process::None, Process::None, world) {
            self.timers.set_monotonic(
                TimerKey::State(id),
                self.now.monotonic.saturating_add(timeout),
            );
            self.scope_set_state(id, state);
        } else if state == ScopeState::StopSigterm && config.kill.send_sigkill {
            self.scope_enter_signal(id, ScopeState::StopSigkill, ScopeResult::Success, world);
        } else {
            self.scope_enter_dead(id);
        }
    }

    fn scope_enter_dead(&mut self, id: UnitId) {
        self.timers.cancel(TimerKey::State(id));
        let Some(scope) = self.scope(id) else { return };
        let result = scope.result;
        let well = result == ScopeResult::Success;
        self.announce_result(id, well, result.as_str());
        self.scope_set_state(
            id,
            if well {
                ScopeState::Dead
            } else {
                ScopeState::Failed
            },
        );
        self.drop_cgroup(id);
    }

    pub(crate) fn scope_timed_out(&mut self, id: UnitId, world: &dyn World) {
        let name = self.units[id].name.clone();
        let late = ScopeResult::Timeout;
        match self.scope(id).map(|scope| scope.state) {
            Some(ScopeState::Running | ScopeState::Abandoned) => {
                self.log_unit(
                    4,
                    id,
                    format!("{name}: Scope reached runtime time limit. Stopping."),
                );
                self.scope_enter_signal(id, ScopeState::StopSigterm, late, world);
            }
            Some(ScopeState::StopSigterm) if self.units[id].config.kill.send_sigkill => {
                self.log_unit(4, id, format!("{name}: Stopping timed out. Killing."));
                self.scope_enter_signal(id, ScopeState::StopSigkill, late, world);
            }
            Some(ScopeState::StopSigterm | ScopeState::StopSigkill) => {
                self.log_unit(
                    4,
                    id,
                    format!("{name}: Still around after SIGKILL. Ignoring."),
                );
                if let Some(scope) = self.scope_mut(id) {
                    scope.result = late;
                }
                self.scope_enter_dead(id);
            }
            _ => {}
        }
    }

    pub(crate) fn scope_cgroup_empty(&mut self, id: UnitId) {
        let up = self
            .scope(id)
            .is_some_and(|scope| !matches!(scope.state, ScopeState::Dead | ScopeState::Failed));
        if up && !self.units[id].perpetual {
            self.scope_enter_dead(id);
        }
    }

    pub(crate) fn scope_abandon(&mut self, id: UnitId) -> bool {
        let Some(scope) = self.scope_mut(id) else {
            return false;
        };
        scope.controller = None;
        match scope.state {
            ScopeState::Running => {
                self.scope_set_state(id, ScopeState::Abandoned);
                true
            }
            state => state == ScopeState::Abandoned,
        }
    }

    pub(crate) fn scope_reset_failed(&mut self, id: UnitId) {
        if self
            .scope(id)
            .is_some_and(|scope| scope.state == ScopeState::Failed)
        {
            if let Some(scope) = self.scope_mut(id) {
                scope.result = ScopeResult::Success;
            }
            self.scope_set_state(id, ScopeState::Dead);
        }
    }
}
