//! Standard output and error of services: one connection each, lines in, entries out.
//!
//! PID 1 keeps a copy of each connection (its fd store), so that a new journald goes on reading where the old one
//! ended; what is needed for that lies in `/run/systemd/journal/streams/DEVICE:INODE`.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::message::StreamHead;
use super::sender::invocation_of;

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
    /// The user who connected, as the kernel vouches.
    owner: Option<u32>,
    kept: Option<PathBuf>,
    /// The field with the id of the unit's run that the stream belongs to: learned once, because the unit may be in its
    /// next run, or forgotten, when the last lines are read.
    pub(crate) run: Option<Vec<u8>>,
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
            owner: writer.1,
            writer,
            kept: None,
            run: None,
        }
    }

    /// Looks up the run, as soon as it is known whose stream this is.
    pub(crate) fn learn_run(&mut self) {
        let unit = self.head.as_ref().map(|head| head.unit.as_str());
        if let (None, Some(unit)) = (&self.run, unit.filter(|unit| !unit.is_empty())) {
            self.run = invocation_of(unit);
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

    /// The user who connected.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.owner
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
        } else {
            // Nobody keeps the connection, so nobody will ask for the note.
            let _ = fs::remove_file(path);
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
        let whole = std::mem::take(&mut self.buffer);
        let mut rest = whole.as_slice();
        while self.head.is_none() {
            let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                self.buffer = rest.to_vec();
                return rest.len() < LINE_MAX;
            };
            let (line, after) = rest.split_at(end);
            self.head_lines
                .push(String::from_utf8_lossy(line).into_owned());
            rest = after.get(1..).unwrap_or_default();
            if self.head_lines.len() == HEAD_LINES {
                self.head = StreamHead::parse(&std::mem::take(&mut self.head_lines))
                    .map(|head| head.of(self.owner));
                if self.head.is_none() {
                    return false;
                }
                self.keep();
            }
        }
        loop {
            // A zero byte ends a line too, as in the original: no terminal and no C program shows what follows it.
            let end = rest
                .iter()
                .take(LINE_MAX + 1)
                .position(|b| matches!(b, b'\n' | 0));
            let (line, after, broken) = match end {
                Some(end) => {
                    let (line, after) = rest.split_at(end);
                    let nul = after.first() == Some(&0);
                    let why = nul.then_some("nul");
                    (line, after.get(1..).unwrap_or_default(), why)
                }
                None => match rest.split_at_checked(LINE_MAX) {
                    Some((line, after)) if !after.is_empty() => (line, after, Some("line-max")),
                    _ => break,
                },
            };
            lines.push(self.line(line.to_vec(), broken));
            rest = after;
        }
        self.buffer = rest.to_vec();
        true
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    const HEAD: &[u8] = b"sshd\nsshd.service\n6\n1\n0\n1\n1\n";

    fn stream(owner: u32) -> Stream {
        let (ours, _) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours.into(), "1".into());
        stream.owner = Some(owner);
        stream
    }

    fn texts(lines: &[Line]) -> Vec<(String, Option<&'static str>)> {
        lines
            .iter()
            .map(|line| {
                (
                    String::from_utf8_lossy(&line.text).into_owned(),
                    line.broken,
                )
            })
            .collect()
    }

    #[test]
    fn only_root_names_the_unit_of_a_stream() {
        let mut lines = Vec::new();
        let mut user = stream(65534);
        assert!(user.take(HEAD, &mut lines));
        let head = user.head.clone().unwrap();
        assert_eq!(
            (head.unit.as_str(), head.to_kmsg, head.to_console),
            ("", false, false)
        );
        assert_eq!(head.identifier, "sshd");
        let mut root = stream(0);
        assert!(root.take(HEAD, &mut lines));
        assert_eq!(root.head.clone().unwrap().unit, "sshd.service");
    }

    #[test]
    fn lines_end_at_newlines_zero_bytes_and_the_longest_length_however_they_arrive() {
        let mut bytes = HEAD.to_vec();
        bytes.extend(b"one\ntwo\0three\n");
        bytes.extend(vec![b'x'; LINE_MAX + 1]);
        bytes.extend(b"\nrest");
        let expected = [
            ("one".to_owned(), None),
            ("two".to_owned(), Some("nul")),
            ("three".to_owned(), None),
            ("x".repeat(LINE_MAX), Some("line-max")),
            ("x".to_owned(), None),
        ];
        for step in [1, 7, 4096, bytes.len()] {
            let mut lines = Vec::new();
            let mut stream = stream(0);
            for part in bytes.chunks(step) {
                assert!(stream.take(part, &mut lines));
            }
            assert_eq!(texts(&lines), expected, "in steps of {step}");
            assert_eq!(stream.buffer, b"rest");
        }
    }
}
