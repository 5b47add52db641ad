//! disable: links that are removed.

use std::collections::BTreeSet;

use super::{ChangeKind, InstallError, Installer, Plan, enable::Info, unit_of};
use crate::{Kind, Tree, UnitName, load::search};

impl<T: Tree> Installer<'_, T> {
    /// Every link in the folder that has the name of one of the units (or of one in `Also=`) or
    /// points to it; of a template, those of all its instances.
    ///
    /// # Errors
    /// When a unit does not exist or is masked.
    pub fn disable(&self, units: &[&str]) -> Result<Plan, InstallError> {
        let mut plan = Plan::default();
        let mut names = BTreeSet::new();
        let mut queue: Vec<(String, bool)> = units
            .iter()
            .map(|unit| ((*unit).to_owned(), false))
            .collect();
        while let Some((unit, auxiliary)) = queue.pop() {
            let name = UnitName::new(unit.clone())?;
            if !names.insert(name) {
                continue;
            }
            let info: Info = match self.info(&unit) {
                Ok(info) => info,
                Err(InstallError::NotFound(_)) if auxiliary || self.is_linked(&unit) => continue,
                Err(_) if auxiliary => continue,
                Err(error) => return Err(error),
            };
            plan.carries_install_info |= !info.install.is_empty();
            queue.extend(
                info.install
                    .also
                    .iter()
                    .map(|also| (self.expand(&info, also), true)),
            );
            names.insert(info.name);
        }
        for path in self.links_of(&names, self.folder()) {
            plan.push(ChangeKind::Unlink, path, "");
        }
        Ok(plan)
    }

    /// The links that disabling a unit would remove.
    ///
    /// # Errors
    /// When the unit does not exist or is masked.
    pub fn links(&self, unit: &str) -> Result<Vec<String>, InstallError> {
        Ok(self
            .disable(&[unit])?
            .changes
            .into_iter()
            .map(|change| change.path)
            .collect())
    }

    /// Whether there is a link of this name, if only to nowhere.
    fn is_linked(&self, unit: &str) -> bool {
        self.tree()
            .read_link(&format!("{}/{unit}", self.folder()))
            .is_ok()
    }

    /// Links in a folder and its folders of dependencies that belong to units of these names.
    pub(super) fn links_of(&self, names: &BTreeSet<UnitName>, folder: &str) -> Vec<String> {
        let mut names = names.clone();
        let mut found = Vec::new();
        // A link to a link that goes is to go as well: again until nothing new turns up.
        loop {
            let before = found.len();
            for entry in self.tree().list(folder).unwrap_or_default() {
                let path = format!("{folder}/{entry}");
                match self.tree().link_metadata(&path).map(|found| found.kind) {
                    Ok(Kind::Link) => self.consider(&mut names, &mut found, folder, &entry),
                    Ok(Kind::Directory) if is_folder_of_links(&entry) => {
                        for inner in self.tree().list(&path).unwrap_or_default() {
                            self.consider(&mut names, &mut found, &path, &inner);
                        }
                    }
                    _ => {}
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    fn consider(
        &self,
        names: &mut BTreeSet<UnitName>,
        found: &mut Vec<String>,
        folder: &str,
        entry: &str,
    ) {
        let path = format!("{folder}/{entry}");
        let Ok(name) = UnitName::new(entry) else {
            return;
        };
        let Ok(target) = self.tree().read_link(&path) else {
            return;
        };
        let target = search::link_target(folder, &target);
        // A mask is no link of enabling.
        if found.contains(&path) || target == "/dev/null" {
            return;
        }
        let named = |name: &UnitName| {
            names.contains(name)
                || name
                    .template()
                    .is_some_and(|template| names.contains(&template))
        };
        if named(&name) || unit_of(&target).is_some_and(|target| named(&target)) {
            found.push(path);
            // An alias takes its own links along; an entry of a folder has none.
            if !is_folder_of_links(folder) {
                names.insert(name);
            }
        }
    }
}

fn is_folder_of_links(folder: &str) -> bool {
    [".wants", ".requires", ".upholds"]
        .iter()
        .any(|suffix| folder.ends_with(suffix))
}
