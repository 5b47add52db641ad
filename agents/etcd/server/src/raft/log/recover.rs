//! Reading the log at the start: what is good is taken, what a crash left is dropped, damage stops.
//!
//! The oldest segment that is left need not be the first that was written: those whose entries a
//! snapshot holds are removed. What they said is in the head of the segment after them, but not that
//! their entries were purged, since that was decided after that head was written: it is said by a
//! purge further on, and one has to be there.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{self, Found};
use super::record::{Change, Identity, Record, Summary};
use super::state::{Place, State};
use super::writer::{SPARE, Segment, Spare, Writer, make_folder, sync_folder};

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "{} is damaged at byte {at} ({why}) and cannot be repaired: remove this member from the cluster, move its \
         data directory away and add it again, or restore a backup",
        path.display()
    )]
    Damaged {
        path: PathBuf,
        at: usize,
        why: String,
    },
    #[error(
        "{} belongs to member {:x} of cluster {:x}, not to member {:x} of cluster {:x}",
        path.display(), found.member, found.cluster, wanted.member, wanted.cluster
    )]
    Foreign {
        path: PathBuf,
        found: Identity,
        wanted: Identity,
    },
}

/// What was read.
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) writer: Writer,
}

/// Reads all segments of a folder, oldest first.
pub(crate) fn recover(folder: &Path, identity: Identity) -> Result<Recovered, OpenError> {
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { what, path, source }
    };
    make_folder(folder).map_err(io("make", folder))?;
    // What was not finished when the last process ended; its room may be needed.
    match fs::remove_file(folder.join(SPARE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io("remove the unfinished segment in", folder)(error));
        }
        _ => {}
    }
    let mut reader = Reader {
        state: State::default(),
        summary: Summary::default(),
        batch: 0,
        identity,
        begins: true,
        before: None,
    };
    let mut segments = list(folder).map_err(io("list", folder))?;
    let mut writer = Writer {
        folder: folder.to_owned(),
        identity,
        summary: Summary::default(),
        sequence: segments.first().map_or(0, |(sequence, _)| *sequence),
        current: None,
        closed: Vec::new(),
        batch: 1,
        spare: Spare::Missing,
    };
    let count = segments.len();
    for (at, (sequence, path)) in segments.drain(..).enumerate() {
        if sequence != writer.sequence {
            let why = format!("segment {} is missing before it", writer.sequence);
            return Err(OpenError::Damaged { path, at: 0, why });
        }
        let last = at + 1 == count;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io("open", &path))?;
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut file, &mut bytes).map_err(io("read", &path))?;
        let file = Arc::new(file);
        let segment = reader.segment(&path, &file, &bytes, sequence, last)?;
        if segment.at == 0 {
            // The crash came while it was begun; nothing of it was told to anyone.
            fs::remove_file(&path).map_err(io("remove", &path))?;
            break;
        }
        writer.sequence += 1;
        if last {
            clear_rest(&file, segment.at, bytes.len()).map_err(io("clear the end of", &path))?;
            writer.current = Some(segment);
        } else {
            writer.closed.push((path, segment.highest));
        }
    }
    if let Some(before) = reader.before
        && reader
            .summary
            .purged
            .is_none_or(|purged| purged.index < before)
    {
        return Err(OpenError::Damaged {
            path: folder.to_owned(),
            at: 0,
            why: format!("the segments with the entries up to {before} are missing"),
        });
    }
    sync_folder(folder).map_err(io("sync", folder))?;
    writer.batch = reader.batch + 1;
    writer.summary = reader.summary;
    Ok(Recovered {
        state: reader.state,
        writer,
    })
}

