//! What `journalctl --sync`, `--rotate` and `--flush` ask for: four methods of Varlink on
//! `/run/systemd/journal/io.systemd.journal` (JSON objects, each ended by a zero byte).

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    Sync,
    Rotate,
    Flush,
    Relinquish,
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: UnixStream,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Reads requests; `None` when the client is gone or talks nonsense.
    pub(crate) fn read(&mut self) -> Option<Vec<Control>> {
        let mut bytes = [0; 4096];
        loop {
            match std::io::Read::read(&mut self.stream, &mut bytes) {
                Ok(0) => return None,
                Ok(n) => self.buffer.extend_from_slice(bytes.get(..n)?),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
            if self.buffer.len() > 64 * 1024 {
                return None;
            }
        }
        let mut requests = Vec::new();
        while let Some(end) = self.buffer.iter().position(|b| *b == 0) {
            let message: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
            let call: Value = serde_json::from_slice(&message).ok()?;
            match control(call.get("method")?.as_str()?) {
                Some(control) => requests.push(control),
                None => self.answer(
                    &json!({"error": "org.varlink.service.MethodNotFound", "parameters": {}}),
                ),
            }
        }
        Some(requests)
    }

    /// Answers one request.
    pub(crate) fn done(&mut self, result: &std::io::Result<()>) {
        match result {
            Ok(()) => self.answer(&json!({"parameters": {}})),
            Err(e) => {
                let errno = e.raw_os_error().unwrap_or(5);
                self.answer(&json!({"error": "io.systemd.System", "parameters": {"errno": errno}}));
            }
        }
    }

    fn answer(&mut self, value: &Value) {
        // A client that does not listen loses its answer; nothing else depends on it.
        let _ = self.stream.write_all(format!("{value}\0").as_bytes());
    }
}

fn control(method: &str) -> Option<Control> {
    Some(match method {
        "io.systemd.Journal.Synchronize" => Control::Sync,
        "io.systemd.Journal.Rotate" => Control::Rotate,
        "io.systemd.Journal.FlushToVar" => Control::Flush,
        "io.systemd.Journal.RelinquishVar" => Control::Relinquish,
        _ => return None,
    })
}
