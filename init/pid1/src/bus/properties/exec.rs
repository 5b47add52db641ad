//! Command lists with how they last ran, and what processes are given (systemd.exec(5)).

use dbus::Value;
use unit_engine::{ExecKind, UnitView};
use unit_file::{
    Command, DirectorySet, ExecConfig, IoClass, LogLevel, MountPropagation, Resource, SandboxPath,
    StandardInput, StandardOutput, SystemCallFilter,
};

use super::{Sheet, or_max};

/// One Exec list in both forms: with a flag for failures ignored, and with all flags (`…Ex`).
pub(super) fn commands(
    sheet: &mut Sheet<'_>,
    view: UnitView<'_>,
    kind: ExecKind,
    list: &[Command],
    name: &str,
) {
    sheet.put(name, || {
        let rows = list.iter().enumerate();
        let row =
            |(at, c): (usize, &Command)| command(view, kind, at, c, c.flags.ignore_failure.into());
        Value::array("(sasbttttuii)", rows.map(row).collect())
    });
    let extended = format!("{name}Ex");
    sheet.put(&extended, || {
        let rows = list.iter().enumerate();
        let row = |(at, c): (usize, &Command)| command(view, kind, at, c, flags(c));
        Value::array("(sasasttttuii)", rows.map(row).collect())
    });
}

/// Without the `…Ex` twin, for units that have none.
pub(super) fn plain(
    sheet: &mut Sheet<'_>,
    view: UnitView<'_>,
    kind: ExecKind,
    list: &[Command],
    name: &str,
) {
    sheet.put(name, || {
        let rows = list.iter().enumerate();
        let row =
            |(at, c): (usize, &Command)| command(view, kind, at, c, c.flags.ignore_failure.into());
        Value::array("(sasbttttuii)", rows.map(row).collect())
    });
}

fn flags(command: &Command) -> Value {
    let mut words = Vec::new();
    if command.flags.ignore_failure {
        words.push("ignore-failure");
    }
    if command.flags.no_expansion {
        words.push("no-env-expand");
    }
    match command.flags.privileges {
        unit_file::Privileges::Full => words.push("privileged"),
        unit_file::Privileges::KeepUser => words.push("no-setuid"),
        unit_file::Privileges::Ambient => words.push("ambient"),
        unit_file::Privileges::Dropped => {}
    }
    Value::strings(words)
}

fn command(
    view: UnitView<'_>,
    kind: ExecKind,
    at: usize,
    command: &Command,
    flags: Value,
) -> Value {
    let status = view.exec_status(kind, at).unwrap_or_default();
    // The path stands for argv[0], as systemctl has shown it since 252.
    let shown = std::iter::once(command.path.as_str());
    let argv = shown.chain(command.argv.iter().skip(1).map(String::as_str));
    Value::Struct(vec![
        command.path.as_str().into(),
        Value::strings(argv),
        flags,
        status.start.realtime.into(),
        status.start.monotonic.into(),
        status.exit.realtime.into(),
        status.exit.monotonic.into(),
        status.pid.into(),
        status.code.into(),
        status.status.into(),
    ])
}

/// The command lines as the files have them.
pub(super) fn written(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let Some(config) = view.config().service() else {
        return;
    };
    for (name, list) in [
        ("ExecCondition", &config.exec_condition),
        ("ExecStartPre", &config.exec_start_pre),
        ("ExecStart", &config.exec_start),
        ("ExecStartPost", &config.exec_start_post),
        ("ExecReload", &config.exec_reload),
        ("ExecStop", &config.exec_stop),
        ("ExecStopPost", &config.exec_stop_post),
    ] {
        sheet.put(name, || {
            Value::strings(list.iter().map(|c| c.written.as_str()))
        });
    }
}