/// Segments with their numbers, in order.
fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let number = name
            .strip_suffix(".log")
            .and_then(|name| name.split('-').next());
        if let Some(number) = number.and_then(|number| u64::from_str_radix(number, 16).ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Zeros from the end of what is good to the end of the file, so that nothing old is ever taken
/// for something new.
fn clear_rest(file: &File, from: usize, size: usize) -> io::Result<()> {
    let mut bytes = vec![0; size.saturating_sub(from)];
    let at = u64::try_from(from).map_err(io::Error::other)?;
    file.read_exact_at(&mut bytes, at)?;
    if bytes.iter().any(|byte| *byte != 0) {
        bytes.fill(0);
        file.write_all_at(&bytes, at)?;
        file.sync_data()?;
    }
    Ok(())
}

struct Reader {
    state: State,
    summary: Summary,
    batch: u32,
    identity: Identity,
    /// No head was read yet.
    begins: bool,
    /// The last entry of the segments that were removed, which has to be purged.
    before: Option<u64>,
}

impl Reader {
    fn segment(
        &mut self,
        path: &Path,
        file: &Arc<File>,
        bytes: &[u8],
        sequence: u64,
        last: bool,
    ) -> Result<Segment, OpenError> {
        let damaged = |at, why: String| OpenError::Damaged {
            path: path.to_owned(),
            at,
            why,
        };
        let mut segment = Segment {
            path: path.to_owned(),
            file: Arc::clone(file),
            size: bytes.len(),
            at: 0,
            highest: None,
        };
        loop {
            let at = segment.at;
            match frame::read(bytes, at, self.batch) {
                Found::End if at > 0 || last => return Ok(segment),
                Found::End => return Err(damaged(at, "it is empty".into())),
                Found::Torn if last => {
                    tracing::warn!(
                        path = %path.display(), at,
                        "the last write was cut off before it was acknowledged; its rest is dropped"
                    );
                    return Ok(segment);
                }
                Found::Torn => {
                    return Err(damaged(
                        at,
                        "it ends in the middle, but another one follows".into(),
                    ));
                }
                Found::Damaged => return Err(damaged(at, "crc mismatch".into())),
                Found::Record { span, batch, next } => {
                    let first = self.batch == 0;
                    if !first && batch != self.batch && batch != self.batch.wrapping_add(1) {
                        return Err(damaged(
                            at,
                            format!("batch {batch} follows batch {}", self.batch),
                        ));
                    }
                    self.batch = batch;
                    let record = Record::get(&bytes[span.payload()])
                        .map_err(|error| damaged(at, error.to_string()))?;
                    if (at == 0) != matches!(record, Record::Head { .. }) {
                        return Err(damaged(at, "a head is where none belongs".into()));
                    }
                    let start = u64::try_from(span.payload().start)
                        .map_err(|error| damaged(at, error.to_string()))?;
                    let place = Place {
                        file: Arc::clone(file),
                        at: start,
                        length: span.length,
                    };
                    self.record(record, place, &mut segment, sequence, path)?;
                    segment.at = next;
                }
            }
        }
    }

    fn record(
        &mut self,
        record: Record,
        place: Place,
        segment: &mut Segment,
        sequence: u64,
        path: &Path,
    ) -> Result<(), OpenError> {
        let damaged = |why: String| OpenError::Damaged {
            path: path.to_owned(),
            at: segment.at,
            why,
        };
        let change = match record {
            Record::Head {
                sequence: own,
                identity,
                summary,
            } => {
                if identity != self.identity {
                    let path = path.to_owned();
                    return Err(OpenError::Foreign {
                        path,
                        found: identity,
                        wanted: self.identity,
                    });
                }
                let begins = std::mem::take(&mut self.begins);
                if own != sequence || (!begins && summary != self.summary) {
                    return Err(damaged("it does not follow the segment before it".into()));
                }
                if begins {
                    self.state.vote = summary.vote;
                    self.state.committed = summary.committed;
                    // Entries up to the last one are in older segments or, when that was cut off again,
                    // written anew here; in both cases they were purged before those could be removed.
                    for gone in [summary.purged, summary.last].into_iter().flatten() {
                        self.state.purge(gone);
                    }
                    self.before = summary.last.map(|last| last.index);
                    self.summary = summary;
                }
                return Ok(());
            }
            Record::Entry(entry) => {
                let log_id = entry.log_id;
                // Entries of the oldest segments may be purged already.
                if self
                    .state
                    .purged
                    .is_none_or(|purged| log_id.index > purged.index)
                {
                    self.state
                        .push(log_id, 0, Some(place), None)
                        .map_err(|error| damaged(error.to_string()))?;
                }
                segment.highest = segment.highest.max(Some(log_id.index));
                Change::Entry(log_id)
            }
            Record::Vote(vote) => {
                self.state.vote = Some(vote);
                Change::Vote(vote)
            }
            Record::Committed(log_id) => {
                self.state.committed = log_id;
                Change::Committed(log_id)
            }
            Record::Truncate(log_id) => {
                self.state.truncate_after(log_id);
                Change::Truncate(log_id)
            }
            Record::Purge(log_id) => {
                self.state.purge(log_id);
                Change::Purge(log_id)
            }
        };
        self.summary.follow(&change);
        Ok(())
    }
}
