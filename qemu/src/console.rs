//! A machine's serial console: everything it ever said, from a file that QEMU writes, and a way to type.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A serial console.
#[derive(Debug)]
pub struct Console {
    log: PathBuf,
    socket: PathBuf,
    typist: Mutex<Option<UnixStream>>,
}

impl Console {
    pub(crate) fn new(log: PathBuf, socket: PathBuf) -> Console {
        Console {
            log,
            socket,
            typist: Mutex::new(None),
        }
    }

    /// The file that keeps everything.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.log
    }

    /// Everything that was said so far, over all starts of the machine.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).replace('\r', "")
    }

    /// How much was said so far, to look only at what comes after.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.text().len()
    }

    /// What was said since a mark.
    #[must_use]
    pub fn since(&self, mark: usize) -> String {
        self.text().get(mark..).unwrap_or_default().to_owned()
    }

    /// The last lines.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Types on the console.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn type_in(&self, text: &str) -> io::Result<()> {
        let mut typist = self.typist.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = match typist.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        let stream = typist.insert(stream);
        stream.write_all(text.as_bytes())
    }

    /// Forgets the connection of a QEMU that has ended.
    pub(crate) fn unplug(&self) {
        self.typist
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.socket)?;
        let mut reader = stream.try_clone()?;
        // QEMU writes to whoever is connected as well as to the file; somebody has to take it.
        std::thread::spawn(move || {
            let mut room = [0; 4096];
            while matches!(reader.read(&mut room), Ok(count) if count > 0) {}
        });
        Ok(stream)
    }
}
