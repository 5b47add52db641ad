//! Where entries go: which file, when a new one begins, which old ones are removed.
//!
//! Persistent below `/var/log/journal` where that folder exists, else volatile below `/run/log/journal`. A file that
//! was not closed cleanly is set aside (`…~`) and a new one begun, so that a torn file is never written on. Where the
//! disk has no room even after old files were removed, entries go to memory, and back to the disk when it has room.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use journal::entry::{hex, parse_id};
use journal::query::Expression;
use journal::reader::Reader;
use journal::writer::{Id, ResumeError, Sequence, Stamp, Writer};

use super::config::{Config, Storage};
use super::room::{Disk, FILE_MIN, Limits, Room};

/// What failed for want of room, or of anything else, is tried again after this many microseconds.
const RETRY: u64 = 10_000_000;
/// The disk must have this much room beyond what memory holds, before entries go there again.
const SLACK: u64 = 4 << 20;
/// A clock that steps back less than this (microseconds) is waited for; more begins a new file.
const STEP: u64 = 1_000_000;

/// The open file and the limits of its folder.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    machine_id: Id,
    boot_id: Id,
    storage: Storage,
    system: Room,
    runtime: Room,
    folder: PathBuf,
    writer: Option<Writer>,
    sequence: Sequence,
    limits: Limits,
    /// The size of the open file when the limits were computed.
    measured: u64,
    /// When to look again whether the disk has room for what had to go to memory.
    return_at: Option<u64>,
    /// No file is begun in place of a broken one before.
    next_try: u64,
    /// Closed files that are being made durable.
    closing: Vec<JoinHandle<io::Result<()>>>,
    /// Whether files appeared or were renamed since the folder was last made durable.
    renamed: bool,
    /// What the daemon is to say.
    notices: Vec<String>,
}

fn random_id() -> Id {
    // The kernel's own source; it exists wherever /proc is mounted.
    fs::read_to_string("/proc/sys/kernel/random/uuid")
        .ok()
        .and_then(|text| parse_id(&text))
        .unwrap_or_default()
}

fn no_room(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn disk(folder: &Path) -> io::Result<Disk> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(Disk {
        size: stat.f_blocks.saturating_mul(stat.f_frsize),
        free: stat.f_bavail.saturating_mul(stat.f_frsize),
    })
}

/// The journal files of a folder, and how much of the file system each takes.
fn files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let is_journal = |path: &Path| {
        path.extension()
            .is_some_and(|e| e == "journal" || e == "journal~")
    };
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| is_journal(&entry.path()))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.blocks() * 512)))
        .collect()
}

fn is_closed(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("system@"))
}

impl Store {
    /// Opens the file of this machine below `root`.
    pub(crate) fn open(
        root: &Path,
        machine_id: Id,
        boot_id: Id,
        config: &Config,
    ) -> io::Result<Self> {
        let mut store = Self {
            root: root.to_owned(),
            machine_id,
            boot_id,
            storage: config.storage,
            system: config.system,
            runtime: config.runtime,
            folder: PathBuf::new(),
            writer: None,
            sequence: Sequence {
                id: random_id(),
                last: 0,
            },
            limits: Limits {
                total: FILE_MIN * 2,
                file: FILE_MIN,
                files: 1,
                tight: false,
            },
            measured: 0,
            return_at: None,
            next_try: 0,
            closing: Vec::new(),
            renamed: false,
            notices: Vec::new(),
        };
        if store.storage == Storage::None {
            return Ok(store);
        }
        if store.storage == Storage::Persistent {
            // Where it cannot be made, entries go to memory, as without it.
            let _ = fs::create_dir_all(store.persistent());
        }
        if store.may_persist() {
            match store.start_in(&store.persistent()) {
                Ok(()) => {
                    // What a journal before this one had to keep in memory.
                    store.return_at = Some(0);
                    store.tick();
                    return Ok(store);
                }
                Err(e) => store.go_to_memory(&e)?,
            }
        } else {
            store.start_in(&store.volatile())?;
        }
        Ok(store)
    }

    fn persistent(&self) -> PathBuf {
        self.root.join("var/log/journal")
    }

    fn volatile(&self) -> PathBuf {
        self.root.join("run/log/journal")
    }

    fn may_persist(&self) -> bool {
        self.storage != Storage::Volatile && self.persistent().is_dir()
    }

