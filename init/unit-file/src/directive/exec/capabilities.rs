//! Capabilities and secure bits, by name.

use crate::{
    config::CapabilitySet,
    value::{Input, Outcome, Refusal},
};

/// In the order of their numbers, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const ALL: u64 = (1 << NAMES.len()) - 1;

impl CapabilitySet {
    /// Every capability there is.
    pub const ALL: Self = Self(ALL);

    /// The number of a capability named as `CAP_NET_ADMIN`, in any case.
    #[must_use]
    pub fn number(name: &str) -> Option<u32> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_")?;
        NAMES
            .iter()
            .position(|known| *known == bare)
            .and_then(|at| u32::try_from(at).ok())
    }

    /// The names of those in it, lower case as systemd prints them: `cap_net_admin`.
    #[must_use]
    pub fn names(self) -> Vec<String> {
        (0..)
            .zip(NAMES)
            .filter(|(bit, _)| self.0 & (1_u64 << bit) != 0)
            .map(|(_, name)| format!("cap_{}", name.to_ascii_lowercase()))
            .collect()
    }

    /// Whether the capability of this number is in it.
    #[must_use]
    pub const fn has(self, number: u32) -> bool {
        number < 64 && self.0 & (1 << number) != 0
    }
}

/// `CapabilityBoundingSet=`: all when not given, none when empty, `~` takes away.
pub(super) fn bounding_set(field: &mut Option<CapabilitySet>, input: &mut Input<'_>) -> Outcome {
    let before = field.unwrap_or(CapabilitySet::ALL);
    *field = Some(merge(before, CapabilitySet::ALL, input)?);
    Ok(())
}

/// `AmbientCapabilities=`: none when not given.
pub(super) fn ambient(field: &mut CapabilitySet, input: &mut Input<'_>) -> Outcome {
    *field = merge(*field, CapabilitySet::default(), input)?;
    Ok(())
}

/// The first line replaces the initial set, later ones add to or take from it.
fn merge(
    before: CapabilitySet,
    initial: CapabilitySet,
    input: &mut Input<'_>,
) -> Result<CapabilitySet, Refusal> {
    let (invert, list) = input
        .text
        .strip_prefix('~')
        .map_or((false, input.text), |rest| (true, rest));
    let mut sum = 0;
    for word in list.split_whitespace() {
        match CapabilitySet::number(word) {
            Some(number) => sum |= 1_u64 << number,
            None => input.warn(format_args!("{word:?} is no capability; it is left out")),
        }
    }
    Ok(CapabilitySet(
        match (sum == 0 || before == initial, invert) {
            (true, false) => sum,
            (true, true) => ALL & !sum,
            (false, false) => before.0 | sum,
            (false, true) => before.0 & !sum,
        },
    ))
}

const SECURE_BITS: [(&str, u32); 6] = [
    ("noroot", 1 << 0),
    ("noroot-locked", 1 << 1),
    ("no-setuid-fixup", 1 << 2),
    ("no-setuid-fixup-locked", 1 << 3),
    ("keep-caps", 1 << 4),
    ("keep-caps-locked", 1 << 5),
];

pub(super) fn secure_bits(field: &mut u32, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        *field = 0;
        return Ok(());
    }
    for word in input.text.split_whitespace() {
        match SECURE_BITS.iter().find(|(name, _)| *name == word) {
            Some((_, bit)) => *field |= bit,
            None => return Err(input.wants("secure bits, e.g. keep-caps")),
        }
    }
    Ok(())
}
