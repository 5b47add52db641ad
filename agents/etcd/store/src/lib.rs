//! The v2 key space: one tree, one index, time to live, a history of events and their watchers.
//!
//! [`Store::apply`] is the only way to change it, and the same commands give the same state and the
//! same events on every member. It reads no clock (times arrive in commands), does no I/O, and does
//! not know who agreed on the commands. Main type: [`Store`].
//!
//! ```
//! use etcd_store::{Command, Outcome, Store, Write, WriteKind};
//! let mut store = Store::new(1000);
//! let write = Write { kind: WriteKind::Set, key: b"/message"[..].into(), value: b"Hello"[..].into(), ..Write::default() };
//! let outcome = store.apply(&Command::write(write, 0))?;
//! let Outcome::Event(event) = outcome else { unreachable!() };
//! assert_eq!(event.node.modified, store.index());
//! # Ok::<(), etcd_store::EtcdError>(())
//! ```
#![forbid(unsafe_code)]

mod codec;
mod command;
mod event;
mod expiry;
mod history;
mod hub;
#[cfg(test)]
mod model;
mod node;
mod read;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod write;

pub use codec::{Decoder, Encoder, Malformed};
pub use command::{Command, Operation, Write, WriteKind};
pub use etcd_api::EtcdError;
pub use event::{Action, Event, EventNode, Text};
pub use hub::{Delivery, Sink, WatchId};
pub use snapshot::Snapshot;
pub use store::{Outcome, Store, Watch, WatchStart};
