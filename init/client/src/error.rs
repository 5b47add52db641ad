//! Why a call to PID 1 did not succeed.

use std::io;

/// One failed step of talking to PID 1.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The socket cannot be reached.
    #[error("cannot connect to {path}")]
    Connect {
        /// The socket.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Reading or writing failed, or the peer went away.
    #[error("the connection to PID 1 broke")]
    Io(#[from] io::Error),
    /// What came is not D-Bus.
    #[error("the peer does not speak D-Bus as expected")]
    Protocol(#[from] dbus::DbusError),
    /// No answer in time.
    #[error("no answer to {member} within {seconds} s")]
    Timeout {
        /// The method called.
        member: String,
        /// The patience.
        seconds: u64,
    },
    /// The answer was an error; the text is meant for people.
    #[error("{text}")]
    Refused {
        /// The error's name, such as `org.freedesktop.systemd1.NoSuchUnit`.
        name: String,
        /// Its text.
        text: String,
    },
    /// The answer had other types than the interface promises.
    #[error("unexpected answer to {member}: {signature:?}")]
    Answer {
        /// The method called.
        member: String,
        /// The types that came.
        signature: String,
    },
}

impl ClientError {
    /// The name of the error that PID 1 answered, if it answered one.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether the peer closed the connection, as PID 1 does when it executes itself anew.
    #[must_use]
    pub fn is_disconnect(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match self {
            Self::Io(e) => matches!(e.kind(), UnexpectedEof | ConnectionReset | BrokenPipe),
            Self::Refused { name, .. } => name == "org.freedesktop.DBus.Error.Disconnected",
            _ => false,
        }
    }
}
