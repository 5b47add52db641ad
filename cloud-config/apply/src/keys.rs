//! A user's ssh keys: one file per set below `~/.ssh/authorized_keys.d`, and `authorized_keys` made
//! from all sets. Written as root into a folder that the user owns, so nothing there is trusted:
//! links are refused.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cloud_config_document::encoding;
use init_sys::accounts::{Accounts, User};
use init_sys::folders;

use crate::files::{self, Written};
use crate::log;

/// Where the sets of keys lie, below `~/.ssh`.
const SETS: &str = "authorized_keys.d";

const HEAD: &str = "# Made from the files in authorized_keys.d. Add keys there: this file is written anew at every boot.\n";

/// Why keys could not be installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("user {0} does not exist, so no ssh keys were installed for it")]
    NoUser(String),
    #[error("cannot install ssh keys of {user}: {}", path.display())]
    Write {
        user: String,
        path: PathBuf,
        source: io::Error,
    },
}

/// What was done.
#[derive(Debug)]
pub(crate) struct Installed {
    pub written: Written,
    /// Keys that sshd could not read: kept in the set, left out of `authorized_keys`.
    pub unreadable: Vec<String>,
}

/// Replaces the set `name` of a user.
///
/// # Errors
/// When the user does not exist or a file cannot be written.
pub(crate) fn install(
    root: &Path,
    name: &str,
    user: &str,
    keys: &[String],
) -> Result<Installed, KeyError> {
    let accounts = Accounts::read(root).unwrap_or_default();
    let Some(user) = accounts.user(user).filter(|found| found.name == user) else {
        return Err(KeyError::NoUser(user.to_owned()));
    };
    let fail = |below: &str| {
        let path = Path::new(&user.home).join(below);
        let user = user.name.clone();
        move |source| KeyError::Write { user, path, source }
    };
    let ssh_folder = ssh_folder(root, &user).map_err(fail(".ssh"))?;
    let (sets_folder, first_time) =
        folder(&ssh_folder, SETS, &user).map_err(fail(".ssh/authorized_keys.d"))?;
    let (ssh, sets) = (by_number(&ssh_folder), by_number(&sets_folder));
    let main = ssh.join("authorized_keys");
    let owner = Some((user.uid, user.gid));
    if let Some(old) = plain_file(&main).filter(|old| first_time && !old.trim().is_empty()) {
        files::write(
            &sets.join("old_authorized_keys"),
            old.as_bytes(),
            0o600,
            owner,
        )
        .map_err(fail(".ssh/authorized_keys.d/old_authorized_keys"))?;
    }
    let set = sets.join(name);
    let mut written = Written::Unchanged;
    if plain_file(&set).is_some_and(|text| text.is_empty()) {
        log::info(&format!(
            "the key set {name} of {} is disabled (an empty file) and stays so",
            user.name
        ));
    } else {
        let text: String = keys.iter().map(|key| format!("{}\n", key.trim())).collect();
        written = files::write(&set, text.as_bytes(), 0o600, owner)
            .map_err(fail(&format!(".ssh/authorized_keys.d/{name}")))?;
    }
    let (text, unreadable) = joined(&sets);
    files::write(&main, text.as_bytes(), 0o600, owner).map_err(fail(".ssh/authorized_keys"))?;
    Ok(Installed {
        written,
        unreadable,
    })
}

/// The keys of the set as they are now.
#[must_use]
pub(crate) fn current(root: &Path, name: &str, user: &str) -> Vec<String> {
    let accounts = Accounts::read(root).unwrap_or_default();
    let Some(user) = accounts.user(user) else {
        return vec![];
    };
    let path = files::below(root, &user.home)
        .join(".ssh")
        .join(SETS)
        .join(name);
    plain_file(&path)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn plain_file(path: &Path) -> Option<String> {
    let meta = fs::symlink_metadata(path).ok()?;
    meta.is_file()
        .then(|| fs::read_to_string(path).ok())
        .flatten()
}

/// `~/.ssh`, made if it is missing, as its home is.
fn ssh_folder(root: &Path, user: &User) -> io::Result<OwnedFd> {
    let home = files::below(root, &user.home);
    let name = home.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let parent = home.parent().ok_or(io::ErrorKind::InvalidInput)?;
    files::make_folder(parent)?;
    // The way to the home is root's own.
    let parent = OwnedFd::from(fs::File::open(parent)?);
    let home = match folders::open_in(&parent, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = folders::make_in(&parent, name, 0o755)?;
            std::os::unix::fs::fchown(&made, Some(user.uid), Some(user.gid))?;
            made
        }
        other => other?,
    };
    Ok(folder(&home, ".ssh", user)?.0)
}

