//! Finding a unit's files and reading them into one [`LoadedUnit`].

use std::{cell::RefCell, rc::Rc};

use init_api::LoadState;
use serde::{Deserialize, Serialize};

use crate::{Diagnostic, Facts, Kind, ManagerDefaults, Tree, UnitConfig, UnitName};

mod dropins;
mod folders;
mod index;
mod read;
pub(crate) mod search;
mod verify;

use index::Index;
pub use search::SearchPath;

use read::Reader;

/// A unit as its files have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadedUnit {
    /// Its `Id`: the name of its real file, or the name it was asked for.
    pub name: UnitName,
    /// Every name it has, `name` among them, sorted.
    pub names: Vec<UnitName>,
    /// How loading ended.
    pub state: LoadState,
    /// What is wrong, when `state` is `bad-setting` or `error`.
    pub error: Option<String>,
    /// Its file (a template for an instance without a file of its own).
    pub fragment: Option<String>,
    /// Its drop-ins, in the order in which they were applied.
    pub drop_ins: Vec<String>,
    /// Every file that was read, with its time of change: when one differs from
    /// [`crate::Tree::metadata`], `NeedDaemonReload` holds.
    pub files: Vec<(String, u64)>,
    /// What is configured; of a unit that is not loaded, only defaults.
    pub config: UnitConfig,
    /// Findings, fatal and not.
    pub diagnostics: Vec<Diagnostic>,
}

impl LoadedUnit {
    /// The description, or the name when there is none: what is shown of a unit.
    #[must_use]
    pub fn description(&self) -> &str {
        let description = &self.config.unit.description;
        if description.is_empty() {
            &self.name
        } else {
            description
        }
    }

    /// Whether its file was written at run time for one use (`systemd-run`, `StartTransientUnit`).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.fragment
            .as_deref()
            .is_some_and(|path| path.starts_with("/run/systemd/transient/"))
    }

    fn failed(mut self, state: LoadState, error: Option<String>) -> Self {
        self.state = state;
        self.error = error;
        self
    }
}

/// Reads units from a tree. Folders are listed once and again when their time of change differs,
/// so that a new file is found without a reload; the text of files is read at every load.
#[derive(Debug)]
pub struct UnitLoader<T> {
    tree: T,
    search: SearchPath,
    facts: Facts,
    defaults: ManagerDefaults,
    index: RefCell<Option<Rc<Index>>>,
}

impl<T: Tree> UnitLoader<T> {
    /// A loader with the system's search path, no facts and systemd's defaults.
    #[must_use]
    pub fn new(tree: T) -> Self {
        Self {
            tree,
            search: SearchPath::system(),
            facts: Facts::default(),
            defaults: ManagerDefaults::default(),
            index: RefCell::new(None),
        }
    }

    /// With these facts for specifiers.
    #[must_use]
    pub fn with_facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// With these defaults for what units do not say.
    #[must_use]
    pub fn with_defaults(mut self, defaults: ManagerDefaults) -> Self {
        self.defaults = defaults;
        self
    }

    /// With another search path.
    #[must_use]
    pub fn with_search(mut self, search: SearchPath) -> Self {
        self.search = search;
        self
    }

    /// The files.
    pub const fn tree(&self) -> &T {
        &self.tree
    }

    /// The search path.
    pub const fn search(&self) -> &SearchPath {
        &self.search
    }

