//! Where entries go: which file, when a new one begins, and how much room all files may take.
//!
//! Persistent below `/var/log/journal` where that folder exists, else volatile below `/run/log/journal`. A file that
//! was not closed cleanly is set aside (`…~`) and a new one begun, so that a torn file is never written on.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use journal::entry::{hex, parse_id};
use journal::query::Expression;
use journal::reader::Reader;
use journal::writer::{Id, ResumeError, Sequence, Stamp, Writer};

/// No file grows beyond this, whatever the disk's size.
const FILE_MAX: u64 = 128 * 1024 * 1024;
/// A file may take at least this much.
const FILE_MIN: u64 = 1024 * 1024;
/// All files together may take a tenth of the file system, at most this.
const TOTAL_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// The open file and the limits of its folder.
#[derive(Debug)]
pub(crate) struct Store {
    root: PathBuf,
    machine_id: Id,
    boot_id: Id,
    folder: PathBuf,
    writer: Option<Writer>,
    sequence: Sequence,
    file_max: u64,
    total_max: u64,
}

fn random_id() -> Id {
    // The kernel's own source; it exists wherever /proc is mounted.
    fs::read_to_string("/proc/sys/kernel/random/uuid")
        .ok()
        .and_then(|text| parse_id(&text))
        .unwrap_or_default()
}

impl Store {
    /// Opens the file of this machine below `root`.
    pub(crate) fn open(root: &Path, machine_id: Id, boot_id: Id) -> io::Result<Self> {
        let mut store = Self {
            root: root.to_owned(),
            machine_id,
            boot_id,
            folder: PathBuf::new(),
            writer: None,
            sequence: Sequence {
                id: random_id(),
                last: 0,
            },
            file_max: FILE_MIN,
            total_max: FILE_MIN,
        };
        let persistent = root.join("var/log/journal");
        if persistent.is_dir() && store.start_in(&persistent).is_ok() {
            return Ok(store);
        }
        store.start_in(&root.join("run/log/journal"))?;
        Ok(store)
    }

    fn start_in(&mut self, top: &Path) -> io::Result<()> {
        let folder = top.join(hex(&self.machine_id));
        make_folder(&folder)?;
        let disk = rustix::fs::statvfs(&folder)?;
        self.total_max =
            (disk.f_blocks.saturating_mul(disk.f_frsize) / 10).clamp(FILE_MIN * 2, TOTAL_MAX);
        self.file_max = (self.total_max / 8).clamp(FILE_MIN, FILE_MAX);
        let path = folder.join("system.journal");
        let writer = match Writer::resume(&path, self.machine_id) {
            Ok(writer) => writer,
            Err(ResumeError::Unfit { .. }) => {
                self.set_aside(&path)?;
                self.create(&path)?
            }
            Err(ResumeError::Open { .. }) => self.create(&path)?,
        };
        self.sequence = writer.sequence();
        self.folder = folder;
        self.writer = Some(writer);
        self.vacuum();
        Ok(())
    }

    /// Keeps a file that was not closed cleanly readable under another name, and goes on with its numbering.
    fn set_aside(&mut self, path: &Path) -> io::Result<()> {
        if let Ok(reader) = Reader::open(path)
            && let Some(header) = reader.header()
        {
            self.sequence = Sequence {
                id: header.seqnum_id,
                last: header.tail_seqnum,
            };
        }
        let now = init_sys::clock::realtime();
        fs::rename(
            path,
            path.with_file_name(format!(
                "system@{now:016x}-{:016x}.journal~",
                self.sequence.last
            )),
        )
    }

    fn create(&self, path: &Path) -> io::Result<Writer> {
        Writer::create(path, self.machine_id, random_id(), self.sequence)
    }

    /// Whether entries go to memory only.
    pub(crate) fn is_volatile(&self) -> bool {
        self.folder.starts_with(self.root.join("run"))
    }

    /// Appends an entry received now. A full file is closed; a full disk makes room by removing old files, once.
    pub(crate) fn append(&mut self, fields: &[Vec<u8>]) -> io::Result<()> {
        let at = Stamp {
            realtime: init_sys::clock::realtime(),
            monotonic: init_sys::clock::monotonic(),
            boot_id: self.boot_id,
        };
        if self
            .writer
            .as_ref()
            .is_some_and(|writer| writer.used() > self.file_max)
        {
            self.rotate()?;
        }
        match self.put(at, fields) {
            Err(_) => {
                self.rotate()?;
                self.put(at, fields)
            }
            done => done,
        }
    }

    fn put(&mut self, at: Stamp, fields: &[Vec<u8>]) -> io::Result<()> {
        let Some(writer) = self.writer.as_mut() else {
            return Err(io::Error::other("no journal file is open"));
        };
        writer.append(at, fields)?;
        self.sequence = writer.sequence();
        Ok(())
    }

    /// Closes the file for good and begins another.
    pub(crate) fn rotate(&mut self) -> io::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.archive()?;
        }
        self.vacuum();
        let path = self.folder.join("system.journal");
        if path.exists() {
            self.set_aside(&path)?;
        }
        self.writer = Some(self.create(&path)?);
        Ok(())
    }

    /// Removes the oldest closed files until all together fit.
    fn vacuum(&self) {
        let mut closed: Vec<(i64, u64, PathBuf)> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("system@"))
            .filter_map(|entry| {
                entry
                    .metadata()
                    .ok()
                    .map(|m| (m.mtime(), m.blocks() * 512, entry.path()))
            })
            .collect();
        closed.sort();
        let mut total: u64 = closed.iter().map(|(_, size, _)| size).sum::<u64>() + self.file_max;
        for (_, size, path) in closed {
            if total <= self.total_max {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total = total.saturating_sub(size);
            }
        }
    }

    /// Moves what memory holds to `/var/log/journal`, if that folder is there, and goes on there.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let persistent = self.root.join("var/log/journal");
        if !self.is_volatile() || !persistent.is_dir() {
            return Ok(());
        }
        let volatile = std::mem::take(&mut self.folder);
        if let Some(writer) = self.writer.take() {
            writer.close()?;
        }
        if let Err(e) = self.start_in(&persistent) {
            self.start_in(&self.root.join("run/log/journal"))?;
            return Err(e);
        }
        let mut files: Vec<PathBuf> = fs::read_dir(&volatile)?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort();
        for path in files {
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
            self.put(at, &entry.fields)?;
        }
        Ok(())
    }

    /// Makes all entries durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), Writer::sync)
    }

    /// Closes the file cleanly.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.writer.take().map_or(Ok(()), Writer::close)
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
