//! The cache outside the work tree: packages by SHA-256 and results of stages by key.
//!
//! A result is made under a temporary name and renamed, so that an interrupted build leaves nothing
//! half done; a few results of each stage are kept.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

const RESULTS_KEPT: usize = 4;

/// The cache folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens (and makes) the cache: the folder given, or `garboard` below the user's cache folder.
    ///
    /// # Errors
    /// When no folder is known or it cannot be made.
    pub fn open(given: Option<PathBuf>) -> Result<Self> {
        let root = match given {
            Some(root) => root,
            None => std::env::var_os("XDG_CACHE_HOME")
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
                .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
                .context("neither XDG_CACHE_HOME nor HOME is set; name a folder with --cache")?
                .join("garboard"),
        };
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot make the cache folder {}", root.display()))?;
        Ok(Self {
            root: fs::canonicalize(&root)?,
        })
    }

    /// A folder of the cache, made when missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Where the package with this SHA-256 lies, or is to lie.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn package(&self, sha256: &str) -> Result<PathBuf> {
        Ok(self.folder("packages")?.join(sha256))
    }

    /// The folder of a stage's result, made by `make` when the cache has none for this key.
    /// Also tells whether it was made now.
    ///
    /// # Errors
    /// Those of `make`, and of the file system.
    pub fn stage(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, bool)> {
        let folder = self.folder(&format!("stages/{name}"))?;
        let result = folder.join(key.text());
        if result.is_dir() {
            // The time of the last use decides what is kept.
            if let Ok(file) = fs::File::open(&result) {
                let _ = file.set_modified(std::time::SystemTime::now());
            }
            return Ok((result, false));
        }
        let unfinished = folder.join(format!(".{}-{}", key.text(), std::process::id()));
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished)?;
        let made = make(&unfinished);
        if made.is_err() {
            let _ = fs::remove_dir_all(&unfinished);
        }
        made?;
        if let Err(error) = fs::rename(&unfinished, &result) {
            // A build beside this one may have been quicker.
            let _ = fs::remove_dir_all(&unfinished);
            if !result.is_dir() {
                return Err(error).with_context(|| format!("cannot keep {}", result.display()));
            }
        }
        drop_old(&folder, &result)?;
        Ok((result, true))
    }
}

fn drop_old(folder: &Path, newest: &Path) -> Result<()> {
    let mut results = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if entry.path() != newest && !hidden {
            results.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    results.sort();
    let spare = results.len().saturating_sub(RESULTS_KEPT - 1);
    for (_, path) in results.into_iter().take(spare) {
        let _ = fs::remove_dir_all(path);
    }
    Ok(())
}

/// The key of a stage's result: a hash over everything that it depends on.
#[derive(Debug, Clone)]
pub struct Key(Sha256);

impl Key {
    /// A key that already covers this program itself: other code may give other bytes.
    #[must_use]
    pub fn new() -> Self {
        Self(Sha256::new()).add("builder", SOURCE)
    }

    /// With one more input.
    #[must_use]
    pub fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// With a file's name and bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_file(self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.add("file", bytes))
    }

    /// With the names, modes and bytes of everything below a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn add_folder(self, path: &Path) -> Result<Self> {
        let mut key = self;
        for (name, node) in crate::overlay::read(path)?.iter() {
            key = key.add(name, format!("{:o}", node.mode));
            match &node.kind {
                crate::tree::Kind::File(bytes) => key = key.add("file", bytes),
                crate::tree::Kind::Link(target) => key = key.add("link", target),
                crate::tree::Kind::Folder | crate::tree::Kind::Hard(_) => {}
            }
        }
        Ok(key)
    }

    /// The key as text.
    #[must_use]
    pub fn text(&self) -> String {
        hex(&self.0.clone().finalize())[..32].to_owned()
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// This program's own text, so that a change of code never meets an old result.
const SOURCE: &str = concat!(
    include_str!("deb.rs"),
    include_str!("disk.rs"),
    include_str!("elf.rs"),
    include_str!("esp.rs"),
    include_str!("filesystems.rs"),
    include_str!("fixups.rs"),
    include_str!("initrd.rs"),
    include_str!("kernel.rs"),
    include_str!("merge.rs"),
    include_str!("overlay.rs"),
    include_str!("qcow2.rs"),
    include_str!("stages.rs"),
    include_str!("status.rs"),
    include_str!("tar.rs"),
    include_str!("tools.rs"),
    include_str!("tree.rs"),
    include_str!("units.rs"),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_made_once_and_a_failed_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path().to_owned())).unwrap();
        let key = Key::new().add("a", "1");
        cache
            .stage("01-x", &key, |_| anyhow::bail!("no"))
            .unwrap_err();
        let (path, made) = cache
            .stage("01-x", &key, |out| Ok(fs::write(out.join("f"), "1")?))
            .unwrap();
        assert!(made);
        assert_eq!(fs::read_to_string(path.join("f")).unwrap(), "1");
        let (again, made) = cache
            .stage("01-x", &key, |_| anyhow::bail!("not called"))
            .unwrap();
        assert!(!made);
        assert_eq!(path, again);
        assert_eq!(
            fs::read_dir(folder.path().join("stages/01-x"))
                .unwrap()
                .count(),
            1
        );
    }

    #[test]
    fn keys_tell_where_one_input_ends() {
        assert_ne!(
            Key::new().add("a", "bc").text(),
            Key::new().add("ab", "c").text()
        );
    }

    #[test]
    fn only_a_few_results_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path().to_owned())).unwrap();
        for number in 0..9 {
            cache
                .stage("01-x", &Key::new().add("n", number.to_string()), |_| Ok(()))
                .unwrap();
        }
        assert_eq!(
            fs::read_dir(folder.path().join("stages/01-x"))
                .unwrap()
                .count(),
            RESULTS_KEPT
        );
    }
}
