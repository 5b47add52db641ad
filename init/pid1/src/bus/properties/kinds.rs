//! The interfaces of the smaller types: socket, timer, path, mount, swap, automount, scope.

use dbus::Value;
use init_api::TimeSpan;
use unit_engine::{ExecKind, SocketView, TimerView, UnitView};
use unit_file::{KindConfig, Listen, TimerBase, TimerTrigger};

use super::{Sheet, cgroup, exec, or_max};
use crate::manager::Manager;

fn slice(view: UnitView<'_>) -> &str {
    view.config()
        .cgroup
        .slice
        .as_ref()
        .map_or("-.slice", |slice| slice.as_str())
}

pub(super) fn socket(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let (Some(config), Some(state)) = (view.config().socket(), view.socket()) else {
        return;
    };
    let micros = |span: Option<TimeSpan>| span.map_or(0, TimeSpan::as_micros);
    sheet.text("BindIPv6Only", config.bind_ipv6_only.as_str());
    sheet.number("Backlog", config.backlog);
    sheet.wide("TimeoutUSec", config.timeout.as_micros());
    sheet.text(
        "BindToDevice",
        config.bind_to_device.as_deref().unwrap_or_default(),
    );
    sheet.text("SocketUser", config.user.as_deref().unwrap_or_default());
    sheet.text("SocketGroup", config.group.as_deref().unwrap_or_default());
    sheet.number("SocketMode", config.mode);
    sheet.number("DirectoryMode", config.directory_mode);
    sheet.flag("Accept", config.accept);
    sheet.flag("FlushPending", config.flush_pending);
    sheet.flag("Writable", config.writable);
    sheet.flag("KeepAlive", config.keep_alive);
    sheet.wide("KeepAliveTimeUSec", micros(config.keep_alive_time));
    sheet.wide("KeepAliveIntervalUSec", micros(config.keep_alive_interval));
    sheet.number("KeepAliveProbes", config.keep_alive_probes.unwrap_or(0));
    sheet.wide("DeferAcceptUSec", micros(config.defer_accept));
    sheet.flag("NoDelay", config.no_delay);
    sheet.int("Priority", config.priority.unwrap_or(-1));
    sheet.wide("ReceiveBuffer", config.receive_buffer.unwrap_or(0));
    sheet.wide("SendBuffer", config.send_buffer.unwrap_or(0));
    sheet.wide("PipeSize", config.pipe_size.unwrap_or(0));
    sheet.flag("FreeBind", config.free_bind);
    sheet.flag("Transparent", config.transparent);
    sheet.flag("Broadcast", config.broadcast);
    sheet.flag("PassCredentials", config.pass_credentials);
    sheet.flag("PassSecurity", config.pass_security);
    sheet.flag("PassPacketInfo", config.pass_packet_info);
    sheet.flag("RemoveOnStop", config.remove_on_stop);
    sheet.put("Listen", || {
        Value::array("(ss)", config.listen.iter().map(listen).collect())
    });
    sheet.words("Symlinks", &config.symlinks);
    sheet.number("MaxConnections", config.max_connections);
    sheet.number("MaxConnectionsPerSource", config.max_connections_per_source);
    sheet.flag("ReusePort", config.reuse_port);
    socket_state(sheet, state);
    sheet.put("FileDescriptorName", || {
        config
            .fd_name
            .clone()
            .unwrap_or_else(|| view.name().to_owned())
            .into()
    });
    sheet.wide(
        "TriggerLimitIntervalUSec",
        config.trigger_limit.interval.as_micros(),
    );
    sheet.number("TriggerLimitBurst", config.trigger_limit.burst);
    for (kind, list, name) in [
        (ExecKind::StartPre, &config.exec_start_pre, "ExecStartPre"),
        (
            ExecKind::StartPost,
            &config.exec_start_post,
            "ExecStartPost",
        ),
        (ExecKind::StopPre, &config.exec_stop_pre, "ExecStopPre"),
        (ExecKind::StopPost, &config.exec_stop_post, "ExecStopPost"),
    ] {
        exec::plain(sheet, view, kind, list, name);
    }
    cgroup::fill(sheet, manager, view, slice(view));
    exec::fill(sheet, view);
    exec::kill(sheet, view);
}

fn listen(listen: &Listen) -> Value {
    Value::Struct(vec![
        listen.kind.as_str().into(),
        listen.address.to_string().into(),
    ])
}

pub(super) fn socket_state(sheet: &mut Sheet<'_>, state: SocketView) {
    sheet.number("ControlPID", state.control_pid);
    sheet.text("Result", state.result.as_str());
    sheet.number("NConnections", state.connections);
    sheet.number("NAccepted", state.accepted);
    sheet.number("NRefused", state.refused);
}

