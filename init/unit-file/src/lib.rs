//! Unit files: from text to typed configuration, and from `[Install]` to links. Nothing here runs
//! a unit, or touches a file except through a [`Tree`] that the caller gives.
//!
//! - [`UnitName`], [`escape`]: names.
//! - [`UnitLoader`] reads a unit with its aliases and drop-ins into a [`LoadedUnit`], whose
//!   [`UnitConfig`] has every default filled in and whose [`Diagnostic`]s name file and line.
//! - [`Command`] and [`expand_argv`]: command lines at load and at exec.
//! - [`implicit_dependencies`]: what units depend on without saying so.
//! - [`Calendar`]: points in time of timers.
//!
//! ```
//! let name: unit_file::UnitName = "web@8080.service".parse()?;
//! assert_eq!(name.instance(), Some("8080"));
//! # Ok::<(), unit_file::UnitNameError>(())
//! ```
#![forbid(unsafe_code)]

pub mod escape;
pub mod words;

mod calendar;
mod command;
mod condition;
mod config;
mod dependency;
mod diagnostic;
mod glob;
mod load;
mod name;
mod specifier;
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
pub use glob::{glob_matches, is_glob};
pub use load::LoadedUnit;
pub use name::{UnitName, UnitNameError};
pub use specifier::{Facts, SpecifierError, Specifiers};
pub use tree::{Kind, MemoryTree, Metadata, Tree, TreeMut};