    /// The facts.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The facts, to be brought up to date.
    pub const fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }

    /// The defaults, to be brought up to date.
    pub const fn defaults_mut(&mut self) -> &mut ManagerDefaults {
        &mut self.defaults
    }

    /// Forgets what was listed: for daemon-reload.
    pub fn forget(&self) {
        self.index.replace(None);
    }

    /// Reads a unit. Absence and mistakes are load states of the result.
    pub fn load(&self, name: &UnitName) -> LoadedUnit {
        let mut index = self.index();
        let mut found = index.resolve(name);
        if found.fragment.is_none() && index.has_news_of(&self.tree, name) {
            self.forget();
            index = self.index();
            found = index.resolve(name);
        }
        let config = UnitConfig::new(found.name.clone(), &self.defaults);
        let unit = LoadedUnit {
            name: found.name,
            names: found.names,
            state: LoadState::Loaded,
            error: None,
            fragment: found.fragment,
            drop_ins: Vec::new(),
            files: Vec::new(),
            config,
            diagnostics: Vec::new(),
        };
        self.read(unit, &index)
    }

    /// Every name that has a file (or is an alias), sorted: for `list-unit-files` and globs.
    pub fn names(&self) -> Vec<UnitName> {
        self.index().names()
    }

    /// Whether the name has no file of its own but stands for another unit's.
    pub(crate) fn is_alias(&self, name: &UnitName) -> bool {
        self.index().resolve(name).name != *name
    }

    fn index(&self) -> Rc<Index> {
        let mut cached = self.index.borrow_mut();
        if let Some(index) = cached.as_ref()
            && index.is_fresh(&self.tree)
        {
            return Rc::clone(index);
        }
        let index = Rc::new(Index::new(&self.tree, &self.search));
        *cached = Some(Rc::clone(&index));
        index
    }

    fn read(&self, mut unit: LoadedUnit, index: &Index) -> LoadedUnit {
        let mut reader = Reader::new(&unit.config, &self.facts, unit.fragment.as_deref());
        if let Some(path) = unit.fragment.clone() {
            match self.read_file(&path) {
                Ok((_, bytes)) if bytes.is_empty() => return unit.failed(LoadState::Masked, None),
                Ok((modified, bytes)) => {
                    unit.files.push((path.clone(), modified));
                    reader.read(&path, &bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    unit.fragment = None;
                    return unit.failed(LoadState::NotFound, None);
                }
                Err(error) => {
                    let error = format!("cannot read {path}: {error}");
                    return unit.failed(LoadState::Error, Some(error));
                }
            }
        } else if !unit.name.kind().exists_without_file() {
            return unit.failed(LoadState::NotFound, None);
        }
        for path in dropins::find(&self.tree, index, &unit.names) {
            match self.read_file(&path) {
                Ok((modified, bytes)) => {
                    unit.files.push((path.clone(), modified));
                    reader.read(&path, &bytes);
                    unit.drop_ins.push(path);
                }
                Err(error) => reader.warn(&path, &format!("it cannot be read: {error}")),
            }
        }
        let mut config = reader.config;
        folders::add(&self.tree, index, &unit.names, &mut config);
        let path = unit.fragment.as_deref().unwrap_or_default();
        let fatal = verify::verify(&mut config, &reader.given, path);
        reader.diagnostics.extend(fatal);
        unit.config = config;
        unit.diagnostics = reader.diagnostics;
        let state = if reader.broken {
            LoadState::Error
        } else {
            LoadState::BadSetting
        };
        let fatal = unit
            .diagnostics
            .iter()
            .find(|one| one.severity == crate::Severity::Fatal);
        match fatal.map(ToString::to_string) {
            Some(error) => unit.failed(state, Some(error)),
            None => unit,
        }
    }

    /// Time of change and bytes; a device (`/dev/null`) has no bytes.
    fn read_file(&self, path: &str) -> std::io::Result<(u64, Vec<u8>)> {
        let metadata = self.tree.metadata(path)?;
        let bytes = match metadata.kind {
            Kind::Device => Vec::new(),
            _ => self.tree.read(path)?,
        };
        Ok((metadata.modified, bytes))
    }
}

/// Reads a unit's text alone, without a tree: for validating and for what is not installed yet.
#[must_use]
pub fn parse_unit(
    name: &UnitName,
    path: &str,
    text: &str,
    facts: &Facts,
    defaults: &ManagerDefaults,
) -> LoadedUnit {
    let config = UnitConfig::new(name.clone(), defaults);
    let mut reader = Reader::new(&config, facts, Some(path));
    reader.read(path, text.as_bytes());
    let mut config = reader.config;
    let fatal = verify::verify(&mut config, &reader.given, path);
    reader.diagnostics.extend(fatal);
    let state = if reader.broken {
        LoadState::Error
    } else {
        LoadState::BadSetting
    };
    let unit = LoadedUnit {
        name: name.clone(),
        names: vec![name.clone()],
        state: LoadState::Loaded,
        error: None,
        fragment: Some(path.to_owned()),
        drop_ins: Vec::new(),
        files: Vec::new(),
        config,
        diagnostics: reader.diagnostics,
    };
    if text.is_empty() {
        return unit.failed(LoadState::Masked, None);
    }
    let fatal = unit
        .diagnostics
        .iter()
        .find(|one| one.severity == crate::Severity::Fatal);
    match fatal.map(ToString::to_string) {
        Some(error) => unit.failed(state, Some(error)),
        None => unit,
    }
}

#[cfg(test)]
mod tests;