/// A folder of the user's own below an open one, and whether it had to be made. A link or somebody
/// else's folder is refused.
fn folder(at: &OwnedFd, name: &str, user: &User) -> io::Result<(OwnedFd, bool)> {
    match folders::open_in(at, name) {
        Ok(found) => {
            let owner = fs::File::from(found.try_clone()?).metadata()?.uid();
            if owner != user.uid && owner != 0 {
                return Err(io::Error::other("it belongs to somebody else"));
            }
            Ok((found, false))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = folders::make_in(at, name, 0o700)?;
            std::os::unix::fs::fchown(&made, Some(user.uid), Some(user.gid))?;
            Ok((made, true))
        }
        Err(error) => Err(error),
    }
}

/// The path of an open folder, which its owner cannot turn into another.
fn by_number(folder: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string())
}

fn joined(sets: &Path) -> (String, Vec<String>) {
    let mut names: Vec<PathBuf> = fs::read_dir(sets)
        .map(|list| list.flatten().map(|e| e.path()).collect())
        .unwrap_or_default();
    names.sort();
    let (mut text, mut unreadable) = (HEAD.to_owned(), Vec::new());
    for path in names {
        for line in plain_file(&path).unwrap_or_default().lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if readable(line) {
                text.push_str(line);
                text.push('\n');
            } else {
                unreadable.push(line.chars().take(40).collect());
            }
        }
    }
    (text, unreadable)
}

/// True for `[options] type base64 [comment]` where the base64 names the same type.
#[must_use]
pub(crate) fn readable(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).any(|pair| match pair {
        [kind, data] => {
            let known = ["ssh-", "ecdsa-", "sk-"]
                .iter()
                .any(|prefix| kind.starts_with(prefix));
            known && encoding::base64(data.as_bytes()).is_ok_and(|blob| names_type(&blob, kind))
        }
        _ => false,
    })
}

fn names_type(blob: &[u8], kind: &str) -> bool {
    let length = u32::try_from(kind.len()).unwrap_or(0).to_be_bytes();
    blob.strip_prefix(&length)
        .is_some_and(|rest| rest.starts_with(kind.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me";

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        let me = fs::metadata(root.path()).unwrap();
        let line = format!("core:x:{}:{}::/home/core:/bin/sh\n", me.uid(), me.gid());
        fs::write(root.path().join("etc/passwd"), line).unwrap();
        root
    }

    #[test]
    fn sets_are_replaced_and_joined_and_old_keys_saved() {
        let root = root();
        let ssh = root.path().join("home/core/.ssh");
        fs::create_dir_all(&ssh).unwrap();
        fs::write(ssh.join("authorized_keys"), format!("{KEY} old\n")).unwrap();
        let keys = vec![format!("{KEY} new "), "garbage".to_owned()];
        let done = install(root.path(), "coreos-cloudinit", "core", &keys).unwrap();
        assert_eq!(done.unreadable, ["garbage"]);
        let text = fs::read_to_string(ssh.join("authorized_keys")).unwrap();
        assert_eq!(text, format!("{HEAD}{KEY} new\n{KEY} old\n"));
        let again = install(root.path(), "coreos-cloudinit", "core", &keys).unwrap();
        assert_eq!(again.written, Written::Unchanged);
    }

    #[test]
    fn a_disabled_set_stays_disabled_and_links_are_refused() {
        let root = root();
        let sets = root.path().join("home/core/.ssh/authorized_keys.d");
        fs::create_dir_all(&sets).unwrap();
        fs::write(sets.join("s"), "").unwrap();
        install(root.path(), "s", "core", &[KEY.to_owned()]).unwrap();
        assert_eq!(fs::read_to_string(sets.join("s")).unwrap(), "");
        fs::remove_dir_all(&sets).unwrap();
        std::os::unix::fs::symlink(root.path(), &sets).unwrap();
        assert!(matches!(
            install(root.path(), "s", "core", &[KEY.to_owned()]),
            Err(KeyError::Write { .. })
        ));
        assert!(matches!(
            install(root.path(), "s", "nobody", &[]),
            Err(KeyError::NoUser(_))
        ));
    }
}
