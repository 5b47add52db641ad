//! `Condition…=` and `Assert…=`: what is asked, and how the answers combine.
//!
//! The answers themselves come from the machine: [`fn@evaluate`] asks a [`ConditionHost`].

use serde::{Deserialize, Serialize};

mod evaluate;
mod version;

pub use evaluate::{ConditionHost, evaluate};
pub use version::compare_versions;

init_api::words! {
    /// What a condition asks; the directive is `Condition` or `Assert` and this word.
    pub enum ConditionKind {
        PathExists = "PathExists",
        PathExistsGlob = "PathExistsGlob",
        PathIsDirectory = "PathIsDirectory",
        PathIsSymbolicLink = "PathIsSymbolicLink",
        PathIsMountPoint = "PathIsMountPoint",
        PathIsReadWrite = "PathIsReadWrite",
        PathIsEncrypted = "PathIsEncrypted",
        PathIsSocket = "PathIsSocket",
        DirectoryNotEmpty = "DirectoryNotEmpty",
        FileNotEmpty = "FileNotEmpty",
        FileIsExecutable = "FileIsExecutable",
        KernelCommandLine = "KernelCommandLine",
        KernelVersion = "KernelVersion",
        Version = "Version",
        KernelModuleLoaded = "KernelModuleLoaded",
        Virtualization = "Virtualization",
        Architecture = "Architecture",
        Firmware = "Firmware",
        Host = "Host",
        Security = "Security",
        Capability = "Capability",
        AcPower = "ACPower",
        NeedsUpdate = "NeedsUpdate",
        FirstBoot = "FirstBoot",
        User = "User",
        Group = "Group",
        Environment = "Environment",
        Credential = "Credential",
        OsRelease = "OSRelease",
        Memory = "Memory",
        Cpus = "CPUs",
        CpuFeature = "CPUFeature",
        ControlGroupController = "ControlGroupController",
        MemoryPressure = "MemoryPressure",
        CpuPressure = "CPUPressure",
        IoPressure = "IOPressure",
    }
}

impl ConditionKind {
    /// Whether the parameter is a path.
    #[must_use]
    pub const fn is_path(self) -> bool {
        matches!(
            self,
            Self::PathExists
                | Self::PathExistsGlob
                | Self::PathIsDirectory
                | Self::PathIsSymbolicLink
                | Self::PathIsMountPoint
                | Self::PathIsReadWrite
                | Self::PathIsEncrypted
                | Self::PathIsSocket
                | Self::DirectoryNotEmpty
                | Self::FileNotEmpty
                | Self::FileIsExecutable
                | Self::NeedsUpdate
        )
    }
}

/// One condition or assertion.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// What is asked.
    pub kind: ConditionKind,
    /// With `|`: one of the conditions marked so must hold.
    pub trigger: bool,
    /// With `!`: it must not hold.
    pub negate: bool,
    /// About what.
    pub parameter: String,
}

/// Whether conditions hold together: every plain one, and at least one of those with `|` if there
/// are any. `holds` answers for one, negation included.
pub fn all_hold(conditions: &[Condition], mut holds: impl FnMut(&Condition) -> bool) -> bool {
    let mut triggered = None;
    for condition in conditions {
        if condition.trigger {
            if triggered != Some(true) {
                triggered = Some(holds(condition));
            }
        } else if !holds(condition) {
            return false;
        }
    }
    triggered != Some(false)
}

/// What the properties `Conditions` and `Asserts` show: `ConditionPathExists=|!/path`.
impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let trigger = if self.trigger { "|" } else { "" };
        let negate = if self.negate { "!" } else { "" };
        write!(f, "{}={trigger}{negate}{}", self.kind, self.parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(text: &str) -> Condition {
        let (trigger, rest) = text
            .strip_prefix('|')
            .map_or((false, text), |rest| (true, rest));
        let (negate, rest) = rest
            .strip_prefix('!')
            .map_or((false, rest), |rest| (true, rest));
        Condition {
            kind: ConditionKind::PathExists,
            trigger,
            negate,
            parameter: rest.to_owned(),
        }
    }

    #[test]
    fn plain_conditions_all_hold_and_one_of_the_triggers() {
        for (conditions, wanted) in [
            (vec![], true),
            (vec!["yes"], true),
            (vec!["yes", "!no"], true),
            (vec!["yes", "no"], false),
            (vec!["|no", "|yes"], true),
            (vec!["|no", "|!yes", "yes"], false),
            (vec!["|no"], false),
        ] {
            let list: Vec<_> = conditions.iter().map(|text| condition(text)).collect();
            assert_eq!(
                all_hold(&list, |one| (one.parameter == "yes") != one.negate),
                wanted,
                "{conditions:?}"
            );
        }
    }
}
