//! Reading one journal file, also while another process writes it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use init_sys::mapping::SharedMapping;

use crate::entry::Entry;
use crate::find::{Finder, List};
use crate::hash::hash;
use crate::layout::{
    DATA, ENTRY, ENTRY_ARRAY, FIELD, HEADER_SIZE_MIN, OBJECT_HEAD, SIGNATURE, array, data, entry,
    field, header,
};
use crate::order::Moment;
use crate::query::Expression;
use crate::window::Window;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot read {}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{} is not a journal file", path.display())]
    NotAJournal { path: PathBuf },
    #[error("{} uses features of the journal format that are not read here (flags {flags:#x})", path.display())]
    Flags { path: PathBuf, flags: u32 },
}

/// What the header says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub state: u8,
    pub file_id: [u8; 16],
    pub machine_id: [u8; 16],
    pub tail_boot_id: [u8; 16],
    pub seqnum_id: [u8; 16],
    pub entries: u64,
    pub objects: u64,
    pub head_seqnum: u64,
    pub tail_seqnum: u64,
    pub head_realtime: u64,
    pub tail_realtime: u64,
    pub tail_monotonic: u64,
}

/// One journal file, open for reading.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: File,
    map: SharedMapping,
}

impl Reader {
    /// Opens a file.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        if len < HEADER_SIZE_MIN {
            return Err(ReadError::NotAJournal {
                path: path.to_owned(),
            });
        }
        let len = usize::try_from(len).map_err(|e| failed(io::Error::other(e)))?;
        let map = SharedMapping::open(file.as_fd(), len, false).map_err(failed)?;
        let mut start = [0; 8];
        if map.bytes(0, &mut start).is_none() || start != SIGNATURE {
            return Err(ReadError::NotAJournal {
                path: path.to_owned(),
            });
        }
        match map.u32(header::INCOMPATIBLE_FLAGS) {
            Some(0) => Ok(Self {
                path: path.to_owned(),
                file,
                map,
            }),
            flags => Err(ReadError::Flags {
                path: path.to_owned(),
                flags: flags.unwrap_or_default(),
            }),
        }
    }

    /// Where the file lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sees what was appended since, also when the file has grown.
    ///
    /// # Errors
    /// The file can no longer be mapped.
    pub fn refresh(&mut self) -> io::Result<()> {
        let len = usize::try_from(self.file.metadata()?.len()).map_err(io::Error::other)?;
        if len > self.map.len() {
            self.map = SharedMapping::open(self.file.as_fd(), len, false)?;
        }
        Ok(())
    }

    /// The header as it is now; `None` only for a file that was cut short.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        let mut state = [0];
        self.map.bytes(header::STATE, &mut state)?;
        Some(Header {
            state: state[0],
            file_id: self.map.id(header::FILE_ID)?,
            machine_id: self.map.id(header::MACHINE_ID)?,
            tail_boot_id: self.map.id(header::TAIL_BOOT_ID)?,
            seqnum_id: self.map.id(header::SEQNUM_ID)?,
            entries: self.map.u64(header::N_ENTRIES)?,
            objects: self.map.u64(header::N_OBJECTS)?,
            head_seqnum: self.map.u64(header::HEAD_SEQNUM)?,
            tail_seqnum: self.map.u64(header::TAIL_SEQNUM)?,
            head_realtime: self.map.u64(header::HEAD_REALTIME)?,
            tail_realtime: self.map.u64(header::TAIL_REALTIME)?,
            tail_monotonic: self.map.u64(header::TAIL_MONOTONIC)?,
        })
    }

    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.map.u64(header::N_ENTRIES).unwrap_or_default()
    }

    /// Offsets of the entries that `expression` selects, in the order they were written. For whole files use
    /// [`Self::find`], which holds no list.
    #[must_use]
    pub fn select(&self, expression: &Expression) -> Vec<u64> {
        let finder = self.find(expression);
        let mut all = Vec::new();
        let mut from = 0;
        while let Some(offset) = finder.at_or_after(self, from) {
            all.push(offset);
            let Some(next) = offset.checked_add(1) else {
                break;
            };
            from = next;
        }
        all
    }

    /// Prepares a search for what `expression` selects among the entries there are now.
    #[must_use]
    pub fn find(&self, expression: &Expression) -> Finder {
        match expression {
            Expression::Everything => Finder::list(self.everything()),
            Expression::Field(payload) => Finder::list(self.list_of(payload).unwrap_or_default()),
            Expression::Any(parts) => Finder::any(parts.iter().map(|p| self.find(p)).collect()),
            Expression::All(parts) => {
                let mut all: Vec<Finder> = parts
                    .iter()
                    .filter(|part| **part != Expression::Everything)
                    .map(|part| self.find(part))
                    .collect();
                match (all.pop(), all.is_empty()) {
                    (None, _) => self.find(&Expression::Everything),
                    (Some(only), true) => only,
                    (Some(last), false) => {
                        all.push(last);
                        Finder::all(all)
                    }
                }
            }
        }
    }

    /// All entries, as a list to search in.
    pub(crate) fn everything(&self) -> List {
        self.list(None, header::ENTRY_ARRAY, self.count())
    }

    pub(crate) fn map(&self) -> &SharedMapping {
        &self.map
    }

    /// Offsets of at most `most` entries from number `from` on (counted in this file).
    #[must_use]
    pub fn entries_from(&self, from: u64, most: u64) -> Vec<u64> {
        let list = self.everything();
        (from..self.count().min(from.saturating_add(most)))
            .map_while(|number| list.get(self, number))
            .collect()
    }

    /// When the entry at `offset` was written.
    #[must_use]
    pub fn moment_of(&self, offset: u64) -> Option<Moment> {
        self.map.object(offset, ENTRY)?;
        Some(Moment {
            seqnum_id: self.map.id(header::SEQNUM_ID)?,
            seqnum: self.map.u64(offset + entry::SEQNUM)?,
            boot_id: self.map.id(offset + entry::BOOT_ID)?,
            monotonic: self.map.u64(offset + entry::MONOTONIC)?,
            realtime: self.map.u64(offset + entry::REALTIME)?,
        })
    }

    /// Whether the file has no name any more.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// The entry at `offset`.
    #[must_use]
    pub fn entry(&self, offset: u64) -> Option<Entry> {
        let size = self.map.object(offset, ENTRY)?.size;
        let mut fields = Vec::new();
        let mut item = offset + entry::ITEMS;
        let mut left = self.map.len();
        while item + entry::ITEM <= offset.saturating_add(size) {
            let field = self.payload(self.map.u64(item)?)?;
            left = left.checked_sub(field.len())?;
            fields.push(field);
            item += entry::ITEM;
        }
        Some(Entry {
            seqnum_id: self.map.id(header::SEQNUM_ID)?,
            seqnum: self.map.u64(offset + entry::SEQNUM)?,
            realtime: self.map.u64(offset + entry::REALTIME)?,
            monotonic: self.map.u64(offset + entry::MONOTONIC)?,
            boot_id: self.map.id(offset + entry::BOOT_ID)?,
            xor_hash: self.map.u64(offset + entry::XOR_HASH)?,
            fields,
        })
    }

    /// Every value of a field in this file.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let Some(owner) = self.field(name.as_bytes()) else {
            return found;
        };
        let mut object = self.map.u64(owner + field::HEAD_DATA).unwrap_or_default();
        // Each value stands in the file once; a damaged list may go round in circles.
        let mut left = self.map.len();
        while object != 0 {
            let Some(payload) = self.payload(object) else {
                break;
            };
            left = match left.checked_sub(payload.len() + 64) {
                Some(left) => left,
                None => break,
            };
            found.push(payload.get(name.len() + 1..).unwrap_or_default().to_vec());
            object = self.map.u64(object + data::NEXT_FIELD).unwrap_or_default();
        }
        found
    }

    fn payload(&self, object: u64) -> Option<Vec<u8>> {
        let size = self
            .map
            .object(object, DATA)?
            .size
            .checked_sub(data::PAYLOAD)?;
        let mut payload = vec![0; usize::try_from(size).ok()?];
        self.map.bytes(object + data::PAYLOAD, &mut payload)?;
        Some(payload)
    }

    fn list_of(&self, payload: &[u8]) -> Option<List> {
        let object = self.search(
            header::DATA_TABLE,
            header::DATA_TABLE_SIZE,
            payload,
            DATA,
            data::PAYLOAD,
        )?;
        let count = self.map.u64(object + data::N_ENTRIES)?;
        if count == 0 {
            return None;
        }
        let first = self.map.u64(object + data::ENTRY)?;
        Some(self.list(Some(first), object + data::ENTRY_ARRAY, count - 1))
    }

    /// The first and the last entry that has this `FIELD=value`.
    #[must_use]
    pub fn ends_of(&self, payload: &[u8]) -> Option<(u64, u64)> {
        let finder = Finder::list(self.list_of(payload)?);
        Some((
            finder.at_or_after(self, 0)?,
            finder.at_or_before(self, u64::MAX)?,
        ))
    }

    /// Up to `count` items of the chain of arrays that begins at the word `link`, and one before them.
    fn list(&self, first: Option<u64>, link: u64, count: u64) -> List {
        let mut list = List {
            first,
            arrays: Vec::new(),
            count: 0,
        };
        // A file cannot hold more, whatever it says.
        let most = u64::try_from(self.map.len()).unwrap_or(u64::MAX) / 8;
        let count = count.min(most);
        let mut object = self.map.u64(link).unwrap_or_default();
        while object != 0 && list.count < count {
            let Some(head) = self.map.object(object, ENTRY_ARRAY) else {
                break;
            };
            let room = (head.size.saturating_sub(array::ITEMS) / 8).min(most);
            let inside = object
                .checked_add(array::ITEMS + room * 8)
                .is_some_and(|end| end / 8 <= most);
            if room == 0 || !inside {
                break;
            }
            list.arrays.push((list.count, object + array::ITEMS));
            list.count = count.min(list.count + room);
            object = self.map.u64(object + array::NEXT).unwrap_or_default();
        }
        list
    }

    fn field(&self, name: &[u8]) -> Option<u64> {
        self.search(
            header::FIELD_TABLE,
            header::FIELD_TABLE_SIZE,
            name,
            FIELD,
            field::PAYLOAD,
        )
    }

    /// Finds an object by its hash. Both kinds keep hash and next link at the same offsets.
    fn search(
        &self,
        table: u64,
        table_size: u64,
        payload: &[u8],
        kind: u8,
        at: u64,
    ) -> Option<u64> {
        let hashed = hash(payload);
        let buckets = self.map.u64(table_size)? / 16;
        let bucket = hashed.checked_rem(buckets)? * 16;
        let mut object = self.map.u64(self.map.u64(table)?.checked_add(bucket)?)?;
        let mut found = vec![0; payload.len()];
        let mut steps = 0;
        while object != 0 && steps < 1_000_000 {
            let head = self.map.object(object, kind)?;
            if self.map.u64(object + OBJECT_HEAD)? == hashed
                && head.size == at + u64::try_from(payload.len()).ok()?
            {
                self.map.bytes(object + at, &mut found)?;
                if found == payload {
                    return Some(object);
                }
            }
            object = self.map.u64(object + data::NEXT_HASH)?;
            steps += 1;
        }
        None
    }
}

