//! One blocking D-Bus connection: handshake, calls with their replies, signals in between.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use dbus::{Kind, Limits, Message, Value, sasl};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer};
use rustix::net::{SendAncillaryMessage, SendFlags};

use crate::{ClientError, names};

/// sd-bus's own patience for one call.
const PATIENCE: Duration = Duration::from_secs(25);
/// Signals kept while nobody asks for them; PID 1 sends them to every private connection.
const MAX_SIGNALS: usize = 4096;

/// What is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// PID 1 itself, without a bus.
    Direct,
    /// A message bus: `Hello` first, names as destinations.
    Bus,
}

/// A connection that belongs to one caller.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    peer: Peer,
    serial: u32,
    input: Vec<u8>,
    fds: Vec<OwnedFd>,
    signals: VecDeque<Message>,
    patience: Option<Duration>,
    limits: Limits,
}

impl Connection {
    /// To PID 1's private socket.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub fn private() -> Result<Self, ClientError> {
        Self::open(Path::new(names::PRIVATE_SOCKET), Peer::Direct)
    }

    /// To the system bus (or PID 1's stand-in for it).
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub fn system_bus() -> Result<Self, ClientError> {
        Self::open(Path::new(names::BUS_SOCKET), Peer::Bus)
    }

    /// To any socket.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub fn open(path: &Path, peer: Peer) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(path).map_err(|source| ClientError::Connect {
            path: path.display().to_string(),
            source,
        })?;
        Self::over(stream, peer)
    }

    /// Over a connected stream.
    ///
    /// # Errors
    /// When the peer refuses.
    pub fn over(mut stream: UnixStream, peer: Peer) -> Result<Self, ClientError> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(sasl::CLIENT_HELLO)?;
        let mut client = sasl::Client::default();
        let mut input = Vec::new();
        while client.feed(&mut input)? == sasl::Progress::More {
            let mut chunk = [0; 512];
            match stream.read(&mut chunk)? {
                0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                n => input.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            }
        }
        let mut connection = Self {
            stream,
            peer,
            serial: 0,
            input,
            fds: Vec::new(),
            signals: VecDeque::new(),
            patience: Some(PATIENCE),
            limits: Limits::client(),
        };
        if peer == Peer::Bus {
            let hello = Message::call("/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
            connection.call(hello.to("org.freedesktop.DBus"))?;
        }
        Ok(connection)
    }

    /// How long [`Self::call`] waits for an answer; `None` waits for ever.
    pub fn set_patience(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// What is at the other end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Sends a call and waits for its answer; signals that arrive meanwhile are kept.
    ///
    /// # Errors
    /// [`ClientError::Refused`] when the answer is an error.
    pub fn call(&mut self, message: Message) -> Result<Vec<Value>, ClientError> {
        self.call_with_fds(message, &[])
    }

    /// [`Self::call`] with descriptors, which the body's `Value::Fd` number in order.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn call_with_fds(
        &mut self,
        message: Message,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Vec<Value>, ClientError> {
        let member = message.member.clone().unwrap_or_default();
        let serial = self.send(message, fds)?;
        let deadline = self.patience.map(|p| Instant::now() + p);
        loop {
            let Some(answer) = self.receive(deadline)? else {
                let seconds = self.patience.unwrap_or_default().as_secs();
                return Err(ClientError::Timeout { member, seconds });
            };
            match answer.kind {
                Kind::Return if answer.reply_serial == Some(serial) => return Ok(answer.body),
                Kind::Error if answer.reply_serial == Some(serial) => {
                    let text = answer.error_text().to_owned();
                    return Err(ClientError::Refused {
                        name: answer.error_name.unwrap_or_default(),
                        text,
                    });
                }
                Kind::Signal => self.keep(answer),
                _ => {}
            }
        }
    }

    /// Calls a method of PID 1.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub fn method(
        &mut self,
        path: &str,
        interface: &str,
        member: &str,
        body: Vec<Value>,
    ) -> Result<Vec<Value>, ClientError> {
        self.call(
            Message::call(path, interface, member)
                .to(names::SERVICE)
                .with(body),
        )
    }

    /// The next signal, kept or fresh; `None` when the deadline passes first.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn next_signal(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<Message>, ClientError> {
        if let Some(kept) = self.signals.pop_front() {
            return Ok(Some(kept));
        }
        loop {
            match self.receive(deadline)? {
                None => return Ok(None),
                Some(message) if message.kind == Kind::Signal => return Ok(Some(message)),
                Some(_) => {}
            }
        }
    }

    fn keep(&mut self, signal: Message) {
        if self.signals.len() == MAX_SIGNALS {
            self.signals.pop_front();
        }
        self.signals.push_back(signal);
    }

    fn send(&mut self, mut message: Message, fds: &[BorrowedFd<'_>]) -> Result<u32, ClientError> {
        self.serial = self.serial.wrapping_add(1).max(1);
        message.serial = self.serial;
        message.unix_fds = u32::try_from(fds.len()).unwrap_or(u32::MAX);
        if self.peer == Peer::Direct {
            message.destination = None;
        }
        let bytes = message.encode()?;
        let mut sent = 0;
        if !fds.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(fds)) {
                return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
            }
            let slices = [IoSlice::new(&bytes)];
            sent = rustix::net::sendmsg(&self.stream, &slices, &mut control, SendFlags::NOSIGNAL)
                .map_err(io::Error::from)?;
        }
        self.stream
            .write_all(bytes.get(sent..).unwrap_or_default())?;
        Ok(self.serial)
    }

    fn receive(&mut self, deadline: Option<Instant>) -> Result<Option<Message>, ClientError> {
        loop {
            if let Some(length) = dbus::frame_length(&self.input, &self.limits)?
                && self.input.len() >= length
            {
                let frame: Vec<u8> = self.input.drain(..length).collect();
                return Ok(Some(Message::decode(&frame, &self.limits)?));
            }
            let wait = match deadline {
                None => None,
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    Some(left)
                }
            };
            self.stream.set_read_timeout(wait)?;
            match self.read_some() {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {}
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn read_some(&mut self) -> io::Result<usize> {
        let mut chunk = [0; 16384];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut chunk)];
        let got = rustix::net::recvmsg(
            &self.stream,
            &mut slices,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        self.input
            .extend_from_slice(chunk.get(..got.bytes).unwrap_or_default());
        Ok(got.bytes)
    }

    /// The descriptors that came with answers since this was last called.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(
        mut stream: UnixStream,
        answer: impl FnOnce(&Message) -> Vec<Message> + Send + 'static,
    ) {
        std::thread::spawn(move || {
            let mut server = sasl::Server::new(0, &"0".repeat(32));
            let (mut input, mut output) = (Vec::new(), Vec::new());
            let mut chunk = [0; 4096];
            while server.feed(&mut input, &mut output).unwrap() == sasl::Progress::More {
                let n = stream.read(&mut chunk).unwrap();
                input.extend_from_slice(&chunk[..n]);
            }
            stream.write_all(&output).unwrap();
            let limits = Limits::default();
            let length = loop {
                match dbus::frame_length(&input, &limits).unwrap() {
                    Some(length) if input.len() >= length => break length,
                    _ => {
                        let n = stream.read(&mut chunk).unwrap();
                        input.extend_from_slice(&chunk[..n]);
                    }
                }
            };
            let call = Message::decode(&input[..length], &limits).unwrap();
            for (at, mut message) in answer(&call).into_iter().enumerate() {
                message.serial = u32::try_from(at).unwrap() + 1;
                stream.write_all(&message.encode().unwrap()).unwrap();
            }
        });
    }

    #[test]
    fn a_signal_that_comes_before_the_answer_is_kept_for_later() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        serve(theirs, |call| {
            vec![
                Message::signal("/a", "b.c", "D"),
                call.reply(vec![Value::from("hi")]),
            ]
        });
        let mut connection = Connection::over(ours, Peer::Direct).unwrap();
        let answer = connection.method("/", "a.b", "C", vec![]).unwrap();
        assert_eq!(answer, [Value::from("hi")]);
        let signal = connection
            .next_signal(Some(Instant::now() + PATIENCE))
            .unwrap()
            .unwrap();
        assert_eq!(signal.member.as_deref(), Some("D"));
    }

    #[test]
    fn an_error_answer_keeps_its_name_and_text() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        serve(theirs, |call| {
            vec![call.error("org.freedesktop.systemd1.NoSuchUnit", "Unit x not found.")]
        });
        let mut connection = Connection::over(ours, Peer::Direct).unwrap();
        let error = connection.method("/", "a.b", "C", vec![]).unwrap_err();
        assert_eq!(error.refusal(), Some("org.freedesktop.systemd1.NoSuchUnit"));
        assert_eq!(error.to_string(), "Unit x not found.");
    }

    #[test]
    fn a_peer_that_hangs_up_is_a_disconnect() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        serve(theirs, |_| vec![]);
        let mut connection = Connection::over(ours, Peer::Direct).unwrap();
        assert!(
            connection
                .method("/", "a.b", "C", vec![])
                .unwrap_err()
                .is_disconnect()
        );
    }
}
