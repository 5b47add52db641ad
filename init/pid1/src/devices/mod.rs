//! Devices without udev: modules by modalias, links in /dev/disk, the power button.

pub(crate) mod button;
pub(crate) mod coldplug;
pub(crate) mod links;
pub(crate) mod modules;
pub(crate) mod probe;
pub(crate) mod sysfs;
