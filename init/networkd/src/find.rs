//! Where .network files are: /etc before /run before /usr/lib, each name once, drop-ins merged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::network_file::{Complaint, NetworkFile};

/// The folders, the strongest first.
const FOLDERS: [&str; 3] = [
    "etc/systemd/network",
    "run/systemd/network",
    "usr/lib/systemd/network",
];

/// A file's complaints with its path.
#[derive(Debug)]
pub struct Complaints {
    pub path: PathBuf,
    pub list: Vec<Complaint>,
}

/// All files in the order in which they are tried, and what is wrong in them.
#[must_use]
pub fn network_files(root: &Path) -> (Vec<NetworkFile>, Vec<Complaints>) {
    let mut files = Vec::new();
    let mut complaints = Vec::new();
    for (name, path) in named(root, "", ".network") {
        let Some(text) = read(&path) else { continue };
        let drop_ins: Vec<String> = named(root, &format!("{name}.d"), ".conf")
            .into_values()
            .filter_map(|path| read(&path))
            .collect();
        let texts: Vec<&str> = std::iter::once(text.as_str())
            .chain(drop_ins.iter().map(String::as_str))
            .collect();
        let (file, list) = NetworkFile::parse(&name, &texts);
        if !list.is_empty() {
            complaints.push(Complaints {
                path: path.clone(),
                list,
            });
        }
        files.push(file);
    }
    (files, complaints)
}

/// All .netdev files, by name.
#[must_use]
pub fn netdev_files(root: &Path) -> Vec<(PathBuf, String)> {
    named(root, "", ".netdev")
        .into_values()
        .filter_map(|path| Some((path.clone(), read(&path)?)))
        .collect()
}

fn named(root: &Path, sub: &str, suffix: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for folder in FOLDERS {
        let folder = root.join(folder).join(sub);
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.ends_with(suffix) && !name.starts_with('.') {
                found.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    found
}

/// A file's text; an empty file or a link to /dev/null hides the weaker ones of its name.
fn read(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (!text.trim().is_empty()).then_some(text)
}
