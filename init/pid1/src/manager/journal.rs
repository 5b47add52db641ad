//! PID 1's own messages: to the journal's native socket once it is there, to the kernel log before.

use std::os::unix::net::UnixDatagram;

use unit_engine::LogEntry;

use crate::say::{self, Level};

const SOCKET: &str = "/run/systemd/journal/socket";

/// Where messages go.
#[derive(Debug)]
pub(crate) struct Journal {
    socket: Option<UnixDatagram>,
    level: u8,
}

/// The native protocol: `NAME=value` lines; values with a newline have their length in front.
fn encode(entry: &LogEntry) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut field = |name: &str, value: &str| {
        bytes.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend_from_slice(&u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    };
    field("MESSAGE", &entry.message);
    field("PRIORITY", &entry.priority.to_string());
    field("SYSLOG_IDENTIFIER", "systemd");
    field("SYSLOG_FACILITY", "3");
    for (name, value) in &entry.fields {
        field(name, value);
    }
    bytes
}

impl Journal {
    pub(crate) fn new() -> Journal {
        let socket = UnixDatagram::unbound().ok();
        if let Some(socket) = &socket {
            // A journal that hangs must not hang PID 1.
            let _ = socket.set_nonblocking(true);
        }
        Journal { socket, level: 6 }
    }

    /// Messages less important than this are dropped (SIGRTMIN+22 and +23).
    pub(crate) fn set_level(&mut self, level: u8) {
        self.level = level;
    }

    pub(crate) fn write(&self, entry: &LogEntry) {
        if entry.priority > self.level {
            return;
        }
        let sent = self
            .socket
            .as_ref()
            .is_some_and(|socket| socket.send_to(&encode(entry), SOCKET).is_ok());
        if !sent {
            let level = match entry.priority {
                0..=2 => Level::Emergency,
                3 => Level::Error,
                4 => Level::Warning,
                5 => Level::Notice,
                6 => Level::Info,
                _ => Level::Debug,
            };
            say::log_as(level, "systemd[1]", &entry.message);
        }
    }

    /// A message of the edge's own about a unit.
    pub(crate) fn note(&self, priority: u8, unit: Option<&str>, message: String) {
        let fields = unit
            .map(|unit| ("UNIT", unit.to_owned()))
            .into_iter()
            .collect();
        self.write(&LogEntry {
            priority,
            message,
            fields,
        });
    }
}

#[cfg(test)]
mod tests {
    use unit_engine::LogEntry;

    use super::encode;

    #[test]
    fn a_value_with_a_newline_has_its_length_in_front() {
        let entry = LogEntry {
            priority: 6,
            message: "a\nb".into(),
            fields: vec![("UNIT", "x.service".into())],
        };
        let bytes = encode(&entry);
        assert!(bytes.starts_with(b"MESSAGE\n\x03\0\0\0\0\0\0\0a\nb\nPRIORITY=6\n"));
        assert!(bytes.ends_with(b"UNIT=x.service\n"));
    }
}
