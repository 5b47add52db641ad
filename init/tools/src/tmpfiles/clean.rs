//! Removing what is older than a folder's age.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::below;
use super::line::Item;
use crate::clock;

pub(super) fn clean(item: &Item, all: &[Item], root: &Path) -> Result<(), String> {
    let Some(age) = item.age.filter(|_| "dDevqQC".contains(item.kind)) else {
        return Ok(());
    };
    if age.is_infinite() {
        return Ok(());
    }
    let limit = clock::now().saturating_sub(age.as_micros());
    let pattern = below(root, &item.path).to_string_lossy().into_owned();
    for folder in crate::cli::glob(&pattern) {
        let Ok(found) = folder.symlink_metadata() else {
            continue;
        };
        if found.is_dir() {
            let run = Run {
                all,
                root,
                limit,
                device: found.dev(),
            };
            run.folder(&folder, item.keep_first_level);
        }
    }
    Ok(())
}

struct Run<'a> {
    all: &'a [Item],
    root: &'a Path,
    limit: u64,
    device: u64,
}

impl Run<'_> {
    fn folder(&self, folder: &Path, keep: bool) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(found) = path.symlink_metadata() else {
                continue;
            };
            if found.dev() != self.device || self.is_spared(&path) {
                continue;
            }
            if found.is_dir() {
                self.folder(&path, false);
            }
            // What other lines make stays, and so does what root marked as sticky in use.
            if keep || self.is_named(&path) || self.is_young(&found) {
                continue;
            }
            let _ = if found.is_dir() {
                fs::remove_dir(&path)
            } else {
                fs::remove_file(&path)
            };
        }
    }

    fn is_young(&self, found: &fs::Metadata) -> bool {
        let micros = |seconds: i64| {
            u64::try_from(seconds)
                .unwrap_or(0)
                .saturating_mul(1_000_000)
        };
        let access = if found.is_dir() {
            0
        } else {
            micros(found.atime())
        };
        let last = micros(found.mtime()).max(micros(found.ctime())).max(access);
        last >= self.limit
    }

    /// `x` spares a path and all below it, `X` the path alone.
    fn is_spared(&self, path: &Path) -> bool {
        let matches = |item: &Item| {
            let pattern = below(self.root, &item.path).to_string_lossy().into_owned();
            unit_file::glob_matches(&pattern, &path.to_string_lossy())
        };
        self.all
            .iter()
            .any(|item| matches!(item.kind, 'x' | 'X') && matches(item))
    }

    fn is_named(&self, path: &Path) -> bool {
        self.all
            .iter()
            .any(|item| below(self.root, &item.path) == path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Facts;
    use super::*;

    #[test]
    fn only_old_files_that_no_line_spares_are_removed() {
        let root = std::env::temp_dir().join(format!("tmpclean-{}", std::process::id()));
        fs::create_dir_all(root.join("t")).unwrap();
        for name in ["a", "b"] {
            fs::write(root.join("t").join(name), "").unwrap();
        }
        let item = |line: &str| Item::parse(line, &Facts::default()).unwrap().unwrap();
        let all = [item("d /t - - - 1d"), item("x /t/b")];
        clean(&all[0], &all, &root).unwrap();
        assert!(root.join("t/a").exists(), "younger than a day");
        let all = [item("d /t - - - 0"), item("x /t/b")];
        clean(&all[0], &all, &root).unwrap();
        assert!(!root.join("t/a").exists() || clock::now() == 0);
        assert!(root.join("t/b").exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
