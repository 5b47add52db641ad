//! One run from source to report: find, fill in addresses, read, plan, carry out, tell.

use std::io::Write as _;
use std::path::PathBuf;

use cloud_config_document::envelope::{self, Kind};
use cloud_config_document::plan::{self, Context};
use cloud_config_document::variables::{self, Addresses};
use cloud_config_document::{Change, CloudConfig, Diagnostic, Severity, diagnostic, read};

use crate::apply::{self, Target};
use crate::arguments::Arguments;
use crate::commands::{self, Queued};
use crate::files;
use crate::instance::Instance;
use crate::keys;
use crate::log;
use crate::report::{self, Report, Status};
use crate::source::{self, SourceError, local};
use crate::state;

/// The documents of some user-data.
#[derive(Debug, Default)]
struct Documents {
    configs: Vec<CloudConfig>,
    scripts: Vec<String>,
    diagnostics: Vec<Diagnostic>,
    /// Variables that the texts use.
    used: Vec<&'static str>,
}

/// Opens and reads user-data; without addresses the variables stay as they are (the validator).
fn documents(user_data: &[u8], addresses: Option<&Addresses>, source: &str) -> Documents {
    let opened = envelope::open(user_data);
    let mut found = Documents {
        diagnostics: opened.diagnostics,
        ..Documents::default()
    };
    for part in opened.parts {
        let resolved = match addresses {
            Some(here) => variables::resolve(&part.text, here, source),
            None => variables::keep(&part.text),
        };
        found.used.extend(resolved.used);
        found.diagnostics.extend(resolved.diagnostics);
        match part.kind {
            Kind::Script => found.scripts.push(resolved.text.as_str().to_owned()),
            Kind::CloudConfig => match read::read(&resolved.text) {
                Ok((config, diagnostics)) => {
                    found.configs.push(config);
                    found.diagnostics.extend(diagnostics);
                }
                Err(diagnostics) => found.diagnostics.extend(diagnostics),
            },
        }
    }
    diagnostic::sort(&mut found.diagnostics);
    found
}

/// `-validate`: prints findings, 1 if there is an error or a warning.
#[must_use]
pub(crate) fn validate(arguments: &Arguments) -> u8 {
    let instance = match source::find(arguments, &mut |_| {}) {
        Ok(instance) => instance,
        Err(error) => {
            log::error(&init_api::chain(&error));
            return 1;
        }
    };
    let found = documents(&instance.user_data, None, &instance.source).diagnostics;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let _ = writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&found).unwrap_or_default()
        );
    } else {
        for one in &found {
            let _ = writeln!(out, "{one}");
        }
    }
    u8::from(found.iter().any(|d| d.severity != Severity::Info))
}

/// `-early`: what a drive says before the network is up.
#[must_use]
pub(crate) fn early(arguments: &Arguments) -> u8 {
    let Some(instance) = source::drive::find() else {
        return 0;
    };
    let target = target(arguments);
    let failed = identity(&instance, &target);
    u8::from(failed | static_networks(&instance, &target).is_none())
}

/// Files for cards with fixed addresses; true if one is new or other than before.
fn static_networks(instance: &Instance, target: &Target) -> Option<bool> {
    let (mut changed, mut failed) = (false, false);
    for (name, text) in instance.static_networks() {
        let path = format!("/run/systemd/network/{name}");
        match files::write(
            &files::below(&target.root, &path),
            text.as_bytes(),
            0o644,
            None,
        ) {
            Ok(written) => changed |= written != files::Written::Unchanged,
            Err(error) => {
                log::error(&format!("cannot write {path}: {error}"));
                failed = true;
            }
        }
    }
    (!failed).then_some(changed)
}

/// A drive that came after the network had been configured.
fn late_networks(instance: &Instance, target: &Target) {
    if static_networks(instance, target) != Some(true) {
        return;
    }
    log::info("the config drive has fixed addresses: reloading systemd-networkd");
    let asked = init_client::Manager::connect().and_then(|mut manager| {
        manager.queue_job("ReloadUnit", "systemd-networkd.service", "replace")
    });
    if let Err(error) = asked {
        log::error(&format!(
            "cannot reload systemd-networkd.service: {}",
            init_api::chain(&error)
        ));
    }
}

/// Host name and keys as soon as they are known; true if something failed. A name that the machine
/// already has may come from its user-data and stays; keys are only added here.
fn identity(instance: &Instance, target: &Target) -> bool {
    let mut failed = false;
    let fixed =
        std::fs::read_to_string(files::below(&target.root, "/etc/hostname")).unwrap_or_default();
    let nameless = matches!(fixed.trim(), "" | "localhost");
    if let Some(name) = instance.metadata.short_name().filter(|_| nameless)
        && let Err(error) = apply::set_hostname(&target.root, &name)
    {
        log::error(&format!("cannot set the host name {name}: {error}"));
        failed = true;
    }
    let mut all = keys::current(&target.root, &target.key_name, "core");
    let before = all.len();
    for key in instance
        .metadata
        .keys
        .iter()
        .map(|key| key.trim().to_owned())
    {
        if !all.contains(&key) {
            all.push(key);
        }
    }
    if all.len() > before
        && let Err(error) = keys::install(&target.root, &target.key_name, "core", &all)
    {
        log::error(&init_api::chain(&error));
        failed = true;
    }
    failed
}