pub(super) fn fill(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let exec = &view.config().exec;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    environment(sheet, exec);
    sheet.number("UMask", exec.umask);
    limits(sheet, exec);
    sheet.put("WorkingDirectory", || {
        let folder = exec.working_directory.as_ref();
        folder
            .map(|w| format!("{}{}", if w.optional { "!" } else { "" }, w.path))
            .unwrap_or_default()
            .into()
    });
    sheet.put("RootDirectory", || text(&exec.root_directory).into());
    scheduling(sheet, exec);
    streams(sheet, exec);
    sheet.wide(
        "CapabilityBoundingSet",
        exec.capability_bounding_set
            .map_or(ALL_CAPABILITIES, |set| set.0),
    );
    sheet.wide("AmbientCapabilities", exec.ambient_capabilities.0);
    sheet.put("User", || text(&exec.user).into());
    sheet.put("Group", || text(&exec.group).into());
    sheet.flag("DynamicUser", exec.dynamic_user);
    sheet.words("SupplementaryGroups", &exec.supplementary_groups);
    sheet.put("PAMName", || text(&exec.pam_name).into());
    sandbox(sheet, exec);
    directories(sheet, exec);
}

const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

fn environment(sheet: &mut Sheet<'_>, exec: &ExecConfig) {
    sheet.put("Environment", || {
        Value::strings(
            exec.environment
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        )
    });
    sheet.put("EnvironmentFiles", || {
        let row = |file: &unit_file::EnvironmentFile| {
            Value::Struct(vec![file.path.as_str().into(), file.optional.into()])
        };
        Value::array("(sb)", exec.environment_files.iter().map(row).collect())
    });
    sheet.words("PassEnvironment", &exec.pass_environment);
    sheet.words("UnsetEnvironment", &exec.unset_environment);
}

/// Where a unit says nothing, the limits are this process's own, which children inherit.
fn limits(sheet: &mut Sheet<'_>, exec: &ExecConfig) {
    for (number, resource) in LIMITS {
        let name = format!("Limit{resource}");
        let soft_name = format!("{name}Soft");
        if sheet
            .only
            .is_some_and(|only| only != name && only != soft_name)
        {
            continue;
        }
        let (soft, hard) = match exec.limits.get(&resource) {
            Some(limit) => (or_max(limit.soft), or_max(limit.hard)),
            None => init_sys::process::limit(number).unwrap_or((u64::MAX, u64::MAX)),
        };
        sheet.wide(&name, hard);
        sheet.wide(&soft_name, soft);
    }
}

/// With the kernel's numbers (`RLIMIT_*`).
const LIMITS: [(u32, Resource); 16] = [
    (0, Resource::Cpu),
    (1, Resource::Fsize),
    (2, Resource::Data),
    (3, Resource::Stack),
    (4, Resource::Core),
    (5, Resource::Rss),
    (7, Resource::Nofile),
    (9, Resource::As),
    (6, Resource::Nproc),
    (8, Resource::Memlock),
    (10, Resource::Locks),
    (11, Resource::Sigpending),
    (12, Resource::Msgqueue),
    (13, Resource::Nice),
    (14, Resource::Rtprio),
    (15, Resource::Rttime),
];

fn scheduling(sheet: &mut Sheet<'_>, exec: &ExecConfig) {
    let class = match exec.io_scheduling_class {
        Some(IoClass::None) => 0,
        Some(IoClass::Realtime) => 1,
        Some(IoClass::Idle) => 3,
        Some(IoClass::BestEffort) | None => 2,
    };
    sheet.int("OOMScoreAdjust", exec.oom_score_adjust.unwrap_or(0));
    sheet.int("Nice", exec.nice.unwrap_or(0));
    sheet.int("IOSchedulingClass", class);
    let priority = exec
        .io_scheduling_priority
        .and_then(|p| i32::try_from(p).ok());
    sheet.int("IOSchedulingPriority", priority.unwrap_or(4));
    sheet.int(
        "CPUSchedulingPolicy",
        match exec.cpu_scheduling {
            Some(unit_file::CpuScheduling::Fifo) => 1,
            Some(unit_file::CpuScheduling::Rr) => 2,
            Some(unit_file::CpuScheduling::Batch) => 3,
            Some(unit_file::CpuScheduling::Idle) => 5,
            _ => 0,
        },
    );
    sheet.int(
        "CPUSchedulingPriority",
        i32::try_from(exec.cpu_scheduling_priority).unwrap_or(0),
    );
    sheet.put("CPUAffinity", || {
        Value::Bytes(super::cgroup::bits(&exec.cpu_affinity))
    });
    sheet.wide("TimerSlackNSec", exec.timer_slack.unwrap_or(50_000));
    sheet.flag(
        "CPUSchedulingResetOnFork",
        exec.cpu_scheduling_reset_on_fork,
    );
}

