//! Presets: which units the distribution, or the administrator, wants enabled.

use std::collections::BTreeMap;

use super::{InstallError, Installer, Plan};
use crate::{Kind, Tree, UnitName, glob_matches};

/// Where `*.preset` files are; of equal names the first counts.
const FOLDERS: [&str; 4] = [
    "/etc/systemd/system-preset",
    "/run/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
];

init_api::words! {
    /// What presets may do.
    pub enum PresetMode { Full = "full", EnableOnly = "enable-only", DisableOnly = "disable-only" }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Enable,
    Disable,
    Ignore,
}

/// The rules of all preset files, in order.
#[derive(Clone, Debug, Default)]
pub struct Preset {
    rules: Vec<(Rule, String, Vec<String>)>,
}

impl Preset {
    /// Reads the preset files of a tree.
    pub fn read(tree: &dyn Tree) -> Self {
        let mut files = BTreeMap::new();
        for folder in FOLDERS {
            for name in tree.list(folder).unwrap_or_default() {
                if name.ends_with(".preset") {
                    let path = format!("{folder}/{name}");
                    files.entry(name).or_insert(path);
                }
            }
        }
        let mut preset = Self::default();
        for path in files.into_values() {
            let is_file = tree
                .metadata(&path)
                .is_ok_and(|found| found.kind == Kind::File);
            let bytes = if is_file {
                tree.read(&path).unwrap_or_default()
            } else {
                Vec::new()
            };
            preset.add(&String::from_utf8_lossy(&bytes));
        }
        preset
    }

    /// Adds the rules of one file; lines that are none are passed over.
    pub fn add(&mut self, text: &str) {
        for line in text.lines().map(str::trim) {
            let mut words = line.split_whitespace();
            let rule = match words.next() {
                Some("enable") => Rule::Enable,
                Some("disable") => Rule::Disable,
                Some("ignore") => Rule::Ignore,
                _ => continue,
            };
            if let Some(pattern) = words.next() {
                let instances = words.map(str::to_owned).collect();
                self.rules.push((rule, pattern.to_owned(), instances));
            }
        }
    }

    /// What the presets want of a unit: the first rule that fits, or enabling. `None` is to leave
    /// it alone.
    #[must_use]
    pub fn wants(&self, name: &UnitName) -> Option<bool> {
        for (rule, pattern, instances) in &self.rules {
            let fits = if instances.is_empty() {
                glob_matches(pattern, name)
            } else {
                // `enable foo@.service a b` is about the template and these instances.
                let template = name.template();
                template.as_ref().map_or_else(
                    || name.as_str() == pattern,
                    |template| {
                        template.as_str() == pattern
                            && name
                                .instance()
                                .is_some_and(|one| instances.iter().any(|i| i == one))
                    },
                )
            };
            if fits {
                return match rule {
                    Rule::Enable => Some(true),
                    Rule::Disable => Some(false),
                    Rule::Ignore => None,
                };
            }
        }
        Some(true)
    }

    /// The instances that a rule enables of a template.
    #[must_use]
    pub fn instances(&self, template: &UnitName) -> Vec<UnitName> {
        self.rules
            .iter()
            .find(|(_, pattern, _)| pattern == template.as_str())
            .map(|(_, _, instances)| {
                instances
                    .iter()
                    .filter_map(|one| template.with_instance(one).ok())
                    .collect()
            })
            .unwrap_or_default()
    }
}

impl<T: Tree> Installer<'_, T> {
    /// The units enabled or disabled as the presets want.
    ///
    /// # Errors
    /// As enabling and disabling.
    pub fn preset(&self, units: &[&str], mode: PresetMode) -> Result<Plan, InstallError> {
        let preset = Preset::read(self.tree());
        let mut plan = Plan::default();
        self.preset_into(&mut plan, &preset, units, mode)?;
        Ok(plan)
    }

    fn preset_into(
        &self,
        plan: &mut Plan,
        preset: &Preset,
        units: &[&str],
        mode: PresetMode,
    ) -> Result<(), InstallError> {
        let (mut enable, mut disable) = (Vec::new(), Vec::new());
        for unit in units {
            let name = UnitName::new(*unit)?;
            match preset.wants(&name) {
                Some(true) => {
                    let instances = if name.is_template() {
                        preset.instances(&name)
                    } else {
                        Vec::new()
                    };
                    if instances.is_empty() {
                        enable.push(name);
                    } else {
                        enable.extend(instances);
                    }
                }
                Some(false) => disable.push(name),
                None => {}
            }
        }
        let texts = |names: &[UnitName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        if mode != PresetMode::EnableOnly && !disable.is_empty() {
            let names = texts(&disable);
            let disabled = self.disable(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
            plan.carries_install_info |= disabled.carries_install_info;
            for change in disabled.changes {
                plan.push(change.kind, change.path, change.source);
            }
        }
        if mode != PresetMode::DisableOnly {
            let names = texts(&enable);
            self.enable_into(plan, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// As [`Installer::preset`] of every unit file there is; aliases are left to the file that
    /// they stand for, and units that cannot be enabled are passed over.
    pub fn preset_all(&self, mode: PresetMode) -> Plan {
        let preset = Preset::read(self.tree());
        let mut plan = Plan::default();
        for name in self.loader.names() {
            if self.loader.is_alias(&name) {
                continue;
            }
            let before = plan.changes.len();
            if self
                .preset_into(&mut plan, &preset, &[&name], mode)
                .is_err()
            {
                plan.changes.truncate(before);
            }
        }
        plan
    }
}
