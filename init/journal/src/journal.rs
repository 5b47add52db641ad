//! All journal files of a machine as one sequence, in the order of writing.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;

use crate::entry::{Cursor, Entry};
use crate::find::Finder;
use crate::order::{Moment, merge};
use crate::query::{Expression, of_unit};
use crate::reader::{ReadError, Reader};

/// Where journal files are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `/var/log/journal` and `/run/log/journal` below this root (`/`).
    Machine { root: PathBuf },
    /// One folder, and the folders in it.
    Directory(PathBuf),
    /// These files.
    Files(Vec<PathBuf>),
}

/// Which entries, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub expression: Expression,
    /// Microseconds since 1970, both inclusive.
    pub since: Option<u64>,
    pub until: Option<u64>,
    pub after: Option<Cursor>,
    pub limit: Limit,
}

/// How many entries of those selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    None,
    First(usize),
    Last(usize),
}

impl Query {
    /// Everything that `expression` selects.
    #[must_use]
    pub fn new(expression: Expression) -> Self {
        Self {
            expression,
            since: None,
            until: None,
            after: None,
            limit: Limit::None,
        }
    }
}

/// An entry's place: which file, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    file: usize,
    offset: u64,
    moment: Moment,
}

/// One boot, as the journal knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    pub id: [u8; 16],
    pub first: u64,
    pub last: u64,
}

#[derive(Debug)]
struct Open {
    reader: Reader,
    inode: (u64, u64),
    seqnum_id: [u8; 16],
    /// How many entries `poll` has shown.
    seen: u64,
    /// Whether only what was seen is to be shown by `walk`.
    shown: bool,
}

impl Open {
    /// The offsets between which entries are looked for; `None` when there can be none.
    fn range(&self, query: &Query) -> Option<(u64, u64)> {
        let reader = &self.reader;
        let all = reader.everything();
        let first = |reached: &dyn Fn(u64) -> bool| all.first_where(reader, reached);
        let time = |offset| {
            let moment = reader.moment_of(offset);
            moment.map_or((u64::MAX, u64::MAX), |m| (m.realtime, m.seqnum))
        };
        let mut from = 0;
        let mut end = if self.shown { self.seen } else { all.len() };
        if let Some(since) = query.since {
            from = from.max(first(&|offset| time(offset).0 >= since));
        }
        if let Some(until) = query.until {
            end = end.min(first(&|offset| time(offset).0 > until));
        }
        if let Some(cursor) = query.after {
            from = from.max(if cursor.seqnum_id == self.seqnum_id {
                first(&|offset| time(offset).1 > cursor.seqnum)
            } else {
                first(&|offset| time(offset).0 > cursor.realtime)
            });
        }
        let last = end.checked_sub(1).filter(|last| from <= *last)?;
        let to = if end == all.len() {
            u64::MAX
        } else {
            all.get(reader, last)?
        };
        Some((all.get(reader, from)?, to))
    }
}

/// How many new entries of one file `poll` gives at most at a time.
const POLL_MAX: u64 = 4096;

/// What is left to walk through in one file.
#[derive(Debug)]
struct Part {
    file: usize,
    finder: Finder,
    /// First and last offset, both inclusive, that are still to be looked at.
    from: u64,
    to: u64,
    next: Option<Position>,
}

/// Selected entries, one after the other; it holds one place of each file. See [`Journal::walk`].
#[derive(Debug)]
pub struct Walk<'a> {
    journal: &'a Journal,
    parts: Vec<Part>,
    backwards: bool,
}

