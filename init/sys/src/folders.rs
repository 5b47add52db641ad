//! Folders reached without following a link, and what root does in folders that belong to others.
//!
//! Whoever owns a folder may put a link in the place of anything in it, at any moment. So nothing
//! here goes by a path twice: each step is opened below the step before it, and modes and owners are
//! set on what was opened. The link itself is an error (`ELOOP` or `ENOTDIR`), never a way.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Opens a folder by its path. The folder itself may not be a link; the way to it is trusted.
///
/// # Errors
/// What open reports: `ENOTDIR` or `ELOOP` for a link.
pub fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, FOLDER, Mode::empty())?)
}

/// Opens one name below a folder.
///
/// # Errors
/// What open reports: `ENOTDIR` or `ELOOP` for a link.
pub fn open_in(folder: impl AsFd, name: impl AsRef<OsStr>) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(
        folder,
        name.as_ref(),
        FOLDER,
        Mode::empty(),
    )?)
}

/// Opens one name below a folder, and makes it first if it is not there, with these mode bits
/// whatever the umask is.
///
/// # Errors
/// What mkdir, open or chmod report.
pub fn make_in(folder: impl AsFd, name: impl AsRef<OsStr>, mode: u32) -> io::Result<OwnedFd> {
    let (name, bits) = (name.as_ref(), Mode::from_raw_mode(mode));
    match rustix::fs::mkdirat(&folder, name, bits) {
        Ok(()) => {
            let made = open_in(&folder, name)?;
            rustix::fs::fchmod(&made, bits)?;
            Ok(made)
        }
        Err(Errno::EXIST) => open_in(&folder, name),
        Err(e) => Err(e.into()),
    }
}

/// Opens a folder some names below a trusted place, making all that is missing: the ones on the way
/// with 0755, the last one with `mode`.
///
/// # Errors
/// What mkdir and open report; a path that is not relative or goes up is refused.
pub fn make_below(place: &Path, below: &Path, mode: u32) -> io::Result<OwnedFd> {
    // The place itself may be a link: only root could have made it one.
    let mut at = rustix::fs::open(
        place,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut names = below.components().peekable();
    while let Some(part) = names.next() {
        let Component::Normal(name) = part else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let mode = if names.peek().is_some() { 0o755 } else { mode };
        at = make_in(&at, name, mode)?;
    }
    Ok(at)
}

/// Removes a folder some names below a trusted place, with everything in it.
///
/// # Errors
/// What open and remove report; a path that is not relative or goes up is refused.
pub fn remove_below(place: &Path, below: &Path) -> io::Result<()> {
    let refused = || io::Error::from(io::ErrorKind::InvalidInput);
    let name = below.file_name().ok_or_else(refused)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::open(place, flags, Mode::empty())?;
    for part in below.parent().into_iter().flat_map(Path::components) {
        let Component::Normal(name) = part else {
            return Err(refused());
        };
        at = open_in(&at, name)?;
    }
    std::fs::remove_dir_all(
        Path::new("/proc/self/fd")
            .join(at.as_raw_fd().to_string())
            .join(name),
    )
}

/// Gives a folder with everything in it to an owner, if the folder itself has another one.
///
/// # Errors
/// What the first refused step reports.
pub fn give_tree(folder: impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    let now = rustix::fs::fstat(&folder)?;
    if now.st_uid == uid && now.st_gid == gid {
        return Ok(());
    }
    give_all(&folder, uid, gid)
}

fn give_all(folder: &impl AsFd, uid: u32, gid: u32) -> io::Result<()> {
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    for (name, kind) in names(folder)? {
        let gone = |e: Errno| if e == Errno::NOENT { Ok(()) } else { Err(e) };
        if kind == FileType::Directory {
            give_all(&open_in(folder, &name)?, uid, gid)?;
        } else {
            rustix::fs::chownat(folder, &name, owner, group, AtFlags::SYMLINK_NOFOLLOW)
                .or_else(gone)?;
        }
    }
    // Last, so that a run that was cut off begins again.
    rustix::fs::fchown(folder, owner, group)?;
    Ok(())
}

/// Names in a folder with what they are.
fn names(folder: &impl AsFd) -> io::Result<Vec<(OsString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = OsString::from_vec(entry.file_name().to_bytes().to_vec());
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                let about = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(about.st_mode)
            }
            known => known,
        };
        found.push((name, kind));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    #[test]
    fn folders_are_made_with_their_mode_and_a_link_is_no_folder() {
        let place = tempfile::tempdir().unwrap();
        let made = make_below(place.path(), Path::new("a/b"), 0o1770).unwrap();
        drop(made);
        let mode = |path: &str| {
            let found = fs::metadata(place.path().join(path)).unwrap();
            found.permissions().mode() & 0o7777
        };
        assert_eq!((mode("a"), mode("a/b")), (0o755, 0o1770));
        fs::create_dir(place.path().join("secret")).unwrap();
        fs::remove_dir(place.path().join("a/b")).unwrap();
        symlink(place.path().join("secret"), place.path().join("a/b")).unwrap();
        for below in ["a/b", "a/b/c", "../x", "/x"] {
            make_below(place.path(), Path::new(below), 0o777).unwrap_err();
        }
        assert_eq!(
            fs::read_dir(place.path().join("secret")).unwrap().count(),
            0
        );
        fs::create_dir_all(place.path().join("secret/x")).unwrap();
        remove_below(place.path(), Path::new("a/b/x")).unwrap_err();
        assert!(place.path().join("secret/x").exists());
        remove_below(place.path(), Path::new("secret/x")).unwrap();
        assert!(!place.path().join("secret/x").exists());
    }

    #[test]
    fn a_tree_is_given_away_without_what_its_links_point_to() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: giving files away needs root");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        fs::write(tree.join("sub/file"), "").unwrap();
        fs::write(place.path().join("other"), "").unwrap();
        fs::create_dir(place.path().join("folder")).unwrap();
        symlink(place.path().join("other"), tree.join("sub/link")).unwrap();
        symlink(place.path().join("folder"), tree.join("link")).unwrap();
        give_tree(open(&tree).unwrap(), 1, 1).unwrap();
        let owner = |path: &str| fs::symlink_metadata(place.path().join(path)).unwrap().uid();
        for given in [
            "tree",
            "tree/sub",
            "tree/sub/file",
            "tree/sub/link",
            "tree/link",
        ] {
            assert_eq!(owner(given), 1, "{given}");
        }
        assert_eq!((owner("other"), owner("folder")), (0, 0));
    }
}
