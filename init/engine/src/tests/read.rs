//! A reader of unit texts just large enough for these scripts.

use std::collections::BTreeMap;

use init_api::{LoadState, TimeSpan};
use unit_file::{
    Command, Condition, Dependency, DependencyKind, DependencyOrigin, ExitStatusSet, KindConfig,
    Listen, ListenAddress, ListenKind, LoadedUnit, ManagerDefaults, NotifyAccess, PathWatch,
    ServiceType, TimerTrigger, UnitConfig, UnitName,
};

pub(super) fn read(files: &BTreeMap<String, String>, name: &str) -> LoadedUnit {
    let name = UnitName::new(name).unwrap();
    let text = files
        .get(name.as_str())
        .or_else(|| files.get(name.template()?.as_str()));
    let mut config = UnitConfig::new(name.clone(), &ManagerDefaults::default());
    let state = match text {
        Some(text) if text.trim().is_empty() => LoadState::Masked,
        Some(text) => {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .for_each(|(k, v)| set(&mut config, k, v));
            LoadState::Loaded
        }
        None if name.kind().exists_without_file() => LoadState::Loaded,
        None => LoadState::NotFound,
    };
    decide(&mut config);
    LoadedUnit {
        names: vec![name.clone()],
        name,
        state,
        error: None,
        fragment: None,
        drop_ins: Vec::new(),
        files: Vec::new(),
        config,
        diagnostics: Vec::new(),
    }
}

fn decide(config: &mut UnitConfig) {
    if let KindConfig::Service(service) = &mut config.kind {
        if service.service_type == ServiceType::Oneshot {
            service.timeout_start = TimeSpan::INFINITY;
        }
        let notifies = matches!(
            service.service_type,
            ServiceType::Notify | ServiceType::NotifyReload
        ) || !service.watchdog.is_zero();
        if notifies {
            service.notify_access = NotifyAccess::Main;
        }
    }
}

fn set(config: &mut UnitConfig, key: &str, value: &str) {
    if let Ok(kind) = key.parse::<DependencyKind>() {
        for other in value.split_whitespace() {
            let other = UnitName::new(other).unwrap();
            config.unit.dependencies.push(Dependency {
                kind,
                other,
                origin: DependencyOrigin::File,
            });
        }
        return;
    }
    let span = || TimeSpan::parse(value).unwrap();
    let yes = value == "yes";
    for (prefix, list) in [
        ("Condition", &mut config.unit.conditions),
        ("Assert", &mut config.unit.asserts),
    ] {
        if let Some(kind) = key.strip_prefix(prefix).and_then(|kind| kind.parse().ok()) {
            if value.is_empty() {
                list.clear();
                return;
            }
            let (trigger, rest) = value
                .strip_prefix('|')
                .map_or((false, value), |rest| (true, rest));
            let (negate, rest) = rest
                .strip_prefix('!')
                .map_or((false, rest), |rest| (true, rest));
            list.push(Condition {
                kind,
                trigger,
                negate,
                parameter: rest.to_owned(),
            });
            return;
        }
    }
    match key {
        "Description" => config.unit.description = value.to_owned(),
        "DefaultDependencies" => config.unit.default_dependencies = yes,
        "AllowIsolate" => config.unit.allow_isolate = yes,
        "IgnoreOnIsolate" => config.unit.ignore_on_isolate = yes,
        "RefuseManualStart" => config.unit.refuse_manual_start = yes,
        "RefuseManualStop" => config.unit.refuse_manual_stop = yes,
        "StopWhenUnneeded" => config.unit.stop_when_unneeded = yes,
        "JobTimeoutSec" => config.unit.job_timeout = span(),
        "StartLimitIntervalSec" => config.unit.start_limit.interval = span(),
        "StartLimitBurst" => config.unit.start_limit.burst = value.parse().unwrap(),
        "KillMode" => config.kill.mode = value.parse().unwrap(),
        _ => set_kind(&mut config.kind, key, value),
    }
}

fn set_kind(kind: &mut KindConfig, key: &str, value: &str) {
    let span = || TimeSpan::parse(value).unwrap();
    let yes = value == "yes";
    let commands = || {
        Command::parse_line(value, &|word| Ok(word.to_owned()))
            .unwrap()
            .commands
    };
    match (kind, key) {
        (KindConfig::Service(service), _) => match key {
            "Type" => service.service_type = value.parse().unwrap(),
            "ExecCondition" => service.exec_condition.extend(commands()),
            "ExecStartPre" => service.exec_start_pre.extend(commands()),
            "ExecStart" => service.exec_start.extend(commands()),
            "ExecStartPost" => service.exec_start_post.extend(commands()),
            "ExecReload" => service.exec_reload.extend(commands()),
            "ExecStop" => service.exec_stop.extend(commands()),
            "ExecStopPost" => service.exec_stop_post.extend(commands()),
            "Restart" => service.restart = value.parse().unwrap(),
            "RestartMode" => service.restart_mode = value.parse().unwrap(),
            "RestartSec" => service.restart_sec = span(),
            "RemainAfterExit" => service.remain_after_exit = yes,
            "PIDFile" => service.pid_file = Some(value.to_owned()),
            "TimeoutStartSec" => service.timeout_start = span(),
            "TimeoutStopSec" => service.timeout_stop = span(),
            "RuntimeMaxSec" => service.runtime_max = span(),
            "WatchdogSec" => service.watchdog = span(),
            "SuccessExitStatus" => service.success_exit_status = statuses(value),
            "RestartPreventExitStatus" => service.restart_prevent_exit_status = statuses(value),
            "RestartForceExitStatus" => service.restart_force_exit_status = statuses(value),
            other => panic!("{other} is not known to the scripts' reader"),
        },
        (KindConfig::Socket(socket), "ListenStream") => {
            let address = ListenAddress::Path(value.to_owned());
            socket.listen.push(Listen {
                kind: ListenKind::Stream,
                address,
            });
        }
        (KindConfig::Socket(socket), "Accept") => socket.accept = yes,
        (KindConfig::Timer(timer), "Unit") => timer.unit = Some(UnitName::new(value).unwrap()),
        (KindConfig::Timer(timer), "OnCalendar") => {
            timer
                .triggers
                .push(TimerTrigger::Calendar(value.parse().unwrap()));
        }
        (KindConfig::Timer(timer), _) => timer
            .triggers
            .push(TimerTrigger::Monotonic(key.parse().unwrap(), span())),
        (KindConfig::Path(path), _) => {
            path.watches.push(PathWatch {
                kind: key.parse().unwrap(),
                path: value.to_owned(),
            });
        }
        (KindConfig::Mount(mount), "What") => mount.what = value.to_owned(),
        (KindConfig::Mount(mount), "Where") => mount.r#where = value.to_owned(),
        (KindConfig::Mount(mount), "Type") => mount.fs_type = value.to_owned(),
        (KindConfig::Mount(mount), "Options") => mount.options = value.to_owned(),
        (KindConfig::Scope(scope), "TimeoutStopSec") => scope.timeout_stop = span(),
        (_, other) => panic!("{other} is not known to the scripts' reader"),
    }
}

fn statuses(value: &str) -> ExitStatusSet {
    let mut set = ExitStatusSet::default();
    for word in value.split_whitespace() {
        let code = word
            .parse()
            .ok()
            .or_else(|| init_api::exit::status_from_name(word));
        match code {
            Some(code) => set.codes.push(code),
            None => set.signals.push(word.parse().unwrap()),
        }
    }
    set
}
