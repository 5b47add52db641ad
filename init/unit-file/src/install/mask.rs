//! mask, unmask and revert: what the administrator puts in front of the vendor's files.

use super::{ChangeKind, InstallError, Installer, Plan};
use crate::{Kind, Tree, UnitName, load::search};

impl<T: Tree> Installer<'_, T> {
    /// Links to `/dev/null` under the units' names, which need not exist.
    ///
    /// # Errors
    /// When a file is in the way.
    pub fn mask(&self, units: &[&str]) -> Result<Plan, InstallError> {
        let mut plan = Plan {
            carries_install_info: true,
            ..Plan::default()
        };
        for unit in units {
            let name = UnitName::new(*unit)?;
            self.link(
                &mut plan,
                format!("{}/{name}", self.folder()),
                "/dev/null",
                self.force,
            )?;
        }
        Ok(plan)
    }

    /// Masks taken away.
    ///
    /// # Errors
    /// When a name is none.
    pub fn unmask(&self, units: &[&str]) -> Result<Plan, InstallError> {
        let mut plan = Plan {
            carries_install_info: true,
            ..Plan::default()
        };
        for unit in units {
            let path = format!("{}/{}", self.folder(), UnitName::new(*unit)?);
            if self.is_mask(&path) {
                plan.push(ChangeKind::Unlink, path, "");
            }
        }
        Ok(plan)
    }

    fn is_mask(&self, path: &str) -> bool {
        self.tree().metadata(path).is_ok_and(|found| {
            found.kind == Kind::Device || (found.kind == Kind::File && found.len == 0)
        })
    }

    /// Everything taken away that is in front of the vendor's version of the units: drop-ins,
    /// masks, and whole files where the vendor has one. Of a unit that only the administrator has,
    /// the file stays.
    ///
    /// # Errors
    /// When a name is none.
    pub fn revert(&self, units: &[&str]) -> Result<Plan, InstallError> {
        let mut plan = Plan {
            carries_install_info: true,
            ..Plan::default()
        };
        let (own, vendor): (Vec<_>, Vec<_>) = self
            .loader
            .search()
            .0
            .iter()
            .filter(|folder| !folder.starts_with("/run/systemd/generator"))
            .partition(|folder| !folder.starts_with("/usr/"));
        for unit in units {
            let name = UnitName::new(*unit)?;
            let has_vendor = vendor
                .iter()
                .any(|folder| self.tree().has_entry(&format!("{folder}/{name}")));
            for folder in &own {
                let path = format!("{folder}/{name}");
                let drop_ins = format!("{path}.d");
                if self.tree().has_entry(&drop_ins) {
                    plan.push(ChangeKind::Unlink, drop_ins, "");
                }
                let is_config = [search::CONFIG, search::RUNTIME].contains(&folder.as_str());
                if is_config && self.tree().has_entry(&path) && (has_vendor || self.is_mask(&path))
                {
                    plan.push(ChangeKind::Unlink, path, "");
                }
            }
        }
        Ok(plan)
    }
}
