//! A throw-away layer over a base image: the smallest qcow2 file that QEMU accepts, with the base as backing file. The
//! base is opened for reading only and stays as it is.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::qcow2::Qcow2;
use crate::error::HarnessError;

const CLUSTER: u64 = 64 * 1024;

/// Makes `overlay` over `base`, of the base's size or larger.
///
/// # Errors
/// When the base cannot be read or the overlay not be written.
pub fn create_overlay(base: &Path, overlay: &Path, size: Option<u64>) -> Result<(), HarnessError> {
    let base = base
        .canonicalize()
        .map_err(HarnessError::io(format!("find {}", base.display())))?;
    let own = if is_qcow2(&base)? {
        Qcow2::open(&base)?.size()
    } else {
        fs::metadata(&base)
            .map_err(HarnessError::io(format!("read {}", base.display())))?
            .len()
    };
    let format = if is_qcow2(&base)? { "qcow2" } else { "raw" };
    let bytes = header(&base, format, size.unwrap_or(own).max(own));
    File::create(overlay)
        .and_then(|mut file| file.write_all(&bytes))
        .map_err(HarnessError::io(format!("write {}", overlay.display())))
}

pub(super) fn is_qcow2(path: &Path) -> Result<bool, HarnessError> {
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| std::io::Read::read(&mut file, &mut magic));
    read.map_err(HarnessError::io(format!("read {}", path.display())))?;
    Ok(&magic == b"QFI\xfb")
}

/// Clusters: header, table of reference counts, its one block, then the first-level table.
fn header(base: &Path, format: &str, size: u64) -> Vec<u8> {
    let size = size.next_multiple_of(512);
    let entries = size.div_ceil(CLUSTER * (CLUSTER / 8)).max(1);
    let table_clusters = (entries * 8).div_ceil(CLUSTER);
    let name = base.as_os_str().as_encoded_bytes();
    let mut bytes = Vec::new();
    bytes.extend(b"QFI\xfb");
    bytes.extend(3_u32.to_be_bytes());
    let name_at = 112 + 8 + 8_u64.next_multiple_of(8) + 8;
    bytes.extend(name_at.to_be_bytes());
    bytes.extend(u32::try_from(name.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(16_u32.to_be_bytes());
    bytes.extend(size.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes());
    bytes.extend(u32::try_from(entries).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend((3 * CLUSTER).to_be_bytes());
    bytes.extend(CLUSTER.to_be_bytes());
    bytes.extend(1_u32.to_be_bytes());
    bytes.extend([0; 4 + 8 + 8 + 8 + 8]);
    bytes.extend(4_u32.to_be_bytes());
    bytes.extend(112_u32.to_be_bytes());
    bytes.extend([0; 8]);
    // The extension that names the base's format, then the end of extensions.
    bytes.extend(0xe279_2aca_u32.to_be_bytes());
    bytes.extend(u32::try_from(format.len()).unwrap_or(0).to_be_bytes());
    bytes.extend(format.as_bytes());
    bytes.resize(112 + 8 + 8, 0);
    bytes.extend([0; 8]);
    bytes.extend(name);
    let at = |cluster: u64| usize::try_from(cluster * CLUSTER).unwrap_or(usize::MAX);
    bytes.resize(at(1), 0);
    bytes.extend((2 * CLUSTER).to_be_bytes());
    bytes.resize(at(2), 0);
    for _ in 0..3 + table_clusters {
        bytes.extend(1_u16.to_be_bytes());
    }
    bytes.resize(at(3 + table_clusters), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_reads_as_a_sound_image_with_the_size_of_its_base_or_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().join("base.raw");
        fs::write(&base, vec![7; 3 * 1024 * 1024]).expect("written");
        let overlay = folder.path().join("overlay.qcow2");
        create_overlay(&base, &overlay, None).expect("made");
        assert_eq!(
            Qcow2::open(&overlay).expect("sound").size(),
            3 * 1024 * 1024
        );
        create_overlay(
            &overlay,
            &folder.path().join("two.qcow2"),
            Some(10_000_000_000),
        )
        .expect("made");
        let two = Qcow2::open(&folder.path().join("two.qcow2")).expect("sound");
        assert_eq!(two.size(), 10_000_000_000_u64.next_multiple_of(512));
    }
}
