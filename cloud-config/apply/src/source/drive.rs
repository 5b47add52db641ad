//! Config drives: found by their label, mounted read-only, read whole, unmounted again.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags};

use crate::instance::Instance;
use crate::log;

/// How messages call this source.
pub(crate) const NAME: &str = "the config drive";
/// Where the drive is while it is read.
const MOUNT_POINT: &str = "/run/coreos-cloudinit/drive";
/// Some FAT tools write labels in capitals.
const LABELS: [&str; 2] = ["config-2", "CONFIG-2"];
/// No file of a drive is larger (user-data itself is limited later).
const LARGEST: u64 = 16 << 20;

/// Reads a drive's tree; `None` when the folder is none (an empty folder does not count).
#[must_use]
pub(crate) fn read(folder: &Path) -> Option<Instance> {
    let openstack = folder.join("openstack/latest");
    let ec2 = folder.join("ec2/latest");
    if !openstack.is_dir() && !ec2.is_dir() {
        return None;
    }
    let mut instance = Instance {
        source: NAME.into(),
        ..Instance::default()
    };
    let text =
        |path: PathBuf| String::from_utf8_lossy(&contents(&path).unwrap_or_default()).into_owned();
    instance.take_openstack(&text(openstack.join("meta_data.json")));
    instance.take_ec2(&text(ec2.join("meta-data.json")));
    instance.network_data =
        Some(text(openstack.join("network_data.json"))).filter(|t| !t.is_empty());
    instance.user_data = contents(&openstack.join("user_data"))
        .or_else(|| contents(&ec2.join("user-data")))
        .unwrap_or_default();
    if openstack.join("vendor_data.json").exists() {
        log::info("vendor data of the config drive is not used");
    }
    Some(instance)
}

fn contents(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes)) {
        Ok(_) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            log::error(&format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

/// Looks for a labelled device and reads it.
#[must_use]
pub(crate) fn find() -> Option<Instance> {
    let by_label = LABELS
        .iter()
        .map(|label| PathBuf::from("/dev/disk/by-label").join(label));
    let devices = by_label
        .filter(|path| path.exists())
        .chain(labelled_devices());
    devices
        .into_iter()
        .find_map(|device| match mounted(&device) {
            Ok(instance) => instance,
            Err(error) => {
                log::warning(&format!(
                    "cannot read the config drive {}: {error}",
                    device.display()
                ));
                None
            }
        })
}

fn mounted(device: &Path) -> io::Result<Option<Instance>> {
    let flags = MountFlags::RDONLY | MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
    fs::create_dir_all(MOUNT_POINT)?;
    let mut last = io::Error::other("no file system that a config drive can have");
    for kind in ["iso9660", "vfat", "udf"] {
        match rustix::mount::mount(device, MOUNT_POINT, kind, flags, None) {
            Ok(()) => {
                let instance = read(Path::new(MOUNT_POINT));
                let _ = rustix::mount::unmount(MOUNT_POINT, UnmountFlags::DETACH);
                return Ok(instance);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Block devices whose superblock has one of the labels, for the moment before links are made.
fn labelled_devices() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/sys/class/block") else {
        return vec![];
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
        .into_iter()
        .filter(|name| {
            !["loop", "ram", "zram", "dm-", "nbd"]
                .iter()
                .any(|p| name.starts_with(p))
        })
        .map(|name| Path::new("/dev").join(name))
        .filter(|path| label(path).is_ok_and(|label| LABELS.contains(&label.as_str())))
        .collect()
}

/// The label of an ISO 9660 or FAT file system.
fn label(device: &Path) -> io::Result<String> {
    let mut file = File::open(device)?;
    let mut at = |offset: u64, length: usize| -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    let boot = at(0, 512)?;
    let fat = |label: std::ops::Range<usize>, mark: std::ops::Range<usize>| {
        let is_fat = boot.get(mark).is_some_and(|mark| mark.starts_with(b"FAT"));
        is_fat.then(|| clean(boot.get(label).unwrap_or(&[])))
    };
    if let Some(found) = fat(43..54, 54..62).or_else(|| fat(71..82, 82..90)) {
        return Ok(found);
    }
    let volume = at(0x8000, 72)?;
    if volume.get(1..6) == Some(b"CD001") {
        return Ok(clean(volume.get(40..72).unwrap_or(&[])));
    }
    Ok(String::new())
}

fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches([' ', '\0'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_from_superblocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut iso = vec![0; 0x8800];
        iso[0x8001..0x8006].copy_from_slice(b"CD001");
        iso[0x8028..0x8048].copy_from_slice(b"config-2                        ");
        fs::write(&path, &iso).unwrap();
        assert_eq!(label(&path).unwrap(), "config-2");
        let mut fat = vec![0; 0x8800];
        fat[43..54].copy_from_slice(b"CONFIG-2   ");
        fat[54..62].copy_from_slice(b"FAT16   ");
        fs::write(&path, &fat).unwrap();
        assert_eq!(label(&path).unwrap(), "CONFIG-2");
    }

    #[test]
    fn an_empty_folder_is_no_drive() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        fs::create_dir_all(folder.path().join("openstack/latest")).unwrap();
        assert!(read(folder.path()).is_some());
    }
}
