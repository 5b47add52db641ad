//! enable, reenable, link, add-wants, add-requires, set-default: links that are made.

use init_api::{LoadState, UnitType};

use super::{ChangeKind, InstallError, Installer, Plan, unit_of};
use crate::{
    Facts, InstallSection, Kind, ManagerDefaults, Specifiers, Tree, UnitName, command::simplify,
    load::search, parse_unit,
};

/// A unit as enabling sees it.
#[derive(Clone, Debug)]
pub(super) struct Info {
    pub(super) name: UnitName,
    pub(super) path: String,
    pub(super) install: InstallSection,
    /// It is not in the search path: it has to be linked first.
    outside: bool,
}

/// Which folder of a unit a dependency is a link in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folder {
    Wants,
    Requires,
    Upholds,
}

impl Folder {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Wants => "wants",
            Self::Requires => "requires",
            Self::Upholds => "upholds",
        }
    }
}

impl<T: Tree> Installer<'_, T> {
    /// The links of `[Install]`, of these units (names, or absolute paths of files that are linked
    /// too) and of those in `Also=`.
    ///
    /// # Errors
    /// When a unit does not exist or is masked, or something else is where a link should be.
    pub fn enable(&self, units: &[&str]) -> Result<Plan, InstallError> {
        let mut plan = Plan::default();
        self.enable_into(&mut plan, units)?;
        Ok(plan)
    }

    /// [`Installer::disable`] and then [`Installer::enable`]: the links as the file says now.
    ///
    /// # Errors
    /// As the two.
    pub fn reenable(&self, units: &[&str]) -> Result<Plan, InstallError> {
        let names: Vec<&str> = units
            .iter()
            .map(|unit| unit.rsplit('/').next().unwrap_or(unit))
            .collect();
        let mut plan = match self.disable(&names) {
            Ok(plan) => plan,
            // A unit given by its path need not be linked yet.
            Err(InstallError::NotFound(_)) if names != units => Plan::default(),
            Err(error) => return Err(error),
        };
        self.enable_into(&mut plan, units)?;
        Ok(plan)
    }

    pub(super) fn enable_into(&self, plan: &mut Plan, units: &[&str]) -> Result<(), InstallError> {
        let mut queue: Vec<(String, bool)> = units
            .iter()
            .rev()
            .map(|unit| ((*unit).to_owned(), false))
            .collect();
        let mut seen = std::collections::BTreeSet::new();
        while let Some((unit, auxiliary)) = queue.pop() {
            if !seen.insert(unit.clone()) {
                continue;
            }
            let info = match self.info(&unit) {
                Ok(info) => info,
                Err(InstallError::Masked(_)) if auxiliary => {
                    plan.push(ChangeKind::Masked, unit, "");
                    continue;
                }
                Err(_) if auxiliary => {
                    plan.push(ChangeKind::AuxiliaryFailed, unit, "");
                    continue;
                }
                Err(error) => return Err(error),
            };
            queue.extend(
                info.install
                    .also
                    .iter()
                    .rev()
                    .map(|also| (self.expand(&info, also), true)),
            );
            self.install(plan, &info)?;
        }
        Ok(())
    }

    fn install(&self, plan: &mut Plan, info: &Info) -> Result<(), InstallError> {
        plan.carries_install_info |= !info.install.is_empty();
        if info.outside {
            let path = format!("{}/{}", self.folder(), info.name);
            self.link(plan, path, &info.path, self.force)?;
        }
        for alias in &info.install.alias {
            let alias = self.alias(info, alias)?;
            self.link(
                plan,
                format!("{}/{alias}", self.folder()),
                &info.path,
                self.force,
            )?;
        }
        for (folder, targets) in [
            (Folder::Wants, &info.install.wanted_by),
            (Folder::Requires, &info.install.required_by),
            (Folder::Upholds, &info.install.upheld_by),
        ] {
            for target in targets {
                let text = self.expand(info, target);
                let target = UnitName::new(text.clone()).map_err(|_| InstallError::Target {
                    unit: info.name.to_string(),
                    text,
                })?;
                self.add_to(plan, info, &target, folder)?;
            }
        }
        Ok(())
    }

    /// The link in a folder of `target`. A template is linked as its default instance, or not.
    pub(super) fn add_to(
        &self,
        plan: &mut Plan,
        info: &Info,
        target: &UnitName,
        folder: Folder,
    ) -> Result<(), InstallError> {
        let name = if info.name.is_template() {
            let Some(instance) = &info.install.default_instance else {
                return Ok(());
            };
            info.name.with_instance(&self.expand(info, instance))?
        } else {
            info.name.clone()
        };
        let path = format!("{}/{target}.{}/{name}", self.folder(), folder.suffix());
        self.link(plan, path, &info.path, true)?;
        let is_there =
            self.loader.load(target).fragment.is_some() || target.kind().exists_without_file();
        if !is_there {
            plan.push(
                ChangeKind::DestinationNotPresent,
                target.as_str(),
                info.path.clone(),
            );
        }
        Ok(())
    }

    /// An `Alias=` as the path of a link below the folder: a name of the same kind, or an entry
    /// of a folder like `getty.target.wants/getty@tty1.service`.
    fn alias(&self, info: &Info, alias: &str) -> Result<String, InstallError> {
        let mut alias = self.expand(info, alias);
        let refused = |alias: &str| InstallError::Alias {
            unit: info.name.to_string(),
            alias: alias.to_owned(),
        };
        if let Some((folder, name)) = alias.split_once('/') {
            let owner = folder
                .strip_suffix(".wants")
                .or_else(|| folder.strip_suffix(".requires"));
            let fits = owner.is_some_and(|owner| UnitName::new(owner).is_ok())
                && UnitName::new(name).is_ok();
            return if fits {
                Ok(alias)
            } else {
                Err(refused(&alias))
            };
        }
        let name = UnitName::new(alias.clone()).map_err(|_| refused(&alias))?;
        if name.kind() != info.name.kind() {
            return Err(refused(&alias));
        }
        if let Some(instance) = info.name.instance()
            && name.is_template()
        {
            alias = name.with_instance(instance)?.into();
        } else if name.is_template() != info.name.is_template() && !name.is_instance() {
            return Err(refused(&alias));
        }
        Ok(alias)
    }

    /// The unit of a name or path.
    pub(super) fn info(&self, unit: &str) -> Result<Info, InstallError> {
        if !unit.contains('/') {
            return self.info_of_name(&UnitName::new(unit)?);
        }
        if !unit.starts_with('/') {
            return Err(InstallError::Path(unit.to_owned()));
        }
        let path = simplify(unit);
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", &path));
        let name = UnitName::new(file)?;
        if self.loader.search().has(folder) {
            return self.info_of_name(&name);
        }
        let text = self
            .tree()
            .read(&path)
            .map_err(|_| InstallError::NotFound(path.clone()))?;
        let text = String::from_utf8_lossy(&text);
        let parsed = parse_unit(
            &name,
            &path,
            &text,
            self.loader.facts(),
            &ManagerDefaults::default(),
        );
        Ok(Info {
            name,
            path,
            install: (*parsed.config.install).clone(),
            outside: true,
        })
    }

    fn info_of_name(&self, name: &UnitName) -> Result<Info, InstallError> {
        let unit = self.loader.load(name);
        match (unit.state, unit.fragment) {
            (LoadState::Masked, _) => Err(InstallError::Masked(name.to_string())),
            (_, None) => Err(InstallError::NotFound(name.to_string())),
            (LoadState::NotFound | LoadState::Error, Some(_)) => {
                Err(InstallError::NotFound(name.to_string()))
            }
            (_, Some(path)) if is_made(&path) => Err(InstallError::Transient(path)),
            (_, Some(path)) => Ok(Info {
                name: unit.name,
                path,
                install: (*unit.config.install).clone(),
                outside: false,
            }),
        }
    }

    /// Specifiers expanded; a text that does not expand stays and is refused as a name.
    pub(super) fn expand(&self, info: &Info, text: &str) -> String {
        let facts: &Facts = self.loader.facts();
        Specifiers {
            facts,
            name: &info.name,
            fragment: &info.path,
        }
        .expand(text)
        .unwrap_or_else(|_| text.to_owned())
    }

    /// Links to unit files outside the search path.
    ///
    /// # Errors
    /// When a path is not absolute, is no file, or something else is where the link should be.
    pub fn link_units(&self, paths: &[&str]) -> Result<Plan, InstallError> {
        let mut plan = Plan::default();
        for path in paths {
            let Some(name) = unit_of(path).filter(|_| path.starts_with('/')) else {
                return Err(InstallError::Path((*path).to_owned()));
            };
            let path = simplify(path);
            let found = self
                .tree()
                .metadata(&path)
                .map_err(|_| InstallError::NotFound(path.clone()))?;
            if found.kind != Kind::File {
                return Err(InstallError::NotFound(path));
            }
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !self.loader.search().has(folder) {
                self.link(
                    &mut plan,
                    format!("{}/{name}", self.folder()),
                    &path,
                    self.force,
                )?;
            }
        }
        Ok(plan)
    }

    /// Links in the `.wants` or `.requires` folder of a target.
    ///
    /// # Errors
    /// When a unit does not exist or is masked.
    pub fn add_dependency(
        &self,
        units: &[&str],
        target: &str,
        requires: bool,
    ) -> Result<Plan, InstallError> {
        let target = self.info(target)?.name;
        let folder = if requires {
            Folder::Requires
        } else {
            Folder::Wants
        };
        let mut plan = Plan {
            carries_install_info: true,
            ..Plan::default()
        };
        for unit in units {
            let info = self.info(unit)?;
            self.add_to(&mut plan, &info, &target, folder)?;
        }
        Ok(plan)
    }

    /// The link `default.target`.
    ///
    /// # Errors
    /// When the target does not exist or is none.
    pub fn set_default(&self, target: &str) -> Result<Plan, InstallError> {
        let name = UnitName::new(target)?;
        if name.kind() != UnitType::Target || name == "default.target" {
            return Err(InstallError::Path(target.to_owned()));
        }
        let info = self.info(target)?;
        let mut plan = Plan {
            carries_install_info: true,
            ..Plan::default()
        };
        self.link(
            &mut plan,
            format!("{}/default.target", search::CONFIG),
            &info.path,
            true,
        )?;
        Ok(plan)
    }

    /// The target that `default.target` stands for.
    ///
    /// # Errors
    /// When there is none.
    pub fn get_default(&self) -> Result<UnitName, InstallError> {
        Ok(self.info("default.target")?.name)
    }
}

/// Whether a file was made by a program for one run.
pub(super) fn is_made(path: &str) -> bool {
    path.starts_with("/run/systemd/generator") || path.starts_with("/run/systemd/transient/")
}
