//! `org.freedesktop.systemd1.Service`.

use dbus::Value;
use unit_engine::{ExecKind, ServiceView, UnitView};
use unit_file::{ExitStatusSet, ServiceConfig};

use super::{Sheet, cgroup, exec};
use crate::manager::Manager;

pub(super) fn fill(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let (Some(config), Some(state)) = (view.config().service(), view.service()) else {
        return;
    };
    // Until it has started, what the watchdog will be is not decided.
    let watchdog = if view.active_state().is_inactive() {
        u64::MAX
    } else {
        state.watchdog_usec
    };
    settings(sheet, config, state, watchdog);
    self::state(sheet, view, state);
    cgroup::fill(sheet, manager, view, slice(view));
    exec::fill(sheet, view);
    exec::kill(sheet, view);
}

fn slice(view: UnitView<'_>) -> &str {
    view.config()
        .cgroup
        .slice
        .as_ref()
        .map_or("-.slice", |slice| slice.as_str())
}

fn settings(sheet: &mut Sheet<'_>, config: &ServiceConfig, state: ServiceView<'_>, watchdog: u64) {
    sheet.text("Type", config.service_type.as_str());
    sheet.text("ExitType", config.exit_type.as_str());
    sheet.text("Restart", config.restart.as_str());
    sheet.text("RestartMode", config.restart_mode.as_str());
    sheet.text("PIDFile", config.pid_file.as_deref().unwrap_or_default());
    sheet.text("NotifyAccess", config.notify_access.as_str());
    sheet.wide("RestartUSec", config.restart_sec.as_micros());
    sheet.wide("TimeoutStartUSec", config.timeout_start.as_micros());
    sheet.wide("TimeoutStopUSec", config.timeout_stop.as_micros());
    sheet.wide(
        "TimeoutAbortUSec",
        config
            .timeout_abort
            .unwrap_or(config.timeout_stop)
            .as_micros(),
    );
    sheet.text("TimeoutStartFailureMode", "terminate");
    sheet.text("TimeoutStopFailureMode", "terminate");
    sheet.wide("RuntimeMaxUSec", config.runtime_max.as_micros());
    sheet.wide(
        "RuntimeRandomizedExtraUSec",
        config.runtime_randomized_extra.as_micros(),
    );
    sheet.wide("WatchdogUSec", watchdog);
    sheet.stamp("WatchdogTimestamp", state.watchdog_ping);
    sheet.flag("RootDirectoryStartOnly", config.root_directory_start_only);
    sheet.flag("RemainAfterExit", config.remain_after_exit);
    sheet.flag("GuessMainPID", config.guess_main_pid);
    sheet.put("RestartPreventExitStatus", || {
        statuses(&config.restart_prevent_exit_status)
    });
    sheet.put("RestartForceExitStatus", || {
        statuses(&config.restart_force_exit_status)
    });
    sheet.put("SuccessExitStatus", || {
        statuses(&config.success_exit_status)
    });
    sheet.text("BusName", config.bus_name.as_deref().unwrap_or_default());
    sheet.number("FileDescriptorStoreMax", config.fd_store_max);
    sheet.flag("NonBlocking", config.non_blocking);
    sheet.text("OOMPolicy", config.oom_policy.as_str());
    sheet.int("ReloadSignal", config.reload_signal.number());
}

/// What changes while the service lives.
pub(super) fn state(sheet: &mut Sheet<'_>, view: UnitView<'_>, state: ServiceView<'_>) {
    sheet.number("MainPID", state.main_pid);
    sheet.number("ControlPID", state.control_pid);
    sheet.number(
        "NFileDescriptorStore",
        u32::try_from(state.stored_fds).unwrap_or(u32::MAX),
    );
    sheet.text("StatusText", state.status_text);
    sheet.int("StatusErrno", state.status_errno);
    sheet.text("StatusBusError", state.status_bus_error);
    sheet.text("Result", state.result.as_str());
    sheet.text("ReloadResult", state.reload_result.as_str());
    sheet.text("CleanResult", "success");
    sheet.number("UID", u32::MAX);
    sheet.number("GID", u32::MAX);
    sheet.number("NRestarts", state.restarts);
    sheet.stamp("ExecMainStartTimestamp", state.main.start);
    sheet.stamp("ExecMainExitTimestamp", state.main.exit);
    sheet.number("ExecMainPID", state.main.pid);
    sheet.int("ExecMainCode", state.main.code);
    sheet.int("ExecMainStatus", state.main.status);
    let Some(config) = view.config().service() else {
        return;
    };
    for (kind, commands) in [
        (ExecKind::Condition, &config.exec_condition),
        (ExecKind::StartPre, &config.exec_start_pre),
        (ExecKind::Start, &config.exec_start),
        (ExecKind::StartPost, &config.exec_start_post),
        (ExecKind::Reload, &config.exec_reload),
        (ExecKind::Stop, &config.exec_stop),
        (ExecKind::StopPost, &config.exec_stop_post),
    ] {
        exec::commands(sheet, view, kind, commands, kind.directive());
    }
}

fn statuses(set: &ExitStatusSet) -> Value {
    let codes = set
        .codes
        .iter()
        .map(|code| Value::Int32(i32::from(*code)))
        .collect();
    let signals = set
        .signals
        .iter()
        .map(|signal| Value::Int32(signal.number()))
        .collect();
    Value::Struct(vec![Value::array("i", codes), Value::array("i", signals)])
}
