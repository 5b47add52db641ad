//! Disk images without tools of the host: an overlay over a base that is never written, a disk whose power can be cut, reading a compressed image,
//! and taking a kernel and its initramfs out of an image's EFI partition.

mod base;
mod boot_files;
mod nbd;
mod overlay;
mod qcow2;

pub use boot_files::{BootFiles, boot_files};
pub use nbd::{Disk, DiskCounts, DiskFaults, PowerCut};
pub use overlay::create_overlay;
pub use qcow2::Qcow2;
