//! Capabilities of the process, by the `caps` crate.

use std::io;

use caps::{CapSet, Capability, CapsHashSet};

use super::context::Context;
use super::credentials::Who;
use super::{Failed, Step, code};

fn set_of(bits: u64) -> CapsHashSet {
    caps::all()
        .into_iter()
        .filter(|cap| bits & cap.bitmask() != 0)
        .collect()
}

fn other(e: caps::errors::CapsError) -> io::Error {
    io::Error::other(e)
}

/// Bits that the unit's directives take away, whatever `CapabilityBoundingSet=` says.
fn protected(context: &Context) -> u64 {
    let config = &context.exec;
    let mut taken = 0;
    if config.protect_kernel_modules {
        taken |= Capability::CAP_SYS_MODULE.bitmask();
    }
    if config.protect_kernel_logs {
        taken |= Capability::CAP_SYSLOG.bitmask();
    }
    if config.protect_clock {
        taken |= Capability::CAP_SYS_TIME.bitmask() | Capability::CAP_WAKE_ALARM.bitmask();
    }
    if config.private_devices {
        taken |= Capability::CAP_MKNOD.bitmask() | Capability::CAP_SYS_RAWIO.bitmask();
    }
    taken
}

/// Drops from the bounding set what the unit must never have.
pub(crate) fn bounding(context: &Context) -> Result<(), Failed> {
    if context.full_privileges {
        return Ok(());
    }
    let wanted = context
        .exec
        .capability_bounding_set
        .map_or(u64::MAX, |set| set.0)
        & !protected(context);
    if wanted == u64::MAX {
        return Ok(());
    }
    let have = caps::read(None, CapSet::Bounding)
        .map_err(other)
        .step(code::CAPABILITIES, what)?;
    for cap in have.iter().filter(|cap| wanted & cap.bitmask() == 0) {
        caps::drop(None, CapSet::Bounding, *cap)
            .map_err(other)
            .step(code::CAPABILITIES, || format!("drop {cap}"))?;
    }
    // A root process keeps what it holds; the bounding set only limits what execve gives.
    let keep = |set| -> Result<CapsHashSet, Failed> {
        let have = caps::read(None, set)
            .map_err(other)
            .step(code::CAPABILITIES, what)?;
        Ok(have
            .into_iter()
            .filter(|cap| wanted & cap.bitmask() != 0)
            .collect())
    };
    let inheritable = keep(CapSet::Inheritable)?;
    caps::set(None, CapSet::Inheritable, &inheritable)
        .map_err(other)
        .step(code::CAPABILITIES, what)
}

fn what() -> String {
    "set capabilities".to_owned()
}

/// After the change of user: the ambient set, which survives execve.
pub(crate) fn after_user(context: &Context, who: &Who) -> Result<(), Failed> {
    let ambient = context.exec.ambient_capabilities.0;
    if context.full_privileges || context.keep_identity || ambient == 0 {
        return Ok(());
    }
    let wanted = set_of(ambient);
    let changed = who.user.is_some();
    let set = |which, value: &CapsHashSet| {
        caps::set(None, which, value)
            .map_err(other)
            .step(code::CAPABILITIES, what)
    };
    if changed {
        set(CapSet::Permitted, &wanted)?;
        set(CapSet::Effective, &wanted)?;
    }
    set(CapSet::Inheritable, &wanted)?;
    set(CapSet::Ambient, &wanted)
}
