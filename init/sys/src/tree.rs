//! Unit files on a real file system: `unit_file::Tree` below a root folder.
//!
//! With a root other than `/` every link is followed as if that were the root of everything: an
//! absolute link of an image's tree does not lead out to the machine that works on it.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    os::unix::fs::{FileTypeExt, MetadataExt, symlink},
    path::{Path, PathBuf},
};

use unit_file::{Kind, Metadata, Tree, TreeMut};

/// Links followed before a loop is assumed, as the kernel does.
/// Longer unit files are a mistake.
const LONGEST: u64 = 4 << 20;
const MAX_LINKS: usize = 40;

/// The files below a root.
#[derive(Clone, Debug)]
pub struct RealTree {
    /// `None` for `/`, where the kernel follows links itself.
    root: Option<PathBuf>,
}

impl Default for RealTree {
    fn default() -> Self {
        Self::system()
    }
}

impl RealTree {
    /// The machine's own files.
    #[must_use]
    pub const fn system() -> Self {
        Self { root: None }
    }

    /// The files below `root`, which is `/` for all that is read and written.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        Self {
            root: (root != Path::new("/")).then(|| root.to_owned()),
        }
    }

    /// Where a path really is; the last part's own link is followed if `last`.
    fn place(&self, path: &str, last: bool) -> io::Result<PathBuf> {
        let Some(root) = &self.root else {
            return Ok(PathBuf::from(path));
        };
        let parts = |text: &str| -> Vec<String> {
            let named = |part: &&str| !part.is_empty() && *part != ".";
            text.split('/')
                .filter(named)
                .rev()
                .map(str::to_owned)
                .collect()
        };
        let mut todo = parts(path);
        let mut done = PathBuf::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.pop();
                continue;
            }
            let here = done.join(&part);
            match fs::read_link(root.join(&here)) {
                Ok(target) if last || !todo.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    if target.is_absolute() {
                        done.clear();
                    }
                    todo.extend(parts(&target.to_string_lossy()));
                }
                _ => done = here,
            }
        }
        // What is not a file of any tree stays the machine's: an image need not have /dev/null.
        if done == Path::new("dev/null") {
            return Ok(PathBuf::from("/dev/null"));
        }
        Ok(root.join(done))
    }
}

fn metadata(found: &fs::Metadata) -> Metadata {
    let kind = found.file_type();
    let kind = if kind.is_file() {
        Kind::File
    } else if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link
    } else if kind.is_char_device() {
        Kind::Device
    } else {
        Kind::Other
    };
    let seconds = u64::try_from(found.mtime()).unwrap_or(0);
    let nanoseconds = u64::try_from(found.mtime_nsec()).unwrap_or(0);
    Metadata {
        kind,
        len: found.len(),
        modified: seconds.saturating_mul(1_000_000) + nanoseconds / 1000,
    }
}

impl Tree for RealTree {
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.place(directory, true)?)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        crate::files::read(self.place(path, true)?, LONGEST)
    }

    fn read_link(&self, path: &str) -> io::Result<String> {
        fs::read_link(self.place(path, false)?)?
            .into_os_string()
            .into_string()
            .map_err(|_| ErrorKind::InvalidData.into())
    }

    fn link_metadata(&self, path: &str) -> io::Result<Metadata> {
        fs::symlink_metadata(self.place(path, false)?).map(|found| metadata(&found))
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        fs::metadata(self.place(path, true)?).map(|found| metadata(&found))
    }
}

impl TreeMut for RealTree {
    fn make_link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let place = self.place(path, false)?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        symlink(target, place)
    }

    fn remove(&mut self, path: &str, prune: bool) -> io::Result<()> {
        let place = self.place(path, false)?;
        fs::remove_file(&place)?;
        if prune && let Some(parent) = place.parent() {
            // Succeeds only for an empty folder, which is what is wanted.
            match fs::remove_dir(parent) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &str, text: &str) -> io::Result<()> {
        let place = self.place(path, true)?;
        let Some((parent, name)) = place.parent().zip(place.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        fs::create_dir_all(parent)?;
        let new = parent.join(format!(".#{}.new", name.to_string_lossy()));
        let written = fs::File::create(&new)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &place));
        if written.is_err() {
            // The error that matters is the one above.
            let _ = fs::remove_file(&new);
        }
        written
    }

    fn remove_all(&mut self, path: &str) -> io::Result<()> {
        let place = self.place(path, false)?;
        if fs::symlink_metadata(&place)?.is_dir() {
            fs::remove_dir_all(place)
        } else {
            fs::remove_file(place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_a_root_stay_below_it() {
        let root = tempfile::tempdir().unwrap();
        let mut tree = RealTree::below(root.path());
        tree.write("/usr/lib/systemd/system/a.service", "[Unit]\n")
            .unwrap();
        tree.make_link("/usr/lib64/systemd", "/usr/lib/systemd")
            .unwrap();
        tree.make_link(
            "/etc/systemd/system/b.service",
            "/usr/lib64/systemd/system/a.service",
        )
        .unwrap();
        tree.make_link("/etc/systemd/system/m.service", "/dev/null")
            .unwrap();
        assert_eq!(
            tree.read("/etc/systemd/system/b.service").unwrap(),
            b"[Unit]\n"
        );
        assert_eq!(
            tree.list("/usr/lib64/systemd/system").unwrap(),
            ["a.service"]
        );
        assert_eq!(
            tree.metadata("/etc/systemd/system/m.service").unwrap().kind,
            Kind::Device
        );
        assert_eq!(
            tree.read_link("/etc/systemd/system/b.service").unwrap(),
            "/usr/lib64/systemd/system/a.service"
        );
        assert_eq!(
            tree.read("/etc/shadow-of-the-host").unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    #[test]
    fn removing_the_last_entry_can_prune_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let mut tree = RealTree::below(root.path());
        tree.make_link("/etc/m.target.wants/a.service", "/a.service")
            .unwrap();
        tree.make_link("/etc/m.target.wants/b.service", "/b.service")
            .unwrap();
        tree.remove("/etc/m.target.wants/a.service", true).unwrap();
        assert!(tree.has_entry("/etc/m.target.wants"));
        tree.remove("/etc/m.target.wants/b.service", true).unwrap();
        assert!(!tree.has_entry("/etc/m.target.wants"));
        assert_eq!(
            tree.make_link("/etc/m.target.wants/c.service", "/c")
                .and_then(|()| tree.make_link("/etc/m.target.wants/c.service", "/c"))
                .unwrap_err()
                .kind(),
            ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn units_load_from_the_disk() {
        let root = tempfile::tempdir().unwrap();
        let mut tree = RealTree::below(root.path());
        tree.write(
            "/etc/systemd/system/a.service",
            "[Service]\nExecStart=/bin/true\n",
        )
        .unwrap();
        let loader = unit_file::UnitLoader::new(tree);
        let name = "a.service".parse().unwrap();
        assert!(loader.load(&name).error.is_none());
        assert_eq!(
            loader.load(&name).fragment.as_deref(),
            Some("/etc/systemd/system/a.service")
        );
    }
}
