//! The descriptors that PID 1 waits on, and in which order what is ready gets its turn.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use unit_engine::FdHandle;

/// What a descriptor is for. The order is the order of turns: a notification before the exit of its
/// sender, so that READY=1 of a process that ends at once is never lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Datagrams of services.
    Notify,
    /// The pipe on which an exec helper reports.
    Exec(u32),
    /// Signals, SIGCHLD among them.
    Signals,
    /// Cgroups that became empty.
    Cgroups,
    /// A point in time came.
    Monotonic,
    /// A point in time came, or the clock was set.
    Realtime,
    /// The mount table changed.
    Mounts,
    /// A stored descriptor whose other end has gone.
    Stored(FdHandle),
    /// A socket unit's descriptor.
    Socket { unit: String, fd: FdHandle },
    /// Changes that a path unit watches for.
    Path(String),
    /// A PID file.
    PidFile(String),
    /// Kernel device events.
    Uevents,
    /// Power buttons, by number.
    Button(usize),
    /// Control connections.
    Bus,
}

/// The epoll set.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
    sources: HashMap<u64, Source>,
    keys: HashMap<Source, u64>,
    next: u64,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        Ok(Poll {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            sources: HashMap::new(),
            keys: HashMap::new(),
            next: 1,
        })
    }

    /// Watches a descriptor for being readable (the mount table: for changes).
    pub(crate) fn add(&mut self, fd: impl AsFd, source: Source) -> io::Result<()> {
        let flags = match source {
            Source::Mounts => EventFlags::PRI,
            // The end of the other side is reported in any case.
            Source::Stored(_) => EventFlags::empty(),
            _ => EventFlags::IN,
        };
        let key = self.next;
        epoll::add(&self.epoll, fd, EventData::new_u64(key), flags)?;
        self.next += 1;
        self.keys.insert(source.clone(), key);
        self.sources.insert(key, source);
        Ok(())
    }

    /// Stops watching. Call it before the descriptor is closed.
    pub(crate) fn remove(&mut self, fd: impl AsFd, source: &Source) {
        if let Some(key) = self.keys.remove(source) {
            self.sources.remove(&key);
            let _ = epoll::delete(&self.epoll, fd);
        }
    }

    /// Whether the source is being watched.
    pub(crate) fn has(&self, source: &Source) -> bool {
        self.keys.contains_key(source)
    }

    /// Waits until something is ready; all that is, in the order of turns. With `wait` false it only
    /// looks.
    pub(crate) fn ready(&self, wait: bool) -> io::Result<Vec<Source>> {
        let mut room = [MaybeUninit::<epoll::Event>::uninit(); 64];
        let none = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let timeout = if wait { None } else { Some(&none) };
        let (events, _) = match epoll::wait(&self.epoll, &mut room, timeout) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            other => other?,
        };
        let mut ready: Vec<Source> = events
            .iter()
            .filter_map(|event| self.sources.get(&event.data.u64()).cloned())
            .collect();
        ready.sort();
        Ok(ready)
    }
}
