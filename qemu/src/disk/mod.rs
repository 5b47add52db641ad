//! Disk images without tools of the host: an overlay over a base that is never written, reading a compressed image,
//! and taking a kernel and its initramfs out of an image's EFI partition.

mod boot_files;
mod overlay;
mod qcow2;

pub use boot_files::{BootFiles, boot_files};
pub use overlay::create_overlay;
pub use qcow2::Qcow2;
