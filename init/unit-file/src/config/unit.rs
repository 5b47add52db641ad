//! `[Unit]`: what all kinds of unit share.

use init_api::{JobMode, TimeSpan, UnitType};
use serde::{Deserialize, Serialize};

use super::{ManagerDefaults, RateLimit};
use crate::{Condition, Dependency, UnitName};

init_api::words! {
    /// What PID 1 does when a unit fails, ends or hits its limit.
    pub enum EmergencyAction {
        None = "none",
        Reboot = "reboot",
        RebootForce = "reboot-force",
        RebootImmediate = "reboot-immediate",
        Poweroff = "poweroff",
        PoweroffForce = "poweroff-force",
        PoweroffImmediate = "poweroff-immediate",
        Exit = "exit",
        ExitForce = "exit-force",
        Halt = "halt",
        HaltForce = "halt-force",
        HaltImmediate = "halt-immediate",
        Kexec = "kexec",
        KexecForce = "kexec-force",
        SoftReboot = "soft-reboot",
        SoftRebootForce = "soft-reboot-force",
    }
}

init_api::words! {
    /// When an ended unit may be forgotten.
    pub enum CollectMode {
        Inactive = "inactive",
        InactiveOrFailed = "inactive-or-failed",
    }
}

/// `[Unit]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of systemd.unit(5)"
)]
pub struct UnitSection {
    /// `Description=`; empty when there is none.
    pub description: String,
    /// `Documentation=`
    pub documentation: Vec<String>,
    /// Every named dependency of the files and of `.wants` and `.requires` folders, in order.
    /// Implicit and default ones come from [`crate::implicit_dependencies`].
    pub dependencies: Vec<Dependency>,
    /// `RequiresMountsFor=`
    pub requires_mounts_for: Vec<String>,
    /// `WantsMountsFor=`
    pub wants_mounts_for: Vec<String>,
    /// `DefaultDependencies=`
    pub default_dependencies: bool,
    /// `Condition…=`
    pub conditions: Vec<Condition>,
    /// `Assert…=`
    pub asserts: Vec<Condition>,
    /// `AllowIsolate=`
    pub allow_isolate: bool,
    /// `IgnoreOnIsolate=`
    pub ignore_on_isolate: bool,
    /// `RefuseManualStart=`
    pub refuse_manual_start: bool,
    /// `RefuseManualStop=`
    pub refuse_manual_stop: bool,
    /// `StopWhenUnneeded=`
    pub stop_when_unneeded: bool,
    /// `SurviveFinalKillSignal=`
    pub survive_final_kill_signal: bool,
    /// `OnFailureJobMode=`
    pub on_failure_job_mode: JobMode,
    /// `OnSuccessJobMode=`
    pub on_success_job_mode: JobMode,
    /// `JobTimeoutSec=`, from queueing.
    pub job_timeout: TimeSpan,
    /// `JobRunningTimeoutSec=`, from running.
    pub job_running_timeout: TimeSpan,
    /// `JobTimeoutAction=`
    pub job_timeout_action: EmergencyAction,
    /// `JobTimeoutRebootArgument=`
    pub job_timeout_reboot_argument: String,
    /// `StartLimitIntervalSec=`, `StartLimitBurst=` (also where they stood in 2016: `[Service]`).
    pub start_limit: RateLimit,
    /// `StartLimitAction=`
    pub start_limit_action: EmergencyAction,
    /// `FailureAction=`
    pub failure_action: EmergencyAction,
    /// `SuccessAction=`
    pub success_action: EmergencyAction,
    /// `FailureActionExitStatus=`
    pub failure_action_exit_status: Option<u8>,
    /// `SuccessActionExitStatus=`
    pub success_action_exit_status: Option<u8>,
    /// `RebootArgument=`
    pub reboot_argument: String,
    /// `SourcePath=`
    pub source_path: String,
    /// `CollectMode=`
    pub collect_mode: CollectMode,
}

impl UnitSection {
    pub(super) fn new(name: &UnitName, defaults: &ManagerDefaults) -> Self {
        let kind = name.kind();
        Self {
            description: String::new(),
            documentation: Vec::new(),
            dependencies: Vec::new(),
            requires_mounts_for: Vec::new(),
            wants_mounts_for: Vec::new(),
            default_dependencies: true,
            conditions: Vec::new(),
            asserts: Vec::new(),
            allow_isolate: false,
            ignore_on_isolate: matches!(
                kind,
                UnitType::Slice
                    | UnitType::Scope
                    | UnitType::Device
                    | UnitType::Swap
                    | UnitType::Mount
                    | UnitType::Automount
            ),
            refuse_manual_start: false,
            refuse_manual_stop: false,
            stop_when_unneeded: false,
            survive_final_kill_signal: false,
            on_failure_job_mode: JobMode::Replace,
            on_success_job_mode: JobMode::Fail,
            job_timeout: TimeSpan::INFINITY,
            job_running_timeout: match kind {
                UnitType::Device => defaults.timeout_device,
                _ => TimeSpan::INFINITY,
            },
            job_timeout_action: EmergencyAction::None,
            job_timeout_reboot_argument: String::new(),
            start_limit: defaults.start_limit,
            start_limit_action: EmergencyAction::None,
            failure_action: EmergencyAction::None,
            success_action: EmergencyAction::None,
            failure_action_exit_status: None,
            success_action_exit_status: None,
            reboot_argument: String::new(),
            source_path: String::new(),
            collect_mode: CollectMode::Inactive,
        }
    }
}
