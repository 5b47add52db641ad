//! The control side of PID 1: `org.freedesktop.systemd1` for systemctl and every other client.
//!
//! Two sockets, one dispatcher. On `/run/systemd/private` clients are direct peers; on
//! `/run/dbus/system_bus_socket` they believe to speak to a message bus, and as much of one is
//! played as they need ([`driver`]). Who the peer is comes from the kernel: everybody may read,
//! root may change ([`access`]). Nothing here decides about units: a message becomes a request to
//! the manager, its answer becomes a message.
//!
//! Never waits: sockets are non-blocking, input is read in bounded portions, and a client that does
//! not read its answers is cut off ([`connection`]).

mod access;
mod connection;
mod driver;
mod files;
mod introspect;
mod job;
mod manager_calls;
mod processes;
mod properties;
mod refusal;
mod route;
mod signals;
mod transient;
mod unit_calls;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dbus::{Kind, Message};
use rustix::event::epoll;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::manager::{Manager, Outgoing};
use crate::say::{self, Level};
use crate::spare::Spare;
use connection::{Connection, Side};

const PRIVATE: (&str, &str) = ("bus-private", "/run/systemd/private");
const SYSTEM: (&str, &str) = ("bus-system", "/run/dbus/system_bus_socket");
/// As many as systemd allows.
const MAX_CONNECTIONS: usize = 4096;
/// So that one user cannot take all of them.
const MAX_PER_USER: usize = 256;
/// Events handled in one turn; the rest wait for the next.
const EVENTS: usize = 64;

/// All connections.
pub(crate) struct Bus {
    epoll: OwnedFd,
    private: Option<OwnedFd>,
    system: Option<OwnedFd>,
    connections: BTreeMap<u64, Connection>,
    next: u64,
    /// Descriptors that clients passed for a transient unit's standard streams, while it lives.
    held: BTreeMap<String, Vec<OwnedFd>>,
    spare: Spare,
    guid: String,
}

const PRIVATE_TOKEN: u64 = 0;
const SYSTEM_TOKEN: u64 = 1;
const FIRST_CONNECTION: u64 = 2;

impl Bus {
    /// Listens, on sockets from before re-execution where there are any.
    pub(crate) fn open(inherited: Vec<(String, OwnedFd)>) -> io::Result<Bus> {
        let mut inherited: BTreeMap<String, OwnedFd> = inherited.into_iter().collect();
        let mut bus = Bus {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            private: None,
            system: None,
            connections: BTreeMap::new(),
            next: FIRST_CONNECTION,
            held: BTreeMap::new(),
            spare: Spare::new(),
            guid: format!("{:032x}", crate::boot::identity::random()),
        };
        let _ = std::fs::create_dir_all("/run/systemd/system");
        bus.private = bus.listener(inherited.remove(PRIVATE.0), PRIVATE.1, PRIVATE_TOKEN);
        if !dbus_daemon_is_installed() {
            bus.system = bus.listener(inherited.remove(SYSTEM.0), SYSTEM.1, SYSTEM_TOKEN);
        }
        Ok(bus)
    }

    fn listener(&self, inherited: Option<OwnedFd>, path: &str, token: u64) -> Option<OwnedFd> {
        let socket = match inherited {
            Some(socket) => Ok(socket),
            None => listen(Path::new(path)),
        };
        let added = socket.and_then(|socket| {
            let data = epoll::EventData::new_u64(token);
            epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
            Ok(socket)
        });
        match added {
            Ok(socket) => Some(socket),
            Err(e) => {
                say::log(Level::Error, &format!("cannot listen on {path}: {e}"));
                None
            }
        }
    }

    /// The descriptor that is readable when there is something to do.
    pub(crate) fn poll_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Handles what is there, never waiting.
    pub(crate) fn dispatch(&mut self, manager: &mut Manager) {
        let mut events = Vec::with_capacity(EVENTS);
        let zero = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let buffer = rustix::buffer::spare_capacity(&mut events);
        if epoll::wait(&self.epoll, buffer, Some(&zero)).is_err() {
            return;
        }
        for event in events {
            let (token, flags) = (event.data.u64(), event.flags);
            match token {
                PRIVATE_TOKEN => self.accept(Side::Private),
                SYSTEM_TOKEN => self.accept(Side::System),
                _ => self.serve(manager, token, flags),
            }
        }
    }