fn target(arguments: &Arguments) -> Target {
    let root = arguments.root();
    let workspace = arguments
        .workspace
        .clone()
        .unwrap_or_else(|| PathBuf::from("/var/lib/coreos-cloudinit"));
    Target {
        workspace: files::below(&root, &workspace.to_string_lossy()),
        live: arguments.live(),
        key_name: arguments
            .key_name
            .clone()
            .unwrap_or_else(|| "coreos-cloudinit".into()),
        root,
    }
}

/// A whole run.
#[must_use]
pub(crate) fn run(arguments: &Arguments) -> u8 {
    let target = target(arguments);
    let mut report = Report::default();
    if target.live && arguments.boot {
        let waiting = Status {
            state: "running".into(),
            problems: vec!["waiting for a config drive or a metadata service".into()],
            ..Status::default()
        };
        tell(&target, &waiting);
    }
    let mut early = |instance: &Instance| {
        if target.live {
            identity(instance, &target);
        }
    };
    let instance = match source::find(arguments, &mut early) {
        Ok(instance) => instance,
        Err(error) => match absent(&error, &target, &mut report) {
            Some(instance) => instance,
            None => return finish(arguments, &target, &mut report, &[]),
        },
    };
    if target.live && instance.source == source::drive::NAME {
        late_networks(&instance, &target);
    }
    let (queue, worth_keeping) = configure(arguments, &target, instance, &mut report);
    let exit = finish(arguments, &target, &mut report, &queue);
    // Last: the disk's slow answer must not delay the commands.
    match worth_keeping.map(|instance| state::keep(&target.workspace, &instance)) {
        None | Some(Ok(())) => exit,
        Some(Err(error)) => {
            let folder = target.workspace.display();
            log::error(&format!(
                "cannot keep a copy for later boots in {folder}: {error}"
            ));
            u8::from(!arguments.ignore_failure)
        }
    }
}

/// No source answered: the kept copy, or an error and nothing.
fn absent(error: &SourceError, target: &Target, report: &mut Report) -> Option<Instance> {
    let text = init_api::chain(error);
    let kept = matches!(error, SourceError::Nothing(_))
        .then(|| state::kept(&target.workspace))
        .flatten();
    let diagnostic = match &kept {
        Some(instance) => Diagnostic::warning(0, format!("{text}; {} is used", instance.source)),
        None => Diagnostic::error(0, text),
    };
    log::diagnostic(&diagnostic);
    report.diagnostics.push(diagnostic);
    report.source = "nowhere".into();
    kept
}

/// Applies what the source gave: the commands that are left, and the instance if it is worth keeping.
fn configure(
    arguments: &Arguments,
    target: &Target,
    mut instance: Instance,
    report: &mut Report,
) -> (Vec<Queued>, Option<Instance>) {
    report.source.clone_from(&instance.source);
    // Read once without addresses: it says which of them the document needs.
    let used = documents(&instance.user_data, None, &instance.source).used;
    let needs = used
        .iter()
        .any(|name| instance.metadata.addresses.get(name).is_none());
    source::fill_addresses(&mut instance, arguments, needs);
    let found = documents(
        &instance.user_data,
        Some(&instance.metadata.addresses),
        &instance.source,
    );
    let local = target.live.then(local::interface_addresses);
    let context = Context {
        metadata: &instance.metadata,
        local: local.as_deref(),
    };
    let plan = plan::plan(&found.configs, &found.scripts, context);
    let warnings = instance
        .warnings
        .iter()
        .map(|text| Diagnostic::warning(0, text.clone()));
    let unfetched = instance.incomplete.then(|| {
        let text = format!("user-data could not be fetched from {}", instance.source);
        Diagnostic::error(0, text)
    });
    let diagnostics: Vec<Diagnostic> = warnings
        .chain(unfetched)
        .chain(found.diagnostics)
        .chain(plan.diagnostics)
        .collect();
    for one in &diagnostics {
        log::diagnostic(one);
    }
    let understood = !diagnostics.iter().any(|d| d.severity == Severity::Error);
    report.diagnostics.extend(diagnostics);
    if arguments.dry_run {
        show(&plan.changes);
        return (vec![], None);
    }
    log::info(&format!("applying what {} gave", instance.source));
    let queue = apply::carry_out(&plan.changes, understood, target, report);
    if target.live {
        metadata_file(&instance, report);
    }
    let from_cloud = instance.source.starts_with("the metadata service")
        || instance.source == source::drive::NAME;
    (queue, (from_cloud && understood).then_some(instance))
}

