//! One client: its socket, its handshake, its input and its bounded output.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dbus::{Limits, Message, sasl};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};

use crate::say::{self, Level};

/// Bytes read in one turn.
const PORTION: usize = 64 * 1024;
/// Bytes that may wait for a client that does not read. A list of thousands of units fits; a client
/// that leaves more than this lying has gone to sleep and is cut off.
const MAX_WAITING: usize = 16 << 20;
/// While more than this waits for a client, its further calls wait too.
const ENOUGH: usize = 256 * 1024;
/// Descriptors that may wait for the message they belong to.
const MAX_FDS: usize = 64;

/// Which socket a client came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// A direct peer.
    Private,
    /// A client that believes to speak to the system bus.
    System,
}

/// One client.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    pub(super) side: Side,
    pub(super) uid: u32,
    pub(super) pid: u32,
    /// `:1.N` after Hello, on the bus side.
    pub(super) unique: Option<String>,
    number: u64,
    pub(super) subscribed: bool,
    /// Units that this client keeps loaded; let go when it leaves.
    pub(super) refs: Vec<String>,
    /// How many match rules it has added, on the bus side.
    pub(super) matches: usize,
    handshake: Option<sasl::Server>,
    input: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    /// How many of them belong to the message that is being answered.
    of_message: usize,
    output: VecDeque<u8>,
    serial: u32,
    over: bool,
    /// Calls were left in the input because of [`Connection::has_enough`].
    stalled: bool,
    polls: Interest,
}

/// What a connection is polled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interest {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Connection {
    pub(super) fn new(
        socket: OwnedFd,
        side: Side,
        number: u64,
        uid: u32,
        pid: u32,
        guid: &str,
    ) -> Self {
        Self {
            socket,
            side,
            uid,
            pid,
            unique: None,
            number,
            subscribed: false,
            matches: 0,
            refs: Vec::new(),
            handshake: Some(sasl::Server::new(uid, guid)),
            input: Vec::new(),
            fds: VecDeque::new(),
            of_message: 0,
            output: VecDeque::new(),
            serial: 0,
            over: false,
            stalled: false,
            polls: Interest {
                read: true,
                write: false,
            },
        }
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The name that Hello gives.
    pub(super) fn unique_name(&self) -> String {
        format!(":1.{}", self.number)
    }

    /// On the private socket signals go to everybody; on the bus to those who have a match rule, and
    /// their library picks what it asked for.
    pub(super) fn wants_signals(&self) -> bool {
        let asked = self.side == Side::Private || self.matches > 0;
        asked && self.handshake.is_none() && !self.over
    }

    /// Whether what is polled for has to change, and to what.
    pub(super) fn poll_change(&mut self) -> Option<Interest> {
        let wants = Interest {
            read: !self.has_enough(),
            // A socket that takes bytes again is also the sign to go on with what was left.
            write: !self.output.is_empty() || self.stalled,
        };
        (std::mem::replace(&mut self.polls, wants) != wants).then_some(wants)
    }

    /// Whether it should read what it has asked for before it is heard again.
    fn has_enough(&self) -> bool {
        self.output.len() > ENOUGH
    }

    /// Takes one portion from the socket.
    pub(super) fn read(&mut self) {
        let mut chunk = vec![0; PORTION];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut chunk)];
        let got = match rustix::net::recvmsg(
            &self.socket,
            &mut parts,
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Ok(got) => got.bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return,
            Err(_) => 0,
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.fds.extend(fds);
            }
        }
        if got == 0 || self.fds.len() > MAX_FDS {
            self.over = true;
            return;
        }
        self.input
            .extend_from_slice(chunk.get(..got).unwrap_or_default());
        self.shake_hands();
    }

    fn shake_hands(&mut self) {
        let Some(handshake) = &mut self.handshake else {
            return;
        };
        let mut answer = Vec::new();
        match handshake.feed(&mut self.input, &mut answer) {
            Ok(progress) => {
                self.output.extend(answer);
                if progress == sasl::Progress::Done {
                    self.handshake = None;
                }
                self.write();
            }
            Err(_) => self.over = true,
        }
    }

    /// The next whole message of the input.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        // Nobody has taken what came with the last message.
        self.fds.drain(..self.of_message.min(self.fds.len()));
        self.of_message = 0;
        self.stalled = self.has_enough();
        if self.handshake.is_some() || self.over || self.stalled {
            return None;
        }
        let limits = Limits::default();
        let length = match dbus::frame_length(&self.input, &limits) {
            Ok(length) => length.filter(|length| self.input.len() >= *length)?,
            Err(_) => {
                self.over = true;
                return None;
            }
        };
        let frame: Vec<u8> = self.input.drain(..length).collect();
        match Message::decode(&frame, &limits) {
            Ok(message) => {
                self.of_message = usize::try_from(message.unix_fds).unwrap_or(0);
                Some(message)
            }
            Err(e) => {
                say::log(
                    Level::Debug,
                    &format!("a client of user {} sent no D-Bus: {e}", self.uid),
                );
                self.over = true;
                None
            }
        }
    }

    /// The descriptors of the message that was just taken.
    pub(super) fn take_fds(&mut self, count: u32) -> Vec<OwnedFd> {
        let count = usize::try_from(count).unwrap_or(0).min(self.fds.len());
        self.of_message = self.of_message.saturating_sub(count);
        self.fds.drain(..count).collect()
    }

    /// Queues a message and writes what the socket takes.
    pub(super) fn send(&mut self, mut message: Message) {
        self.serial = self.serial.wrapping_add(1).max(1);
        message.serial = self.serial;
        if message.sender.is_none() {
            message.sender = Some("org.freedesktop.systemd1".into());
        }
        if message.destination.is_none() {
            message.destination.clone_from(&self.unique);
        }
        let bytes = match message.encode() {
            Ok(bytes) => bytes,
            Err(e) => {
                let what = message.member.as_deref().unwrap_or("an answer");
                say::log(Level::Error, &format!("cannot encode {what}: {e}"));
                return self.send_encoding_failure(&message);
            }
        };
        if self.output.len() + bytes.len() > MAX_WAITING {
            say::log(
                Level::Warning,
                &format!(
                    "process {} does not read its answers and is disconnected",
                    self.pid
                ),
            );
            self.over = true;
            return;
        }
        self.output.extend(bytes);
        self.write();
    }

    fn send_encoding_failure(&mut self, lost: &Message) {
        let Some(serial) = lost.reply_serial else {
            return;
        };
        let mut call = Message::call("/", "org.freedesktop.DBus.Peer", "Ping");
        call.serial = serial;
        let answer = call.error(
            "org.freedesktop.DBus.Error.Failed",
            "The answer cannot be encoded.",
        );
        self.send(answer);
    }

    /// Writes as much as the socket takes now.
    pub(super) fn write(&mut self) {
        while !self.output.is_empty() {
            let (front, _) = self.output.as_slices();
            match rustix::net::send(
                &self.socket,
                front,
                SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            ) {
                Ok(0) => return,
                Ok(sent) => {
                    self.output.drain(..sent);
                }
                Err(e) => match io::Error::from(e).kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return,
                    _ => {
                        self.over = true;
                        return;
                    }
                },
            }
        }
    }
}
