//! Standard output and error of services: one connection each, lines in, entries out.
//!
//! PID 1 keeps a copy of each connection (its fd store), so that a new journald goes on reading where the old one
//! ended; what is needed for that lies in `/run/systemd/journal/streams/DEVICE:INODE`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::message::StreamHead;

/// A longer line is cut here and goes on in the next entry.
pub(crate) const LINE_MAX: usize = 48 * 1024;
const HEAD_LINES: usize = 7;
const FOLDER: &str = "/run/systemd/journal/streams";

/// A line of a stream, with who wrote it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) text: Vec<u8>,
    pub(crate) pid: Option<i32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// Why the line ended there, when not at a line end.
    pub(crate) broken: Option<&'static str>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) fd: OwnedFd,
    pub(crate) head: Option<StreamHead>,
    pub(crate) id: String,
    head_lines: Vec<String>,
    buffer: Vec<u8>,
    writer: (Option<i32>, Option<u32>, Option<u32>),
    kept: Option<PathBuf>,
}

impl Stream {
    /// A connection just accepted.
    pub(crate) fn new(fd: OwnedFd, id: String) -> Self {
        let writer = init_sys::message::peer(fd.as_fd())
            .map_or((None, None, None), |(pid, uid, gid)| {
                (Some(pid), Some(uid), Some(gid))
            });
        Self {
            fd,
            head: None,
            id,
            head_lines: Vec::new(),
            buffer: Vec::new(),
            writer,
            kept: None,
        }
    }

    /// A connection that PID 1 kept for us; `None` when what we knew of it is lost.
    pub(crate) fn restored(fd: OwnedFd, id: String) -> Option<Self> {
        let mut stream = Self::new(fd, id);
        let path = stream.state_path()?;
        let lines: Vec<String> = fs::read_to_string(&path)
            .ok()?
            .lines()
            .map(str::to_owned)
            .collect();
        stream.head = StreamHead::parse(lines.get(..HEAD_LINES)?);
        stream.kept = Some(path);
        stream.head.is_some().then_some(stream)
    }

    fn state_path(&self) -> Option<PathBuf> {
        let stat = rustix::fs::fstat(&self.fd).ok()?;
        Some(PathBuf::from(format!(
            "{FOLDER}/{}:{}",
            stat.st_dev, stat.st_ino
        )))
    }

    /// Writes down what a later journald needs and hands PID 1 a copy of the connection.
    fn keep(&mut self) {
        let (Some(path), Some(head)) = (self.state_path(), self.head.as_ref()) else {
            return;
        };
        let written = fs::create_dir_all(FOLDER).and_then(|()| fs::write(&path, head.lines()));
        if written.is_ok()
            && init_client::notify::notify_with_fds("FDSTORE=1\nFDNAME=stream", &[self.fd.as_fd()])
                .is_ok()
        {
            self.kept = Some(path);
        }
    }

    /// Reads what is there. The second value is false when the stream has ended.
    pub(crate) fn read(&mut self) -> (Vec<Line>, bool) {
        let mut lines = Vec::new();
        // A bounded number of reads, so that one chatty service does not keep the others waiting.
        for _ in 0..16 {
            match init_sys::message::receive(self.fd.as_fd(), 64 * 1024) {
                Ok(None) => return (lines, true),
                Ok(Some(message)) if !message.bytes.is_empty() => {
                    let writer = (message.pid, message.uid, message.gid);
                    if writer.0.is_some_and(|pid| pid != 0) && writer != self.writer {
                        self.writer = writer;
                    }
                    if !self.take(&message.bytes, &mut lines) {
                        return (lines, false);
                    }
                }
                Ok(Some(_)) | Err(_) => {
                    if !self.buffer.is_empty() && self.head.is_some() {
                        let text = std::mem::take(&mut self.buffer);
                        lines.push(self.line(text, Some("eof")));
                    }
                    return (lines, false);
                }
            }
        }
        (lines, true)
    }

    fn line(&self, text: Vec<u8>, broken: Option<&'static str>) -> Line {
        let (pid, uid, gid) = self.writer;
        Line {
            text,
            pid,
            uid,
            gid,
            broken,
        }
    }

    /// Splits bytes into lines; false when the head of the stream is none.
    fn take(&mut self, bytes: &[u8], lines: &mut Vec<Line>) -> bool {
        self.buffer.extend_from_slice(bytes);
        loop {
            let end = self.buffer.iter().position(|b| *b == b'\n');
            if self.head.is_none() {
                let Some(end) = end else {
                    return self.buffer.len() < LINE_MAX;
                };
                let line: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
                self.head_lines
                    .push(String::from_utf8_lossy(&line).into_owned());
                if self.head_lines.len() == HEAD_LINES {
                    self.head = StreamHead::parse(&std::mem::take(&mut self.head_lines));
                    if self.head.is_none() {
                        return false;
                    }
                    self.keep();
                }
                continue;
            }
            match end {
                Some(end) if end <= LINE_MAX => {
                    let text: Vec<u8> = self.buffer.drain(..=end).take(end).collect();
                    lines.push(self.line(text, None));
                }
                _ if self.buffer.len() > LINE_MAX => {
                    let text: Vec<u8> = self.buffer.drain(..LINE_MAX).collect();
                    lines.push(self.line(text, Some("line-max")));
                }
                _ => return true,
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(path) = &self.kept {
            // The connection is over; on exit of the whole program `leave` was called before.
            let _ = fs::remove_file(path);
        }
    }
}

impl Stream {
    /// Leaves the notes about the stream behind for the next journald.
    pub(crate) fn leave(mut self) {
        self.kept = None;
    }
}

/// Makes the listening socket's accepted connection ready: credentials with each line, never waiting.
pub(crate) fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    let flags = rustix::net::SocketFlags::CLOEXEC | rustix::net::SocketFlags::NONBLOCK;
    let fd = rustix::net::accept_with(listener, flags)?;
    init_sys::message::want_credentials(fd.as_fd())?;
    Ok(fd)
}