pub(super) fn timer(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let (Some(config), Some(state)) = (view.config().timer(), view.timer()) else {
        return;
    };
    let unit = view.config().triggers();
    sheet.text("Unit", unit.as_ref().map_or("", |u| u.as_str()));
    sheet.put("TimersMonotonic", || {
        let row = |trigger: &TimerTrigger| match trigger {
            TimerTrigger::Monotonic(base, span) => Some(Value::Struct(vec![
                base_name(*base).into(),
                span.as_micros().into(),
                state.next_monotonic.unwrap_or(0).into(),
            ])),
            TimerTrigger::Calendar(_) => None,
        };
        Value::array("(stt)", config.triggers.iter().filter_map(row).collect())
    });
    sheet.put("TimersCalendar", || {
        let row = |trigger: &TimerTrigger| match trigger {
            TimerTrigger::Calendar(calendar) => Some(Value::Struct(vec![
                "OnCalendar".into(),
                calendar.to_string().into(),
                state.next_realtime.unwrap_or(0).into(),
            ])),
            TimerTrigger::Monotonic(..) => None,
        };
        Value::array("(sst)", config.triggers.iter().filter_map(row).collect())
    });
    sheet.flag("OnClockChange", config.on_clock_change);
    sheet.flag("OnTimezoneChange", config.on_timezone_change);
    timer_state(sheet, state);
    sheet.wide("AccuracyUSec", config.accuracy.as_micros());
    sheet.wide("RandomizedDelayUSec", config.randomized_delay.as_micros());
    sheet.flag("FixedRandomDelay", config.fixed_random_delay);
    sheet.flag("Persistent", config.persistent);
    sheet.flag("WakeSystem", config.wake_system);
    sheet.flag("RemainAfterElapse", config.remain_after_elapse);
}

fn base_name(base: TimerBase) -> &'static str {
    match base {
        TimerBase::Active => "OnActiveUSec",
        TimerBase::Boot => "OnBootUSec",
        TimerBase::Startup => "OnStartupUSec",
        TimerBase::UnitActive => "OnUnitActiveUSec",
        TimerBase::UnitInactive => "OnUnitInactiveUSec",
    }
}

pub(super) fn timer_state(sheet: &mut Sheet<'_>, state: TimerView) {
    sheet.wide("NextElapseUSecRealtime", state.next_realtime.unwrap_or(0));
    sheet.wide("NextElapseUSecMonotonic", or_max(state.next_monotonic));
    sheet.wide("LastTriggerUSec", state.last_trigger.realtime);
    sheet.wide("LastTriggerUSecMonotonic", state.last_trigger.monotonic);
    sheet.text("Result", state.result.as_str());
}

pub(super) fn path(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let Some(config) = view.config().path() else {
        return;
    };
    let unit = view.config().triggers();
    sheet.text("Unit", unit.as_ref().map_or("", |u| u.as_str()));
    sheet.put("Paths", || {
        let row = |w: &unit_file::PathWatch| {
            Value::Struct(vec![w.kind.as_str().into(), w.path.as_str().into()])
        };
        Value::array("(ss)", config.watches.iter().map(row).collect())
    });
    sheet.flag("MakeDirectory", config.make_directory);
    sheet.number("DirectoryMode", config.directory_mode);
    sheet.text("Result", view.result());
    sheet.wide(
        "TriggerLimitIntervalUSec",
        config.trigger_limit.interval.as_micros(),
    );
    sheet.number("TriggerLimitBurst", config.trigger_limit.burst);
}

pub(super) fn mount(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let Some(config) = view.config().mount() else {
        return;
    };
    let mounted = view.mounted();
    sheet.text("Where", &config.r#where);
    sheet.text("What", mounted.map_or(&config.what, |m| &m.what));
    sheet.text("Options", mounted.map_or(&config.options, |m| &m.options));
    sheet.text("Type", mounted.map_or(&config.fs_type, |m| &m.fstype));
    sheet.wide("TimeoutUSec", config.timeout.as_micros());
    sheet.number("ControlPID", view.control_pid());
    sheet.number("DirectoryMode", config.directory_mode);
    sheet.flag("SloppyOptions", config.sloppy_options);
    sheet.flag("LazyUnmount", config.lazy_unmount);
    sheet.flag("ForceUnmount", config.force_unmount);
    sheet.flag("ReadWriteOnly", config.read_write_only);
    sheet.text("Result", view.result());
    cgroup::fill(sheet, manager, view, slice(view));
    exec::fill(sheet, view);
    exec::kill(sheet, view);
}

pub(super) fn swap(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let KindConfig::Swap(config) = &view.config().kind else {
        return;
    };
    sheet.text("What", &config.what);
    sheet.int("Priority", config.priority.unwrap_or(-1));
    sheet.text("Options", &config.options);
    sheet.wide("TimeoutUSec", config.timeout.as_micros());
    sheet.number("ControlPID", view.control_pid());
    sheet.text("Result", view.result());
    cgroup::fill(sheet, manager, view, slice(view));
    exec::fill(sheet, view);
    exec::kill(sheet, view);
}

pub(super) fn automount(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let KindConfig::Automount(config) = &view.config().kind else {
        return;
    };
    sheet.text("Where", &config.r#where);
    sheet.text("ExtraOptions", &config.extra_options);
    sheet.number("DirectoryMode", config.directory_mode);
    sheet.text("Result", view.result());
    sheet.wide("TimeoutIdleUSec", config.timeout_idle.as_micros());
}

pub(super) fn scope(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>) {
    let Some(config) = view.config().scope() else {
        return;
    };
    sheet.text("Controller", "");
    sheet.wide("TimeoutStopUSec", config.timeout_stop.as_micros());
    sheet.text("Result", view.result());
    sheet.wide("RuntimeMaxUSec", config.runtime_max.as_micros());
    sheet.text("OOMPolicy", config.oom_policy.as_str());
    cgroup::fill(sheet, manager, view, slice(view));
    exec::kill(sheet, view);
}
