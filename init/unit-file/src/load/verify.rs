//! After all files of a unit are read: what they left to defaults is decided, and what cannot work
//! is refused. Texts are systemd's.

use std::collections::BTreeSet;

use init_api::{TimeSpan, UnitType};

use crate::{
    Diagnostic, Severity,
    config::{
        EmergencyAction, KindConfig, MountConfig, NotifyAccess, OomPolicy, Restart, ServiceConfig,
        ServiceType, SocketConfig, StandardInput, StandardOutput, UnitConfig,
    },
};

/// Decides and checks; gives the reasons why the unit cannot be used.
pub(super) fn verify(
    config: &mut UnitConfig,
    given: &BTreeSet<String>,
    path: &str,
) -> Vec<Diagnostic> {
    decide(config, given);
    refusals(config)
        .into_iter()
        .map(|text| Diagnostic {
            severity: Severity::Fatal,
            path: path.to_owned(),
            line: 0,
            column: 0,
            text: format!("{text} Refusing."),
        })
        .collect()
}

fn decide(config: &mut UnitConfig, given: &BTreeSet<String>) {
    let input = &config.exec.standard_input;
    let two_way = matches!(
        input,
        StandardInput::Tty
            | StandardInput::TtyForce
            | StandardInput::TtyFail
            | StandardInput::Socket
            | StandardInput::Fd(_)
    );
    if two_way && !given.contains("StandardOutput") {
        config.exec.standard_output = StandardOutput::Inherit;
    }
    let path = config.name.to_path().unwrap_or_default();
    let delegate = config.cgroup.delegate;
    match &mut config.kind {
        KindConfig::Service(service) => decide_service(service, given, delegate),
        KindConfig::Socket(socket) if socket.accept && !given.contains("TriggerLimitBurst") => {
            socket.trigger_limit.burst = 200;
        }
        KindConfig::Mount(mount) if mount.r#where.is_empty() => mount.r#where = path,
        KindConfig::Automount(automount) if automount.r#where.is_empty() => {
            automount.r#where = path;
        }
        KindConfig::Swap(swap) if swap.what.is_empty() => swap.what = path,
        _ => {}
    }
    if config.name.kind() == UnitType::Slice {
        config.cgroup.slice = config.name.parent_slice();
        if config.unit.description.is_empty() {
            match config.name.as_str() {
                "-.slice" => config.unit.description = "Root Slice".to_owned(),
                "system.slice" => config.unit.description = "System Slice".to_owned(),
                name => config.unit.description = format!("Slice {}", slice_words(name)),
            }
        }
    }
}

/// `system-getty.slice` is shown as `/system/getty`.
fn slice_words(name: &str) -> String {
    let stem = name.strip_suffix(".slice").unwrap_or(name);
    stem.split('-').fold(String::new(), |path, part| {
        path + "/" + &crate::escape::unescape(part).unwrap_or_else(|| part.to_owned())
    })
}

fn decide_service(service: &mut ServiceConfig, given: &BTreeSet<String>, delegate: bool) {
    if !given.contains("Type") {
        service.service_type = if service.bus_name.is_some() {
            ServiceType::Dbus
        } else if service.exec_start.is_empty() {
            ServiceType::Oneshot
        } else {
            ServiceType::Simple
        };
    }
    let timeout_given = given.contains("TimeoutStartSec") || given.contains("TimeoutSec");
    if service.service_type == ServiceType::Oneshot && !timeout_given {
        service.timeout_start = TimeSpan::INFINITY;
    }
    let notifies = matches!(
        service.service_type,
        ServiceType::Notify | ServiceType::NotifyReload
    );
    let needs_socket = notifies || !service.watchdog.is_zero() || service.fd_store_max > 0;
    if service.notify_access == NotifyAccess::None && needs_socket {
        service.notify_access = NotifyAccess::Main;
    }
    if delegate && !given.contains("OOMPolicy") {
        service.oom_policy = OomPolicy::Continue;
    }
}

