//! The kinds of edge between units, what each means for jobs (systemd.unit(5)), and
//! the compact list a unit keeps of them. Every edge exists on both ends, under a name and its inverse.

use crate::units::UnitId;

/// A kind of edge, seen from the unit that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "each is the property of its name in systemd.unit(5)"
)]
pub enum Dep {
    Requires,
    Requisite,
    Wants,
    BindsTo,
    PartOf,
    Upholds,
    RequiredBy,
    RequisiteOf,
    WantedBy,
    BoundBy,
    ConsistsOf,
    UpheldBy,
    Conflicts,
    ConflictedBy,
    Before,
    After,
    OnFailure,
    OnFailureOf,
    OnSuccess,
    OnSuccessOf,
    Triggers,
    TriggeredBy,
    PropagatesReloadTo,
    ReloadPropagatedFrom,
    PropagatesStopTo,
    StopPropagatedFrom,
    JoinsNamespaceOf,
    SliceOf,
    InSlice,
    References,
    ReferencedBy,
}

impl Dep {
    /// The same edge seen from the other end.
    pub fn inverse(self) -> Dep {
        match self {
            Dep::Requires => Dep::RequiredBy,
            Dep::Requisite => Dep::RequisiteOf,
            Dep::Wants => Dep::WantedBy,
            Dep::BindsTo => Dep::BoundBy,
            Dep::PartOf => Dep::ConsistsOf,
            Dep::Upholds => Dep::UpheldBy,
            Dep::RequiredBy => Dep::Requires,
            Dep::RequisiteOf => Dep::Requisite,
            Dep::WantedBy => Dep::Wants,
            Dep::BoundBy => Dep::BindsTo,
            Dep::ConsistsOf => Dep::PartOf,
            Dep::UpheldBy => Dep::Upholds,
            Dep::Conflicts => Dep::ConflictedBy,
            Dep::ConflictedBy => Dep::Conflicts,
            Dep::Before => Dep::After,
            Dep::After => Dep::Before,
            Dep::OnFailure => Dep::OnFailureOf,
            Dep::OnFailureOf => Dep::OnFailure,
            Dep::OnSuccess => Dep::OnSuccessOf,
            Dep::OnSuccessOf => Dep::OnSuccess,
            Dep::Triggers => Dep::TriggeredBy,
            Dep::TriggeredBy => Dep::Triggers,
            Dep::PropagatesReloadTo => Dep::ReloadPropagatedFrom,
            Dep::ReloadPropagatedFrom => Dep::PropagatesReloadTo,
            Dep::PropagatesStopTo => Dep::StopPropagatedFrom,
            Dep::StopPropagatedFrom => Dep::PropagatesStopTo,
            Dep::JoinsNamespaceOf => Dep::JoinsNamespaceOf,
            Dep::SliceOf => Dep::InSlice,
            Dep::InSlice => Dep::SliceOf,
            Dep::References => Dep::ReferencedBy,
            Dep::ReferencedBy => Dep::References,
        }
    }

