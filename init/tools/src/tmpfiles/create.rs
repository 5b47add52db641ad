//! Making and removing what one line says.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use init_sys::accounts::Accounts;
use rustix::fs::{CWD, FileType, Mode as RawMode, mknodat};

use super::below;
use super::line::Item;
use crate::cli;

type Done = Result<(), String>;

fn say(what: &str) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("cannot {what}: {error}")
}

pub(super) fn create(item: &Item, root: &Path, accounts: &Accounts) -> Done {
    let path = below(root, &item.path);
    match item.kind {
        'd' | 'D' | 'v' | 'q' | 'Q' => {
            clear_for(item, &path, fs::Metadata::is_dir)?;
            let new = make_folder(&path)?;
            adjust(item, &path, accounts, new, 0o755)
        }
        'e' => each(root, item, |path| {
            if path.is_dir() {
                adjust(item, path, accounts, false, 0o755)
            } else {
                Ok(())
            }
        }),
        'f' | 'F' => file(item, &path, accounts),
        'w' => each(root, item, |path| write(path, item, false)),
        'L' => link(item, root, &path),
        'C' => copy(item, root, &path, accounts),
        'p' => node(item, &path, accounts, FileType::Fifo),
        'c' => node(item, &path, accounts, FileType::CharacterDevice),
        'b' => node(item, &path, accounts, FileType::BlockDevice),
        'z' | 'm' => each(root, item, |path| adjust(item, path, accounts, false, 0)),
        'Z' => each(root, item, |path| {
            recursively(path, &|path| adjust(item, path, accounts, false, 0))
        }),
        // x and X speak to --clean, r and R to --remove; attributes and ACLs are not kept here.
        _ => Ok(()),
    }
}

fn each(root: &Path, item: &Item, work: impl Fn(&Path) -> Done) -> Done {
    let pattern = below(root, &item.path).to_string_lossy().into_owned();
    let mut result = Ok(());
    for path in cli::glob(&pattern) {
        let done = work(&path);
        result = result.and(done);
    }
    result
}

fn recursively(path: &Path, work: &dyn Fn(&Path) -> Done) -> Done {
    let mut result = work(path);
    let is_folder = path.symlink_metadata().is_ok_and(|m| m.is_dir());
    if is_folder && let Ok(entries) = fs::read_dir(path) {
        for entry in entries.flatten() {
            let done = recursively(&entry.path(), work);
            result = result.and(done);
        }
    }
    result
}

/// With `=` what is there and of another kind goes.
fn clear_for(item: &Item, path: &Path, good: impl Fn(&fs::Metadata) -> bool) -> Done {
    match path.symlink_metadata() {
        Ok(found) if item.replace && !good(&found) => remove_whole(path).map_err(say("replace it")),
        _ => Ok(()),
    }
}

/// Whether it had to be made.
fn make_folder(path: &Path) -> Result<bool, String> {
    if path.is_dir() {
        return Ok(false);
    }
    fs::create_dir_all(path).map_err(say("make the folder"))?;
    Ok(true)
}

fn parent(path: &Path) -> Done {
    match path.parent() {
        Some(folder) if !folder.exists() => {
            fs::create_dir_all(folder).map_err(say("make the folder above"))
        }
        _ => Ok(()),
    }
}

fn file(item: &Item, path: &Path, accounts: &Accounts) -> Done {
    clear_for(item, path, fs::Metadata::is_file)?;
    parent(path)?;
    let truncate = item.kind == 'F' || item.plus;
    let exists = path.symlink_metadata().is_ok();
    if !exists || truncate {
        let mut options = OpenOptions::new();
        options
            .write(true)
            .mode(0o600)
            .custom_flags(libc_nofollow());
        if exists {
            options.truncate(true)
        } else {
            options.create_new(true)
        };
        let mut opened = options.open(path).map_err(say("make the file"))?;
        opened
            .write_all(item.argument.as_deref().unwrap_or_default().as_bytes())
            .map_err(say("write the file"))?;
    }
    adjust(item, path, accounts, !exists, 0o644)
}

/// A link in a place that others may write must not lead us elsewhere.
fn libc_nofollow() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0)
}

