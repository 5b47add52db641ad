//! Dependencies between units, as named by files, folders and rules.

use serde::{Deserialize, Serialize};

use crate::UnitName;

init_api::words! {
    /// The kinds of dependency that can be written, under the names of their directives, and the
    /// two that activation makes.
    pub enum DependencyKind {
        Requires = "Requires",
        Requisite = "Requisite",
        Wants = "Wants",
        BindsTo = "BindsTo" | "BindTo",
        PartOf = "PartOf",
        Upholds = "Upholds",
        RequiredBy = "RequiredBy",
        WantedBy = "WantedBy",
        Conflicts = "Conflicts",
        Before = "Before",
        After = "After",
        OnFailure = "OnFailure",
        OnSuccess = "OnSuccess",
        PropagatesReloadTo = "PropagatesReloadTo" | "PropagateReloadTo",
        ReloadPropagatedFrom = "ReloadPropagatedFrom" | "PropagateReloadFrom",
        PropagatesStopTo = "PropagatesStopTo",
        StopPropagatedFrom = "StopPropagatedFrom",
        JoinsNamespaceOf = "JoinsNamespaceOf",
        Triggers = "Triggers",
        TriggeredBy = "TriggeredBy",
    }
}

init_api::words! {
    /// Why a dependency exists.
    pub enum DependencyOrigin {
        File = "file",
        Folder = "folder",
        Implicit = "implicit",
        Default = "default",
    }
}

/// One arrow from a unit to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dependency {
    /// Of what kind.
    pub kind: DependencyKind,
    /// To whom.
    pub other: UnitName,
    /// Why.
    pub origin: DependencyOrigin,
}
