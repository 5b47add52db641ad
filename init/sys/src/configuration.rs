//! Which configuration files hold, and in which order: `/etc` before `/run` before `/usr`, as for units.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const BASES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];

/// The `*.conf` files of a folder such as `tmpfiles.d`, sorted by name; a file in /etc hides one of the same name in
/// /run, and that one in /usr. A link to /dev/null hides and is not listed.
#[must_use]
pub fn folder(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for base in BASES {
        let Ok(entries) = std::fs::read_dir(root.join(base).join(name)) else {
            continue;
        };
        for entry in entries.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            if file.ends_with(".conf") {
                found.entry(file).or_insert_with(|| entry.path());
            }
        }
    }
    let hidden =
        |path: &PathBuf| std::fs::read_link(path).is_ok_and(|to| to == Path::new("/dev/null"));
    found.into_values().filter(|path| !hidden(path)).collect()
}

/// A file such as `systemd/journald.conf` and its drop-ins, in the order in which they apply.
#[must_use]
pub fn files(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = BASES
        .iter()
        .map(|base| root.join(base).join(name))
        .find(|path| path.exists())
        .into_iter()
        .collect();
    all.extend(folder(root, &format!("{name}.d")));
    all
}