    fn accept(&mut self, side: Side) {
        let listener = match side {
            Side::Private => &self.private,
            Side::System => &self.system,
        };
        let Some(listener) = listener else { return };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match rustix::net::accept_with(listener, flags) {
            Ok(socket) => socket,
            Err(e) => {
                if self.spare.refuse(listener, &e.into()) {
                    say::log(
                        Level::Warning,
                        "no descriptor left; a control connection is refused",
                    );
                }
                return;
            }
        };
        let Ok((pid, uid, _)) = init_sys::message::peer(socket.as_fd()) else {
            return;
        };
        let of_user = self.connections.values().filter(|c| c.uid == uid).count();
        if self.connections.len() >= MAX_CONNECTIONS || (uid != 0 && of_user >= MAX_PER_USER) {
            say::log(
                Level::Warning,
                &format!("too many control connections; one of user {uid} is refused"),
            );
            return;
        }
        let token = self.next;
        self.next += 1;
        let data = epoll::EventData::new_u64(token);
        if epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN).is_ok() {
            let pid = u32::try_from(pid).unwrap_or(0);
            let connection = Connection::new(socket, side, token, uid, pid, &self.guid);
            self.connections.insert(token, connection);
        }
    }

    fn serve(&mut self, manager: &mut Manager, token: u64, flags: epoll::EventFlags) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        if flags.contains(epoll::EventFlags::OUT) {
            connection.write();
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR)
        {
            connection.read();
        }
        while let Some(message) = self
            .connections
            .get_mut(&token)
            .and_then(Connection::next_message)
        {
            self.handle(manager, token, &message);
        }
        self.tidy(manager, token);
    }

    /// One message; a mistake of ours in it costs its answer and nothing else.
    fn handle(&mut self, manager: &mut Manager, token: u64, message: &Message) {
        if message.kind != Kind::Call {
            return;
        }
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(manager, token, message)));
        let answer = answer.unwrap_or_else(|_| {
            let what = message.member.as_deref().unwrap_or_default();
            say::log(
                Level::Error,
                &format!("a mistake of this program while answering {what}"),
            );
            Some(message.error("org.freedesktop.DBus.Error.Failed", "Internal error."))
        });
        if let (Some(answer), Some(connection)) = (answer, self.connections.get_mut(&token)) {
            connection.send(answer);
        }
        while let Some(outgoing) = manager.next_outgoing() {
            self.deliver(manager, &outgoing);
        }
    }

    /// Drops a connection that is over, or sets what it is polled for.
    fn tidy(&mut self, manager: &mut Manager, token: u64) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        if connection.is_over() {
            let _ = epoll::delete(&self.epoll, connection.socket());
            let refs = std::mem::take(&mut connection.refs);
            self.connections.remove(&token);
            for unit in refs {
                let _ = manager.submit(unit_engine::Request::Unref { unit });
            }
            return;
        }
        if let Some(wants) = connection.poll_change() {
            let mut flags = epoll::EventFlags::empty();
            flags.set(epoll::EventFlags::IN, wants.read);
            flags.set(epoll::EventFlags::OUT, wants.write);
            let data = epoll::EventData::new_u64(token);
            let _ = epoll::modify(&self.epoll, connection.socket(), data, flags);
        }
    }

    /// Tells clients what happened.
    pub(crate) fn deliver(&mut self, manager: &mut Manager, what: &Outgoing) {
        if let Outgoing::Engine(unit_engine::Action::UnitRemoved { unit }) = what {
            self.held.remove(&**unit);
        }
        let interested: Vec<u64> = self
            .connections
            .iter()
            .filter(|(_, c)| c.wants_signals())
            .map(|(token, _)| *token)
            .collect();
        if interested.is_empty() {
            return;
        }
        let messages = signals::messages(manager, what);
        for token in interested {
            if let Some(connection) = self.connections.get_mut(&token) {
                for message in &messages {
                    connection.send(message.clone());
                }
            }
            self.tidy(manager, token);
        }
    }

    /// Listening sockets, for re-execution.
    pub(crate) fn listeners(&self) -> Vec<(String, BorrowedFd<'_>)> {
        let named = [(PRIVATE.0, &self.private), (SYSTEM.0, &self.system)];
        named
            .into_iter()
            .filter_map(|(name, fd)| Some((name.to_owned(), fd.as_ref()?.as_fd())))
            .collect()
    }
}

/// Whether the bus socket is somebody else's: a daemon is installed and its socket is not masked.
fn dbus_daemon_is_installed() -> bool {
    let masked = |folder: &str| {
        std::fs::read_link(Path::new(folder).join("dbus.socket"))
            .is_ok_and(|target| target == Path::new("/dev/null"))
    };
    let daemon = ["/usr/bin/dbus-daemon", "/usr/bin/dbus-broker"];
    let folders = [
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/lib/systemd/system",
    ];
    daemon.iter().any(|path| Path::new(path).exists())
        && folders
            .iter()
            .any(|folder| Path::new(folder).join("dbus.socket").exists())
        && !folders.iter().any(|folder| masked(folder))
}

fn listen(path: &Path) -> io::Result<OwnedFd> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
    // Everybody may connect: each call is authorised by the peer's user.
    rustix::fs::chmod(path, rustix::fs::Mode::from_raw_mode(0o666))?;
    rustix::net::listen(&socket, 128)?;
    Ok(socket)
}
