//! Commands: all that members agree on. Times are absolute, so that applying needs no clock.

use std::fmt;

use crate::codec::{Decoder, Encoder, Malformed};
use crate::event::Text;

/// A command and the proposer's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Nanoseconds since 1970 on the proposer's clock.
    pub now: u64,
    /// What to do.
    pub operation: Operation,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes a key.
    Write(Write),
    /// Deletes a key.
    Delete {
        /// Which.
        key: Text,
        /// Also an empty directory.
        dir: bool,
        /// Also a filled one.
        recursive: bool,
    },
    /// Deletes a file that has this value or index.
    CompareAndDelete {
        /// Which.
        key: Text,
        /// Its value; empty for any.
        prev_value: Text,
        /// Its modifiedIndex; 0 for any.
        prev_index: u64,
    },
    /// Removes what has expired at `now`.
    Expire,
}

/// A write of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Under which condition.
    pub kind: WriteKind,
    /// Which key: clean, beginning with a slash, without one at the end but for the root.
    pub key: Text,
    /// The content.
    pub value: Text,
    /// A directory.
    pub dir: bool,
    /// When it expires, nanoseconds since 1970.
    pub expires: Option<u64>,
    /// Keep the value and tell no watcher.
    pub refresh: bool,
}

impl Default for Write {
    fn default() -> Self {
        let empty: Text = Vec::new().into();
        Write {
            kind: WriteKind::Set,
            key: empty.clone(),
            value: empty,
            dir: false,
            expires: None,
            refresh: false,
        }
    }
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteKind {
    /// None.
    Set,
    /// The key is missing.
    Create,
    /// The key is there.
    Update,
    /// The key has this value (if not empty) and modifiedIndex (if not 0).
    CompareAndSwap {
        /// Value.
        prev_value: Text,
        /// Index.
        prev_index: u64,
    },
    /// None; the name is made from the index.
    InOrder,
}

impl Command {
    /// A write at a time.
    #[must_use]
    pub fn write(write: Write, now: u64) -> Command {
        Command {
            now,
            operation: Operation::Write(write),
        }
    }

    /// Encodes for disk and wire.
    pub fn encode(&self, to: &mut Encoder) {
        to.u64(self.now);
        match &self.operation {
            Operation::Write(write) => {
                let Write {
                    kind,
                    key,
                    value,
                    dir,
                    expires,
                    refresh,
                } = write;
                to.u8(match kind {
                    WriteKind::Set => 1,
                    WriteKind::Create => 2,
                    WriteKind::Update => 3,
                    WriteKind::CompareAndSwap { .. } => 4,
                    WriteKind::InOrder => 5,
                });
                if let WriteKind::CompareAndSwap {
                    prev_value,
                    prev_index,
                } = kind
                {
                    to.bytes(prev_value);
                    to.u64(*prev_index);
                }
                to.bytes(key);
                to.bytes(value);
                to.bool(*dir);
                to.option_u64(*expires);
                to.bool(*refresh);
            }
            Operation::Delete {
                key,
                dir,
                recursive,
            } => {
                to.u8(6);
                to.bytes(key);
                to.bool(*dir);
                to.bool(*recursive);
            }
            Operation::CompareAndDelete {
                key,
                prev_value,
                prev_index,
            } => {
                to.u8(7);
                to.bytes(key);
                to.bytes(prev_value);
                to.u64(*prev_index);
            }
            Operation::Expire => to.u8(8),
        }
    }

    /// Decodes what [`Command::encode`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn decode(from: &mut Decoder<'_>) -> Result<Command, Malformed> {
        let now = from.u64()?;
        let operation = match from.u8()? {
            tag @ 1..=5 => {
                let kind = match tag {
                    1 => WriteKind::Set,
                    2 => WriteKind::Create,
                    3 => WriteKind::Update,
                    4 => WriteKind::CompareAndSwap {
                        prev_value: from.text()?,
                        prev_index: from.u64()?,
                    },
                    _ => WriteKind::InOrder,
                };
                Operation::Write(Write {
                    kind,
                    key: from.text()?,
                    value: from.text()?,
                    dir: from.bool()?,
                    expires: from.option_u64()?,
                    refresh: from.bool()?,
                })
            }
            6 => Operation::Delete {
                key: from.text()?,
                dir: from.bool()?,
                recursive: from.bool()?,
            },
            7 => Operation::CompareAndDelete {
                key: from.text()?,
                prev_value: from.text()?,
                prev_index: from.u64()?,
            },
            8 => Operation::Expire,
            _ => return Err(from.malformed("a kind of command")),
        };
        Ok(Command { now, operation })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, key): (&str, &[u8]) = match &self.operation {
            Operation::Write(write) => ("write", &write.key),
            Operation::Delete { key, .. } => ("delete", key),
            Operation::CompareAndDelete { key, .. } => ("compareAndDelete", key),
            Operation::Expire => ("expire", b""),
        };
        write!(f, "{name} {}", String::from_utf8_lossy(key))
    }
}
