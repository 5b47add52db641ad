//! `FailureAction=` and its kin.

use crate::{
    Engine,
    action::{Action, MachineAction},
    units::UnitId,
};
use init_api::{ActiveState, JobMode, JobType};
use unit_file::EmergencyAction;

impl Engine {
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

    pub(super) fn emergency_status(&self, unit: UnitId) -> u8 {
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