fn streams(sheet: &mut Sheet<'_>, exec: &ExecConfig) {
    sheet.text("StandardInput", input(&exec.standard_input));
    sheet.text("StandardOutput", output(&exec.standard_output));
    sheet.text("StandardError", output(&exec.standard_error));
    sheet.text("TTYPath", exec.tty_path.as_deref().unwrap_or_default());
    sheet.flag("TTYReset", exec.tty_reset);
    sheet.flag("TTYVHangup", exec.tty_vhangup);
    sheet.flag("TTYVTDisallocate", exec.tty_vt_disallocate);
    let level = level(exec.syslog_level);
    sheet.int(
        "SyslogPriority",
        i32::from(exec.syslog_facility) * 8 + level,
    );
    sheet.text(
        "SyslogIdentifier",
        exec.syslog_identifier.as_deref().unwrap_or_default(),
    );
    sheet.flag("SyslogLevelPrefix", exec.syslog_level_prefix);
    sheet.int("SyslogLevel", level);
    sheet.int("SyslogFacility", i32::from(exec.syslog_facility));
    sheet.int("LogLevelMax", exec.log_level_max.map_or(-1, self::level));
}

fn level(level: LogLevel) -> i32 {
    LogLevel::ALL
        .iter()
        .position(|l| *l == level)
        .and_then(|at| i32::try_from(at).ok())
        .unwrap_or(6)
}

fn input(input: &StandardInput) -> &'static str {
    match input {
        StandardInput::Null => "null",
        StandardInput::Tty => "tty",
        StandardInput::TtyForce => "tty-force",
        StandardInput::TtyFail => "tty-fail",
        StandardInput::Data => "data",
        StandardInput::File(_) => "file",
        StandardInput::Socket => "socket",
        StandardInput::Fd(_) => "fd",
    }
}

fn output(output: &StandardOutput) -> &'static str {
    match output {
        StandardOutput::Inherit => "inherit",
        StandardOutput::Null => "null",
        StandardOutput::Tty => "tty",
        StandardOutput::Journal => "journal",
        StandardOutput::JournalAndConsole => "journal+console",
        StandardOutput::Kmsg => "kmsg",
        StandardOutput::KmsgAndConsole => "kmsg+console",
        StandardOutput::File(_) => "file",
        StandardOutput::Append(_) => "append",
        StandardOutput::Truncate(_) => "truncate",
        StandardOutput::Socket => "socket",
        StandardOutput::Fd(_) => "fd",
    }
}

