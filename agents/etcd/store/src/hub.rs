//! Watchers that wait for events to come, and which of them an event reaches.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::event::Event;

/// Names a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchId(u64);

/// What a sink says after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It wants more.
    More,
    /// It is done, gone or too slow: forget it.
    Done,
}

/// Where a watcher's events go.
pub trait Sink: Send {
    /// Takes an event; must not block.
    fn deliver(&mut self, event: &Arc<Event>) -> Delivery;
}

struct Watcher {
    id: WatchId,
    recursive: bool,
    since: u64,
    sink: Box<dyn Sink>,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("id", &self.id)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Hub {
    watchers: BTreeMap<Box<[u8]>, Vec<Watcher>>,
    count: u64,
    next: u64,
}

impl Hub {
    pub(crate) fn add(
        &mut self,
        key: &[u8],
        recursive: bool,
        since: u64,
        sink: Box<dyn Sink>,
    ) -> WatchId {
        let id = WatchId(self.next);
        self.next += 1;
        self.count += 1;
        self.watchers.entry(key.into()).or_default().push(Watcher {
            id,
            recursive,
            since,
            sink,
        });
        id
    }

    pub(crate) fn remove(&mut self, key: &[u8], id: WatchId) {
        if let Some(here) = self.watchers.get_mut(key) {
            let before = here.len();
            here.retain(|watcher| watcher.id != id);
            self.count -= u64::try_from(before - here.len()).unwrap_or_default();
            if here.is_empty() {
                self.watchers.remove(key);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.watchers.clear();
        self.count = 0;
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    /// Tells the watchers of the event's key, and the recursive ones above it.
    pub(crate) fn notify(&mut self, event: &Arc<Event>) {
        if self.watchers.is_empty() || event.refresh {
            return;
        }
        let key = Arc::clone(&event.node.key);
        self.tell(&key, event, |_| true);
        let slashes = key
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        for at in slashes {
            let above = if at == 0 { &b"/"[..] } else { &key[..at] };
            if above != &key[..] && !hides(above, &key) {
                self.tell(above, event, |watcher| watcher.recursive);
            }
        }
    }

    /// Tells the watchers below a directory that went away; `existed` says whether a key was there.
    pub(crate) fn notify_below(&mut self, event: &Arc<Event>, existed: impl Fn(&[u8]) -> bool) {
        let mut prefix = event.node.key.to_vec();
        prefix.push(b'/');
        let below: Vec<Box<[u8]>> = self
            .watchers
            .range(prefix.clone().into_boxed_slice()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(&prefix))
            .filter(|key| existed(&key[prefix.len()..]))
            .cloned()
            .collect();
        for key in below {
            self.tell(&key, event, |_| true);
        }
    }

    fn tell(&mut self, key: &[u8], event: &Arc<Event>, wanted: impl Fn(&Watcher) -> bool) {
        let Some(here) = self.watchers.get_mut(key) else {
            return;
        };
        let before = here.len();
        here.retain_mut(|watcher| {
            !wanted(watcher)
                || event.index() < watcher.since
                || watcher.sink.deliver(event) == Delivery::More
        });
        self.count -= u64::try_from(before - here.len()).unwrap_or_default();
        if here.is_empty() {
            self.watchers.remove(key);
        }
    }
}

/// Whether a component below `above` on the way to `key` begins with an underscore.
pub(crate) fn hides(above: &[u8], key: &[u8]) -> bool {
    let below = if above == b"/" {
        key
    } else {
        key.get(above.len()..).unwrap_or_default()
    };
    below.windows(2).any(|pair| pair == b"/_")
}
