//! Appending to one journal file.
//!
//! Order of an append: new objects first, then the links that make them reachable, then the counters of the header,
//! so that a reader in another process, or the next start after a power cut, finds whole entries only. Space is
//! allocated before it is written: a full disk is an error of `append`, never a signal.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use init_sys::mapping::SharedMapping;
use rustix::fs::{FallocateFlags, Mode, OFlags, fallocate, ftruncate, open};

use crate::hash::hash;
use crate::layout::{
    DATA, DATA_HASH_TABLE, ENTRY, ENTRY_ARRAY, FIELD, FIELD_HASH_TABLE, HEADER_SIZE, OBJECT_HEAD,
    SIGNATURE, STATE_ARCHIVED, STATE_OFFLINE, STATE_ONLINE, array, data, entry, field, header,
};
use crate::window::Window;

/// A machine, boot, file or sequence id.
pub type Id = [u8; 16];

/// Space is taken from the file system in steps of this many bytes.
const GROWTH: u64 = 512 * 1024;
/// Buckets of the two hash tables: chains stay short up to some ten thousand different values.
const DATA_BUCKETS: u64 = 8191;
const FIELD_BUCKETS: u64 = 333;

/// When an entry was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Microseconds since 1970.
    pub realtime: u64,
    /// Microseconds since boot.
    pub monotonic: u64,
    pub boot_id: Id,
}

/// Where the numbering of entries goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequence {
    pub id: Id,
    /// The last number given, zero for none.
    pub last: u64,
}

/// Why an existing file is not written on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    #[error("cannot open {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} was not closed, or is not a journal of this machine: it is set aside", path.display())]
    Unfit { path: PathBuf },
}

/// One journal file, open for appending.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    file: File,
    map: SharedMapping,
    /// First byte after the last object.
    end: u64,
    sequence: Sequence,
    last: Option<Stamp>,
    undo: Undo,
}

/// What an unfinished append has overwritten in the part of the file that was there before.
#[derive(Debug, Default)]
struct Undo {
    /// Zero while no append is under way.
    before: u64,
    words: Vec<(u64, [u8; 16], usize)>,
}

fn outside() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the journal file points outside of itself",
    )
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn map(file: &File, len: u64) -> io::Result<SharedMapping> {
    SharedMapping::open(
        file.as_fd(),
        usize::try_from(len).map_err(io::Error::other)?,
        true,
    )
}

impl Writer {
    /// Makes a new, empty file. `file_id` is any random id.
    ///
    /// # Errors
    /// The file exists, or the file system has no room.
    pub fn create(
        path: &Path,
        machine_id: Id,
        file_id: Id,
        sequence: Sequence,
    ) -> io::Result<Self> {
        let mode = Mode::from_raw_mode(0o640);
        let file = File::from(open(
            path,
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC,
            mode,
        )?);
        let made = Self::begin(path, file, machine_id, file_id, sequence);
        if made.is_err() {
            // A stump would be in the way of the next try and of every reader. That it cannot be removed is the
            // smaller trouble of the two.
            let _ = std::fs::remove_file(path);
        }
        made
    }

    fn begin(
        path: &Path,
        file: File,
        machine_id: Id,
        file_id: Id,
        sequence: Sequence,
    ) -> io::Result<Self> {
        fallocate(&file, FallocateFlags::empty(), 0, GROWTH)?;
        let map = map(&file, GROWTH)?;
        let mut new = Self {
            path: path.to_owned(),
            file,
            map,
            end: HEADER_SIZE,
            sequence,
            last: None,
            undo: Undo::default(),
        };
        new.put(0, &SIGNATURE)?;
        for (at, id) in [
            (header::FILE_ID, file_id),
            (header::MACHINE_ID, machine_id),
            (header::SEQNUM_ID, sequence.id),
        ] {
            new.put(at, &id)?;
        }
        new.put64(header::HEADER_SIZE, HEADER_SIZE)?;
        for (kind, buckets, table, size) in [
            (
                DATA_HASH_TABLE,
                DATA_BUCKETS,
                header::DATA_TABLE,
                header::DATA_TABLE_SIZE,
            ),
            (
                FIELD_HASH_TABLE,
                FIELD_BUCKETS,
                header::FIELD_TABLE,
                header::FIELD_TABLE_SIZE,
            ),
        ] {
            let object = new.allocate(kind, OBJECT_HEAD + buckets * 16)?;
            new.put64(table, object + OBJECT_HEAD)?;
            new.put64(size, buckets * 16)?;
        }
        new.set_arena()?;
        new.set_state(STATE_ONLINE)?;
        Ok(new)
    }