impl Part {
    fn advance(&mut self, journal: &Journal, backwards: bool) {
        self.next = None;
        let Some(open) = journal.files.get(self.file) else {
            return;
        };
        while self.from <= self.to {
            let found = if backwards {
                self.finder.at_or_before(&open.reader, self.to)
            } else {
                self.finder.at_or_after(&open.reader, self.from)
            };
            let Some(offset) = found.filter(|o| (self.from..=self.to).contains(o)) else {
                return;
            };
            if backwards {
                let Some(to) = offset.checked_sub(1) else {
                    return;
                };
                self.to = to;
            } else {
                // Nothing lies behind the last offset that there is.
                let Some(from) = offset.checked_add(1) else {
                    return;
                };
                self.from = from;
            }
            // An entry that cannot be read is passed over.
            if let Some(moment) = open.reader.moment_of(offset) {
                self.next = Some(Position {
                    file: self.file,
                    offset,
                    moment,
                });
                return;
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Position;

    fn next(&mut self) -> Option<Position> {
        let backwards = self.backwards;
        let comes_first = |place: &Position, known: &Position| {
            let order = place.moment.order(&known.moment);
            if backwards {
                order.is_gt()
            } else {
                order.is_lt()
            }
        };
        let better = |best: Option<(usize, Position)>, next: (usize, Position)| match best {
            Some(best) if !comes_first(&next.1, &best.1) => best,
            _ => next,
        };
        // The order between writers may go round in a circle; within one it never does. So the first of each writer
        // is found, whose parts stand together, and then the first of these.
        let mut best: Option<(usize, Position)> = None;
        let mut of_writer: Option<(usize, Position)> = None;
        for (index, part) in self.parts.iter().enumerate() {
            let Some(place) = part.next else { continue };
            let other =
                of_writer.filter(|(_, known)| known.moment.seqnum_id != place.moment.seqnum_id);
            if let Some(first) = other {
                best = Some(better(best, first));
                of_writer = None;
            }
            of_writer = Some(better(of_writer, (index, place)));
        }
        if let Some(first) = of_writer {
            best = Some(better(best, first));
        }
        let (index, place) = best?;
        self.parts.get_mut(index)?.advance(self.journal, backwards);
        Some(place)
    }
}

/// The journal: every readable file of a source.
#[derive(Debug)]
pub struct Journal {
    source: Source,
    files: Vec<Open>,
    /// Files that could not be read, with the reason.
    problems: Vec<ReadError>,
    watch: Option<OwnedFd>,
}

impl Journal {
    /// Opens what there is. Files that cannot be read are left out and listed in [`Self::problems`].
    #[must_use]
    pub fn open(source: Source) -> Self {
        let mut journal = Self {
            source,
            files: Vec::new(),
            problems: Vec::new(),
            watch: None,
        };
        journal.scan();
        journal
    }

    /// Why files were left out.
    #[must_use]
    pub fn problems(&self) -> &[ReadError] {
        &self.problems
    }

    /// The files that are read.
    pub fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.files.iter().map(|open| &open.reader)
    }

    fn scan(&mut self) {
        for path in paths(&self.source) {
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let inode = (metadata.dev(), metadata.ino());
            if self.files.iter().any(|open| open.inode == inode) {
                continue;
            }
            match Reader::open(&path) {
                Ok(reader) => self.files.push(Open {
                    seqnum_id: reader.header().map(|h| h.seqnum_id).unwrap_or_default(),
                    reader,
                    inode,
                    seen: 0,
                    shown: false,
                }),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// Selects entries, oldest first.
    #[must_use]
    pub fn select(&self, query: &Query) -> Vec<Position> {
        match query.limit {
            Limit::None => self.walk(query, false).collect(),
            Limit::First(count) => self.walk(query, false).take(count).collect(),
            Limit::Last(count) => {
                let mut last: Vec<Position> = self.walk(query, true).take(count).collect();
                last.reverse();
                last
            }
        }
    }

    /// Walks through what `query` selects (its limit is the caller's), the newest first when `backwards`. Nothing
    /// is collected: memory does not grow with the journal, and the first entry is there at once.
    #[must_use]
    pub fn walk(&self, query: &Query, backwards: bool) -> Walk<'_> {
        let mut parts: Vec<Part> = self
            .files
            .iter()
            .enumerate()
            .filter_map(|(file, open)| {
                let (from, to) = open.range(query)?;
                Some(Part {
                    file,
                    finder: open.reader.find(&query.expression),
                    from,
                    to,
                    next: None,
                })
            })
            .collect();
        for part in &mut parts {
            part.advance(self, backwards);
        }
        parts.sort_by_key(|part| part.next.map(|place| place.moment.seqnum_id));
        Walk {
            journal: self,
            parts,
            backwards,
        }
    }

    /// The entry at a place.
    #[must_use]
    pub fn entry(&self, place: &Position) -> Option<Entry> {
        self.files.get(place.file)?.reader.entry(place.offset)
    }

    /// Marks everything there is now as seen: `walk` and `select` show that, `poll` shows what comes after.
    pub fn skip_to_end(&mut self) {
        for open in &mut self.files {
            open.seen = open.reader.count();
            open.shown = true;
        }
    }

    /// Entries that appeared since the last call, oldest first, and not too many at once. Nothing means that there
    /// is nothing new.
    #[must_use]
    pub fn poll(&mut self) -> Vec<Entry> {
        self.scan();
        let mut new = Vec::new();
        self.files.retain_mut(|open| {
            if open.reader.refresh().is_err() {
                return true;
            }
            let count = open.reader.count();
            let offsets = open.reader.entries_from(open.seen, POLL_MAX);
            open.seen += u64::try_from(offsets.len()).unwrap_or(0);
            new.extend(offsets.iter().filter_map(|o| open.reader.entry(*o)));
            // A file that was removed is let go once all of it was shown: it takes room on the disk until then.
            open.seen < count || !open.reader.is_removed()
        });
        merge(new, |entry| Moment::from(entry))
    }

    /// Waits until a file changes, at most `timeout_ms` milliseconds.
    ///
    /// # Errors
    /// The kernel has no inotify descriptor left.
    pub fn wait(&mut self, timeout_ms: u32) -> io::Result<()> {
        if self.watch.is_none() {
            let watch =
                inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
            for folder in folders(&self.source) {
                let flags = inotify::WatchFlags::MODIFY
                    | inotify::WatchFlags::CREATE
                    | inotify::WatchFlags::MOVED_TO;
                // A folder that is not there yet is found by the next scan.
                let _ = inotify::add_watch(&watch, &folder, flags);
            }
            self.watch = Some(watch);
        }
        let Some(watch) = &self.watch else {
            return Ok(());
        };
        let timeout = Timespec {
            tv_sec: i64::from(timeout_ms / 1000),
            tv_nsec: i64::from(timeout_ms % 1000) * 1_000_000,
        };
        let mut wanted = [PollFd::new(watch, PollFlags::IN)];
        match poll(&mut wanted, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut events = [0; 4096];
        while rustix::io::read(watch, &mut events).is_ok_and(|n| n > 0) {}
        Ok(())
    }

    /// The boots that the journal knows, oldest first.
    #[must_use]
    pub fn boots(&self) -> Vec<Boot> {
        let mut boots: BTreeMap<[u8; 16], Boot> = BTreeMap::new();
        for open in &self.files {
            for value in open.reader.values("_BOOT_ID") {
                let Some(id) = crate::entry::parse_id(&String::from_utf8_lossy(&value)) else {
                    continue;
                };
                let mut field = b"_BOOT_ID=".to_vec();
                field.extend(&value);
                let time = |offset| Some(open.reader.moment_of(offset)?.realtime);
                let Some((first, last)) = open
                    .reader
                    .ends_of(&field)
                    .and_then(|(first, last)| Some((time(first)?, time(last)?)))
                else {
                    continue;
                };
                let boot = boots.entry(id).or_insert(Boot { id, first, last });
                boot.first = boot.first.min(first);
                boot.last = boot.last.max(last);
            }
        }
        let mut boots: Vec<Boot> = boots.into_values().collect();
        boots.sort_by_key(|boot| boot.first);
        boots
    }

    /// Every value of a field, sorted, each once.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut all: Vec<_> = self
            .readers()
            .flat_map(|reader| reader.values(name))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The last lines about a unit, oldest first, for `systemctl status`.
#[must_use]
pub fn tail_of_unit(journal: &Journal, unit: &str, since: Option<u64>, lines: usize) -> Vec<Entry> {
    let query = Query {
        since,
        limit: Limit::Last(lines),
        ..Query::new(of_unit(unit))
    };
    journal
        .select(&query)
        .iter()
        .filter_map(|place| journal.entry(place))
        .collect()
}

fn folders(source: &Source) -> Vec<PathBuf> {
    let tops = match source {
        Source::Machine { root } => {
            vec![root.join("var/log/journal"), root.join("run/log/journal")]
        }
        Source::Directory(folder) => vec![folder.clone()],
        Source::Files(files) => {
            return files
                .iter()
                .filter_map(|f| f.parent().map(Path::to_owned))
                .collect();
        }
    };
    let mut all = Vec::new();
    for top in tops {
        let inner = fs::read_dir(&top)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.is_dir());
        all.extend(inner);
        all.push(top);
    }
    all
}

fn paths(source: &Source) -> Vec<PathBuf> {
    if let Source::Files(files) = source {
        return files.clone();
    }
    // A tilde marks a file that was not closed cleanly: whole entries in it are still read.
    let is_journal = |path: &PathBuf| {
        path.extension()
            .is_some_and(|e| e == "journal" || e == "journal~")
    };
    let mut all: Vec<PathBuf> = folders(source)
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .filter(is_journal)
        .collect();
    all.sort();
    all
}
