//! `RuntimeDirectory=` and its siblings: made as root, given to the user, named in the environment.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use unit_file::{DirectorySet, ExecConfig};

use super::credentials::Who;
use super::{Failed, Step, code};

/// A directory that was made, by the variable that names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    /// Variable and its folders.
    pub(crate) sets: Vec<(&'static str, Vec<PathBuf>)>,
}

/// Each directive with its place, variable and exit code.
fn kinds(config: &ExecConfig) -> [(&DirectorySet, &'static str, &'static str, u8); 5] {
    [
        (
            &config.runtime_directory,
            "/run",
            "RUNTIME_DIRECTORY",
            code::RUNTIME_DIRECTORY,
        ),
        (
            &config.state_directory,
            "/var/lib",
            "STATE_DIRECTORY",
            code::STATE_DIRECTORY,
        ),
        (
            &config.cache_directory,
            "/var/cache",
            "CACHE_DIRECTORY",
            code::CACHE_DIRECTORY,
        ),
        (
            &config.logs_directory,
            "/var/log",
            "LOGS_DIRECTORY",
            code::LOGS_DIRECTORY,
        ),
        (
            &config.configuration_directory,
            "/etc",
            "CONFIGURATION_DIRECTORY",
            code::CONFIGURATION_DIRECTORY,
        ),
    ]
}

/// Makes all of them.
pub(crate) fn make(config: &ExecConfig, who: &Who) -> Result<Made, Failed> {
    let mut made = Made::default();
    for (set, place, variable, exit) in kinds(config) {
        let mut folders = Vec::new();
        for name in &set.names {
            let path = Path::new(place).join(name);
            // A configuration folder belongs to root, as systemd leaves it.
            let owner = (place != "/etc").then_some(who);
            one(&path, set.mode, owner).step(exit, || format!("make {}", path.display()))?;
            folders.push(path);
        }
        for (name, link) in &set.links {
            let path = Path::new(place).join(link);
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(Path::new(place).join(name), &path)
                .step(exit, || format!("make {}", path.display()))?;
        }
        if !folders.is_empty() {
            made.sets.push((variable, folders));
        }
    }
    Ok(made)
}

fn one(path: &Path, mode: u32, owner: Option<&Who>) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        // The umask of the unit must not reach the parents.
        let old = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
        let _ = rustix::process::umask(old);
        made?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    let Some(who) = owner else { return Ok(()) };
    give(path, who.uid(), who.gid)
}

/// Gives a tree to its owner if the folder itself has another (a renumbered user).
fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let now = fs::metadata(path)?;
    if now.uid() == uid && now.gid() == gid {
        return Ok(());
    }
    give_all(path, uid, gid)
}

fn give_all(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)?.flatten() {
            give_all(&entry.path(), uid, gid)?;
        }
        return chown(path, Some(uid), Some(gid));
    }
    std::os::unix::fs::lchown(path, Some(uid), Some(gid))
}