    /// Opens a file that was closed cleanly, to go on writing it.
    ///
    /// # Errors
    /// `Unfit` when it was not closed cleanly or is another machine's: the caller renames it and makes a new one.
    pub fn resume(path: &Path, machine_id: Id) -> Result<Self, ResumeError> {
        let failed = |source| ResumeError::Open {
            path: path.to_owned(),
            source,
        };
        let file = open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|e| failed(e.into()))?;
        let file = File::from(file);
        let len = file.metadata().map_err(failed)?.len();
        let unfit = || ResumeError::Unfit {
            path: path.to_owned(),
        };
        if len < HEADER_SIZE {
            return Err(unfit());
        }
        let map = map(&file, len).map_err(failed)?;
        Self::checked(path, file, map, machine_id).ok_or_else(unfit)
    }

    fn checked(path: &Path, file: File, map: SharedMapping, machine_id: Id) -> Option<Self> {
        let mut start = [0; 24];
        map.bytes(0, &mut start)?;
        let plain =
            map.u32(header::COMPATIBLE_FLAGS)? == 0 && map.u32(header::INCOMPATIBLE_FLAGS)? == 0;
        let fit = start.starts_with(&SIGNATURE)
            && start.get(16) == Some(&STATE_OFFLINE)
            && plain
            && map.u64(header::HEADER_SIZE)? == HEADER_SIZE
            && map.id(header::MACHINE_ID)? == machine_id;
        if !fit {
            return None;
        }
        let sequence = Sequence {
            id: map.id(header::SEQNUM_ID)?,
            last: map.u64(header::TAIL_SEQNUM)?,
        };
        let last = Stamp {
            realtime: map.u64(header::TAIL_REALTIME)?,
            monotonic: map.u64(header::TAIL_MONOTONIC)?,
            boot_id: map.id(header::TAIL_BOOT_ID)?,
        };
        let end = map.end_of_objects()?;
        let mut found = Self {
            path: path.to_owned(),
            file,
            map,
            end,
            sequence,
            last: Some(last).filter(|last| last.realtime > 0),
            undo: Undo::default(),
        };
        found.set_state(STATE_ONLINE).ok()?;
        Some(found)
    }

    /// Where the file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes are in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.end
    }

    /// How many bytes of the file system the file takes.
    #[must_use]
    pub fn size(&self) -> u64 {
        length_of(&self.map)
    }

    /// When the newest entry was received.
    #[must_use]
    pub fn last(&self) -> Option<Stamp> {
        self.last
    }

    /// Where a next file goes on counting.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// The name that this file gets when it is closed for good: `system@SEQNUMID-HEADSEQ-HEADTIME.journal`.
    #[must_use]
    pub fn archive_name(&self) -> String {
        let id: String = self
            .sequence
            .id
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let word = |at| self.map.u64(at).unwrap_or_default();
        format!(
            "system@{id}-{:016x}-{:016x}.journal",
            word(header::HEAD_SEQNUM),
            word(header::HEAD_REALTIME)
        )
    }

    /// Appends one entry of `FIELD=value` items and returns its sequence number.
    ///
    /// # Errors
    /// No room on the file system, or a file that contradicts itself; in both cases no entry is visible.
    pub fn append(&mut self, mut at: Stamp, fields: &[Vec<u8>]) -> io::Result<u64> {
        if let Some(last) = self.last.filter(|last| last.boot_id == at.boot_id) {
            // Within one boot the file's clock never runs backwards: readers search by it.
            at.monotonic = at.monotonic.max(last.monotonic);
        }
        let seqnum = self.sequence.last.checked_add(1).ok_or_else(outside)?;
        self.undo = Undo {
            before: self.end,
            words: Vec::new(),
        };
        let done = self.whole_entry(seqnum, at, fields);
        let undo = std::mem::take(&mut self.undo);
        if let Err(e) = done {
            self.take_back(&undo);
            return Err(e);
        }
        self.sequence.last = seqnum;
        self.last = Some(at);
        // A mapped write wakes nobody: setting the same length does (inotify of `journalctl -f`).
        ftruncate(&self.file, length_of(&self.map))?;
        Ok(seqnum)
    }

    fn whole_entry(&mut self, seqnum: u64, at: Stamp, fields: &[Vec<u8>]) -> io::Result<()> {
        let mut items = Vec::with_capacity(fields.len());
        for payload in fields {
            items.push(self.data(payload)?);
        }
        items.sort_unstable();
        items.dedup();
        let object = self.entry(seqnum, at, &items)?;
        self.link_entry(object)?;
        for (offset, _) in &items {
            self.link_data(*offset, object)?;
        }
        self.count_entry(seqnum, at, object)
    }

    /// Makes an append that failed half way undone, so that no object stays that nothing counts or points to.
    fn take_back(&mut self, undo: &Undo) {
        for (offset, bytes, length) in undo.words.iter().rev() {
            // It was written a moment ago, so it lies inside.
            let _ = self
                .map
                .write(*offset, bytes.get(..*length).unwrap_or_default());
        }
        self.end = undo.before;
    }

    /// Makes everything appended so far durable.
    ///
    /// # Errors
    /// What fsync(2) says.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Closes the file cleanly; it can be resumed.
    ///
    /// # Errors
    /// What fsync(2) says.
    pub fn close(mut self) -> io::Result<()> {
        self.sync()?;
        self.set_state(STATE_OFFLINE)?;
        self.sync()
    }

    /// Closes the file for good and renames it to [`Self::archive_name`]. The file is returned: it is durable only
    /// after `sync_all` of it, which the caller may leave to a thread.
    ///
    /// # Errors
    /// What rename(2) says.
    pub fn archive(mut self) -> io::Result<(PathBuf, File)> {
        self.set_state(STATE_ARCHIVED)?;
        let to = self.path.with_file_name(self.archive_name());
        std::fs::rename(&self.path, &to)?;
        Ok((to, self.file))
    }

    fn set_state(&mut self, state: u8) -> io::Result<()> {
        self.put(header::STATE, &[state])
    }

    fn set_arena(&mut self) -> io::Result<()> {
        self.put64(header::ARENA_SIZE, length_of(&self.map) - HEADER_SIZE)
    }

    fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset < self.undo.before {
            let mut old = [0; 16];
            let place = old.get_mut(..bytes.len()).ok_or_else(outside)?;
            self.map.bytes(offset, place).ok_or_else(outside)?;
            self.undo.words.push((offset, old, bytes.len()));
        }
        if self.map.write(offset, bytes) {
            Ok(())
        } else {
            Err(outside())
        }
    }

    fn put64(&mut self, offset: u64, value: u64) -> io::Result<()> {
        self.put(offset, &value.to_le_bytes())
    }

    fn get64(&self, offset: u64) -> io::Result<u64> {
        self.map.u64(offset).ok_or_else(outside)
    }

    fn add(&mut self, counter: u64) -> io::Result<()> {
        let value = self.get64(counter)?;
        self.put64(counter, value.checked_add(1).ok_or_else(outside)?)
    }

    /// Takes room for an object of `size` bytes and writes its head.
    fn allocate(&mut self, kind: u8, size: u64) -> io::Result<u64> {
        let offset = self.end;
        let end = offset
            .checked_add(size)
            .and_then(|end| end.checked_next_multiple_of(8))
            .ok_or_else(outside)?;
        let mapped = length_of(&self.map);
        if end > mapped {
            let longer = end.next_multiple_of(GROWTH);
            fallocate(&self.file, FallocateFlags::empty(), mapped, longer - mapped)?;
            self.map = map(&self.file, longer)?;
            // Also true when the append that needed the room is undone.
            let undo = std::mem::take(&mut self.undo);
            let set = self.set_arena();
            self.undo = undo;
            set?;
        }
        self.put(offset, &[kind, 0, 0, 0, 0, 0, 0, 0])?;
        self.put64(offset + 8, size)?;
        self.end = end;
        self.put64(header::TAIL_OBJECT, offset)?;
        self.add(header::N_OBJECTS)?;
        Ok(offset)
    }

    /// Walks a bucket's chain for `payload`. `Ok(Err(depth))` when it is not there.
    fn find(
        &self,
        bucket: u64,
        hashed: u64,
        at: u64,
        payload: &[u8],
        next: u64,
    ) -> io::Result<Result<u64, u64>> {
        let mut object = self.get64(bucket)?;
        let mut depth = 0;
        let mut found = vec![0; payload.len()];
        while object != 0 {
            let head = self.map.head(object).ok_or_else(outside)?;
            let same_size = head.size == at + length(payload);
            if same_size && self.get64(object + data::HASH)? == hashed {
                self.map
                    .bytes(object + at, &mut found)
                    .ok_or_else(outside)?;
                if found == payload {
                    return Ok(Ok(object));
                }
            }
            object = self.get64(object + next)?;
            depth += 1;
            if depth > self.end / field::PAYLOAD {
                return Err(outside());
            }
        }
        Ok(Err(depth))
    }

    /// Puts a new object at the end of its bucket's chain.
    fn chain(&mut self, bucket: u64, object: u64, next: u64) -> io::Result<()> {
        let tail = self.get64(bucket + 8)?;
        if tail == 0 {
            self.put64(bucket, object)?;
        } else {
            self.put64(tail.checked_add(next).ok_or_else(outside)?, object)?;
        }
        self.put64(bucket + 8, object)
    }

    fn bucket(&self, table: u64, table_size: u64, hashed: u64) -> io::Result<u64> {
        let buckets = self.get64(table_size)? / 16;
        if buckets == 0 {
            return Err(outside());
        }
        let table = self.get64(table)?;
        table.checked_add(hashed % buckets * 16).ok_or_else(outside)
    }

    fn deepest(&mut self, counter: u64, depth: u64) -> io::Result<()> {
        if depth > self.get64(counter)? {
            self.put64(counter, depth)?;
        }
        Ok(())
    }

    /// The DATA object of `payload`, made when it is new, and its hash.
    fn data(&mut self, payload: &[u8]) -> io::Result<(u64, u64)> {
        let hashed = hash(payload);
        let bucket = self.bucket(header::DATA_TABLE, header::DATA_TABLE_SIZE, hashed)?;
        let depth = match self.find(bucket, hashed, data::PAYLOAD, payload, data::NEXT_HASH)? {
            Ok(object) => return Ok((object, hashed)),
            Err(depth) => depth,
        };
        let object = self.allocate(DATA, data::PAYLOAD + length(payload))?;
        self.put64(object + data::HASH, hashed)?;
        for zero in [
            data::NEXT_HASH,
            data::NEXT_FIELD,
            data::ENTRY,
            data::ENTRY_ARRAY,
            data::N_ENTRIES,
        ] {
            self.put64(object + zero, 0)?;
        }
        self.put(object + data::PAYLOAD, payload)?;
        let name = payload.split(|b| *b == b'=').next().unwrap_or_default();
        let owner = self.field(name)?;
        let first = self.get64(owner + field::HEAD_DATA)?;
        self.put64(object + data::NEXT_FIELD, first)?;
        self.put64(owner + field::HEAD_DATA, object)?;
        self.chain(bucket, object, data::NEXT_HASH)?;
        self.add(header::N_DATA)?;
        self.deepest(header::DATA_CHAIN_DEPTH, depth)?;
        Ok((object, hashed))
    }

    fn field(&mut self, name: &[u8]) -> io::Result<u64> {
        let hashed = hash(name);
        let bucket = self.bucket(header::FIELD_TABLE, header::FIELD_TABLE_SIZE, hashed)?;
        let depth = match self.find(bucket, hashed, field::PAYLOAD, name, field::NEXT_HASH)? {
            Ok(object) => return Ok(object),
            Err(depth) => depth,
        };
        let object = self.allocate(FIELD, field::PAYLOAD + length(name))?;
        self.put64(object + field::HASH, hashed)?;
        self.put64(object + field::NEXT_HASH, 0)?;
        self.put64(object + field::HEAD_DATA, 0)?;
        self.put(object + field::PAYLOAD, name)?;
        self.chain(bucket, object, field::NEXT_HASH)?;
        self.add(header::N_FIELDS)?;
        self.deepest(header::FIELD_CHAIN_DEPTH, depth)?;
        Ok(object)
    }

    fn entry(&mut self, seqnum: u64, at: Stamp, items: &[(u64, u64)]) -> io::Result<u64> {
        let count = u64::try_from(items.len()).map_err(io::Error::other)?;
        let object = self.allocate(ENTRY, entry::ITEMS + count * entry::ITEM)?;
        self.put64(object + entry::SEQNUM, seqnum)?;
        self.put64(object + entry::REALTIME, at.realtime)?;
        self.put64(object + entry::MONOTONIC, at.monotonic)?;
        self.put(object + entry::BOOT_ID, &at.boot_id)?;
        self.put64(
            object + entry::XOR_HASH,
            items.iter().fold(0, |x, (_, h)| x ^ h),
        )?;
        let mut place = object + entry::ITEMS;
        for (offset, hashed) in items {
            self.put64(place, *offset)?;
            self.put64(place + 8, *hashed)?;
            place += entry::ITEM;
        }
        Ok(object)
    }

    /// Adds an entry to the array of all entries.
    fn link_entry(&mut self, object: u64) -> io::Result<()> {
        let count = self.get64(header::N_ENTRIES)?;
        let (tail, used) = self.append_to_array(header::ENTRY_ARRAY, count, object)?;
        // These two words are 32 bits wide; a file never grows to where that would not do.
        let small = |n: u64| u32::try_from(n).unwrap_or(0).to_le_bytes();
        self.put(header::TAIL_ENTRY_ARRAY, &small(tail))?;
        self.put(header::TAIL_ENTRY_ARRAY_USED, &small(used))
    }

    /// Adds an entry to those of one DATA: the first stands in the object itself, the others in arrays.
    fn link_data(&mut self, object: u64, target: u64) -> io::Result<()> {
        let count = self.get64(object + data::N_ENTRIES)?;
        if count == 0 {
            self.put64(object + data::ENTRY, target)?;
        } else {
            self.append_to_array(object + data::ENTRY_ARRAY, count - 1, target)?;
        }
        self.put64(object + data::N_ENTRIES, count.saturating_add(1))
    }

    /// Appends to a chain of arrays that begins at the word `first` and holds `count` items so far.
    /// Returns the array that took it and how many it holds now.
    fn append_to_array(&mut self, first: u64, count: u64, target: u64) -> io::Result<(u64, u64)> {
        if count > self.end / 8 {
            return Err(outside());
        }
        let mut link = first;
        let mut left = count;
        loop {
            let object = self.get64(link)?;
            if object == 0 {
                let room = count.saturating_add(1).saturating_mul(2).max(4);
                let size = room
                    .checked_mul(8)
                    .and_then(|n| n.checked_add(array::ITEMS));
                let made = self.allocate(ENTRY_ARRAY, size.ok_or_else(outside)?)?;
                self.put64(made + array::NEXT, 0)?;
                self.put64(made + array::ITEMS, target)?;
                self.put64(link, made)?;
                self.add(header::N_ENTRY_ARRAYS)?;
                return Ok((made, 1));
            }
            let room = (self
                .map
                .object(object, ENTRY_ARRAY)
                .ok_or_else(outside)?
                .size
                .saturating_sub(array::ITEMS))
                / 8;
            if room == 0 {
                return Err(outside());
            }
            if left < room {
                self.put64(object + array::ITEMS + left * 8, target)?;
                return Ok((object, left + 1));
            }
            left -= room;
            link = object + array::NEXT;
        }
    }

    fn count_entry(&mut self, seqnum: u64, at: Stamp, object: u64) -> io::Result<()> {
        if self.get64(header::HEAD_SEQNUM)? == 0 {
            self.put64(header::HEAD_SEQNUM, seqnum)?;
            self.put64(header::HEAD_REALTIME, at.realtime)?;
        }
        self.put64(header::TAIL_SEQNUM, seqnum)?;
        self.put64(header::TAIL_REALTIME, at.realtime)?;
        self.put64(header::TAIL_MONOTONIC, at.monotonic)?;
        self.put(header::TAIL_BOOT_ID, &at.boot_id)?;
        self.put64(header::TAIL_ENTRY, object)?;
        self.add(header::N_ENTRIES)
    }
}

fn length_of(map: &SharedMapping) -> u64 {
    u64::try_from(map.len()).unwrap_or(u64::MAX)
}
