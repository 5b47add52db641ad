//! The log in memory: where each entry is, and the newest entries themselves.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::record::Record;
use crate::raft::types::{Entry, LogId, Vote};

/// Bytes of entries kept in memory; older ones are read from the file again.
const CACHE: usize = 8 << 20;

/// Where an entry's payload is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: Arc<File>,
    pub(crate) at: u64,
    pub(crate) length: usize,
}

#[derive(Debug)]
struct Slot {
    log_id: LogId,
    /// Tells a rewritten index from the one before.
    sequence: u64,
    place: Option<Place>,
    cached: Option<(Entry, usize)>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    slots: VecDeque<Slot>,
    cached_bytes: usize,
    /// The first index that may still be cached.
    cached_from: u64,
}

impl State {
    pub(crate) fn last(&self) -> Option<LogId> {
        self.slots.back().map(|slot| slot.log_id).or(self.purged)
    }

    /// Adds an entry behind the last one.
    pub(crate) fn push(
        &mut self,
        log_id: LogId,
        sequence: u64,
        place: Option<Place>,
        cached: Option<(Entry, usize)>,
    ) -> io::Result<()> {
        let hole = match self.slots.back() {
            Some(last) => log_id.index != last.log_id.index + 1,
            None => self
                .purged
                .is_some_and(|purged| log_id.index != purged.index + 1),
        };
        if hole {
            let last = self.last().map(|last| last.index);
            return Err(io::Error::other(format!(
                "entry {} does not follow entry {last:?}",
                log_id.index
            )));
        }
        self.cached_bytes += cached.as_ref().map_or(0, |(_, bytes)| *bytes);
        self.slots.push_back(Slot {
            log_id,
            sequence,
            place,
            cached,
        });
        self.evict();
        Ok(())
    }

    /// Notes that an entry is on disk now.
    pub(crate) fn settle(&mut self, index: u64, sequence: u64, place: Place) {
        if let Some(slot) = self.slot_mut(index)
            && slot.sequence == sequence
        {
            slot.place = Some(place);
        }
    }

    fn position(&self, index: u64) -> Option<usize> {
        let first = self.slots.front()?.log_id.index;
        usize::try_from(index.checked_sub(first)?)
            .ok()
            .filter(|at| *at < self.slots.len())
    }

    fn slot_mut(&mut self, index: u64) -> Option<&mut Slot> {
        let at = self.position(index)?;
        self.slots.get_mut(at)
    }

    fn evict(&mut self) {
        while self.cached_bytes > CACHE {
            let first = self.slots.front().map_or(0, |slot| slot.log_id.index);
            let index = self.cached_from.max(first);
            let Some(slot) = self.slot_mut(index) else {
                break;
            };
            if slot.place.is_none() {
                break;
            }
            let freed = slot.cached.take().map_or(0, |(_, bytes)| bytes);
            self.cached_bytes -= freed;
            self.cached_from = index + 1;
        }
    }

    pub(crate) fn truncate_after(&mut self, last: Option<LogId>) {
        while self
            .slots
            .back()
            .is_some_and(|slot| last.is_none_or(|last| slot.log_id.index > last.index))
        {
            self.forget_back();
        }
    }

    fn forget_back(&mut self) {
        if let Some(slot) = self.slots.pop_back() {
            self.cached_bytes -= slot.cached.map_or(0, |(_, bytes)| bytes);
            self.cached_from = self.cached_from.min(slot.log_id.index);
        }
    }

    pub(crate) fn purge(&mut self, upto: LogId) {
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.log_id.index <= upto.index)
        {
            let slot = self.slots.pop_front();
            self.cached_bytes -= slot
                .and_then(|slot| slot.cached)
                .map_or(0, |(_, bytes)| bytes);
        }
        // By index: an entry that was cut off may have had a later term than the one in its place.
        if self.purged.is_none_or(|purged| purged.index <= upto.index) {
            self.purged = Some(upto);
        }
    }

    /// The entries from `begin` up to, not including, `end`, or as many as fit into `bytes`.
    pub(crate) fn read(&self, begin: u64, end: u64, bytes: usize) -> io::Result<Vec<Entry>> {
        let Some(first) = self.slots.front().map(|slot| slot.log_id.index) else {
            return Ok(Vec::new());
        };
        let begin = begin.max(first);
        let Some(at) = self.position(begin) else {
            return Ok(Vec::new());
        };
        let count = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut entries = Vec::with_capacity(count.min(self.slots.len() - at));
        let mut size = 0;
        for slot in self.slots.range(at..).take(count) {
            if size >= bytes {
                break;
            }
            let (entry, length) = match (&slot.cached, &slot.place) {
                (Some((entry, length)), _) => (entry.clone(), *length),
                (None, Some(place)) => (read_entry(place, slot.log_id)?, place.length),
                (None, None) => {
                    return Err(io::Error::other(
                        "an entry is neither in memory nor on disk",
                    ));
                }
            };
            size += length;
            entries.push(entry);
        }
        Ok(entries)
    }
}

fn read_entry(place: &Place, log_id: LogId) -> io::Result<Entry> {
    let mut payload = vec![0; place.length];
    place.file.read_exact_at(&mut payload, place.at)?;
    match Record::get(&payload) {
        Ok(Record::Entry(entry)) if entry.log_id == log_id => Ok(entry),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "entry {} of the log changed on disk since it was written",
                log_id.index
            ),
        )),
    }
}
