//! The log store: what raft must not forget, in segments on disk.
//!
//! Votes, entries and truncations go through one queue into one sequence of batches, in the order
//! in which raft gave them; nothing is reported as stored before it is. See [`frame`] for the format.

mod frame;
mod record;
mod recover;
mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{OptionalSend, RaftLogReader};
use tokio::sync::oneshot;

pub(crate) use record::Identity;
pub(crate) use recover::OpenError;
pub(crate) use writer::{make_folder, sync_folder};

use crate::raft::types::{Entry, LogId, TypeConfig, Vote};
use record::{Change, Record};
use state::State;
use writer::{Done, Queue};

/// Bytes of entries that go to another member at once.
const MESSAGE: usize = 1 << 20;

/// The log of a member. A clone is another handle on the same log.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    queue: Mutex<Queue>,
    wake: Condvar,
    full: AtomicBool,
    syncs: AtomicU64,
    sequence: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn segment_name(sequence: u64, last: Option<&LogId>) -> String {
    format!(
        "{sequence:016x}-{:016x}.log",
        last.map_or(0, |last| last.index + 1)
    )
}

impl Log {
    /// Opens the log in a folder, or begins one.
    pub(crate) fn open(folder: &Path, identity: Identity) -> Result<Log, OpenError> {
        let recover::Recovered { state, writer } = recover::recover(folder, identity)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            queue: Mutex::new(Queue::default()),
            wake: Condvar::new(),
            full: AtomicBool::new(false),
            syncs: AtomicU64::new(0),
            sequence: AtomicU64::new(1),
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run(&of_thread))
            .map_err(|source| OpenError::Io {
                what: "start the writer of",
                path: folder.to_owned(),
                source,
            })?;
        Ok(Log {
            shared,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Writes what is queued and ends the writer.
    pub(crate) fn close(&self) {
        lock(&self.shared.queue).stop = true;
        self.shared.wake.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }

    /// Whether the disk has no room for the next segment; looks again in the background if so.
    pub(crate) fn is_full(&self) -> bool {
        let full = self.shared.full.load(Ordering::Relaxed);
        if full {
            lock(&self.shared.queue).look_for_room = true;
            self.shared.wake.notify_one();
        }
        full
    }

    /// How many fdatasyncs there were.
    pub(crate) fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Whether nothing was ever logged.
    pub(crate) fn is_empty(&self) -> bool {
        let state = lock(&self.shared.state);
        state.vote.is_none() && state.last().is_none()
    }

    /// The last entry that is only in a snapshot.
    pub(crate) fn purged(&self) -> Option<LogId> {
        lock(&self.shared.state).purged
    }

    /// The last entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        lock(&self.shared.state).last()
    }

    fn queue(
        &self,
        records: impl IntoIterator<Item = (Record, Change, u64)>,
        done: Option<Done>,
    ) -> io::Result<()> {
        let mut queue = lock(&self.shared.queue);
        if let Some((kind, text)) = &queue.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let queue_ref = &mut *queue;
        for (record, change, sequence) in records {
            let span = frame::append(&mut queue_ref.buffer, |out| record.put(out));
            queue_ref.records.push((span, change, sequence));
        }
        queue_ref.done.extend(done);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        let begin = match range.start_bound() {
            Bound::Included(begin) => *begin,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        lock(&self.shared.state).read(begin, end, usize::MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(lock(&self.shared.state).vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        lock(&self.shared.state).read(start, end, MESSAGE)
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Log;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let state = lock(&self.shared.state);
        Ok(LogState {
            last_purged_log_id: state.purged,
            last_log_id: state.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Log {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        lock(&self.shared.state).vote = Some(*vote);
        self.queue(
            [(Record::Vote(*vote), Change::Vote(*vote), 0)],
            Some(Done::Signal(sender)),
        )?;
        receiver
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the writer of the log has ended")))
    }

    /// Goes out with the next batch: losing it costs only time at the next start.
    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        lock(&self.shared.state).committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(lock(&self.shared.state).committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = lock(&self.shared.state);
        let mut queue = lock(&self.shared.queue);
        if let Some((kind, text)) = &queue.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let queue_ref = &mut *queue;
        if let Some(committed) = state.committed {
            let record = Record::Committed(Some(committed));
            let span = frame::append(&mut queue_ref.buffer, |out| record.put(out));
            queue_ref
                .records
                .push((span, Change::Committed(Some(committed)), 0));
        }
        for entry in entries {
            let log_id = entry.log_id;
            let record = Record::Entry(entry);
            let span = frame::append(&mut queue_ref.buffer, |out| record.put(out));
            let sequence = self.shared.sequence.fetch_add(1, Ordering::Relaxed);
            queue_ref
                .records
                .push((span, Change::Entry(log_id), sequence));
            let Record::Entry(entry) = record else {
                continue;
            };
            state.push(log_id, sequence, None, Some((entry, span.length)))?;
        }
        queue_ref.done.push(Done::Flushed(callback));
        // The writer takes the queue next: it must not meet it locked.
        drop(queue);
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        lock(&self.shared.state).truncate_after(last_log_id);
        self.queue(
            [(
                Record::Truncate(last_log_id),
                Change::Truncate(last_log_id),
                0,
            )],
            None,
        )
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        lock(&self.shared.state).purge(log_id);
        self.queue([(Record::Purge(log_id), Change::Purge(log_id), 0)], None)
    }
}
