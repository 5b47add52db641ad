//! The state of unit files: what `is-enabled` and `list-unit-files` show.

use init_api::LoadState;

use super::{InstallError, Installer, unit_of};
use crate::{LoadedUnit, Tree, UnitName, load::search};

init_api::words! {
    /// What `is-enabled` prints.
    pub enum UnitFileState {
        Enabled = "enabled",
        EnabledRuntime = "enabled-runtime",
        Linked = "linked",
        LinkedRuntime = "linked-runtime",
        Alias = "alias",
        Masked = "masked",
        MaskedRuntime = "masked-runtime",
        Static = "static",
        Disabled = "disabled",
        Indirect = "indirect",
        Generated = "generated",
        Transient = "transient",
        Bad = "bad",
    }
}

impl UnitFileState {
    /// Whether `is-enabled` exits 0.
    #[must_use]
    pub const fn is_enabled(self) -> bool {
        matches!(
            self,
            Self::Enabled
                | Self::EnabledRuntime
                | Self::Alias
                | Self::Static
                | Self::Indirect
                | Self::Generated
                | Self::Transient
        )
    }
}

impl<T: Tree> Installer<'_, T> {
    /// The state of a unit's file.
    ///
    /// # Errors
    /// When there is none.
    pub fn state(&self, unit: &str) -> Result<UnitFileState, InstallError> {
        let name = UnitName::new(unit)?;
        let loaded = self.loader.load(&name);
        self.state_of(&name, &loaded)
    }

    /// The state of the file of a unit that is loaded already.
    ///
    /// # Errors
    /// When there is none.
    pub fn state_of(
        &self,
        name: &UnitName,
        unit: &LoadedUnit,
    ) -> Result<UnitFileState, InstallError> {
        let Some(path) = &unit.fragment else {
            return Err(InstallError::NotFound(name.to_string()));
        };
        let at_run_time = path.starts_with("/run/");
        let (lasting, passing) = match unit.state {
            LoadState::Masked => (UnitFileState::Masked, UnitFileState::MaskedRuntime),
            LoadState::NotFound => return Err(InstallError::NotFound(name.to_string())),
            _ if *name != unit.name => return Ok(UnitFileState::Alias),
            _ if path.starts_with("/run/systemd/generator") => return Ok(UnitFileState::Generated),
            _ if path.starts_with("/run/systemd/transient/") => {
                return Ok(UnitFileState::Transient);
            }
            _ if self.is_linked_outside(path) => {
                (UnitFileState::Linked, UnitFileState::LinkedRuntime)
            }
            _ => return Ok(self.state_of_regular(unit, path)),
        };
        Ok(if at_run_time { passing } else { lasting })
    }

    /// Whether the file is a link out of the search path.
    fn is_linked_outside(&self, path: &str) -> bool {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.tree().read_link(path).is_ok_and(|target| {
            let target = search::link_target(folder, &target);
            let folder = target.rsplit_once('/').map_or("", |(folder, _)| folder);
            !self.loader.search().has(folder)
        })
    }

    fn state_of_regular(&self, unit: &LoadedUnit, path: &str) -> UnitFileState {
        let mut at_run_time = false;
        let mut elsewhere = false;
        for folder in &self.loader.search().0 {
            if !self.enables(folder, unit, path) {
                continue;
            }
            if folder == search::CONFIG {
                return UnitFileState::Enabled;
            }
            if folder.starts_with("/run/") {
                at_run_time = true;
            } else {
                elsewhere = true;
            }
        }
        // A link to a file of the same name in a later folder.
        let linked = self.tree().read_link(path).is_ok();
        let install = &unit.config.install;
        match () {
            () if at_run_time => UnitFileState::EnabledRuntime,
            // The vendor instantiates it: a stronger word than wanting it.
            () if elsewhere && unit.name.is_instance() => UnitFileState::Static,
            () if linked && path.starts_with("/run/") => UnitFileState::LinkedRuntime,
            () if linked => UnitFileState::Linked,
            () if install.makes_links() => UnitFileState::Disabled,
            () if !install.also.is_empty() => UnitFileState::Indirect,
            () => UnitFileState::Static,
        }
    }

    /// Whether a folder has a link that enabling the unit would make: in a folder of
    /// dependencies under its name (a template's default instance), or an alias.
    fn enables(&self, folder: &str, unit: &LoadedUnit, path: &str) -> bool {
        let install = &unit.config.install;
        let name = match (unit.name.is_template(), &install.default_instance) {
            (true, Some(instance)) => unit.name.with_instance(instance).ok(),
            _ => Some(unit.name.clone()),
        };
        let entries = self.tree().list(folder).unwrap_or_default();
        let in_folders = entries
            .iter()
            .filter(|entry| {
                [".wants", ".requires", ".upholds"]
                    .iter()
                    .any(|end| entry.ends_with(end))
            })
            .any(|entry| {
                name.as_ref().is_some_and(|name| {
                    self.tree()
                        .read_link(&format!("{folder}/{entry}/{name}"))
                        .is_ok_and(|to| to != "/dev/null")
                })
            });
        in_folders
            || entries.iter().any(|entry| {
                install.alias.contains(entry)
                    && self
                        .tree()
                        .read_link(&format!("{folder}/{entry}"))
                        .is_ok_and(|target| {
                            let target = search::link_target(folder, &target);
                            super::same_file(&target, path)
                                || unit_of(&target).is_some_and(|target| target == unit.name)
                        })
            })
    }

    /// Every unit file with its path and state, by name: `list-unit-files`.
    pub fn list(&self) -> Vec<(UnitName, String, UnitFileState)> {
        let mut all = Vec::new();
        for name in self.loader.names() {
            let unit = self.loader.load(&name);
            if let Some(path) = &unit.fragment
                && let Ok(state) = self.state_of(&name, &unit)
            {
                // An alias is shown where its own link is.
                let own = self
                    .loader
                    .search()
                    .0
                    .iter()
                    .map(|folder| format!("{folder}/{name}"));
                let shown = own.into_iter().find(|own| self.tree().has_entry(own));
                all.push((name, shown.unwrap_or_else(|| path.clone()), state));
            }
        }
        all
    }
}