fn write(path: &Path, item: &Item, _new: bool) -> Done {
    let mut options = OpenOptions::new();
    options.write(true).append(item.plus);
    let mut opened = options.open(path).map_err(say("open the file"))?;
    opened
        .write_all(item.argument.as_deref().unwrap_or_default().as_bytes())
        .map_err(say("write the file"))
}

fn link(item: &Item, root: &Path, path: &Path) -> Done {
    let target = match &item.argument {
        Some(target) => target.clone(),
        None => format!("/usr/share/factory{}", item.path),
    };
    if item.if_source && !below(root, &target).exists() {
        return Ok(());
    }
    if fs::read_link(path).is_ok_and(|now| now == Path::new(&target)) {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        if !(item.plus || item.replace) {
            return Ok(());
        }
        remove_whole(path).map_err(say("replace it"))?;
    }
    parent(path)?;
    std::os::unix::fs::symlink(&target, path).map_err(say("make the link"))
}

fn copy(item: &Item, root: &Path, path: &Path, accounts: &Accounts) -> Done {
    let source = item
        .argument
        .clone()
        .unwrap_or_else(|| format!("/usr/share/factory{}", item.path));
    let source = below(root, &source);
    if !source.exists() {
        return Ok(());
    }
    let empty = path.is_dir() && fs::read_dir(path).is_ok_and(|mut d| d.next().is_none());
    if path.symlink_metadata().is_ok() && !empty && !item.plus {
        return Ok(());
    }
    parent(path)?;
    copy_whole(&source, path).map_err(say("copy"))?;
    adjust(item, path, accounts, true, 0)
}

fn copy_whole(source: &Path, target: &Path) -> io::Result<()> {
    let found = source.symlink_metadata()?;
    if found.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(source)?, target);
    }
    if found.is_dir() {
        match fs::create_dir(target) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
            _ => {}
        }
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            copy_whole(&entry.path(), &target.join(entry.file_name()))?;
        }
        fs::set_permissions(target, found.permissions())?;
    } else {
        fs::copy(source, target)?;
    }
    std::os::unix::fs::lchown(target, Some(found.uid()), Some(found.gid()))
}

fn node(item: &Item, path: &Path, accounts: &Accounts, kind: FileType) -> Done {
    let good = |found: &fs::Metadata| match kind {
        FileType::Fifo => found.file_type().is_fifo(),
        FileType::CharacterDevice => found.file_type().is_char_device(),
        _ => found.file_type().is_block_device(),
    };
    let existing = path.symlink_metadata();
    if existing.as_ref().is_ok_and(|found| !good(found)) {
        if !item.plus {
            return Ok(());
        }
        remove_whole(path).map_err(say("replace it"))?;
    }
    if existing.is_ok_and(|found| good(&found)) {
        return adjust(item, path, accounts, false, 0);
    }
    let device = if kind == FileType::Fifo {
        0
    } else {
        let text = item.argument.as_deref().unwrap_or_default();
        let (major, minor) = text
            .split_once(':')
            .ok_or("the argument of a device is MAJOR:MINOR")?;
        let number = |text: &str| text.parse::<u32>().map_err(|e| format!("{text:?}: {e}"));
        rustix::fs::makedev(number(major)?, number(minor)?)
    };
    parent(path)?;
    mknodat(CWD, path, kind, RawMode::from_raw_mode(0o600), device)
        .map_err(|e| format!("cannot make it: {e}"))?;
    adjust(item, path, accounts, true, 0o644)
}

