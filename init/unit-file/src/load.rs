//! Finding a unit's files and reading them into one [`LoadedUnit`].

use init_api::LoadState;
use serde::{Deserialize, Serialize};

use crate::{Diagnostic, UnitConfig, UnitName};

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
}
