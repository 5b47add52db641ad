//! Reading /sys: uevent files, block devices and partitions, modaliases.

use std::fs;
use std::path::{Path, PathBuf};

/// A block device as /sys/class/block shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// Name of its node (`vda5`).
    pub name: String,
    /// Name of the whole disk (`vda`); equal to `name` for a disk.
    pub disk: String,
    /// Number of the partition.
    pub partition: Option<i32>,
    /// First sector (512 bytes) of the partition.
    pub start: u64,
    /// Sectors (512 bytes).
    pub sectors: u64,
    /// Label in the partition table.
    pub label: Option<String>,
    /// UUID in the partition table.
    pub uuid: Option<String>,
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// All block devices, sorted by name.
pub(crate) fn blocks() -> Vec<Block> {
    let Ok(entries) = fs::read_dir("/sys/class/block") else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names.iter().filter_map(|name| block(name)).collect()
}

/// One block device by the name of its node.
pub(crate) fn block(name: &str) -> Option<Block> {
    let folder = Path::new("/sys/class/block").join(name);
    let text = fs::read_to_string(folder.join("uevent")).ok()?;
    let real = fs::canonicalize(&folder).ok()?;
    let get = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(str::to_owned)
    };
    let partition = number(&folder.join("partition")).and_then(|n| i32::try_from(n).ok());
    let disk = if partition.is_some() {
        real.parent()?.file_name()?.to_str()?.to_owned()
    } else {
        name.to_owned()
    };
    Some(Block {
        name: get("DEVNAME").unwrap_or_else(|| name.to_owned()),
        disk,
        partition,
        start: number(&folder.join("start")).unwrap_or(0),
        sectors: number(&folder.join("size")).unwrap_or(0),
        label: get("PARTNAME"),
        uuid: get("PARTUUID"),
    })
}

/// Modaliases of all devices that have no driver yet or none at all, each once.
pub(crate) fn modaliases() -> Vec<String> {
    let mut found = Vec::new();
    walk(&PathBuf::from("/sys/devices"), 0, &mut found);
    found.sort();
    found.dedup();
    found
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<String>) {
    // Deep enough for disks behind bridges behind controllers.
    if depth > 16 {
        return;
    }
    if let Ok(text) = fs::read_to_string(folder.join("modalias")) {
        let alias = text.trim();
        if !alias.is_empty() {
            found.push(alias.to_owned());
        }
    }
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&entry.path(), depth + 1, found);
        }
    }
}
