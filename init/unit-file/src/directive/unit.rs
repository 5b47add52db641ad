//! `[Unit]`: systemd.unit(5), and its keys that stood in `[Service]` in 2016.

use init_api::{JobMode, TimeSpan, UnitType};

use super::table;
use crate::{
    Condition, ConditionKind,
    config::UnitSection,
    value::{
        Input, Outcome, absolute, boolean, boolean_of, dependencies, number, optional_number, path,
        paths, span, text, timeout, word,
    },
};

table! { UNIT: UnitSection {
    "Description" => [description] text,
    "Documentation" => [documentation] documentation,
    "SourcePath" => [source_path] path,
    "Requires" => [dependencies] dependencies,
    "Requisite" => [dependencies] dependencies,
    "Wants" => [dependencies] dependencies,
    "BindsTo" => [dependencies] dependencies,
    "BindTo" => [dependencies] dependencies,
    "PartOf" => [dependencies] dependencies,
    "Upholds" => [dependencies] dependencies,
    "Conflicts" => [dependencies] dependencies,
    "Before" => [dependencies] dependencies,
    "After" => [dependencies] dependencies,
    "OnFailure" => [dependencies] dependencies,
    "OnSuccess" => [dependencies] dependencies,
    "PropagatesReloadTo" => [dependencies] dependencies,
    "PropagateReloadTo" => [dependencies] dependencies,
    "ReloadPropagatedFrom" => [dependencies] dependencies,
    "PropagateReloadFrom" => [dependencies] dependencies,
    "PropagatesStopTo" => [dependencies] dependencies,
    "StopPropagatedFrom" => [dependencies] dependencies,
    "JoinsNamespaceOf" => [dependencies] dependencies,
    "RequiresMountsFor" => [requires_mounts_for] paths,
    "WantsMountsFor" => [wants_mounts_for] paths,
    "DefaultDependencies" => [default_dependencies] boolean,
    "AllowIsolate" => [allow_isolate] boolean,
    "IgnoreOnIsolate" => [ignore_on_isolate] boolean,
    "RefuseManualStart" => [refuse_manual_start] boolean,
    "RefuseManualStop" => [refuse_manual_stop] boolean,
    "StopWhenUnneeded" => [stop_when_unneeded] boolean,
    "SurviveFinalKillSignal" => [survive_final_kill_signal] boolean,
    "OnFailureJobMode" => [on_failure_job_mode] word,
    "OnFailureIsolate" => [on_failure_job_mode] isolate,
    "OnSuccessJobMode" => [on_success_job_mode] word,
    "JobTimeoutSec" => [] job_timeout,
    "JobRunningTimeoutSec" => [job_running_timeout] timeout,
    "JobTimeoutAction" => [job_timeout_action] word,
    "JobTimeoutRebootArgument" => [job_timeout_reboot_argument] text,
    "StartLimitIntervalSec" => [start_limit.interval] span,
    "StartLimitInterval" => [start_limit.interval] span,
    "StartLimitBurst" => [start_limit.burst] number,
    "StartLimitAction" => [start_limit_action] word,
    "FailureAction" => [failure_action] word,
    "SuccessAction" => [success_action] word,
    "FailureActionExitStatus" => [failure_action_exit_status] optional_number,
    "SuccessActionExitStatus" => [success_action_exit_status] optional_number,
    "RebootArgument" => [reboot_argument] text,
    "CollectMode" => [collect_mode] word,
    "ConditionPathExists" => [conditions] condition,
    "ConditionPathExistsGlob" => [conditions] condition,
    "ConditionPathIsDirectory" => [conditions] condition,
    "ConditionPathIsSymbolicLink" => [conditions] condition,
    "ConditionPathIsMountPoint" => [conditions] condition,
    "ConditionPathIsReadWrite" => [conditions] condition,
    "ConditionPathIsEncrypted" => [conditions] condition,
    "ConditionPathIsSocket" => [conditions] condition,
    "ConditionDirectoryNotEmpty" => [conditions] condition,
    "ConditionFileNotEmpty" => [conditions] condition,
    "ConditionFileIsExecutable" => [conditions] condition,
    "ConditionKernelCommandLine" => [conditions] condition,
    "ConditionKernelVersion" => [conditions] condition,
    "ConditionVersion" => [conditions] condition,
    "ConditionKernelModuleLoaded" => [conditions] condition,
    "ConditionVirtualization" => [conditions] condition,
    "ConditionArchitecture" => [conditions] condition,
    "ConditionFirmware" => [conditions] condition,
    "ConditionHost" => [conditions] condition,
    "ConditionSecurity" => [conditions] condition,
    "ConditionCapability" => [conditions] condition,
    "ConditionACPower" => [conditions] condition,
    "ConditionNeedsUpdate" => [conditions] condition,
    "ConditionFirstBoot" => [conditions] condition,
    "ConditionUser" => [conditions] condition,
    "ConditionGroup" => [conditions] condition,
    "ConditionEnvironment" => [conditions] condition,
    "ConditionCredential" => [conditions] condition,
    "ConditionOSRelease" => [conditions] condition,
    "ConditionMemory" => [conditions] condition,
    "ConditionCPUs" => [conditions] condition,
    "ConditionCPUFeature" => [conditions] condition,
    "ConditionControlGroupController" => [conditions] condition,
    "ConditionMemoryPressure" => [conditions] condition,
    "ConditionCPUPressure" => [conditions] condition,
    "ConditionIOPressure" => [conditions] condition,
    "AssertPathExists" => [asserts] condition,
    "AssertPathExistsGlob" => [asserts] condition,
    "AssertPathIsDirectory" => [asserts] condition,
    "AssertPathIsSymbolicLink" => [asserts] condition,
    "AssertPathIsMountPoint" => [asserts] condition,
    "AssertPathIsReadWrite" => [asserts] condition,
    "AssertPathIsEncrypted" => [asserts] condition,
    "AssertPathIsSocket" => [asserts] condition,
    "AssertDirectoryNotEmpty" => [asserts] condition,
    "AssertFileNotEmpty" => [asserts] condition,
    "AssertFileIsExecutable" => [asserts] condition,
    "AssertKernelCommandLine" => [asserts] condition,
    "AssertKernelVersion" => [asserts] condition,
    "AssertVersion" => [asserts] condition,
    "AssertKernelModuleLoaded" => [asserts] condition,
    "AssertVirtualization" => [asserts] condition,
    "AssertArchitecture" => [asserts] condition,
    "AssertFirmware" => [asserts] condition,
    "AssertHost" => [asserts] condition,
    "AssertSecurity" => [asserts] condition,
    "AssertCapability" => [asserts] condition,
    "AssertACPower" => [asserts] condition,
    "AssertNeedsUpdate" => [asserts] condition,
    "AssertFirstBoot" => [asserts] condition,
    "AssertUser" => [asserts] condition,
    "AssertGroup" => [asserts] condition,
    "AssertEnvironment" => [asserts] condition,
    "AssertCredential" => [asserts] condition,
    "AssertOSRelease" => [asserts] condition,
    "AssertMemory" => [asserts] condition,
    "AssertCPUs" => [asserts] condition,
    "AssertCPUFeature" => [asserts] condition,
    "AssertControlGroupController" => [asserts] condition,
    "AssertMemoryPressure" => [asserts] condition,
    "AssertCPUPressure" => [asserts] condition,
    "AssertIOPressure" => [asserts] condition,
} accepted {
    "ConditionNull",
    "AssertNull",
} }