fn sandbox(sheet: &mut Sheet<'_>, exec: &ExecConfig) {
    let paths = |list: &[SandboxPath]| {
        Value::strings(list.iter().map(|p| {
            format!(
                "{}{}{}",
                if p.optional { "-" } else { "" },
                if p.below_root { "+" } else { "" },
                p.path
            )
        }))
    };
    sheet.put("ReadWritePaths", || paths(&exec.read_write_paths));
    sheet.put("ReadOnlyPaths", || paths(&exec.read_only_paths));
    sheet.put("InaccessiblePaths", || paths(&exec.inaccessible_paths));
    sheet.wide(
        "MountFlags",
        match exec.mount_flags {
            Some(MountPropagation::Shared) => 0x10_0000,
            Some(MountPropagation::Slave) => 0x8_0000,
            Some(MountPropagation::Private) => 0x4_0000,
            None => 0,
        },
    );
    for (name, on) in [
        ("PrivateTmp", exec.private_tmp),
        ("PrivateDevices", exec.private_devices),
        ("ProtectClock", exec.protect_clock),
        ("ProtectKernelTunables", exec.protect_kernel_tunables),
        ("ProtectKernelModules", exec.protect_kernel_modules),
        ("ProtectKernelLogs", exec.protect_kernel_logs),
        ("ProtectControlGroups", exec.protect_control_groups),
        ("PrivateNetwork", exec.private_network),
        ("PrivateUsers", exec.private_users),
        ("PrivateMounts", exec.private_mounts),
        ("PrivateIPC", exec.private_ipc),
    ] {
        sheet.flag(name, on);
    }
    sheet.text("ProtectHome", exec.protect_home.as_str());
    sheet.text("ProtectSystem", exec.protect_system.as_str());
    sheet.flag("IgnoreSIGPIPE", exec.ignore_sigpipe);
    sheet.flag("NoNewPrivileges", exec.no_new_privileges);
    let filter = |filter: &Option<SystemCallFilter>| {
        let (allow, names) = filter
            .as_ref()
            .map_or((false, &[][..]), |f| (f.allow, &f.names[..]));
        Value::Struct(vec![allow.into(), Value::strings(names)])
    };
    sheet.put("SystemCallFilter", || filter(&exec.system_call_filter));
    sheet.words("SystemCallArchitectures", &exec.system_call_architectures);
    sheet.flag("LockPersonality", exec.lock_personality);
    sheet.put("RestrictAddressFamilies", || {
        filter(&exec.restrict_address_families)
    });
    sheet.flag("MemoryDenyWriteExecute", exec.memory_deny_write_execute);
    sheet.flag("RestrictRealtime", exec.restrict_realtime);
    sheet.flag("RestrictSUIDSGID", exec.restrict_suid_sgid);
    sheet.flag("ProtectHostname", exec.protect_hostname);
    for (name, list) in [
        ("BindPaths", &exec.bind_paths),
        ("BindReadOnlyPaths", &exec.bind_read_only_paths),
    ] {
        sheet.put(name, || {
            let row = |b: &unit_file::BindPath| {
                let flags: u64 = if b.recursive { 0x4000 } else { 0 };
                Value::Struct(vec![
                    b.source.as_str().into(),
                    b.target.as_str().into(),
                    b.optional.into(),
                    flags.into(),
                ])
            };
            Value::array("(ssbt)", list.iter().map(row).collect())
        });
    }
}

fn directories(sheet: &mut Sheet<'_>, exec: &ExecConfig) {
    sheet.text(
        "RuntimeDirectoryPreserve",
        exec.runtime_directory_preserve.as_str(),
    );
    let sets: [(&str, &DirectorySet); 5] = [
        ("RuntimeDirectory", &exec.runtime_directory),
        ("StateDirectory", &exec.state_directory),
        ("CacheDirectory", &exec.cache_directory),
        ("LogsDirectory", &exec.logs_directory),
        ("ConfigurationDirectory", &exec.configuration_directory),
    ];
    for (name, set) in sets {
        sheet.number(&format!("{name}Mode"), set.mode);
        sheet.words(name, &set.names);
    }
}

pub(super) fn kill(sheet: &mut Sheet<'_>, view: UnitView<'_>) {
    let kill = &view.config().kill;
    sheet.text("KillMode", kill.mode.as_str());
    sheet.int("KillSignal", kill.signal.number());
    sheet.int(
        "RestartKillSignal",
        kill.restart_signal.unwrap_or(kill.signal).number(),
    );
    sheet.int("FinalKillSignal", kill.final_signal.number());
    sheet.flag("SendSIGKILL", kill.send_sigkill);
    sheet.flag("SendSIGHUP", kill.send_sighup);
    sheet.int("WatchdogSignal", kill.watchdog_signal.number());
}
