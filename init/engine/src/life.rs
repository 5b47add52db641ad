//! Start, stop and reload of any unit: what is checked first for all types, then the type's own.

use std::sync::Arc;

use init_api::{
    ActiveState, DeviceState, JobMode, JobResult, JobType, LoadState, SliceState, TargetState,
    TimeSpan,
};
use unit_file::{Condition, EmergencyAction};

use crate::{
    Engine,
    action::{Action, MachineAction},
    change::Cause,
    deps::Dep,
    machine::Machine,
    queue::Outcome,
    service::Service,
    stamp::Stamp,
    timers::TimerKey,
    unit::CheckRecord,
    units::UnitId,
    world::World,
};

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

    /// Counts a start; one too many makes the unit fail.
    pub(crate) fn within_start_limit(&mut self, id: UnitId) -> bool {
        if matches!(
            self.units[id].machine,
            Machine::Target(_)
                | Machine::Slice(_)
                | Machine::Scope(_)
                | Machine::Device(_)
                | Machine::Automount(_)
        ) {
            return true;
        }
        let now = self.now.monotonic;
        let unit = &mut self.units[id];
        let limit = unit.config.unit.start_limit;
        if unit
            .start_limit
            .allow(now, limit.interval.as_micros(), limit.burst)
        {
            unit.start_limit_hit = false;
            return true;
        }
        unit.start_limit_hit = true;
        let action = unit.config.unit.start_limit_action;
        let name = unit.name.clone();
        self.log_unit(
            4,
            id,
            format!("{name}: Start request repeated too quickly."),
        );
        self.fail_by_limit(id);
        self.emergency(action, id, "unit hit its start limit");
        false
    }

    fn fail_by_limit(&mut self, id: UnitId) {
        match &mut self.units[id].machine {
            Machine::Service(_) => {
                self.service_enter_dead(id, init_api::ServiceResult::StartLimitHit, false);
            }
            Machine::Socket(socket) => {
                socket.result = init_api::SocketResult::StartLimitHit;
                let old = socket.state.active();
                socket.state = init_api::SocketState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Timer(timer) => {
                timer.result = init_api::TimerResult::StartLimitHit;
                let old = timer.state.active();
                timer.state = init_api::TimerState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Path(path) => {
                path.result = init_api::PathResult::StartLimitHit;
                let old = path.state.active();
                path.state = init_api::PathState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Mount(mount) | Machine::Swap(mount) => {
                mount.result = init_api::MountResult::StartLimitHit;
                let old = mount.state.active();
                mount.state = init_api::MountState::Failed;
                self.unit_changed(id, old, ActiveState::Failed, Cause::default());
            }
            Machine::Target(_)
            | Machine::Slice(_)
            | Machine::Scope(_)
            | Machine::Device(_)
            | Machine::Automount(_) => {}
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

    /// Clears a failure and its traces.
    pub(crate) fn reset_failed(&mut self, id: UnitId) {
        self.units[id].start_limit.reset();
        self.units[id].start_limit_hit = false;
        match self.units[id].machine {
            Machine::Service(_) => self.service_reset_failed(id),
            Machine::Socket(_) => self.socket_reset_failed(id),
            Machine::Timer(_) => self.timer_reset_failed(id),
            Machine::Path(_) => self.path_reset_failed(id),
            Machine::Mount(_) | Machine::Swap(_) => self.mount_reset_failed(id),
            Machine::Scope(_) => self.scope_reset_failed(id),
            Machine::Target(_) | Machine::Slice(_) | Machine::Device(_) | Machine::Automount(_) => {
            }
        }
        self.garbage = true;
    }

    fn service_reset_failed(&mut self, id: UnitId) {
        let Some(service) = self.service_mut(id) else {
            return;
        };
        service.result = init_api::ServiceResult::Success;
        service.reload_result = init_api::ServiceResult::Success;
        service.restarts = 0;
        service.forget_restarts = false;
        if service.state == init_api::ServiceState::Failed {
            service.state = init_api::ServiceState::Dead;
            self.unit_changed(
                id,
                ActiveState::Failed,
                ActiveState::Inactive,
                Cause::default(),
            );
        }
    }

    /// `FailureAction=`, `SuccessAction=`, `StartLimitAction=`, `JobTimeoutAction=`.
    pub(crate) fn emergency(&mut self, action: EmergencyAction, unit: UnitId, why: &str) {
        let by_target = match action {
            EmergencyAction::None => return,
            EmergencyAction::Reboot => Some("reboot.target"),
            EmergencyAction::Poweroff => Some("poweroff.target"),
            EmergencyAction::Halt => Some("halt.target"),
            EmergencyAction::Kexec => Some("kexec.target"),
            EmergencyAction::Exit if self.config.container => Some("exit.target"),
            EmergencyAction::Exit => Some("poweroff.target"),
            EmergencyAction::SoftReboot => Some("soft-reboot.target"),
            _ => None,
        };
        let name = self.units[unit].name.clone();
        self.log_unit(
            1,
            unit,
            format!("{name}: {why}, action '{action}' is carried out."),
        );
        let direct = match action {
            EmergencyAction::RebootForce | EmergencyAction::SoftRebootForce => {
                Some(MachineAction::RebootForce)
            }
            EmergencyAction::RebootImmediate => Some(MachineAction::RebootImmediate),
            EmergencyAction::PoweroffForce => Some(MachineAction::PowerOffForce),
            EmergencyAction::PoweroffImmediate => Some(MachineAction::PowerOffImmediate),
            EmergencyAction::HaltForce | EmergencyAction::HaltImmediate => {
                Some(MachineAction::Halt)
            }
            EmergencyAction::KexecForce => Some(MachineAction::Kexec),
            EmergencyAction::ExitForce => Some(MachineAction::Exit(self.emergency_status(unit))),
            _ => None,
        };
        if let Some(target) = by_target {
            match self.units.find(target) {
                Some(id) => self.enqueue_or_log(JobType::Start, id, JobMode::ReplaceIrreversibly),
                None => self.wanted_targets.push(target),
            }
        } else if let Some(action) = direct {
            self.actions.push(Action::Machine(action));
        }
    }

    fn emergency_status(&self, unit: UnitId) -> u8 {
        let settings = &self.units[unit].config.unit;
        let failed = self.units[unit].active_state() == ActiveState::Failed;
        let given = if failed {
            settings.failure_action_exit_status
        } else {
            settings.success_action_exit_status
        };
        let main = self
            .service(unit)
            .map_or(0, |service| service.main_status.status);
        given
            .or_else(|| u8::try_from(main).ok())
            .unwrap_or(if failed { 1 } else { 0 })
    }
}
