//! What is to be done, in the order in which it is done: host name and keys before anything that can
//! fail, files before units, units before commands.
//!
//! A plan is data: `--dry-run` prints it, tests compare it, `coreos-cloudinit` carries it out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::{CloudConfig, Unit, User, Variable};
use crate::diagnostic::Diagnostic;
use crate::schema::WITH_DROP_IN;
use crate::variables::Addresses;
use crate::{generated, patterns};

/// What the data source says about the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub hostname: Option<String>,
    /// In the order of their names.
    pub keys: Vec<String>,
    pub addresses: Addresses,
}

impl Metadata {
    /// Rule G-1: the first word, cut at the first dot and at 63 bytes.
    #[must_use]
    pub fn short_name(&self) -> Option<String> {
        let word = self.hostname.as_deref()?.split_whitespace().next()?;
        let short: String = word.split('.').next()?.chars().take(63).collect();
        (!short.is_empty() && patterns::host_name(&short)).then_some(short)
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    SetHostname(String),
    /// All keys of one user together.
    AuthorizeKeys {
        user: String,
        keys: Vec<String>,
    },
    /// Creates the user, or sets the password of one that exists.
    EnsureUser(User),
    WriteFile {
        path: String,
        content: Vec<u8>,
        mode: u32,
        owner: Option<String>,
        line: usize,
    },
    /// Rewrites /etc/coreos/update.conf from what is there.
    UpdateConf(Vec<Variable>),
    /// /etc/hosts for the host name that the machine has then.
    ManageHosts,
    MergeEnvironment(Vec<(&'static str, String)>),
    /// A unit file or drop-in.
    WriteUnit {
        unit: String,
        path: String,
        content: String,
        line: usize,
    },
    Mask {
        unit: String,
        path: String,
        line: usize,
    },
    /// Removes a mask below /run, if there is one.
    Unmask {
        path: String,
    },
    Enable {
        unit: String,
        runtime: bool,
        line: usize,
    },
    RestartNetworkd,
    Command {
        verb: String,
        unit: String,
        line: usize,
        generated: bool,
    },
    RunScript {
        text: String,
    },
}

/// The plan and what was noticed while making it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub changes: Vec<Change>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Facts beyond the documents.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub metadata: &'a Metadata,
    /// The addresses on this machine's interfaces; `None` when they must not be looked at.
    pub local: Option<&'a [IpAddr]>,
}

/// Makes the plan for all parts of the user-data together.
#[must_use]
pub fn plan(configs: &[CloudConfig], scripts: &[String], context: Context<'_>) -> Plan {
    let mut plan = Plan::default();
    identity(configs, context.metadata, &mut plan);
    for config in configs {
        files(config, context, &mut plan);
    }
    environment(configs, context.metadata, &mut plan);
    let units: Vec<&Unit> = configs.iter().flat_map(|config| &config.units).collect();
    unit_files(configs, &units, &mut plan);
    commands(configs, &units, &mut plan);
    plan.changes.extend(
        scripts
            .iter()
            .map(|text| Change::RunScript { text: text.clone() }),
    );
    plan
}

fn identity(configs: &[CloudConfig], metadata: &Metadata, plan: &mut Plan) {
    let own = configs
        .iter()
        .find_map(|c| c.hostname.as_ref())
        .map(|name| name.value.clone());
    plan.changes.extend(
        own.or_else(|| metadata.short_name())
            .map(Change::SetHostname),
    );
    // For core: the top level, then users[core], then the meta-data.
    let mut core: Vec<&String> = configs.iter().flat_map(|c| &c.keys).collect();
    let users: Vec<&User> = configs.iter().flat_map(|c| &c.users).collect();
    core.extend(
        users
            .iter()
            .filter(|u| u.name == "core")
            .flat_map(|u| &u.keys),
    );
    core.extend(&metadata.keys);
    authorize("core", &core, plan);
    let mut done = BTreeSet::from(["core"]);
    for user in &users {
        plan.changes.push(Change::EnsureUser((*user).clone()));
        if done.insert(&user.name) {
            let keys: Vec<&String> = users
                .iter()
                .filter(|u| u.name == user.name)
                .flat_map(|u| &u.keys)
                .collect();
            authorize(&user.name, &keys, plan);
        }
    }
}

fn authorize(user: &str, keys: &[&String], plan: &mut Plan) {
    let mut unique: Vec<String> = Vec::new();
    for key in keys
        .iter()
        .map(|key| key.trim())
        .filter(|key| !key.is_empty())
    {
        if !unique.iter().any(|known| known == key) {
            unique.push(key.to_owned());
        }
    }
    if !unique.is_empty() {
        plan.changes.push(Change::AuthorizeKeys {
            user: user.to_owned(),
            keys: unique,
        });
    }
}

fn files(config: &CloudConfig, context: Context<'_>, plan: &mut Plan) {
    for file in &config.files {
        plan.changes.push(Change::WriteFile {
            path: file.path.clone(),
            content: file.content.clone(),
            mode: file.mode,
            owner: file.owner.clone(),
            line: file.line,
        });
    }
    let mut generated = |path: &str, change: Change, diagnostics: &mut Vec<Diagnostic>| {
        if let Some(own) = config.files.iter().find(|file| file.path == path) {
            let text =
                format!("{path} is written from a section of coreos: and replaces this file");
            diagnostics.push(Diagnostic::warning(own.line, text));
        }
        plan.changes.push(change);
    };
    let mut noticed = Vec::new();
    let text_file = |path: &str, text: String| Change::WriteFile {
        path: path.to_owned(),
        content: text.into_bytes(),
        mode: 0o644,
        owner: None,
        line: 0,
    };
    if let Some(text) = generated::oem_release(&config.oem) {
        generated(
            "/etc/oem-release",
            text_file("/etc/oem-release", text),
            &mut noticed,
        );
    }
    if !config.update.is_empty() {
        generated(
            "/etc/coreos/update.conf",
            Change::UpdateConf(config.update.clone()),
            &mut noticed,
        );
    }
    if config.manage_hosts {
        generated("/etc/hosts", Change::ManageHosts, &mut noticed);
    }
    let flannel = flannel(&config.flannel, context, &mut noticed);
    if let Some(text) = generated::options_env(&flannel) {
        generated(
            "/run/flannel/options.env",
            text_file("/run/flannel/options.env", text),
            &mut noticed,
        );
    }
    plan.diagnostics.append(&mut noticed);
}

/// An interface given by an address that no interface has would keep flannel from starting, and a
/// floating address would be advertised although nobody answers there: the private one is taken.
fn flannel(
    variables: &[Variable],
    context: Context<'_>,
    noticed: &mut Vec<Diagnostic>,
) -> Vec<Variable> {
    let mut kept = Vec::new();
    for variable in variables {
        let address = variable
            .value
            .parse::<IpAddr>()
            .ok()
            .filter(|_| variable.name == "FLANNELD_IFACE");
        let (Some(address), Some(local)) = (address, context.local) else {
            kept.push(variable.clone());
            continue;
        };
        if local.contains(&address) {
            kept.push(variable.clone());
            continue;
        }
        let private = context.metadata.addresses.private_ipv4;
        let instead = match private {
            Some(private) => format!("the private address {private} is used instead"),
            None => "the setting is left out".to_owned(),
        };
        let text =
            format!("flannel interface: no interface of this machine has {address}; {instead}");
        noticed.push(Diagnostic::warning(variable.line, text).about("interface"));
        kept.extend(private.map(|private| Variable {
            value: private.to_string(),
            ..variable.clone()
        }));
    }
    kept
}

fn environment(configs: &[CloudConfig], metadata: &Metadata, plan: &mut Plan) {
    let own = configs
        .iter()
        .flat_map(|c| &c.files)
        .any(|file| file.path == "/etc/environment");
    let variables = metadata.addresses.environment();
    if !own && !variables.is_empty() {
        plan.changes.push(Change::MergeEnvironment(variables));
    }
}

fn is_network(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    patterns::NETWORK_SUFFIXES.contains(&suffix)
}

fn place(name: &str, runtime: bool) -> String {
    let base = if runtime { "/run" } else { "/etc" };
    let kind = if is_network(name) {
        "network"
    } else {
        "system"
    };
    format!("{base}/systemd/{kind}/{name}")
}

fn unit_files(configs: &[CloudConfig], units: &[&Unit], plan: &mut Plan) {
    let mut spoiled = BTreeSet::new();
    for unit in units {
        one_unit(unit, &mut spoiled, &mut plan.changes);
    }
    let masked: BTreeSet<&str> = units
        .iter()
        .filter(|u| u.mask && u.runtime)
        .map(|u| u.name.as_str())
        .collect();
    let unmask = |name: &str, changes: &mut Vec<Change>| {
        // A mask that the document asks for is never undone by a section of the same unit (E-5).
        if !masked.contains(name) {
            changes.push(Change::Unmask {
                path: place(name, true),
            });
        }
    };
    for section in WITH_DROP_IN {
        let Some(unit) = section.unit else { continue };
        for config in configs {
            if let Some(content) = generated::drop_in(config.section(section.name)) {
                let path = format!("{}.d/20-cloudinit.conf", place(unit, true));
                plan.changes.push(Change::WriteUnit {
                    unit: unit.into(),
                    path,
                    content,
                    line: 0,
                });
            }
        }
        unmask(unit, &mut plan.changes);
    }
    for config in configs {
        match strategy(config) {
            Some("off") => plan.changes.push(Change::Mask {
                unit: "locksmithd.service".into(),
                path: place("locksmithd.service", true),
                line: 0,
            }),
            Some(_) => unmask("locksmithd.service", &mut plan.changes),
            None => {}
        }
    }
}

fn one_unit<'u>(unit: &'u Unit, spoiled: &mut BTreeSet<&'u str>, changes: &mut Vec<Change>) {
    let path = place(&unit.name, unit.runtime);
    // A mask replaces the unit file: its content would be lost a moment later.
    if let Some(content) = unit.content.as_ref().filter(|_| !unit.mask) {
        changes.push(Change::WriteUnit {
            unit: unit.name.clone(),
            path: path.clone(),
            content: content.value.clone(),
            line: content.line,
        });
    }
    for drop_in in &unit.drop_ins {
        changes.push(Change::WriteUnit {
            unit: unit.name.clone(),
            path: format!("{path}.d/{}", drop_in.name),
            content: drop_in.content.clone(),
            line: drop_in.line,
        });
    }
    if unit.mask {
        changes.push(Change::Mask {
            unit: unit.name.clone(),
            path,
            line: unit.line,
        });
    } else if unit.runtime {
        changes.push(Change::Unmask { path });
    }
    if unit.spoiled {
        spoiled.insert(&unit.name);
    }
    if unit.enable && !is_network(&unit.name) && !spoiled.contains(unit.name.as_str()) {
        changes.push(Change::Enable {
            unit: unit.name.clone(),
            runtime: unit.runtime,
            line: unit.line,
        });
    }
}

fn strategy(config: &CloudConfig) -> Option<&str> {
    config
        .update
        .iter()
        .find(|v| v.name == "REBOOT_STRATEGY")
        .map(|v| v.value.as_str())
}

fn commands(configs: &[CloudConfig], units: &[&Unit], plan: &mut Plan) {
    if units.iter().any(|unit| is_network(&unit.name)) {
        plan.changes.push(Change::RestartNetworkd);
    }
    let mut spoiled = BTreeSet::new();
    for unit in units {
        if unit.spoiled {
            spoiled.insert(unit.name.as_str());
        }
        let Some(command) = unit.command.as_ref().filter(|_| !is_network(&unit.name)) else {
            continue;
        };
        if !spoiled.contains(unit.name.as_str()) {
            plan.changes.push(Change::Command {
                verb: command.value.clone(),
                unit: unit.name.clone(),
                line: command.line,
                generated: false,
            });
        }
    }
    let mut generated = |verb: &str, unit: &str| {
        plan.changes.push(Change::Command {
            verb: verb.into(),
            unit: unit.into(),
            line: 0,
            generated: true,
        });
    };
    for config in configs {
        match strategy(config) {
            Some("off") => generated("stop", "locksmithd.service"),
            Some(_) => generated("restart", "locksmithd.service"),
            None => {}
        }
        if config
            .update
            .iter()
            .any(|v| v.name == "GROUP" || v.name == "SERVER")
        {
            generated("restart", "update-engine.service");
        }
    }
}
