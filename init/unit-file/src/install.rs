//! `enable`, `disable`, `mask` and their kin: plans of links, made by reading, carried out apart.
//!
//! Every request gives the changes that it needs, in order; [`apply`] makes them. Nothing is
//! written while planning, so a refusal leaves everything as it was.

use serde::{Deserialize, Serialize};

use crate::{Tree, TreeMut, UnitLoader, UnitName, UnitNameError, load::search};

mod disable;
mod enable;
mod mask;
mod preset;
mod state;

pub use preset::{Preset, PresetMode};
pub use state::UnitFileState;

init_api::words! {
    /// What a change is, in the words of the bus.
    pub enum ChangeKind {
        Symlink = "symlink",
        Unlink = "unlink",
        Masked = "masked",
        MaskedGenerator = "masked by generator",
        Dangling = "dangling",
        DestinationNotPresent = "destination not present",
        AuxiliaryFailed = "auxiliary unit failed",
    }
}

/// One step of a plan, or something to be told about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// What it is; only `symlink` and `unlink` change anything.
    pub kind: ChangeKind,
    /// The link, file or unit that is meant.
    pub path: String,
    /// Where a link points, or which unit it is about.
    pub source: String,
}

/// What a request comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In order.
    pub changes: Vec<Change>,
    /// Whether any of the units has an `[Install]` section that makes links.
    pub carries_install_info: bool,
}

impl Plan {
    fn push(&mut self, kind: ChangeKind, path: impl Into<String>, source: impl Into<String>) {
        let change = Change {
            kind,
            path: path.into(),
            source: source.into(),
        };
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Not a name.
    #[error(transparent)]
    Name(#[from] UnitNameError),
    /// No such unit.
    #[error("Unit file {0} does not exist.")]
    NotFound(String),
    /// A masked unit.
    #[error("Unit file {0} is masked.")]
    Masked(String),
    /// A unit that a program made for one run.
    #[error("Unit {0} is transient or generated.")]
    Transient(String),
    /// A file is in the way.
    #[error("File {0} already exists.")]
    Exists(String),
    /// Another link is in the way.
    #[error("File {path} already exists and is a symlink to {target}.")]
    LinkExists {
        /// The link.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A path where only a name will do, or a relative one.
    #[error("{0} is neither a unit name nor an absolute path of a unit file.")]
    Path(String),
    /// An `Alias=` that cannot be one.
    #[error("Cannot alias {unit} as {alias}.")]
    Alias {
        /// The unit.
        unit: String,
        /// The name that it wants.
        alias: String,
    },
    /// A unit name in `[Install]` that is none.
    #[error("{unit}: {text:?} in [Install] names no unit.")]
    Target {
        /// Whose section.
        unit: String,
        /// What it says.
        text: String,
    },
}

impl InstallError {
    /// The name of the error on the bus.
    #[must_use]
    pub const fn bus_name(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "org.freedesktop.systemd1.NoSuchUnit",
            Self::Masked(_) => "org.freedesktop.systemd1.UnitMasked",
            Self::Transient(_) => "org.freedesktop.systemd1.UnitGenerated",
            Self::Exists(_) | Self::LinkExists { .. } => "org.freedesktop.systemd1.UnitExists",
            Self::Name(_) | Self::Path(_) | Self::Alias { .. } | Self::Target { .. } => {
                "org.freedesktop.DBus.Error.InvalidArgs"
            }
        }
    }
}

/// Plans changes to the links of a tree.
#[derive(Debug)]
pub struct Installer<'a, T> {
    loader: &'a UnitLoader<T>,
    runtime: bool,
    force: bool,
}

impl<'a, T: Tree> Installer<'a, T> {
    /// For lasting changes, below `/etc`, that replace nothing.
    #[must_use]
    pub const fn new(loader: &'a UnitLoader<T>) -> Self {
        Self {
            loader,
            runtime: false,
            force: false,
        }
    }

    /// With `--runtime`: below `/run`, until the next boot.
    #[must_use]
    pub const fn runtime(mut self, runtime: bool) -> Self {
        self.runtime = runtime;
        self
    }

    /// With `--force`: other links are replaced.
    #[must_use]
    pub const fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// The folder in which links are made.
    const fn folder(&self) -> &'static str {
        if self.runtime {
            search::RUNTIME
        } else {
            search::CONFIG
        }
    }

    fn tree(&self) -> &T {
        self.loader.tree()
    }

    /// Plans a link, unless it is there already.
    fn link(
        &self,
        plan: &mut Plan,
        path: String,
        target: &str,
        force: bool,
    ) -> Result<(), InstallError> {
        // An earlier step of the same plan may have taken what is in the way, or made the link.
        let last = plan.changes.iter().rev().find(|one| {
            one.path == path && matches!(one.kind, ChangeKind::Unlink | ChangeKind::Symlink)
        });
        let gone = match last {
            Some(made) if made.kind == ChangeKind::Symlink => {
                if same_file(&made.source, target) {
                    return Ok(());
                }
                let target = made.source.clone();
                return Err(InstallError::LinkExists { path, target });
            }
            other => other.is_some(),
        };
        if !gone && self.tree().has_entry(&path) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            match self.tree().read_link(&path) {
                Ok(found) if same_file(&search::link_target(folder, &found), target) => {
                    return Ok(());
                }
                Ok(_) if force => {}
                Ok(found) => {
                    return Err(InstallError::LinkExists {
                        path,
                        target: found,
                    });
                }
                Err(_) => return Err(InstallError::Exists(path)),
            }
            plan.push(ChangeKind::Unlink, path.clone(), "");
        }
        plan.push(ChangeKind::Symlink, path, target);
        Ok(())
    }
}

/// Makes the changes of a plan.
///
/// # Errors
/// With the path at which it stopped.
pub fn apply(plan: &Plan, tree: &mut dyn TreeMut) -> Result<(), (String, std::io::Error)> {
    for change in &plan.changes {
        let made = match change.kind {
            ChangeKind::Symlink => tree.make_link(&change.path, &change.source),
            ChangeKind::Unlink => match tree.link_metadata(&change.path) {
                Ok(found) if found.kind == crate::Kind::Directory => tree.remove_all(&change.path),
                _ => tree.remove(&change.path, in_folder_of_links(&change.path)),
            },
            _ => Ok(()),
        };
        made.map_err(|error| (change.path.clone(), error))?;
    }
    Ok(())
}

/// Whether the path is in a `.wants`, `.requires` or `.d` folder, which goes when it is empty.
fn in_folder_of_links(path: &str) -> bool {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    [".wants", ".requires", ".upholds", ".d"]
        .iter()
        .any(|suffix| folder.ends_with(suffix))
}

/// Whether two paths are the same file where `/lib` and `/usr/lib64` are `/usr/lib`.
fn same_file(a: &str, b: &str) -> bool {
    fn plain(path: &str) -> String {
        let path = path
            .strip_prefix("/lib/")
            .map_or_else(|| path.to_owned(), |rest| format!("/usr/lib/{rest}"));
        path.replacen("/usr/lib64/systemd/", "/usr/lib/systemd/", 1)
    }
    plain(a) == plain(b)
}

/// The last part of a path, if it names a unit.
fn unit_of(path: &str) -> Option<UnitName> {
    UnitName::new(path.rsplit('/').next()?).ok()
}

#[cfg(test)]
mod tests;
