//! What PID 1 does once before the first unit: kernel file systems, names, seeds, settings.
//!
//! Nothing here is fatal: each step says what it could not do and the
//! boot goes on.

pub(crate) mod config;
pub(crate) mod dropins;
pub(crate) mod fsck;
pub(crate) mod generators;
pub(crate) mod growfs;
pub(crate) mod identity;
pub(crate) mod mounts;
pub(crate) mod nodes;
pub(crate) mod seed;
pub(crate) mod settings;

use crate::say::{self, Level};

/// Where this PID 1 runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A machine, virtual or not: devices, modules and the power are ours.
    Machine,
    /// Namespaces on somebody else's kernel: none of that.
    Container,
}

impl Place {
    /// A container says so in the variable `container`, as its manager sets it.
    pub(crate) fn find() -> Place {
        match std::env::var_os("container") {
            Some(value) if !value.is_empty() => Place::Container,
            _ => Place::Machine,
        }
    }
}

/// Says what failed and goes on.
pub(crate) fn note(what: &str, result: std::io::Result<()>) {
    if let Err(e) = result {
        say::log(Level::Warning, &format!("{what}: {e}"));
    }
}
