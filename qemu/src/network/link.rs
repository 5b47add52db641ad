//! Frames over a stream socket, as QEMU's `-netdev stream` speaks them: four bytes of length, big endian, then the
//! frame. Both directions are bounded: a guest that floods or does not read never costs the host more than this.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Longest frame that QEMU sends or takes.
const LONGEST: usize = 65_550;
/// What may wait for a guest that does not read; beyond it frames are dropped, as a real switch does.
const WAITING: usize = 1 << 20;
/// How much is read in one turn, so that one guest cannot starve the others.
const TURN: usize = 64 * 1024;

/// One guest's cable.
#[derive(Debug)]
pub(super) struct Link {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Link {
    /// Takes a connected socket.
    ///
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub(super) fn new(stream: UnixStream) -> io::Result<Link> {
        stream.set_nonblocking(true)?;
        Ok(Link {
            stream,
            input: Vec::new(),
            output: Vec::new(),
        })
    }

    /// The socket, to wait for.
    #[must_use]
    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Is something waiting to be written?
    #[must_use]
    pub(super) fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Reads what has come, up to one turn's worth.
    ///
    /// # Errors
    /// `UnexpectedEof` when the other side is gone, `InvalidData` when it does not speak this framing.
    pub(super) fn receive(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut room = [0; TURN];
        match self.stream.read(&mut room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.input.extend_from_slice(&room[..count]),
            Err(error) if is_wait(&error) => {}
            Err(error) => return Err(error),
        }
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(head) = self.input.get(at..at + 4) {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if length > LONGEST {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("a frame of {length} bytes"),
                ));
            }
            let Some(frame) = self.input.get(at + 4..at + 4 + length) else {
                break;
            };
            frames.push(frame.to_vec());
            at += 4 + length;
        }
        self.input.drain(..at);
        Ok(frames)
    }

    /// Queues a frame; `false` when it was dropped because the guest does not read.
    pub(super) fn send(&mut self, frame: &[u8]) -> bool {
        let Ok(length) = u32::try_from(frame.len()) else {
            return false;
        };
        if self.output.len() + frame.len() > WAITING {
            return false;
        }
        self.output.extend(length.to_be_bytes());
        self.output.extend_from_slice(frame);
        true
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    /// When the other side is gone.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut done = 0;
        let result = loop {
            if done == self.output.len() {
                break Ok(());
            }
            match self.stream.write(&self.output[done..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if is_wait(&error) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.output.drain(..done);
        result
    }
}

/// Does the error only say that there is nothing to do right now?
#[must_use]
pub(crate) fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_whole_however_the_stream_is_cut() {
        let (mut guest, ours) = UnixStream::pair().expect("a pair of sockets");
        let mut link = Link::new(ours).expect("a link");
        let mut got = Vec::new();
        for byte in [&[0, 0, 0, 3, 1, 2, 3][..], &[0, 0, 0, 1, 9]].concat() {
            guest.write_all(&[byte]).expect("written");
            got.extend(link.receive().expect("read"));
        }
        assert_eq!(got, [vec![1, 2, 3], vec![9]]);
    }

    #[test]
    fn a_guest_that_does_not_read_loses_frames_and_costs_no_more_than_the_bound() {
        let (_guest, ours) = UnixStream::pair().expect("a pair of sockets");
        let mut link = Link::new(ours).expect("a link");
        let mut dropped = false;
        for _ in 0..4000 {
            dropped |= !link.send(&[0; 1500]);
            link.flush().expect("the guest is there");
        }
        assert!(link.output.len() <= WAITING + 4);
        assert!(dropped);
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_link() {
        let (mut guest, ours) = UnixStream::pair().expect("a pair of sockets");
        let mut link = Link::new(ours).expect("a link");
        guest.write_all(&[0xff; 8]).expect("written");
        assert_eq!(
            link.receive().expect_err("no frame").kind(),
            io::ErrorKind::InvalidData
        );
    }
}