    fn start_in(&mut self, top: &Path) -> io::Result<()> {
        let folder = top.join(hex(&self.machine_id));
        make_folder(&folder)?;
        let before = std::mem::replace(&mut self.folder, folder);
        let opened = self.open_file();
        match opened {
            Ok(writer) => {
                self.sequence = writer.sequence();
                self.writer = Some(writer);
                self.measure();
                self.vacuum(self.measured);
                Ok(())
            }
            Err(e) => {
                self.folder = before;
                Err(e)
            }
        }
    }

    fn open_file(&mut self) -> io::Result<Writer> {
        let path = self.folder.join("system.journal");
        match Writer::resume(&path, self.machine_id) {
            Ok(writer) => Ok(writer),
            Err(ResumeError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.create(&path)
            }
            Err(ResumeError::Open { .. } | ResumeError::Unfit { .. }) => {
                self.set_aside(&path)?;
                self.create(&path)
            }
        }
    }

    /// Keeps a file that was not closed cleanly readable under another name, and goes on with its numbering.
    fn set_aside(&mut self, path: &Path) -> io::Result<()> {
        if let Ok(reader) = Reader::open(path)
            && let Some(header) = reader.header()
            && header.machine_id == self.machine_id
        {
            self.sequence = Sequence {
                id: header.seqnum_id,
                last: header.tail_seqnum,
            };
        }
        let now = init_sys::clock::realtime();
        let aside = path.with_file_name(format!(
            "system@{now:016x}-{:016x}.journal~",
            self.sequence.last
        ));
        fs::rename(path, &aside)?;
        self.renamed = true;
        // What its writer had not made durable is still promised to whoever asks for a sync.
        if let Ok(file) = File::open(&aside) {
            self.make_durable(file);
        }
        Ok(())
    }

    fn create(&mut self, path: &Path) -> io::Result<Writer> {
        if self.sequence.last >> 60 > 0 {
            // No machine counts that far: it is what a damaged file said. A new sequence begins.
            self.sequence = Sequence {
                id: random_id(),
                last: 0,
            };
        }
        let made = Writer::create(path, self.machine_id, random_id(), self.sequence)?;
        self.renamed = true;
        Ok(made)
    }

    /// Whether entries go to memory only.
    pub(crate) fn is_volatile(&self) -> bool {
        self.folder.starts_with(self.root.join("run"))
    }

    /// What happened that an administrator should know; each is told once.
    pub(crate) fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Appends an entry received now. A full file is closed and another begun. On a full disk old files are removed,
    /// as far as the limits allow; if that does not help, entries go to memory until there is room.
    pub(crate) fn append(&mut self, fields: &[Vec<u8>]) -> io::Result<()> {
        if self.storage == Storage::None {
            return Ok(());
        }
        let at = Stamp {
            realtime: init_sys::clock::realtime(),
            monotonic: init_sys::clock::monotonic(),
            boot_id: self.boot_id,
        };
        if self.return_at.is_some_and(|when| at.monotonic >= when) {
            self.tick();
        }
        self.append_at(at, fields)
    }

    fn append_at(&mut self, mut at: Stamp, fields: &[Vec<u8>]) -> io::Result<()> {
        let last = self.writer.as_ref().and_then(Writer::last);
        let back = last.map_or(0, |last| last.realtime.saturating_sub(at.realtime));
        let full = self.writer.as_ref().is_some_and(|writer| {
            writer.used() > self.limits.file || (self.limits.tight && writer.size() > FILE_MIN)
        });
        if back > 0 && back < STEP {
            // Readers search a file by time, so its times never run backwards.
            at.realtime += back;
        }
        let done = if self.writer.is_none() || full || back >= STEP {
            self.next_file().and_then(|()| self.put(at, fields))
        } else {
            self.put(at, fields)
        };
        match done {
            Err(e) if no_room(&e) => self.without_room(at, fields, e),
            // The file contradicts itself or cannot be written: another one, but not one for each message.
            Err(_) if self.writer.is_some() && init_sys::clock::monotonic() >= self.next_try => {
                self.next_try = init_sys::clock::monotonic() + RETRY;
                self.rotate()?;
                self.put(at, fields)
            }
            done => done,
        }
    }

    /// Another file, in place of the open one or of none; of none at most every few seconds.
    fn next_file(&mut self) -> io::Result<()> {
        if self.writer.is_none() {
            let now = init_sys::clock::monotonic();
            if now < self.next_try {
                return Err(io::Error::other("no journal file is open"));
            }
            self.next_try = now + RETRY;
        }
        self.rotate()
    }

