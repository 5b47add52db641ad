//! Watching files for path units, and for the PID files of forking services.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use unit_file::{PathWatch, PathWatchKind};

/// One watched path of a unit.
#[derive(Debug)]
struct Item {
    watch: PathWatch,
    /// The watch on the path itself, if it exists.
    own: Option<i32>,
    existed: bool,
}

/// All paths of one unit, on an inotify instance of their own.
#[derive(Debug)]
pub(crate) struct Watcher {
    fd: OwnedFd,
    items: Vec<Item>,
}

fn mask(kind: PathWatchKind) -> WatchFlags {
    let gone = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ATTRIB;
    let entries =
        WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
    match kind {
        PathWatchKind::Exists | PathWatchKind::ExistsGlob => gone,
        PathWatchKind::DirectoryNotEmpty => gone | WatchFlags::CREATE | WatchFlags::MOVED_TO,
        PathWatchKind::Changed => gone | WatchFlags::CLOSE_WRITE | entries,
        PathWatchKind::Modified => gone | WatchFlags::CLOSE_WRITE | WatchFlags::MODIFY | entries,
    }
}

/// The part of a glob before its first special character, up to a slash.
fn fixed_part(path: &str) -> &str {
    match path.find(['*', '?', '[']) {
        Some(at) => path
            .get(..at)
            .and_then(|head| head.rfind('/'))
            .and_then(|end| path.get(..end))
            .unwrap_or("/"),
        None => path,
    }
}

impl Watcher {
    /// Begins to watch.
    pub(crate) fn new(watches: &[PathWatch]) -> io::Result<Watcher> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let items = watches
            .iter()
            .map(|watch| Item {
                existed: Path::new(&watch.path).exists(),
                watch: watch.clone(),
                own: None,
            })
            .collect();
        let mut watcher = Watcher { fd, items };
        watcher.watch_all();
        Ok(watcher)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// A watch on each path that exists and on every folder above it: what is missing may appear
    /// at any level.
    fn watch_all(&mut self) {
        for item in &mut self.items {
            let path = Path::new(fixed_part(&item.watch.path));
            let glob = item.watch.kind == PathWatchKind::ExistsGlob;
            for above in path.ancestors().skip(usize::from(!glob)) {
                let flags = WatchFlags::CREATE
                    | WatchFlags::MOVED_TO
                    | WatchFlags::DELETE_SELF
                    | WatchFlags::MOVE_SELF;
                let flags = flags | WatchFlags::MASK_ADD | WatchFlags::ONLYDIR;
                let _ = inotify::add_watch(&self.fd, above, flags);
            }
            if !glob {
                let flags = mask(item.watch.kind) | WatchFlags::MASK_ADD;
                item.own = inotify::add_watch(&self.fd, path, flags).ok();
            }
        }
    }

    /// Positions of the paths that changed in the way that they are watched for.
    pub(crate) fn changed(&mut self) -> Vec<usize> {
        let mut room = [MaybeUninit::<u8>::uninit(); 8192];
        let mut reader = inotify::Reader::new(&self.fd, &mut room);
        let mut touched = Vec::new();
        while let Ok(event) = reader.next() {
            touched.push((event.wd(), event.events()));
        }
        let mut changed = Vec::new();
        for (index, item) in self.items.iter_mut().enumerate() {
            let exists = Path::new(&item.watch.path).exists();
            let looked_at = matches!(
                item.watch.kind,
                PathWatchKind::Exists
                    | PathWatchKind::ExistsGlob
                    | PathWatchKind::DirectoryNotEmpty
            );
            let wanted = event_mask(item.watch.kind);
            let own = touched
                .iter()
                .any(|(wd, events)| Some(*wd) == item.own && events.intersects(wanted));
            if looked_at && !touched.is_empty() || own || exists != item.existed {
                changed.push(index);
            }
            item.existed = exists;
        }
        self.watch_all();
        changed
    }
}

fn event_mask(kind: PathWatchKind) -> inotify::ReadFlags {
    inotify::ReadFlags::from_bits_retain(mask(kind).bits())
}

/// Watches the folder of a PID file.
pub(crate) fn pid_file(path: &str) -> io::Result<OwnedFd> {
    let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let folder = Path::new(path).parent().unwrap_or_else(|| Path::new("/"));
    let flags =
        WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE | WatchFlags::ATTRIB;
    inotify::add_watch(&fd, folder, flags)?;
    Ok(fd)
}

/// Takes all events away.
pub(crate) fn drain(fd: BorrowedFd<'_>) {
    let mut room = [MaybeUninit::<u8>::uninit(); 4096];
    let mut reader = inotify::Reader::new(fd, &mut room);
    while reader.next().is_ok() {}
}

#[cfg(test)]
mod tests {
    use unit_file::{PathWatch, PathWatchKind};

    use super::{Watcher, fixed_part};

    #[test]
    fn a_glob_is_watched_from_its_fixed_folder() {
        assert_eq!(fixed_part("/run/t/a*"), "/run/t");
        assert_eq!(fixed_part("/run/t/file"), "/run/t/file");
    }

    #[test]
    fn a_write_is_seen_once_it_is_closed_and_a_new_file_when_it_appears() {
        let folder = std::env::temp_dir().join(format!("garboard-paths-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        std::fs::write(&file, "1").unwrap();
        let watch = |kind, name: &str| PathWatch {
            kind,
            path: folder.join(name).display().to_string(),
        };
        let mut watcher = Watcher::new(&[
            watch(PathWatchKind::Changed, "file"),
            watch(PathWatchKind::Exists, "flag"),
        ])
        .unwrap();
        std::fs::write(&file, "2").unwrap();
        assert!(watcher.changed().contains(&0));
        std::fs::write(folder.join("flag"), "").unwrap();
        assert!(watcher.changed().contains(&1));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
