//! Start, stop and reload of any unit: what is checked first for all types, then the type's own.

use std::sync::Arc;

use init_api::{ActiveState, DeviceState, JobResult, LoadState, SliceState, TargetState, TimeSpan};
use unit_file::Condition;

use crate::{
    Engine, action::Action, change::Cause, deps::Dep, machine::Machine, queue::Outcome,
    service::Service, stamp::Stamp, timers::TimerKey, unit::CheckRecord, units::UnitId,
    world::World,
};

mod emergency;
mod limit;
mod reset;

impl Engine {
    pub(crate) fn service(&self, id: UnitId) -> Option<&Service> {
        self.units.get(id)?.machine.service()
    }

    pub(crate) fn service_mut(&mut self, id: UnitId) -> Option<&mut Service> {
        match &mut self.units[id].machine {
            Machine::Service(service) => Some(service),
            _ => None,
        }
    }

    /// Sets the deadline of the unit's present step.
    pub(crate) fn arm(&mut self, id: UnitId, span: TimeSpan) {
        let at = self.now.monotonic.saturating_add(span.as_micros());
        self.timers.set_monotonic(TimerKey::State(id), at);
    }

    /// A start job runs.
    pub(crate) fn start_unit(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        let state = self.units[id].active_state();
        match state {
            ActiveState::Active | ActiveState::Reloading => return Outcome::Already,
            ActiveState::Maintenance | ActiveState::Deactivating => return Outcome::Again,
            ActiveState::Activating => {}
            ActiveState::Inactive | ActiveState::Failed => {
                if let Some(refused) = self.check_start(id, world) {
                    return refused;
                }
            }
        }
        match self.units[id].machine {
            Machine::Service(_) => self.service_start(id, world),
            Machine::Socket(_) => self.socket_start(id, world),
            Machine::Timer(_) => self.timer_start(id, world),
            Machine::Path(_) => self.path_start(id, world),
            Machine::Mount(_) | Machine::Swap(_) => self.mount_start(id, world),
            Machine::Automount(_) => self.automount_start(id),
            Machine::Scope(_) => self.scope_start(id, world),
            Machine::Target(_) | Machine::Slice(_) => {
                self.units[id].invocation = world.random();
                self.realize_cgroup(id);
                self.simple_set(id, true);
                Outcome::Begun
            }
            // Devices come by themselves; the job waits, with its running timeout.
            Machine::Device(_) => Outcome::Begun,
        }
    }

    /// What may keep an inactive unit from starting at all.
    fn check_start(&mut self, id: UnitId, world: &dyn World) -> Option<Outcome> {
        if self.units[id].load_state != LoadState::Loaded {
            return Some(Outcome::Refused(JobResult::Invalid));
        }
        if !self.within_start_limit(id) {
            return Some(Outcome::Refused(JobResult::Failed));
        }
        let config = Arc::clone(&self.units[id].config);
        let record = self.check_all(&config.unit.conditions, world);
        let passed = record.passed;
        self.units[id].conditions = record;
        if !passed {
            return Some(self.skip(id));
        }
        let record = self.check_all(&config.unit.asserts, world);
        let passed = record.passed;
        self.units[id].asserts = record;
        if !passed {
            return Some(Outcome::Refused(JobResult::Assert));
        }
        let unbound = self.units[id]
            .edges
            .iter()
            .filter(|edge| edge.kind == Dep::BindsTo)
            .any(|bound| {
                let ordered = self.units[id]
                    .edges
                    .iter()
                    .any(|edge| edge.kind == Dep::After && edge.other == bound.other);
                ordered && !self.units[bound.other].active_state().is_active()
            });
        unbound.then_some(Outcome::Refused(JobResult::Dependency))
    }

    /// A condition does not hold: the job is done, the unit stays as it is, and the log says so.
    fn skip(&mut self, id: UnitId) -> Outcome {
        if let Some(job) = self.units[id].job {
            self.finish_job(job, JobResult::Done, true);
        }
        Outcome::Already
    }