    fn without_room(&mut self, at: Stamp, fields: &[Vec<u8>], e: io::Error) -> io::Result<()> {
        if self.vacuum(FILE_MIN * 2) > 0 {
            if self.writer.is_none() {
                // Below, if there is no room even now.
                let _ = self.rotate();
            }
            match self.put(at, fields) {
                Err(e) if no_room(&e) => {}
                done if self.writer.is_some() => return done,
                _ => {}
            }
        }
        if self.is_volatile() {
            return Err(e);
        }
        self.go_to_memory(&e)?;
        self.put(at, fields)
    }

    fn go_to_memory(&mut self, why: &io::Error) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            // It keeps what it has; if it cannot be closed cleanly, it is set aside on the way back.
            let _ = writer.close();
        }
        self.return_at = Some(init_sys::clock::monotonic() + RETRY);
        self.notices.push(format!(
            "cannot write below {}: {why}; entries go to memory until that is possible",
            self.persistent().display()
        ));
        self.start_in(&self.volatile())
    }

    /// Goes back to the disk if entries had to go to memory and the disk has room again.
    pub(crate) fn tick(&mut self) {
        let now = init_sys::clock::monotonic();
        if self.return_at.is_none_or(|when| now < when) {
            return;
        }
        let held = self.volatile().join(hex(&self.machine_id));
        let need: u64 = files(&held).iter().map(|(_, size)| size).sum();
        if need == 0 && !self.is_volatile() {
            self.return_at = None;
            return;
        }
        let persistent = self.persistent();
        let fits = disk(&persistent).is_ok_and(|disk| disk.free > need + SLACK)
            && rustix::fs::access(&persistent, rustix::fs::Access::WRITE_OK).is_ok();
        if fits && self.flush().is_ok() {
            self.return_at = None;
            self.notices.push(format!(
                "there is room again: entries go below {}",
                persistent.display()
            ));
        } else {
            self.return_at = Some(now + RETRY);
        }
    }

    fn put(&mut self, at: Stamp, fields: &[Vec<u8>]) -> io::Result<()> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(io::Error::other("no journal file is open"));
        };
        writer.append(at, fields)?;
        self.sequence = writer.sequence();
        if writer.size() != self.measured {
            self.measure();
        }
        Ok(())
    }

    /// Computes the limits from what the file system is now.
    fn measure(&mut self) {
        self.measured = self.writer.as_ref().map_or(0, Writer::size);
        let Ok(disk) = disk(&self.folder) else {
            return;
        };
        let used = files(&self.folder).iter().map(|(_, size)| size).sum();
        let room = if self.is_volatile() {
            self.runtime
        } else {
            self.system
        };
        self.limits = room.limits(disk, used);
    }

    /// Closes the file for good and begins another.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        if self.storage == Storage::None {
            return Ok(());
        }
        if let Some(writer) = self.writer.take() {
            let (_, file) = writer.archive()?;
            self.make_durable(file);
            self.renamed = true;
        }
        self.measure();
        let reserve = if self.limits.tight {
            FILE_MIN * 2
        } else {
            self.limits.file
        };
        self.vacuum(reserve);
        let path = self.folder.join("system.journal");
        if path.exists() {
            self.set_aside(&path)?;
        }
        self.writer = Some(self.create(&path)?);
        self.measure();
        Ok(())
    }

    /// Has a thread make a closed file durable: nobody who logs waits for the disk.
    fn make_durable(&mut self, file: File) {
        if self.is_volatile() {
            return;
        }
        if self.closing.len() >= 4 {
            // A disk that is slower than the senders must slow them down at some point.
            self.wait_for_closing();
        }
        let kept = file.try_clone();
        let thread = std::thread::Builder::new()
            .name("sync".into())
            .spawn(move || file.sync_all());
        match (thread, kept) {
            (Ok(thread), _) => self.closing.push(thread),
            (Err(_), Ok(file)) => {
                // No thread: then here and now. An error comes again with the next sync of the file system.
                let _ = file.sync_all();
            }
            (Err(_), Err(_)) => {}
        }
    }

    fn wait_for_closing(&mut self) -> Option<io::Error> {
        let mut failed = None;
        for thread in self.closing.drain(..) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(e)) => failed = Some(e),
                Err(_) => failed = Some(io::Error::other("the thread that syncs has ended early")),
            }
        }
        failed
    }

    /// Removes closed files, the oldest first, until all together with `reserve` for the open one fit, and what holds
    /// no entries at all. Returns how many bytes that freed.
    fn vacuum(&self, reserve: u64) -> u64 {
        let mut freed = 0;
        let mut closed = Vec::new();
        for (path, size) in files(&self.folder) {
            if !is_closed(&path) {
                continue;
            }
            match Reader::open(&path).map(|reader| reader.header()) {
                Err(journal::reader::ReadError::NotAJournal { .. }) if size == 0 => {
                    // A stump that an earlier journal left on a full disk. If it stays, it takes no room.
                    let _ = fs::remove_file(&path);
                }
                Ok(Some(header)) => closed.push((
                    // Numbers of the present sequence are in order whatever the clock did.
                    header.seqnum_id == self.sequence.id,
                    if header.seqnum_id == self.sequence.id {
                        header.head_seqnum
                    } else {
                        header.head_realtime
                    },
                    size,
                    path,
                )),
                _ => closed.push((false, 0, size, path)),
            }
        }
        closed.sort();
        let open = self.writer.as_ref().map_or(0, Writer::size);
        let sum: u64 = closed.iter().map(|(_, _, size, _)| size).sum();
        let mut total = sum.saturating_add(reserve.max(open));
        let mut count = u64::try_from(closed.len()).unwrap_or(u64::MAX);
        for (_, _, size, path) in closed {
            if total <= self.limits.total && count <= self.limits.files {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total = total.saturating_sub(size);
                freed += size;
                count -= 1;
            }
        }
        freed
    }

    /// Moves what memory holds to `/var/log/journal`, if that folder is there, and goes on there.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.may_persist() {
            return Ok(());
        }
        let held = self.volatile().join(hex(&self.machine_id));
        if self.is_volatile() {
            if let Some(writer) = self.writer.take() {
                writer.close()?;
            }
            if let Err(e) = self.start_in(&self.persistent()) {
                self.start_in(&self.volatile())?;
                return Err(e);
            }
        }
        let mut readers: Vec<(u64, PathBuf)> = files(&held)
            .into_iter()
            .map(|(path, _)| {
                let header = Reader::open(&path).ok().and_then(|r| r.header());
                (header.map_or(0, |h| h.head_seqnum), path)
            })
            .collect();
        readers.sort();
        for (_, path) in readers {
            self.copy(&path)?;
            fs::remove_file(&path)?;
        }
        Ok(())
    }

    fn copy(&mut self, path: &Path) -> io::Result<()> {
        let Ok(reader) = Reader::open(path) else {
            return Ok(());
        };
        for entry in reader
            .select(&Expression::Everything)
            .into_iter()
            .filter_map(|offset| reader.entry(offset))
        {
            let at = Stamp {
                realtime: entry.realtime,
                monotonic: entry.monotonic,
                boot_id: entry.boot_id,
            };
            let full = self
                .writer
                .as_ref()
                .is_some_and(|writer| writer.used() > self.limits.file);
            let back = self
                .writer
                .as_ref()
                .and_then(Writer::last)
                .is_some_and(|last| last.realtime > at.realtime);
            if full || back {
                self.rotate()?;
            }
            self.put(at, &entry.fields)?;
        }
        Ok(())
    }

    /// Makes all entries durable, also those of files closed since.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let closed = self.wait_for_closing();
        self.writer.as_mut().map_or(Ok(()), Writer::sync)?;
        if std::mem::take(&mut self.renamed) {
            File::open(&self.folder)?.sync_all()?;
        }
        closed.map_or(Ok(()), Err)
    }

    /// Closes the file cleanly.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        let closed = self.wait_for_closing();
        self.writer.take().map_or(Ok(()), Writer::close)?;
        closed.map_or(Ok(()), Err)
    }
}

/// Makes a folder that members of `systemd-journal` may read, and whose files they may read too.
fn make_folder(folder: &Path) -> io::Result<()> {
    let fresh = !folder.exists();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    if fresh {
        let group = init_sys::accounts::Accounts::read(std::path::Path::new("/"))
            .ok()
            .and_then(|all| all.group("systemd-journal"));
        for part in [folder.parent(), Some(folder)].into_iter().flatten() {
            if group.is_some() {
                chown(part, None, group)?;
            }
            fs::set_permissions(part, fs::Permissions::from_mode(0o2755))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