fn refusals(config: &UnitConfig) -> Vec<String> {
    let path = config.name.to_path();
    match &config.kind {
        KindConfig::Service(service) => {
            refuse_service(service, config.unit.success_action != EmergencyAction::None)
        }
        KindConfig::Socket(socket) => refuse_socket(socket),
        KindConfig::Mount(mount) => refuse_mount(mount, path.as_deref()),
        KindConfig::Automount(automount) => {
            mismatch(path.as_deref() != Some(&automount.r#where), "Where=")
        }
        KindConfig::Swap(swap) => mismatch(path.as_deref() != Some(&swap.what), "What="),
        KindConfig::Timer(timer)
            if timer.triggers.is_empty() && !timer.on_clock_change && !timer.on_timezone_change =>
        {
            vec!["Timer unit lacks value setting.".to_owned()]
        }
        KindConfig::Path(path) if path.watches.is_empty() => {
            vec!["Path unit lacks path setting.".to_owned()]
        }
        KindConfig::Slice if !config.name.is_valid_slice() => {
            vec![format!("Slice name {} is not valid.", config.name)]
        }
        _ => Vec::new(),
    }
}

fn mismatch(differs: bool, key: &str) -> Vec<String> {
    if differs {
        vec![format!("{key} setting doesn't match unit name.")]
    } else {
        Vec::new()
    }
}

fn refuse_service(service: &ServiceConfig, ends_with_action: bool) -> Vec<String> {
    let oneshot = service.service_type == ServiceType::Oneshot;
    let no_start = service.exec_start.is_empty();
    let mut refused = Vec::new();
    let mut refuse = |holds: bool, text: &str| {
        if holds {
            refused.push(text.to_owned());
        }
    };
    if no_start && service.exec_stop.is_empty() && !ends_with_action {
        refuse(
            true,
            "Service has no ExecStart=, ExecStop=, or SuccessAction=.",
        );
    } else {
        refuse(
            no_start && !oneshot,
            "Service has no ExecStart= setting, which is only allowed for Type=oneshot services.",
        );
        refuse(
            no_start && oneshot && !service.remain_after_exit && !ends_with_action,
            "Service has no ExecStart= and no SuccessAction= settings and does not have RemainAfterExit=yes set.",
        );
    }
    refuse(
        !oneshot && service.exec_start.len() > 1,
        "Service has more than one ExecStart= setting, which is only allowed for Type=oneshot services.",
    );
    refuse(
        oneshot && matches!(service.restart, Restart::Always | Restart::OnSuccess),
        "Service has Restart= set to either always or on-success, which isn't allowed for Type=oneshot services.",
    );
    refuse(
        oneshot && !service.restart_force_exit_status.is_empty(),
        "Service has RestartForceExitStatus= set, which isn't allowed for Type=oneshot services.",
    );
    refuse(
        service.service_type == ServiceType::Dbus && service.bus_name.is_none(),
        "Service is of type D-Bus but no D-Bus service name has been specified.",
    );
    refused
}

fn refuse_socket(socket: &SocketConfig) -> Vec<String> {
    let mut refused = Vec::new();
    if socket.listen.is_empty() {
        refused.push(
            "Unit has no Listen setting (ListenStream=, ListenDatagram=, ListenFIFO=, ...)."
                .to_owned(),
        );
    }
    if socket.accept && socket.max_connections == 0 {
        refused.push("MaxConnections= setting too small.".to_owned());
    }
    if socket.accept && socket.service.is_some() {
        refused.push(
            "Explicit service configuration for accepting socket units not supported.".to_owned(),
        );
    }
    refused
}

fn refuse_mount(mount: &MountConfig, path: Option<&str>) -> Vec<String> {
    if path != Some(&mount.r#where) {
        return mismatch(true, "Where=");
    }
    if mount.what.is_empty() {
        vec!["What= setting is missing.".to_owned()]
    } else {
        Vec::new()
    }
}