/// /run/metadata/coreos for units.
fn metadata_file(instance: &Instance, report: &mut Report) {
    let addresses = &instance.metadata.addresses;
    let v4 = |a: Option<std::net::Ipv4Addr>| a.map(|a| a.to_string());
    let mut text = String::new();
    for (name, value) in [
        (
            "COREOS_OPENSTACK_HOSTNAME",
            instance.metadata.hostname.clone(),
        ),
        ("COREOS_OPENSTACK_INSTANCE_ID", instance.instance_id.clone()),
        ("COREOS_OPENSTACK_INSTANCE_UUID", instance.uuid.clone()),
        (
            "COREOS_OPENSTACK_INSTANCE_TYPE",
            instance.instance_type.clone(),
        ),
        ("COREOS_OPENSTACK_IPV4_LOCAL", v4(addresses.private_ipv4)),
        ("COREOS_OPENSTACK_IPV4_PUBLIC", v4(addresses.public_ipv4)),
    ] {
        if let Some(value) = value {
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            text.push_str(&format!("{name}={value}\n"));
        }
    }
    for (name, value) in addresses.environment() {
        text.push_str(&format!("{name}={value}\n"));
    }
    if let Err(error) = files::write(
        std::path::Path::new("/run/metadata/coreos"),
        text.as_bytes(),
        0o644,
        None,
    ) {
        report.diagnostics.push(Diagnostic::warning(
            0,
            format!("cannot write /run/metadata/coreos: {error}"),
        ));
    }
}

fn show(changes: &[Change]) {
    let mut out = std::io::stdout().lock();
    for change in changes {
        let line = match change {
            Change::SetHostname(name) => format!("host name {name}"),
            Change::AuthorizeKeys { user, keys } => format!("{} ssh keys for {user}", keys.len()),
            Change::EnsureUser(user) => format!("user {}", user.name),
            Change::WriteFile {
                path,
                content,
                mode,
                owner,
                ..
            } => {
                let owner = owner.as_deref().unwrap_or("root");
                format!(
                    "file {path}, {} bytes, mode {mode:04o}, owner {owner}",
                    content.len()
                )
            }
            Change::UpdateConf(settings) => {
                let words: Vec<String> = settings
                    .iter()
                    .map(|v| format!("{}={}", v.name, v.value))
                    .collect();
                format!("file /etc/coreos/update.conf: {}", words.join(" "))
            }
            Change::ManageHosts => "file /etc/hosts".to_owned(),
            Change::MergeEnvironment(variables) => {
                let words: Vec<String> =
                    variables.iter().map(|(n, v)| format!("{n}={v}")).collect();
                format!("file /etc/environment: {}", words.join(" "))
            }
            Change::WriteUnit { path, content, .. } => {
                format!("unit {path}, {} bytes", content.len())
            }
            Change::Mask { path, .. } => format!("mask {path}"),
            Change::Unmask { path } => format!("remove a mask at {path}"),
            Change::Enable { unit, runtime, .. } => {
                format!("enable{} {unit}", if *runtime { " --runtime" } else { "" })
            }
            Change::RestartNetworkd => "restart systemd-networkd.service".to_owned(),
            Change::Command { verb, unit, .. } => format!("{verb} {unit}"),
            Change::RunScript { text } => format!("script of {} bytes", text.len()),
        };
        let _ = writeln!(out, "{line}");
    }
}

fn tell(target: &Target, status: &Status) {
    if let Err(error) = report::publish(&target.root, status) {
        log::error(&format!(
            "cannot write the status below {}: {error}",
            report::RUN
        ));
    }
}

/// The exit code and everything that tells of the run; then the commands begin.
fn finish(arguments: &Arguments, target: &Target, report: &mut Report, queue: &[Queued]) -> u8 {
    if !arguments.dry_run {
        // Before the hand-over: the runner adds to this status.
        tell(target, &Status::of(report));
    }
    if target.live
        && let Err(error) = commands::hand_over(&target.root, queue)
    {
        let text = format!("the commands of the document are not run: {error}");
        let diagnostic = Diagnostic::error(0, text);
        log::diagnostic(&diagnostic);
        report.diagnostics.push(diagnostic);
        tell(target, &Status::of(report));
    }
    let exit = u8::from(report.failed() && !arguments.ignore_failure);
    if let Some(path) = &arguments.report {
        let text = serde_json::to_vec_pretty(&report.json(exit)).unwrap_or_default();
        if let Err(error) = std::fs::write(path, text) {
            log::error(&format!("cannot write {}: {error}", path.display()));
        }
    }
    exit
}
