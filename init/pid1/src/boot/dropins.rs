//! Folders of configuration pieces (`sysctl.d`, `modules-load.d`): /etc over /run over /usr/lib,
//! in the order of file names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The `.conf` files that count, in order.
pub(crate) fn files(root: &Path, name: &str) -> Vec<PathBuf> {
    let mut found: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for folder in ["etc", "run", "usr/local/lib", "usr/lib"] {
        let Ok(entries) = fs::read_dir(root.join(folder).join(name)) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|x| x == "conf") {
                found.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    found.into_values().collect()
}

/// The lines of all of them, without comments and blank lines.
pub(crate) fn lines(root: &Path, name: &str) -> Vec<String> {
    let mut all = Vec::new();
    for file in files(root, name) {
        let text = fs::read_to_string(file).unwrap_or_default();
        all.extend(
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
                .map(str::to_owned),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_file_in_etc_hides_the_one_in_usr_and_order_is_by_name() {
        let root = std::env::temp_dir().join(format!("garboard-dropins-{}", std::process::id()));
        for (path, text) in [
            ("etc/sysctl.d/20-b.conf", "b=etc\n# c\n"),
            ("usr/lib/sysctl.d/20-b.conf", "b=usr\n"),
            ("usr/lib/sysctl.d/10-a.conf", "a=1\n"),
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found = lines(&root, "sysctl.d");
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, vec!["a=1", "b=etc"]);
    }
}