/// Owner and mode. A new file gets the usual ones where the line has none.
fn adjust(item: &Item, path: &Path, accounts: &Accounts, new: bool, usual: u32) -> Done {
    let found = path.symlink_metadata().map_err(say("look at it"))?;
    let only_new = |text: &str| text.starts_with(':');
    let user = item
        .user
        .as_deref()
        .filter(|u| new || !only_new(u))
        .map(|u| u.trim_start_matches(':'));
    let group = item
        .group
        .as_deref()
        .filter(|g| new || !only_new(g))
        .map(|g| g.trim_start_matches(':'));
    let uid = match user {
        Some(name) => Some(
            accounts
                .user(name)
                .ok_or_else(|| format!("there is no user {name:?}"))?
                .uid,
        ),
        None => new.then_some(0),
    };
    let gid = match group {
        Some(name) => Some(
            accounts
                .group(name)
                .ok_or_else(|| format!("there is no group {name:?}"))?,
        ),
        None => new.then_some(0),
    };
    if uid.is_some_and(|u| u != found.uid()) || gid.is_some_and(|g| g != found.gid()) {
        std::os::unix::fs::lchown(path, uid, gid).map_err(say("change its owner"))?;
    }
    if found.is_symlink() {
        return Ok(());
    }
    let bits = match item.mode {
        Some(mode) if mode.only_new && !new => None,
        Some(mode) if mode.masked && !new => Some(masked(mode.bits, found.mode())),
        Some(mode) => Some(mode.bits),
        None => (new && usual > 0).then_some(usual),
    };
    if let Some(bits) = bits.filter(|bits| *bits != found.mode() & 0o7777) {
        fs::set_permissions(path, fs::Permissions::from_mode(bits))
            .map_err(say("change its mode"))?;
    }
    Ok(())
}

/// With `~`: no more access than the file grants now.
fn masked(bits: u32, current: u32) -> u32 {
    let mut bits = bits;
    if current & 0o111 == 0 {
        bits &= !0o111;
    }
    if current & 0o222 == 0 {
        bits &= !0o222;
    }
    if current & 0o444 == 0 {
        bits &= !0o444;
    }
    bits
}

pub(super) fn remove(item: &Item, root: &Path) -> Done {
    let pattern = below(root, &item.path).to_string_lossy().into_owned();
    let paths: Vec<PathBuf> = cli::glob(&pattern);
    let mut result = Ok(());
    for path in paths {
        let removed = match item.kind {
            'r' if path.symlink_metadata().is_ok_and(|m| m.is_dir()) => fs::remove_dir(&path),
            'r' => fs::remove_file(&path),
            'R' => remove_whole(&path),
            'D' => empty(&path),
            _ => Ok(()),
        };
        let removed = removed.map_err(say("remove it"));
        result = result.and(removed);
    }
    result
}

/// What is in a folder, not the folder.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        remove_whole(&entry?.path())?;
    }
    Ok(())
}

fn remove_whole(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Facts;
    use super::*;

    fn run(root: &Path, line: &str) -> Done {
        let item = Item::parse(line, &Facts::default()).unwrap().unwrap();
        let me = format!(
            "me:x:{}:{}::/:",
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw()
        );
        let accounts = Accounts::parse(
            &me,
            &format!("me:x:{}:", rustix::process::getgid().as_raw()),
        );
        create(&item, root, &accounts)
    }

    #[test]
    fn lines_make_folders_files_and_links_and_leave_what_is_there() {
        let root = std::env::temp_dir().join(format!("tmpfiles-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        // Owners as they are for whoever runs this.
        {
            run(&root, "d /run/x 0750 me me").unwrap();
            assert_eq!(
                fs::metadata(root.join("run/x")).unwrap().mode() & 0o7777,
                0o750
            );
            run(&root, "f /run/x/f 0640 - - - one").unwrap();
            run(&root, "f /run/x/f - - - - two").unwrap();
            assert_eq!(fs::read_to_string(root.join("run/x/f")).unwrap(), "one");
            run(&root, "f+ /run/x/f - - - - three").unwrap();
            assert_eq!(fs::read_to_string(root.join("run/x/f")).unwrap(), "three");
            run(&root, "w+ /run/x/* - - - - !").unwrap();
            assert_eq!(fs::read_to_string(root.join("run/x/f")).unwrap(), "three!");
            run(&root, "L /run/l - - - - x").unwrap();
            run(&root, "L /run/l - - - - y").unwrap();
            assert_eq!(fs::read_link(root.join("run/l")).unwrap(), Path::new("x"));
            run(&root, "L+ /run/l - - - - y").unwrap();
            assert_eq!(fs::read_link(root.join("run/l")).unwrap(), Path::new("y"));
            assert!(
                run(&root, "d /run/x - nobodyhere")
                    .unwrap_err()
                    .contains("no user")
            );
        }
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_masked_mode_grants_no_new_kind_of_access() {
        assert_eq!(masked(0o775, 0o640), 0o664);
        assert_eq!(masked(0o755, 0o700), 0o755);
    }
}
