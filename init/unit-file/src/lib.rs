//! Unit files: from text to typed configuration, and from `[Install]` to links. Nothing here runs
//! a unit, or touches a file except through a [`Tree`] that the caller gives.
//!
//! - [`UnitName`], [`escape`]: names.
//! - [`UnitLoader`] reads a unit with its aliases and drop-ins into a [`LoadedUnit`], whose
//!   [`UnitConfig`] has every default filled in and whose [`Diagnostic`]s name file and line.
//! - [`Command`] and [`expand_argv`]: command lines at load and at exec.
//! - [`Installer`] plans enable, disable, mask and their kin; [`apply`] carries a plan out.
//! - [`implicit_dependencies`]: what units depend on without saying so.
//! - [`Calendar`]: points in time of timers.
//!
//! ```
//! use unit_file::{MemoryTree, UnitLoader};
//!
//! let tree = MemoryTree::new().file(
//!     "/etc/systemd/system/web.service",
//!     "[Unit]\nDescription=The web\n[Service]\nExecStart=/usr/bin/web --port 80\n",
//! );
//! let unit = UnitLoader::new(tree).load(&"web.service".parse()?);
//! assert_eq!(unit.description(), "The web");
//! assert_eq!(unit.config.service().expect("a service").exec_start[0].argv[2], "80");
//! # Ok::<(), unit_file::UnitNameError>(())
//! ```
#![forbid(unsafe_code)]

pub mod environment;
pub mod escape;
pub mod words;

mod calendar;
mod command;
mod condition;
mod config;
mod dependency;
mod diagnostic;
mod directive;
mod glob;
mod implicit;
mod install;
mod load;
mod name;
mod specifier;
mod text;
mod tree;
mod value;

pub use calendar::{Calendar, CalendarError, Zone};
pub use command::{
    Command, CommandError, CommandFlags, CommandLine, Lookup, Privileges, expand_argv, expand_word,
};
pub use condition::{
    Condition, ConditionHost, ConditionKind, all_hold, compare_versions, evaluate,
};
pub use config::*;
pub use dependency::{Dependency, DependencyKind, DependencyOrigin};
pub use diagnostic::{Diagnostic, Severity};
pub use directive::{Assigned, assign, directives};
pub use environment::parse_environment_file;
pub use glob::{glob_matches, is_glob};
pub use implicit::{implicit_dependencies, mounts_above};
pub use install::{
    Change, ChangeKind, InstallError, Installer, Plan, Preset, PresetMode, UnitFileState, apply,
};
pub use load::{LoadedUnit, SearchPath, UnitLoader, parse_unit};
pub use name::{UnitName, UnitNameError};
pub use specifier::{Facts, SpecifierError, Specifiers};
pub use text::{Assignment, Problem, Section, UnitText};
pub use tree::{Kind, MemoryTree, Metadata, Tree, TreeMut};
