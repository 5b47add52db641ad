//! The thread that writes: everything that was queued goes out as one batch with one fdatasync.
//!
//! While one batch is being synced the next one gathers, so that many clients share an fdatasync
//! and one client waits for no other. Nobody is told that something is written before the fdatasync
//! that covers it has returned. After the first error the thread ends and answers everything with
//! that error: a failed fdatasync must not be tried again, since the kernel may have dropped the
//! pages (the program then exits, and reads what is really there at its next start).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use openraft::storage::IOFlushed;
use tokio::sync::oneshot;

use super::frame::{self, Span};
use super::record::{Change, Identity, Record, Summary};
use super::state::Place;
use super::{Shared, segment_name};
use crate::raft::types::TypeConfig;

/// Bytes of a segment; a larger batch makes a larger one.
pub(crate) const SEGMENT: usize = 4 << 20;

/// Whom to tell that a batch is on disk.
pub(crate) enum Done {
    Flushed(IOFlushed<TypeConfig>),
    Signal(oneshot::Sender<io::Result<()>>),
}

impl Done {
    fn tell(self, result: io::Result<()>) {
        match self {
            Done::Flushed(callback) => callback.io_completed(result),
            // Nobody waits any more: fine.
            Done::Signal(sender) => drop(sender.send(result)),
        }
    }
}

/// What waits to be written.
#[derive(Default)]
pub(crate) struct Queue {
    pub(crate) buffer: Vec<u8>,
    pub(crate) records: Vec<(Span, Change, u64)>,
    pub(crate) done: Vec<Done>,
    pub(crate) look_for_room: bool,
    pub(crate) stop: bool,
    pub(crate) failed: Option<(io::ErrorKind, String)>,
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.buffer.is_empty() && self.done.is_empty() && !self.look_for_room && !self.stop
    }
}

pub(crate) struct Writer {
    pub(crate) folder: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) summary: Summary,
    pub(crate) sequence: u64,
    pub(crate) current: Option<Segment>,
    pub(crate) closed: Vec<(PathBuf, Option<u64>)>,
    pub(crate) batch: u32,
    pub(crate) spare: Spare,
}

/// The next segment.
pub(crate) enum Spare {
    Missing,
    Making(JoinHandle<io::Result<File>>),
    Ready(File),
}

pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    pub(crate) size: usize,
    pub(crate) at: usize,
    pub(crate) highest: Option<u64>,
}

impl Writer {
    pub(crate) fn run(mut self, shared: &Shared) {
        loop {
            let mut batch = {
                let queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = shared.wake.wait_while(queue, |queue| queue.is_idle());
                std::mem::take(&mut *waited.unwrap_or_else(PoisonError::into_inner))
            };
            let stop = batch.stop;
            let done = std::mem::take(&mut batch.done);
            #[cfg(debug_assertions)]
            let done = faults::answer_before_write(done);
            match self.write(&mut batch, shared) {
                Ok(()) => done.into_iter().for_each(|done| done.tell(Ok(()))),
                Err(error) => return fail(shared, done, &error),
            }
            self.prepare_room(shared);
            if stop {
                return;
            }
        }
    }

    fn write(&mut self, batch: &mut Queue, shared: &Shared) -> io::Result<()> {
        let need = batch.buffer.len();
        if need == 0 {
            return Ok(());
        }
        #[cfg(debug_assertions)]
        faults::no_room()?;
        let fits = self
            .current
            .as_ref()
            .is_some_and(|segment| segment.at + need <= segment.size);
        if !fits {
            self.next_segment(need)?;
        }
        for (span, ..) in &batch.records {
            frame::seal(&mut batch.buffer, *span, self.batch);
        }
        let Some(segment) = &mut self.current else {
            return Err(io::Error::other("no segment to write to"));
        };
        let begin = segment.at;
        segment.file.write_all_at(
            &batch.buffer,
            u64::try_from(begin).map_err(io::Error::other)?,
        )?;
        segment.file.sync_data()?;
        shared.syncs.fetch_add(1, Ordering::Relaxed);
        segment.at += need;
        self.batch = self.batch.wrapping_add(1);

        let mut purged = None;
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (span, change, sequence) in &batch.records {
            self.summary.follow(change);
            match change {
                Change::Entry(log_id) => {
                    segment.highest = segment.highest.max(Some(log_id.index));
                    let at =
                        u64::try_from(begin + span.payload().start).map_err(io::Error::other)?;
                    let place = Place {
                        file: Arc::clone(&segment.file),
                        at,
                        length: span.length,
                    };
                    state.settle(log_id.index, *sequence, place);
                }
                Change::Purge(log_id) => purged = Some(log_id.index),
                Change::Vote(_) | Change::Committed(_) | Change::Truncate(_) => {}
            }
        }
        drop(state);
        if let Some(upto) = purged {
            self.remove_segments(upto);
        }
        Ok(())
    }

