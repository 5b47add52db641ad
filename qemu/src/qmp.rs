//! QEMU's monitor protocol, as far as the harness needs it: one JSON command at a time, events kept in order.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::error::HarnessError;

/// An event and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Its name, as `SHUTDOWN`.
    pub name: String,
    /// What comes with it.
    pub data: Value,
    /// When it came.
    pub at: Instant,
}

/// A connection to one QEMU.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: UnixStream,
    answers: Receiver<Value>,
    events: Arc<Mutex<Vec<Event>>>,
    next: u64,
}

impl Qmp {
    /// Connects as soon as QEMU has made its socket; gives up when QEMU has ended.
    ///
    /// # Errors
    /// When QEMU ends or does not greet in time.
    pub(crate) fn connect(
        socket: &Path,
        mut alive: impl FnMut() -> bool,
    ) -> Result<Qmp, HarnessError> {
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(error) if !alive() || begun.elapsed() > Duration::from_secs(60) => {
                    return Err(HarnessError::io("connect to QEMU's monitor")(error));
                }
                Err(_) => crate::pause::pause(Duration::from_millis(10)),
            }
        };
        let reader = stream
            .try_clone()
            .map_err(HarnessError::io("read QEMU's monitor"))?;
        let (sender, answers) = channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines() {
                let Ok(line) = line else { return };
                let Ok(message) = serde_json::from_str::<Value>(&line) else {
                    continue;
                };
                if let Some(name) = message.get("event").and_then(Value::as_str) {
                    let data = message.get("data").cloned().unwrap_or_default();
                    let event = Event {
                        name: name.to_owned(),
                        data,
                        at: Instant::now(),
                    };
                    kept.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(event);
                } else if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut qmp = Qmp {
            stream,
            answers,
            events,
            next: 0,
        };
        qmp.answer("greeting", None)?;
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns what it returned.
    ///
    /// # Errors
    /// QEMU's own words when it refuses, or that it is gone.
    pub(crate) fn execute(
        &mut self,
        command: &str,
        arguments: &Value,
    ) -> Result<Value, HarnessError> {
        self.next += 1;
        let id = self.next;
        let line = format!(
            "{}\n",
            json!({ "execute": command, "arguments": arguments, "id": id })
        );
        self.stream
            .write_all(line.as_bytes())
            .map_err(HarnessError::io(format!("tell QEMU to {command}")))?;
        self.answer(command, Some(id))
    }

    /// All events so far, the oldest first.
    #[must_use]
    pub(crate) fn events(&self) -> Vec<Event> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn answer(&self, command: &str, id: Option<u64>) -> Result<Value, HarnessError> {
        let refused = |text: String| HarnessError::Qmp {
            command: command.to_owned(),
            text,
        };
        loop {
            let message = self
                .answers
                .recv_timeout(Duration::from_secs(60))
                .map_err(|error| match error {
                    RecvTimeoutError::Timeout => refused("no answer in 60 s".into()),
                    RecvTimeoutError::Disconnected => refused("QEMU has ended".into()),
                })?;
            let Some(id) = id else { return Ok(message) };
            if message.get("id").and_then(Value::as_u64) != Some(id) {
                continue;
            }
            if let Some(error) = message.get("error") {
                return Err(refused(
                    error
                        .get("desc")
                        .and_then(Value::as_str)
                        .unwrap_or("refused")
                        .to_owned(),
                ));
            }
            return Ok(message.get("return").cloned().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn events_between_answers_are_kept_and_an_error_is_told_in_qemus_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("qmp.sock");
        let listener = UnixListener::bind(&path).expect("bound");
        let qemu = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
            stream.write_all(b"{\"QMP\": {}}\n").expect("written");
            lines.next();
            stream
                .write_all(b"{\"return\": {}, \"id\": 1}\n")
                .expect("written");
            lines.next();
            stream
                .write_all(b"{\"event\": \"STOP\"}\n{\"error\": {\"desc\": \"no such thing\"}, \"id\": 2}\n")
                .expect("written");
        });
        let mut qmp = Qmp::connect(&path, || true).expect("connected");
        let error = qmp.execute("nonsense", &json!({})).expect_err("refused");
        assert_eq!(error.to_string(), "QMP nonsense: no such thing");
        assert_eq!(
            qmp.events()
                .iter()
                .map(|event| event.name.as_str())
                .collect::<Vec<_>>(),
            ["STOP"]
        );
        qemu.join().expect("ended");
    }
}
