//! The store: one tree with one index. Every change is one event with the next index.

use std::sync::Arc;

use etcd_api::{Code, EtcdError, StoreStats};

use crate::command::{Command, Operation};
use crate::event::{Action, Event, Text};
use crate::expiry::Expiry;
use crate::history::History;
use crate::hub::{Delivery, Hub, Sink, WatchId};
use crate::node::{Node, components};

/// The index before the first event. The first key of a new cluster gets 4, as on the original,
/// whose own records take the first three; clients may rely on no key having index 1.
const FIRST_INDEX: u64 = 3;

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// One event.
    Event(Arc<Event>),
    /// So many keys expired.
    Expired(usize),
}

/// A watch that is asked for.
#[derive(Debug, Clone)]
pub struct Watch {
    /// The key.
    pub key: Text,
    /// Also all below.
    pub recursive: bool,
    /// The first index wanted; 0 for the next event.
    pub index: u64,
    /// More than one event.
    pub stream: bool,
}

/// How a watch begins.
#[derive(Debug)]
pub struct WatchStart {
    /// The index at that moment.
    pub index: u64,
    /// The watcher, when it waits for events to come.
    pub id: Option<WatchId>,
}

/// The key space of a member.
#[derive(Debug)]
pub struct Store {
    pub(crate) root: Arc<Node>,
    pub(crate) index: u64,
    pub(crate) expiry: Expiry,
    pub(crate) history: History,
    pub(crate) hub: Hub,
    pub(crate) stats: StoreStats,
}

impl Store {
    /// An empty store that keeps this many events.
    #[must_use]
    pub fn new(history_events: usize) -> Store {
        Store {
            root: Arc::new(Node::root()),
            index: FIRST_INDEX,
            expiry: Expiry::default(),
            history: History::new(history_events),
            hub: Hub::default(),
            stats: StoreStats::default(),
        }
    }

    /// The index of the last event.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// When the next key expires, nanoseconds since 1970.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiry.next()
    }

    /// Counters of this member.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            watchers: self.hub.count(),
            ..self.stats.clone()
        }
    }

    /// Carries a command out and tells watchers.
    ///
    /// # Errors
    /// The refusal; then nothing has changed.
    pub fn apply(&mut self, command: &Command) -> Result<Outcome, EtcdError> {
        let now = command.now;
        match &command.operation {
            Operation::Write(write) => {
                let result = self.write(write, now);
                self.stats_of_write(&write.kind, result.is_ok());
                result.map(Outcome::Event)
            }
            Operation::Delete {
                key,
                dir,
                recursive,
            } => {
                let result = self.delete(key, *dir, *recursive, now);
                count(
                    result.is_ok(),
                    &mut self.stats.delete_success,
                    &mut self.stats.delete_fail,
                );
                result.map(Outcome::Event)
            }
            Operation::CompareAndDelete {
                key,
                prev_value,
                prev_index,
            } => {
                let result = self.compare_and_delete(key, prev_value, *prev_index, now);
                count(
                    result.is_ok(),
                    &mut self.stats.compare_and_delete_success,
                    &mut self.stats.compare_and_delete_fail,
                );
                result.map(Outcome::Event)
            }
            Operation::Expire => Ok(Outcome::Expired(self.expire(now))),
        }
    }

    /// Begins a watch: past events go to the sink at once, in order, then those to come.
    ///
    /// # Errors
    /// Code 401 when the history does not reach back to the index.
    pub fn watch(
        &mut self,
        watch: &Watch,
        mut sink: Box<dyn Sink>,
    ) -> Result<WatchStart, EtcdError> {
        let Watch {
            key,
            recursive,
            index,
            stream,
        } = watch;
        let begin = self.index;
        if *index != 0 && *index <= self.index {
            if *index < self.history.floor() {
                let cause = format!(
                    "the requested history has been cleared [{}/{index}]",
                    self.history.floor()
                );
                return Err(EtcdError::new(Code::EventIndexCleared, cause, self.index));
            }
            for event in self.history.since(key, *recursive, *index) {
                if sink.deliver(event) == Delivery::Done || !stream {
                    return Ok(WatchStart {
                        index: begin,
                        id: None,
                    });
                }
            }
        }
        let id = self
            .hub
            .add(key, *recursive, (*index).max(self.index + 1), sink);
        Ok(WatchStart {
            index: begin,
            id: Some(id),
        })
    }

    /// Ends a watch whose client has gone.
    pub fn unwatch(&mut self, key: &[u8], id: WatchId) {
        self.hub.remove(key, id);
    }

    /// Ends all watches: the member stops or was overtaken by a snapshot.
    pub fn end_watches(&mut self) {
        self.hub.clear();
    }

    fn expire(&mut self, now: u64) -> usize {
        let mut expired = 0;
        while let Some(key) = self.expiry.due(now) {
            let Some(node) = self.remove(&key) else {
                // Cannot be: the index is kept with the tree. Drop the entry rather than loop.
                self.expiry.drop_first();
                continue;
            };
            self.index += 1;
            self.stats.expire_count += 1;
            self.finish_removal(Action::Expire, &key, &node, now);
            expired += 1;
        }
        expired
    }

    /// Makes the event of a removal, and tells.
    pub(crate) fn finish_removal(
        &mut self,
        action: Action,
        key: &Text,
        node: &Arc<Node>,
        now: u64,
    ) -> Arc<Event> {
        let prev = node.show(key.clone(), now);
        let mut after = prev.clone();
        after.value = None;
        after.expires = None;
        after.ttl = 0;
        after.modified = self.index;
        let event = Arc::new(Event {
            action,
            node: after,
            prev: Some(prev),
            refresh: false,
        });
        if node.is_dir() && !self.hub.is_empty() {
            self.hub.notify_below(&event, |below| {
                let mut at = node;
                components(below).all(|name| {
                    match at.children().and_then(|children| children.get(name)) {
                        Some(child) => {
                            at = child;
                            true
                        }
                        None => false,
                    }
                })
            });
        }
        self.record(&event);
        event
    }

    pub(crate) fn record(&mut self, event: &Arc<Event>) {
        self.history.add(Arc::clone(event));
        self.hub.notify(event);
    }

    fn stats_of_write(&mut self, kind: &crate::WriteKind, ok: bool) {
        use crate::WriteKind;
        let stats = &mut self.stats;
        match kind {
            WriteKind::Set => count(ok, &mut stats.sets_success, &mut stats.sets_fail),
            WriteKind::Create | WriteKind::InOrder => {
                count(ok, &mut stats.create_success, &mut stats.create_fail);
            }
            WriteKind::Update => count(ok, &mut stats.update_success, &mut stats.update_fail),
            WriteKind::CompareAndSwap { .. } => {
                count(
                    ok,
                    &mut stats.compare_and_swap_success,
                    &mut stats.compare_and_swap_fail,
                );
            }
        }
    }
}

fn count(ok: bool, success: &mut u64, fail: &mut u64) {
    *(if ok { success } else { fail }) += 1;
}