    /// Begins a segment whose head says all that older ones said.
    fn next_segment(&mut self, need: usize) -> io::Result<()> {
        let head = Record::Head {
            sequence: self.sequence,
            identity: self.identity,
            summary: self.summary.clone(),
        };
        let mut buffer = Vec::new();
        let span = frame::append(&mut buffer, |out| head.put(out));
        frame::seal(&mut buffer, span, self.batch);
        let size = SEGMENT.max((buffer.len() + need).next_multiple_of(SEGMENT));
        let file = match std::mem::replace(&mut self.spare, Spare::Missing) {
            Spare::Ready(file) if size == SEGMENT => file,
            Spare::Making(thread) if size == SEGMENT => join(thread)?,
            Spare::Making(thread) => join(thread).and_then(|_| make_segment(&self.folder, size))?,
            Spare::Ready(_) | Spare::Missing => make_segment(&self.folder, size)?,
        };
        let path = self
            .folder
            .join(segment_name(self.sequence, self.summary.last.as_ref()));
        fs::rename(self.folder.join(SPARE), &path)?;
        sync_folder(&self.folder)?;
        file.write_all_at(&buffer, 0)?;
        if let Some(old) = self.current.take() {
            self.closed.push((old.path, old.highest));
        }
        self.sequence += 1;
        self.current = Some(Segment {
            path,
            file: Arc::new(file),
            size,
            at: buffer.len(),
            highest: None,
        });
        Ok(())
    }

    /// Makes the next segment before it is needed, so that no write waits for it and a full disk is
    /// noticed while there is still room to go on.
    fn prepare_room(&mut self, shared: &Shared) {
        let half_full = self
            .current
            .as_ref()
            .is_none_or(|segment| segment.at > segment.size / 2);
        match std::mem::replace(&mut self.spare, Spare::Missing) {
            Spare::Making(thread) if thread.is_finished() => match join(thread) {
                Ok(file) => {
                    shared.full.store(false, Ordering::Relaxed);
                    self.spare = Spare::Ready(file);
                }
                Err(error) => {
                    if !shared.full.swap(true, Ordering::Relaxed) {
                        let folder = self.folder.display();
                        tracing::error!(%folder, %error, "no room for the log, writes are refused");
                    }
                }
            },
            Spare::Missing if half_full => {
                let folder = self.folder.clone();
                self.spare =
                    Spare::Making(std::thread::spawn(move || make_segment(&folder, SEGMENT)));
            }
            spare => self.spare = spare,
        }
    }

    fn remove_segments(&mut self, upto: u64) {
        while let Some((path, highest)) = self.closed.first() {
            if highest.is_some_and(|highest| highest > upto) {
                break;
            }
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove an old segment");
                break;
            }
            self.closed.remove(0);
        }
    }
}

fn fail(shared: &Shared, done: Vec<Done>, error: &io::Error) {
    tracing::error!(%error, "cannot write the log");
    let failed = (error.kind(), error.to_string());
    let again = || io::Error::new(failed.0, failed.1.clone());
    let mut queue = shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.failed = Some(failed.clone());
    let waiting = std::mem::take(&mut queue.done);
    drop(queue);
    for done in done.into_iter().chain(waiting) {
        done.tell(Err(again()));
    }
}

fn join(spare: JoinHandle<io::Result<File>>) -> io::Result<File> {
    spare
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the thread that makes segments panicked")))
}

pub(super) const SPARE: &str = "spare.tmp";

/// A file of zeros, on disk.
fn make_segment(folder: &Path, size: usize) -> io::Result<File> {
    let path = folder.join(SPARE);
    let make = || {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?;
        let zeros = vec![0; 64 << 10];
        for _ in 0..size.div_ceil(zeros.len()) {
            file.write_all(&zeros)?;
        }
        file.sync_all()?;
        Ok(file)
    };
    make().inspect_err(|_| {
        // Give the room back to whatever still can use it.
        let _ = fs::remove_file(&path);
    })
}

/// Makes a folder durably, when it is not there.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    sync_folder(folder.parent().unwrap_or(folder))
}

/// Makes what happened in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Faults that tests plant.
#[cfg(debug_assertions)]
mod faults {
    use std::io;

    use super::Done;

    fn is_planted(name: &str) -> bool {
        std::env::var_os("GARBOARD_FAULT").is_some_and(|fault| fault == name)
    }

    /// A disk that is full when the log begins.
    pub(super) fn no_room() -> io::Result<()> {
        if is_planted("no-room") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// Tells of writes before they are made: proves the durability test.
    pub(super) fn answer_before_write(done: Vec<Done>) -> Vec<Done> {
        if !is_planted("answer-before-write") {
            return done;
        }
        done.into_iter().for_each(|done| done.tell(Ok(())));
        // Long enough for a kill to fall in between.
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(std::time::Duration::from_millis(30));
        drop(sender);
        Vec::new()
    }
}