/// Checking a whole file.
impl Reader {
    /// The names of all fields in this file.
    #[must_use]
    pub fn field_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut walk = |offset: u64, head: crate::window::Head| {
            let size =
                usize::try_from(head.size.saturating_sub(field::PAYLOAD)).unwrap_or_default();
            let mut name = vec![0; size.min(64)];
            if head.kind == FIELD && self.map.bytes(offset + field::PAYLOAD, &mut name).is_some() {
                names.push(String::from_utf8_lossy(&name).into_owned());
            }
        };
        // A damaged file gives the names up to the damage.
        let _ = self.each_object(&mut walk);
        names
    }

    fn each_object(&self, walk: &mut dyn FnMut(u64, crate::window::Head)) -> Result<u64, String> {
        let word = |at| {
            self.map
                .u64(at)
                .ok_or_else(|| "the header is cut short".to_owned())
        };
        let last = word(header::TAIL_OBJECT)?;
        let mut offset = word(header::HEADER_SIZE)?;
        let mut count = 0;
        while offset <= last {
            let head = self
                .map
                .head(offset)
                .ok_or_else(|| format!("no object at offset {offset}"))?;
            walk(offset, head);
            count += 1;
            offset = offset
                .checked_add(head.size)
                .and_then(|end| end.checked_next_multiple_of(8))
                .ok_or_else(|| format!("the object at offset {offset} has no end"))?;
        }
        Ok(count)
    }

    /// Checks every object: counts, hashes, links of entries, order of numbers and times.
    ///
    /// # Errors
    /// What is wrong first, and where.
    pub fn verify(&self) -> Result<(), String> {
        let header = self.header().ok_or("the header is cut short")?;
        let mut wrong = None;
        let (mut entries, mut last_seqnum) = (0, 0);
        let mut last: Option<([u8; 16], u64)> = None;
        let objects = self.each_object(&mut |offset, head| {
            let problem = match head.kind {
                DATA => self.verify_data(offset),
                ENTRY => {
                    entries += 1;
                    match self.entry(offset) {
                        None => Some(format!("the entry at offset {offset} has a broken link")),
                        Some(entry) if entry.seqnum <= last_seqnum => {
                            Some(format!("the entry at offset {offset} is out of order"))
                        }
                        Some(entry) => {
                            let back = last.is_some_and(|(id, at)| {
                                id == entry.boot_id && at > entry.monotonic
                            });
                            last_seqnum = entry.seqnum;
                            last = Some((entry.boot_id, entry.monotonic));
                            back.then(|| format!("time runs backwards at offset {offset}"))
                        }
                    }
                }
                _ => None,
            };
            if wrong.is_none() {
                wrong = problem;
            }
        })?;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if objects != header.objects || entries != header.entries {
            let stated = (header.objects, header.entries);
            return Err(format!(
                "{objects} objects and {entries} entries, the header says {} and {}",
                stated.0, stated.1
            ));
        }
        let listed = self.select(&Expression::Everything);
        if u64::try_from(listed.len()) != Ok(entries)
            || listed
                .iter()
                .any(|at| self.map.object(*at, ENTRY).is_none())
        {
            return Err("the list of entries does not list them all".to_owned());
        }
        Ok(())
    }

    fn verify_data(&self, offset: u64) -> Option<String> {
        let fits = self
            .payload(offset)
            .is_some_and(|payload| self.map.u64(offset + data::HASH) == Some(hash(&payload)));
        (!fits).then(|| {
            format!("the data at offset {offset} does not have the hash that stands there")
        })
    }
}
