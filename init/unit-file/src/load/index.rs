//! What the folders of the search path hold: which name is which file, and which is an alias.

use std::collections::{BTreeMap, BTreeSet};

use super::{SearchPath, dropins::Levels, search::link_target};
use crate::{Kind, Tree, UnitName};

/// The listed folders.
#[derive(Debug)]
pub(crate) struct Index {
    /// Of those that exist: path, time of change, names of entries.
    folders: Vec<Folder>,
    /// By name.
    units: BTreeMap<UnitName, Target>,
}

#[derive(Debug)]
struct Folder {
    path: String,
    modified: Option<u64>,
    entries: BTreeSet<String>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A file of its own: its path.
    File(String),
    /// Another unit.
    Alias(UnitName),
}

/// A name, followed to its file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: UnitName,
    pub(super) names: Vec<UnitName>,
    pub(super) fragment: Option<String>,
}

/// Aliases followed before a loop is assumed.
const MAX_ALIASES: usize = 16;

impl Index {
    pub(crate) fn new(tree: &dyn Tree, search: &SearchPath) -> Self {
        let mut index = Self {
            folders: Vec::new(),
            units: BTreeMap::new(),
        };
        for path in &search.0 {
            let modified = tree.metadata(path).ok().map(|metadata| metadata.modified);
            let entries: BTreeSet<String> =
                tree.list(path).unwrap_or_default().into_iter().collect();
            for entry in &entries {
                let Ok(name) = UnitName::new(entry.clone()) else {
                    continue;
                };
                if index.units.contains_key(&name) {
                    continue;
                }
                if let Some(target) = target(tree, search, path, &name) {
                    index.units.insert(name, target);
                }
            }
            index.folders.push(Folder {
                path: path.clone(),
                modified,
                entries,
            });
        }
        index
    }

    /// Whether no folder has changed since.
    pub(super) fn is_fresh(&self, tree: &dyn Tree) -> bool {
        self.folders.iter().all(|folder| {
            tree.metadata(&folder.path)
                .ok()
                .map(|metadata| metadata.modified)
                == folder.modified
        })
    }

    /// Whether there is a file of this name after all: times of change are too coarse to tell of
    /// one that was made just after listing.
    pub(super) fn has_news_of(&self, tree: &dyn Tree, name: &UnitName) -> bool {
        let template = name.template();
        self.folders.iter().any(|folder| {
            std::iter::once(name).chain(template.as_ref()).any(|name| {
                !folder.entries.contains(name.as_str())
                    && tree.has_entry(&format!("{}/{name}", folder.path))
            })
        })
    }

    /// The folders `LEVEL.suffix` that exist: for each folder of the search path those of all
    /// names, and after them all of the kind.
    pub(super) fn folders_of(&self, levels: &Levels, suffix: &str) -> Vec<String> {
        let of = |stem: &String, folder: &Folder| {
            let entry = format!("{stem}.{suffix}");
            folder
                .entries
                .contains(&entry)
                .then(|| format!("{}/{entry}", folder.path))
        };
        let named = self
            .folders
            .iter()
            .flat_map(|folder| levels.named.iter().filter_map(move |stem| of(stem, folder)));
        let kind = self
            .folders
            .iter()
            .filter_map(|folder| of(&levels.kind, folder));
        named.chain(kind).collect()
    }

    pub(super) fn names(&self) -> Vec<UnitName> {
        self.units.keys().cloned().collect()
    }

    /// Follows aliases, and instances to their templates.
    pub(super) fn resolve(&self, asked: &UnitName) -> Found {
        let (name, fragment) = self.follow(asked);
        let mut names = self.aliases_of(&name);
        names.extend([name.clone(), asked.clone()]);
        names.sort();
        names.dedup();
        Found {
            name,
            names,
            fragment,
        }
    }

    fn follow(&self, asked: &UnitName) -> (UnitName, Option<String>) {
        let mut name = asked.clone();
        for _ in 0..MAX_ALIASES {
            let template = name.template();
            let own = self.units.get(&name);
            let Some(target) = own.or_else(|| self.units.get(template.as_ref()?)) else {
                return (name, None);
            };
            match target {
                Target::File(path) => return (name, Some(path.clone())),
                Target::Alias(other) if other.is_template() => {
                    let instance = name.instance().unwrap_or_default();
                    match other.with_instance(instance) {
                        Ok(instance) => name = instance,
                        Err(_) => return (name, None),
                    }
                }
                Target::Alias(other) => name = other.clone(),
            }
        }
        (asked.clone(), None)
    }

    /// The names whose aliases lead to this one.
    fn aliases_of(&self, name: &UnitName) -> Vec<UnitName> {
        let template = name.template();
        let mut found = Vec::new();
        for (alias, target) in &self.units {
            if !matches!(target, Target::Alias(_)) {
                continue;
            }
            let alias = if alias.is_template() && template.is_some() {
                match alias.with_instance(name.instance().unwrap_or_default()) {
                    Ok(instance) if !self.units.contains_key(&instance) => instance,
                    _ => continue,
                }
            } else {
                alias.clone()
            };
            if self.follow(&alias).0 == *name {
                found.push(alias);
            }
        }
        found
    }
}

/// What an entry of a folder is for the name that it has; `None` when it is nothing: a folder,
/// an alias to another kind of unit.
fn target(tree: &dyn Tree, search: &SearchPath, folder: &str, name: &UnitName) -> Option<Target> {
    let path = format!("{folder}/{name}");
    let kind = tree.link_metadata(&path).ok()?.kind;
    if kind == Kind::Link {
        let link = link_target(folder, &tree.read_link(&path).ok()?);
        if let Some((folder, other)) = link.rsplit_once('/')
            && search.has(folder)
            && let Ok(other) = UnitName::new(other)
            && other != *name
        {
            return is_alias(name, &other).then_some(Target::Alias(other));
        }
    }
    // A link to nowhere takes the name all the same: the unit is then not found.
    let found = tree.metadata(&path).map(|found| found.kind);
    (kind == Kind::Link && found.is_err() || matches!(found, Ok(Kind::File | Kind::Device)))
        .then_some(Target::File(path))
}

/// Whether one name may be an alias of the other.
fn is_alias(name: &UnitName, of: &UnitName) -> bool {
    name.kind() == of.kind()
        && match (name.is_template(), of.is_template()) {
            (true, other) => other,
            (false, true) => name.is_instance(),
            (false, false) => true,
        }
}
