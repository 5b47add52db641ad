//! The links in /dev/disk that users and fstab name disks by, and modes that udev would set.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::probe;
use super::sysfs::{self, Block};

/// Links that a block device should have: (folder below /dev/disk, name).
fn wanted(
    block: &Block,
    found: Option<&probe::Found>,
    serial: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut links = Vec::new();
    if let Some(label) = &block.label {
        links.push(("by-partlabel", escape(label)));
    }
    if let Some(uuid) = &block.uuid {
        links.push(("by-partuuid", uuid.to_ascii_lowercase()));
    }
    if let Some(found) = found {
        if let Some(label) = &found.label {
            links.push(("by-label", escape(label)));
        }
        if let Some(uuid) = &found.uuid {
            links.push(("by-uuid", uuid.clone()));
        }
    }
    if let Some(serial) = serial.filter(|serial| !serial.is_empty()) {
        let prefix = if block.disk.starts_with("vd") {
            "virtio-"
        } else {
            ""
        };
        let part = block
            .partition
            .map(|n| format!("-part{n}"))
            .unwrap_or_default();
        links.push(("by-id", format!("{prefix}{}{part}", escape(serial))));
    }
    links
}

/// Bytes that a link name may not hold are written as `\xHH`, as udev does.
fn escape(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "#+-.:=@_".contains(c);
    text.chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                c.to_string()
                    .bytes()
                    .map(|b| format!("\\x{b:02x}"))
                    .collect()
            }
        })
        .collect()
}

fn serial(disk: &str) -> Option<String> {
    let folder = Path::new("/sys/class/block").join(disk);
    ["serial", "device/serial"]
        .iter()
        .find_map(|name| fs::read_to_string(folder.join(name)).ok())
        .map(|text| text.trim().to_owned())
}

fn start_of(node: &Path) -> Vec<u8> {
    let mut start = vec![0u8; probe::WANTED];
    let got = fs::File::open(node)
        .and_then(|file| file.read_at(&mut start, 0))
        .unwrap_or(0);
    start.truncate(got);
    start
}

/// Makes the links of one device; existing ones of another device stay (first come).
pub(crate) fn make(name: &str) -> Vec<PathBuf> {
    let Some(block) = sysfs::block(name).filter(|block| block.sectors > 0) else {
        return Vec::new();
    };
    let node = Path::new("/dev").join(&block.name);
    let found = probe::recognise(&start_of(&node));
    let mut made = Vec::new();
    for (folder, link) in wanted(&block, found.as_ref(), serial(&block.disk).as_deref()) {
        let folder = Path::new("/dev/disk").join(folder);
        let path = folder.join(link);
        let taken = fs::metadata(&path).is_ok();
        if !taken {
            let _ = fs::create_dir_all(&folder);
            let _ = fs::remove_file(&path);
            let _ = std::os::unix::fs::symlink(Path::new("../..").join(&block.name), &path);
        }
        made.push(path);
    }
    made
}

/// Removes the links that point to a device that is gone.
pub(crate) fn remove(name: &str) {
    let target = Path::new("../..").join(name);
    for folder in [
        "by-label",
        "by-uuid",
        "by-partlabel",
        "by-partuuid",
        "by-id",
    ] {
        let Ok(entries) = fs::read_dir(Path::new("/dev/disk").join(folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            if fs::read_link(entry.path()).is_ok_and(|to| to == target) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Links of every block device that is there.
pub(crate) fn make_all() {
    for block in sysfs::blocks() {
        let _ = make(&block.name);
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, probe, wanted};

    #[test]
    fn a_cinder_volume_and_a_config_drive_get_the_names_that_users_write() {
        let disk = Block {
            name: "vdb".into(),
            disk: "vdb".into(),
            ..Block::default()
        };
        let found = probe::Found {
            fs_type: "iso9660",
            label: Some("config-2".into()),
            ..probe::Found::default()
        };
        let links = wanted(&disk, Some(&found), Some("0b9f2a1c-7d3e-4f5a-8"));
        assert!(links.contains(&("by-label", "config-2".into())));
        assert!(links.contains(&("by-id", "virtio-0b9f2a1c-7d3e-4f5a-8".into())));
    }

    #[test]
    fn a_blank_in_a_label_is_escaped() {
        let part = Block {
            partition: Some(1),
            label: Some("a b".into()),
            ..Block::default()
        };
        assert_eq!(
            wanted(&part, None, None),
            vec![("by-partlabel", "a\\x20b".to_owned())]
        );
    }
}