    /// The D-Bus property of this kind, and the kinds that have none of their own name.
    pub fn property(self) -> &'static str {
        match self {
            Dep::Requires => "Requires",
            Dep::Requisite => "Requisite",
            Dep::Wants => "Wants",
            Dep::BindsTo => "BindsTo",
            Dep::PartOf => "PartOf",
            Dep::Upholds => "Upholds",
            Dep::RequiredBy => "RequiredBy",
            Dep::RequisiteOf => "RequisiteOf",
            Dep::WantedBy => "WantedBy",
            Dep::BoundBy => "BoundBy",
            Dep::ConsistsOf => "ConsistsOf",
            Dep::UpheldBy => "UpheldBy",
            Dep::Conflicts => "Conflicts",
            Dep::ConflictedBy => "ConflictedBy",
            Dep::Before => "Before",
            Dep::After => "After",
            Dep::OnFailure => "OnFailure",
            Dep::OnFailureOf => "OnFailureOf",
            Dep::OnSuccess => "OnSuccess",
            Dep::OnSuccessOf => "OnSuccessOf",
            Dep::Triggers => "Triggers",
            Dep::TriggeredBy => "TriggeredBy",
            Dep::PropagatesReloadTo => "PropagatesReloadTo",
            Dep::ReloadPropagatedFrom => "ReloadPropagatedFrom",
            Dep::PropagatesStopTo => "PropagatesStopTo",
            Dep::StopPropagatedFrom => "StopPropagatedFrom",
            Dep::JoinsNamespaceOf => "JoinsNamespaceOf",
            Dep::SliceOf => "SliceOf",
            Dep::InSlice => "Slice",
            Dep::References => "References",
            Dep::ReferencedBy => "ReferencedBy",
        }
    }

    /// Every kind that has a property, in the order in which `systemctl show` prints them.
    pub const PROPERTIES: [Dep; 28] = [
        Dep::Requires,
        Dep::Requisite,
        Dep::Wants,
        Dep::BindsTo,
        Dep::PartOf,
        Dep::Upholds,
        Dep::RequiredBy,
        Dep::RequisiteOf,
        Dep::WantedBy,
        Dep::BoundBy,
        Dep::UpheldBy,
        Dep::ConsistsOf,
        Dep::Conflicts,
        Dep::ConflictedBy,
        Dep::Before,
        Dep::After,
        Dep::OnFailure,
        Dep::OnFailureOf,
        Dep::OnSuccess,
        Dep::OnSuccessOf,
        Dep::Triggers,
        Dep::TriggeredBy,
        Dep::PropagatesReloadTo,
        Dep::ReloadPropagatedFrom,
        Dep::PropagatesStopTo,
        Dep::StopPropagatedFrom,
        Dep::JoinsNamespaceOf,
        Dep::SliceOf,
    ];

    /// A start of the holder starts the other, which has to succeed.
    pub(crate) fn pulls_in_start(self) -> bool {
        matches!(self, Dep::Requires | Dep::BindsTo)
    }

    /// A start of the holder starts the other, whatever comes of it.
    pub(crate) fn pulls_in_start_ignored(self) -> bool {
        matches!(self, Dep::Wants | Dep::Upholds)
    }

    /// A stop job of the holder stops the other.
    pub(crate) fn propagates_stop(self) -> bool {
        matches!(
            self,
            Dep::RequiredBy
                | Dep::RequisiteOf
                | Dep::BoundBy
                | Dep::ConsistsOf
                | Dep::PropagatesStopTo
        )
    }

    /// A restart job of the holder restarts the other.
    pub(crate) fn propagates_restart(self) -> bool {
        matches!(
            self,
            Dep::RequiredBy | Dep::RequisiteOf | Dep::BoundBy | Dep::ConsistsOf
        )
    }

    /// A start job of the holder that fails takes the other's start job with it.
    pub(crate) fn propagates_start_failure(self) -> bool {
        matches!(self, Dep::RequiredBy | Dep::RequisiteOf | Dep::BoundBy)
    }

    /// Keeps the holder needed (`StopWhenUnneeded=`) while the other is active.
    pub(crate) fn pins_needed(self) -> bool {
        matches!(
            self,
            Dep::RequiredBy | Dep::RequisiteOf | Dep::WantedBy | Dep::BoundBy | Dep::UpheldBy
        )
    }
}

/// One edge: eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    /// The other end.
    pub(crate) other: UnitId,
    /// The kind, seen from the holder.
    pub(crate) kind: Dep,
    /// Whether the holder's own settings say so: only such edges keep the other end loaded.
    pub(crate) declared: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_of_an_inverse_is_the_kind_itself() {
        for kind in Dep::PROPERTIES {
            assert_eq!(kind.inverse().inverse(), kind);
        }
    }

    #[test]
    fn an_edge_takes_eight_bytes() {
        assert_eq!(size_of::<Edge>(), 8);
    }
}
