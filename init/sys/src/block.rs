//! Block devices: size, a partition made longer while in use, and ext4 made longer while mounted.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    devname: [u8; 64],
    volname: [u8; 64],
}

#[repr(C)]
struct BlkpgArgument {
    op: i32,
    flags: i32,
    length: i32,
    data: *mut BlkpgPartition,
}

/// Tells the kernel that a partition is now longer (`BLKPG_RESIZE_PARTITION`); start and length in bytes.
///
/// # Errors
/// What the ioctl reports.
pub fn resize_partition(
    disk: BorrowedFd<'_>,
    number: i32,
    start: i64,
    length: i64,
) -> io::Result<()> {
    const BLKPG: libc::c_ulong = 0x1269;
    const RESIZE: i32 = 3;
    let mut partition = BlkpgPartition {
        start,
        length,
        number,
        devname: [0; 64],
        volname: [0; 64],
    };
    let mut argument = BlkpgArgument {
        op: RESIZE,
        flags: 0,
        length: i32::try_from(std::mem::size_of::<BlkpgPartition>()).unwrap_or(0),
        data: &raw mut partition,
    };
    // SAFETY: argument points to a partition record; both live for the call.
    crate::check(unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG, &raw mut argument) })?;
    Ok(())
}

/// Size of a block device in bytes.
///
/// # Errors
/// What the ioctl reports.
pub fn size(device: BorrowedFd<'_>) -> io::Result<u64> {
    const BLKGETSIZE64: libc::c_ulong = 0x8008_1272;
    let mut bytes: u64 = 0;
    // SAFETY: the kernel writes eight bytes into bytes.
    crate::check(unsafe { libc::ioctl(device.as_raw_fd(), BLKGETSIZE64, &raw mut bytes) })?;
    Ok(bytes)
}

/// Makes a mounted ext4 `blocks` blocks long (`EXT4_IOC_RESIZE_FS`).
///
/// # Errors
/// What the ioctl reports.
pub fn resize_ext4(mount_point: BorrowedFd<'_>, blocks: u64) -> io::Result<()> {
    const EXT4_IOC_RESIZE_FS: libc::c_ulong = 0x4008_6610;
    // SAFETY: the kernel reads eight bytes from blocks.
    crate::check(unsafe {
        libc::ioctl(
            mount_point.as_raw_fd(),
            EXT4_IOC_RESIZE_FS,
            &raw const blocks,
        )
    })?;
    Ok(())
}
