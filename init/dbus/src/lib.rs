//! The D-Bus wire format as pure code: SASL lines, message frames, signatures and bodies.
//!
//! Bytes go in, messages come out, and back. Nothing here opens a socket, waits or reads a clock;
//! the server in PID 1 and the clients (`init-client`, through it `systemctl`) share these rules.
//! No input makes it panic, and every length that a peer names is checked against what is there
//! and against [`Limits`] before anything is allocated.
//!
//! The main types are [`Message`] and [`Value`].
//!
//! ```
//! use dbus::{Limits, Message, Value};
//!
//! let mut ping = Message::call("/org/freedesktop/DBus", "org.freedesktop.DBus.Peer", "Ping");
//! ping.serial = 1;
//! let bytes = ping.encode().expect("a small message fits");
//! let length = dbus::frame_length(&bytes, &Limits::default()).expect("a sound header");
//! assert_eq!(length, Some(bytes.len()));
//! let back = Message::decode(&bytes, &Limits::default()).expect("what we wrote");
//! assert_eq!(back.member.as_deref(), Some("Ping"));
//! assert_eq!(back.body, Vec::<Value>::new());
//! ```
#![forbid(unsafe_code)]

mod decode;
mod encode;
mod error;
mod message;
pub mod names;
pub mod sasl;
mod signature;
mod value;

pub use error::DbusError;
pub use message::{Kind, Message, flags, frame_length};
pub use signature::Signature;
pub use value::Value;

/// What a peer may make us hold. The defaults suit a server that any local user may talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message in bytes, header included. The protocol's own limit is 128 MiB.
    pub message: usize,
    /// Deepest nesting of containers, variants included. The protocol allows 64.
    pub depth: usize,
    /// Most file descriptors with one message.
    pub fds: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 1 << 20,
            depth: 64,
            fds: 16,
        }
    }
}

impl Limits {
    /// For a client that reads the answers of the process it trusts most.
    #[must_use]
    pub fn client() -> Self {
        Self {
            message: 64 << 20,
            depth: 64,
            fds: 64,
        }
    }
}
