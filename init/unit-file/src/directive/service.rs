//! `[Service]`: systemd.service(5), and `[Scope]`.

use init_api::Signal;

use super::table;
use crate::{
    Command,
    config::{ExitStatusSet, ScopeConfig, ServiceConfig},
    value::{
        Input, Outcome, boolean, number, optional_text, optional_timeout, signal, sockets, span,
        timeout, watchdog, word, word_or_boolean,
    },
};

table! { SERVICE: ServiceConfig {
    "Type" => [service_type] word,
    "ExitType" => [exit_type] word,
    "ExecCondition" => [exec_condition] commands,
    "ExecStartPre" => [exec_start_pre] commands,
    "ExecStart" => [exec_start] commands,
    "ExecStartPost" => [exec_start_post] commands,
    "ExecReload" => [exec_reload] commands,
    "ExecReloadPost" => [exec_reload_post] commands,
    "ExecStop" => [exec_stop] commands,
    "ExecStopPost" => [exec_stop_post] commands,
    "Restart" => [restart] word,
    "RestartMode" => [restart_mode] word,
    "RestartSec" => [restart_sec] span,
    "RestartSteps" => [restart_steps] number,
    "RestartMaxDelaySec" => [restart_max_delay] span,
    "TimeoutSec" => [] timeouts,
    "TimeoutStartSec" => [timeout_start] timeout,
    "TimeoutStopSec" => [timeout_stop] timeout,
    "TimeoutAbortSec" => [timeout_abort] optional_timeout,
    "RuntimeMaxSec" => [runtime_max] span,
    "RuntimeRandomizedExtraSec" => [runtime_randomized_extra] span,
    "WatchdogSec" => [watchdog] watchdog,
    "RemainAfterExit" => [remain_after_exit] boolean,
    "GuessMainPID" => [guess_main_pid] boolean,
    "PIDFile" => [pid_file] pid_file,
    "BusName" => [bus_name] optional_text,
    "SuccessExitStatus" => [success_exit_status] statuses,
    "RestartPreventExitStatus" => [restart_prevent_exit_status] statuses,
    "RestartForceExitStatus" => [restart_force_exit_status] statuses,
    "NotifyAccess" => [notify_access] word,
    "PermissionsStartOnly" => [permissions_start_only] boolean,
    "RootDirectoryStartOnly" => [root_directory_start_only] boolean,
    "NonBlocking" => [non_blocking] boolean,
    "Sockets" => [sockets] sockets,
    "FileDescriptorStoreMax" => [fd_store_max] number,
    "FileDescriptorStorePreserve" => [fd_store_preserve] word_or_boolean,
    "OOMPolicy" => [oom_policy] word,
    "ReloadSignal" => [reload_signal] signal,
} accepted {
    "BusPolicy",
    "OpenFile",
    "RefreshOnReload",
    "SysVStartPriority",
    "FsckPassNo",
    "TimeoutStartFailureMode",
    "TimeoutStopFailureMode",
    "USBFunctionDescriptors",
    "USBFunctionStrings",
} }

table! { SCOPE: ScopeConfig {
    "RuntimeMaxSec" => [runtime_max] timeout,
    "TimeoutStopSec" => [timeout_stop] timeout,
    "OOMPolicy" => [oom_policy] word,
} accepted {
    "RuntimeRandomizedExtraSec",
    "User",
    "Group",
} }

/// `ExecStart=` and its like: lines accumulate, nothing empties the list. A line that cannot be
/// read makes the unit unusable.
pub(super) fn commands(field: &mut Vec<Command>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let specifiers = input.specifiers;
    let line = Command::parse_line(input.text, &|word| specifiers.expand(word))
        .map_err(|error| input.fatal(error))?;
    for warning in line.warnings {
        input.warn(warning);
    }
    field.extend(line.commands);
    Ok(())
}

fn timeouts(config: &mut ServiceConfig, input: &mut Input<'_>) -> Outcome {
    timeout(&mut config.timeout_start, input)?;
    config.timeout_stop = config.timeout_start;
    Ok(())
}

/// A relative `PIDFile=` is below `/run`.
fn pid_file(field: &mut Option<String>, input: &mut Input<'_>) -> Outcome {
    let path = input.expand(input.text)?;
    *field = if path.is_empty() {
        None
    } else if path.starts_with('/') {
        // What /var/run was is /run.
        Some(
            path.strip_prefix("/var/run/")
                .map_or_else(|| path.clone(), |rest| format!("/run/{rest}")),
        )
    } else {
        Some(format!("/run/{path}"))
    };
    Ok(())
}

/// `SuccessExitStatus=` and its like: numbers, names of exit statuses, signals.
fn statuses(field: &mut ExitStatusSet, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        *field = ExitStatusSet::default();
        return Ok(());
    }
    for word in input.words()? {
        let code = word
            .parse()
            .ok()
            .or_else(|| init_api::exit::status_from_name(&word));
        if let Some(code) = code {
            field.codes.push(code);
        } else if let Ok(signal) = word.parse::<Signal>()
            && word.parse::<i32>().is_err()
        {
            field.signals.push(signal);
        } else {
            input.warn(format_args!(
                "{word:?} is neither an exit status nor a signal; it is left out"
            ));
        }
    }
    field.codes.sort_unstable();
    field.codes.dedup();
    field.signals.sort_unstable();
    field.signals.dedup();
    Ok(())
}
