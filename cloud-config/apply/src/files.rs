//! Files are written beside their place, synced and renamed: after a crash there is the old file or
//! the new one, whole. A file that is already right is not touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use init_sys::accounts::Accounts;

/// What writing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Created,
    Changed,
    Unchanged,
}

impl Written {
    /// The word in reports.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A path below another root.
#[must_use]
pub(crate) fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Writes a file with all of its mode bits. A link in its place is replaced, not followed.
///
/// # Errors
/// What the kernel says, or that the place is a folder; no temporary file stays behind.
pub(crate) fn write(
    path: &Path,
    content: &[u8],
    mode: u32,
    owner: Option<(u32, u32)>,
) -> io::Result<Written> {
    let before = fs::symlink_metadata(path).ok();
    if let Some(meta) = &before {
        if meta.is_dir() {
            return Err(io::Error::other("it is a folder"));
        }
        let same_owner = owner.is_none_or(|(uid, gid)| meta.uid() == uid && meta.gid() == gid);
        let same_mode = meta.permissions().mode() & 0o7777 == mode;
        if meta.is_file()
            && same_owner
            && same_mode
            && fs::read(path).is_ok_and(|old| old == content)
        {
            return Ok(Written::Unchanged);
        }
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    make_folder(folder)?;
    let temporary = folder.join(format!("cloudinit-temp{}", std::process::id()));
    let result = fill(&temporary, content, mode, owner).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = result {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(if before.is_some() {
        Written::Changed
    } else {
        Written::Created
    })
}

fn fill(path: &Path, content: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    // One left by a crash may be a trap by now; ours is made anew.
    let _ = fs::remove_file(path);
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content)?;
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    // After the owner: a change of owner clears set-uid.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Makes missing folders, 0755.
///
/// # Errors
/// What the kernel says.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
}

/// `user`, `user:group`, ids; by the root's own passwd and group.
///
/// # Errors
/// Names the part that is unknown.
pub(crate) fn owner(text: &str, accounts: &Accounts) -> Result<(u32, u32), String> {
    let (user, group) = text
        .split_once(':')
        .map_or((text, None), |(user, group)| (user, Some(group)));
    let (uid, login_gid) = match user {
        "" | "root" => (0, 0),
        name => match accounts.user(name) {
            Some(user) => (user.uid, user.gid),
            None => return Err(format!("no user {name:?}")),
        },
    };
    match group {
        None | Some("") => Ok((uid, login_gid)),
        Some("root") => Ok((uid, 0)),
        Some(name) => match accounts.group(name) {
            Some(gid) => Ok((uid, gid)),
            None => Err(format!("no group {name:?}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mode_bits_are_kept_and_the_second_write_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert_eq!(write(&path, b"x", 0o1777, None).unwrap(), Written::Created);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o1777
        );
        let inode = fs::metadata(&path).unwrap().ino();
        assert_eq!(
            write(&path, b"x", 0o1777, None).unwrap(),
            Written::Unchanged
        );
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert_eq!(write(&path, b"y", 0o644, None).unwrap(), Written::Changed);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
        assert!(
            write(&folder.path().join("a"), b"y", 0o644, None)
                .unwrap_err()
                .to_string()
                .contains("folder")
        );
    }

    #[test]
    fn links_are_replaced_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        fs::write(&target, "old").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write(&link, b"new", 0o644, None).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert!(fs::symlink_metadata(&link).unwrap().is_file());
    }
}
