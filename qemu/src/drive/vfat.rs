//! A VFAT image with a label and a tree of files.

use std::collections::BTreeSet;
use std::io::{self, Cursor, Write};

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};

const SIZE: usize = 16 << 20;

/// The image; fails when the files do not fit.
pub(super) fn image(label: [u8; 11], files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut disk = Cursor::new(vec![0; SIZE]);
    let options = FormatVolumeOptions::new()
        .volume_label(label)
        .volume_id(0x6a7b_0002);
    format_volume(&mut disk, options)?;
    disk.set_position(0);
    fill(&mut disk, files)?;
    Ok(disk.into_inner())
}

fn fill(disk: &mut Cursor<Vec<u8>>, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let system = FileSystem::new(disk, FsOptions::new())?;
    let root = system.root_dir();
    let mut folders = BTreeSet::new();
    for (path, bytes) in files {
        for (at, _) in path.match_indices('/') {
            if folders.insert(path[..at].to_owned()) {
                root.create_dir(&path[..at])?;
            }
        }
        let mut file = root.create_file(path)?;
        file.write_all(bytes)?;
        file.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn files_and_label_are_read_back() {
        let files = vec![(
            "openstack/latest/user_data".to_owned(),
            b"#cloud-config\n".to_vec(),
        )];
        let disk = Cursor::new(image(*b"config-2   ", &files).expect("made"));
        let system = FileSystem::new(disk, FsOptions::new()).expect("sound");
        assert_eq!(system.volume_label_as_bytes(), b"config-2");
        let mut text = String::new();
        let mut file = system
            .root_dir()
            .open_file("openstack/latest/user_data")
            .expect("there");
        file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "#cloud-config\n");
    }
}