table! { IN_SERVICE: UnitSection {
    "StartLimitIntervalSec" => [start_limit.interval] span,
    "StartLimitInterval" => [start_limit.interval] span,
    "StartLimitBurst" => [start_limit.burst] number,
    "StartLimitAction" => [start_limit_action] word,
    "FailureAction" => [failure_action] word,
    "SuccessAction" => [success_action] word,
    "RebootArgument" => [reboot_argument] text,
} accepted {} }

/// `Condition…=` and `Assert…=`: `[|][!]parameter`; nothing clears the whole list, whatever the
/// kinds of the conditions in it.
fn condition(field: &mut Vec<Condition>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let name = input
        .key
        .strip_prefix("Condition")
        .or_else(|| input.key.strip_prefix("Assert"));
    let Some(Ok(kind)) = name.map(str::parse::<ConditionKind>) else {
        return Err(input.wants("a known condition"));
    };
    let (trigger, rest) = mark(input.text, '|');
    let (negate, rest) = mark(rest, '!');
    let parameter = if kind.is_path() {
        absolute(input, rest)?
    } else {
        input.expand(rest)?
    };
    let is_switch = matches!(kind, ConditionKind::AcPower | ConditionKind::FirstBoot);
    if is_switch && boolean_of(&parameter).is_none() {
        return Err(input.wants("yes or no"));
    }
    field.push(Condition {
        kind,
        trigger,
        negate,
        parameter,
    });
    Ok(())
}

fn mark(text: &str, mark: char) -> (bool, &str) {
    text.strip_prefix(mark)
        .map_or((false, text), |rest| (true, rest.trim_start()))
}

fn documentation(field: &mut Vec<String>, input: &mut Input<'_>) -> Outcome {
    const SCHEMES: [&str; 5] = ["http://", "https://", "file:/", "info:", "man:"];
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    for word in input.words()? {
        if SCHEMES
            .iter()
            .any(|scheme| word.len() > scheme.len() && word.starts_with(scheme))
        {
            field.push(word);
        } else {
            input.warn(format_args!(
                "{word:?} is no http, https, file, info or man address; it is left out"
            ));
        }
    }
    Ok(())
}

fn isolate(field: &mut JobMode, input: &mut Input<'_>) -> Outcome {
    let mut isolate = false;
    boolean(&mut isolate, input)?;
    *field = if isolate {
        JobMode::Isolate
    } else {
        JobMode::Replace
    };
    Ok(())
}

/// `JobTimeoutSec=` is also the running timeout, unless that is given on its own.
fn job_timeout(section: &mut UnitSection, input: &mut Input<'_>) -> Outcome {
    timeout(&mut section.job_timeout, input)?;
    let is_device = input.specifiers.name.kind() == UnitType::Device;
    if is_device || section.job_running_timeout == TimeSpan::INFINITY {
        section.job_running_timeout = section.job_timeout;
    }
    Ok(())
}
