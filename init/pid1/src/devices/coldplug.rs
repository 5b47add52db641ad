//! Loading the modules of the devices that are there at boot, and of those that appear later.

use super::modules::Modules;
use super::sysfs;

/// Before everything else: the network and the entropy of a virtual machine.
const FIRST: [&str; 3] = ["virtio_net", "virtio_rng", "virtio_pci"];

/// The few modules that the boot waits for.
pub(crate) fn first(modules: &mut Modules) -> usize {
    modules.load_for(&sysfs::modaliases(), |name| FIRST.contains(&name))
}

/// All others, in two passes: a loaded bus shows new devices.
pub(crate) fn rest(modules: &mut Modules) -> usize {
    let first = modules.load_for(&sysfs::modaliases(), |_| true);
    first + modules.load_for(&sysfs::modaliases(), |_| true)
}
