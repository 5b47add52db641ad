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
    /// How many entries `poll` has shown.
    seen: u64,
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
                    reader,
                    inode,
                    seen: 0,
                }),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// Selects entries, oldest first.
    #[must_use]
    pub fn select(&self, query: &Query) -> Vec<Position> {
        let mut all = Vec::new();
        for (file, open) in self.files.iter().enumerate() {
            let places = open
                .reader
                .select(&query.expression)
                .into_iter()
                .filter_map(|offset| {
                    Some(Position {
                        file,
                        offset,
                        moment: open.reader.moment_of(offset)?,
                    })
                });
            let mut places: Vec<Position> =
                places.filter(|place| self.wanted(place, query)).collect();
            if let Limit::Last(count) = query.limit {
                places.drain(..places.len().saturating_sub(count));
            }
            all.extend(places);
        }
        let mut all = merge(all, |place| place.moment);
        match query.limit {
            Limit::None => {}
            Limit::First(count) => all.truncate(count),
            Limit::Last(count) => {
                all.drain(..all.len().saturating_sub(count));
            }
        }
        all
    }

    fn wanted(&self, place: &Position, query: &Query) -> bool {
        query
            .since
            .is_none_or(|since| place.moment.realtime >= since)
            && query
                .until
                .is_none_or(|until| place.moment.realtime <= until)
            && query.after.is_none_or(|cursor| {
                self.entry(place)
                    .is_some_and(|entry| cursor.is_before(&entry))
            })
    }

    /// The entry at a place.
    #[must_use]
    pub fn entry(&self, place: &Position) -> Option<Entry> {
        self.files.get(place.file)?.reader.entry(place.offset)
    }

    /// Marks everything there is now as seen; `poll` shows what comes after.
    pub fn skip_to_end(&mut self) {
        for open in &mut self.files {
            open.seen = open.reader.count();
        }
    }

    /// Entries that appeared since the last call, oldest first.
    #[must_use]
    pub fn poll(&mut self) -> Vec<Entry> {
        self.scan();
        let mut new = Vec::new();
        for open in &mut self.files {
            if open.reader.refresh().is_err() {
                continue;
            }
            let count = open.reader.count();
            if count > open.seen {
                new.extend(
                    open.reader
                        .entries_from(open.seen)
                        .into_iter()
                        .filter_map(|o| open.reader.entry(o)),
                );
                open.seen = count;
            }
        }
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
                let places = open.reader.select(&Expression::Field(field));
                let time = |offset: Option<&u64>| Some(open.reader.moment_of(*offset?)?.realtime);
                let (Some(first), Some(last)) = (time(places.first()), time(places.last())) else {
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
