//! The last events of the whole store, for watches that begin in the past.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{Action, Event};
use crate::hub::hides;

/// Events that are kept whatever they weigh: what the original promises.
const ALWAYS: usize = 1000;

/// Bytes above which older events are dropped.
const BYTES: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Arc<Event>>,
    room: usize,
    bytes: usize,
    /// The first index of which nothing was dropped.
    floor: u64,
}

impl History {
    pub(crate) fn new(room: usize) -> History {
        History {
            events: VecDeque::new(),
            room: room.max(1),
            bytes: 0,
            floor: 0,
        }
    }

    pub(crate) fn add(&mut self, event: Arc<Event>) {
        self.bytes += event.size();
        self.events.push_back(event);
        while self.events.len() > self.room || (self.bytes > BYTES && self.events.len() > ALWAYS) {
            let Some(dropped) = self.events.pop_front() else {
                break;
            };
            self.bytes -= dropped.size();
            self.floor = dropped.index() + 1;
        }
    }

    /// The first index that can be asked for.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The events from `index` on that a watch on `key` sees.
    pub(crate) fn since<'a>(
        &'a self,
        key: &'a [u8],
        recursive: bool,
        index: u64,
    ) -> impl Iterator<Item = &'a Arc<Event>> {
        let begin = self.events.partition_point(|event| event.index() < index);
        self.events
            .range(begin..)
            .filter(move |event| is_seen(event, key, recursive))
    }

    /// The last events, for a snapshot.
    pub(crate) fn tail(&self) -> Vec<Arc<Event>> {
        let begin = self.events.len().saturating_sub(ALWAYS);
        self.events.range(begin..).cloned().collect()
    }

    pub(crate) fn restore(&mut self, events: Vec<Arc<Event>>, floor: u64) {
        self.events.clear();
        self.bytes = 0;
        self.floor = floor;
        for event in events {
            self.add(event);
        }
    }
}

fn is_seen(event: &Event, key: &[u8], recursive: bool) -> bool {
    if event.refresh {
        return false;
    }
    let of: &[u8] = &event.node.key;
    if of == key {
        return true;
    }
    if recursive && is_below(of, key) {
        return !hides(key, of);
    }
    // A directory that went away took the watched key with it.
    let gone = matches!(event.action, Action::Delete | Action::Expire) && event.node.dir;
    gone && is_below(key, of)
}

/// Whether `key` is below `above`.
fn is_below(key: &[u8], above: &[u8]) -> bool {
    let above = if above == b"/" { b"" } else { above };
    key.len() > above.len() + 1 && key.starts_with(above) && key[above.len()] == b'/'
}