    /// Looks at conditions in order. What cannot change the answer any more is still looked at, so
    /// that the record is whole.
    fn check_all(&self, conditions: &[Condition], world: &dyn World) -> CheckRecord {
        let mut plain = true;
        let mut triggers: Option<bool> = None;
        let mut each = Vec::new();
        for condition in conditions {
            let held = world.condition(condition) != condition.negate;
            each.push(if held { 1 } else { -1 });
            if condition.trigger {
                triggers = Some(triggers.unwrap_or(false) || held);
            } else {
                plain &= held;
            }
        }
        CheckRecord {
            when: Stamp::from(self.now),
            passed: plain && triggers.unwrap_or(true),
            each,
        }
    }

    /// A stop job runs, or the first half of a restart job.
    pub(crate) fn stop_unit(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        if self.units[id].active_state().is_inactive() {
            return Outcome::Already;
        }
        match self.units[id].machine {
            Machine::Service(_) => self.service_stop(id, world),
            Machine::Socket(_) => self.socket_stop(id, world),
            Machine::Timer(_) => self.timer_stop(id),
            Machine::Path(_) => self.path_stop(id),
            Machine::Mount(_) | Machine::Swap(_) => self.mount_stop(id, world),
            Machine::Automount(_) => self.automount_stop(id),
            Machine::Scope(_) => self.scope_stop(id, world),
            Machine::Target(_) => {
                self.simple_set(id, false);
                Outcome::Begun
            }
            Machine::Slice(_) => {
                self.simple_set(id, false);
                if std::mem::take(&mut self.units[id].cgroup_made) {
                    let path = Arc::clone(&self.units[id].cgroup);
                    self.actions.push(Action::RemoveCgroup { path });
                }
                Outcome::Begun
            }
            // A device that is there cannot be stopped: nothing to do.
            Machine::Device(_) => Outcome::Already,
        }
    }

    /// A reload job runs.
    pub(crate) fn reload_unit(&mut self, id: UnitId, world: &dyn World) -> Outcome {
        match self.units[id].active_state() {
            ActiveState::Active | ActiveState::Reloading => {}
            ActiveState::Activating => return Outcome::Again,
            _ => return Outcome::Refused(JobResult::Invalid),
        }
        match self.units[id].machine {
            Machine::Service(_) => self.service_reload(id, world),
            Machine::Mount(_) => self.mount_reload(id),
            _ => Outcome::Refused(JobResult::Invalid),
        }
    }

    /// Targets, slices and devices are on or off.
    pub(crate) fn simple_set(&mut self, id: UnitId, on: bool) {
        let old = self.units[id].active_state();
        match &mut self.units[id].machine {
            Machine::Target(state) => {
                *state = if on {
                    TargetState::Active
                } else {
                    TargetState::Dead
                }
            }
            Machine::Slice(state) => {
                *state = if on {
                    SliceState::Active
                } else {
                    SliceState::Dead
                }
            }
            Machine::Device(state) => {
                *state = if on {
                    DeviceState::Plugged
                } else {
                    DeviceState::Dead
                }
            }
            _ => return,
        }
        let new = self.units[id].active_state();
        if old != new {
            self.unit_changed(id, old, new, Cause::default());
        }
    }

    /// Device names that exist now, in full.
    pub(crate) fn devices_changed(&mut self, names: Vec<String>) {
        self.devices = names.into_iter().collect();
        let units: Vec<UnitId> = self
            .units
            .ids()
            .filter(|id| matches!(self.units[*id].machine, Machine::Device(_)))
            .collect();
        for id in units {
            self.device_look(id);
        }
    }

    /// Brings one device unit in step with what exists.
    pub(crate) fn device_look(&mut self, id: UnitId) {
        let unit = &self.units[id];
        let there = std::iter::once(&unit.name)
            .chain(&unit.aliases)
            .any(|name| self.devices.contains(&**name));
        self.simple_set(id, there);
    }
}
