//! Making the mounted root file system as long as its partition: after the boot,
//! because it takes a second or more on a large disk and nobody has to wait for it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use init_sys::{block, mountinfo};

use crate::say::{self, Level};

/// Block size and count from an ext4 superblock (pure).
fn geometry(superblock: &[u8]) -> Option<(u64, u64)> {
    let number = |at: usize| {
        Some(u64::from(u32::from_le_bytes(
            superblock.get(at..at + 4)?.try_into().ok()?,
        )))
    };
    let magic = superblock.get(0x38..0x3A)?;
    if magic != [0x53, 0xEF] {
        return None;
    }
    let size = 1024_u64.checked_shl(u32::try_from(number(0x18)?).ok()?)?;
    let incompat = number(0x60)?;
    let high = if incompat & 0x80 != 0 {
        number(0x150)?
    } else {
        0
    };
    Some((size, number(4)? | high << 32))
}

/// Grows the root if there is room; says what it did.
pub(crate) fn grow_root() -> i32 {
    match grow() {
        Ok(Some(blocks)) => say::log(
            Level::Info,
            &format!("the root file system has {blocks} blocks now"),
        ),
        Ok(None) => {}
        Err(e) => say::log(
            Level::Warning,
            &format!("the root file system keeps its size: {e}"),
        ),
    }
    0
}

fn grow() -> io::Result<Option<u64>> {
    let mounts = mountinfo::mounts()?;
    let Some(root) = mounts
        .iter()
        .rfind(|mount| mount.point == Path::new("/") && mount.fs_type == "ext4")
    else {
        return Ok(None);
    };
    let device = File::open(&root.source)?;
    let mut superblock = vec![0u8; 1024];
    device.read_exact_at(&mut superblock, 1024)?;
    let Some((size, blocks)) = geometry(&superblock) else {
        return Ok(None);
    };
    let wanted = block::size(device.as_fd())? / size;
    if wanted <= blocks {
        return Ok(None);
    }
    block::resize_ext4(File::open("/")?.as_fd(), wanted)?;
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::geometry;

    #[test]
    fn size_and_count_are_read_with_the_high_half() {
        let mut block = vec![0u8; 1024];
        block[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        block[0x18] = 2;
        block[4..8].copy_from_slice(&24576_u32.to_le_bytes());
        assert_eq!(geometry(&block), Some((4096, 24576)));
        block[0x60] = 0x80;
        block[0x150] = 1;
        assert_eq!(geometry(&block), Some((4096, 24576 + (1 << 32))));
        assert_eq!(geometry(&[0; 1024]), None);
    }
}
