//! The gateway as one port sees it: a TCP/IP stack of its own per port, so that a machine is known by its cable and
//! never by an address that it could choose. It owns the gateway's address and 169.254.169.254, serves the metadata,
//! joins ports of the gateway to host sockets, and opens connections to the guest for the host.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr, IpEndpoint};

use super::dns;
use super::frame::Mac;
use super::http::{Next, Session};
use super::joint::Joint;
use super::{GATEWAY_MAC, METADATA, Names};
use crate::metadata::Metadata;

/// Sockets that wait for a connection, per service: the stack has no backlog, a listener becomes the connection.
const LISTENERS: usize = 16;
const LONGEST_FRAME: usize = 1514;

/// What a port of the gateway leads to.
#[derive(Clone, Debug)]
enum Service {
    Metadata,
    Host(SocketAddr),
}

/// The other side of a guest's connection.
enum Peer {
    Http(Session),
    Joint(Joint),
}

struct Connection {
    handle: SocketHandle,
    peer: Peer,
    /// Was the connection ever up?
    seen: bool,
    cut: bool,
}

/// The stack of one port.
pub(super) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    wire: Wire,
    listeners: Vec<(SocketHandle, IpEndpoint, Service)>,
    connections: Vec<Connection>,
    names: SocketHandle,
    metadata: Arc<Metadata>,
    gateway: Ipv4Addr,
    began: std::time::Instant,
    next_port: u16,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

impl Stack {
    /// A stack whose gateway offers the metadata and, on the given ports, host sockets.
    pub(super) fn new(
        gateway: Ipv4Addr,
        metadata: Arc<Metadata>,
        forwards: &[(u16, SocketAddr)],
    ) -> Stack {
        let began = std::time::Instant::now();
        let mut wire = Wire::default();
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(GATEWAY_MAC)));
        config.random_seed = 0x6761_7262_6f61_7264;
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            for cidr in [
                IpCidr::new(IpAddress::Ipv4(gateway), 24),
                IpCidr::new(IpAddress::Ipv4(METADATA), 32),
            ] {
                // The list has room for two; a third would be a mistake of ours that the first test shows.
                let _ = addresses.push(cidr);
            }
        });
        let mut sockets = SocketSet::new(Vec::new());
        let packets =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 16 * 512]);
        let mut resolver = udp::Socket::new(packets(), packets());
        // A fresh socket with a port that is not zero cannot refuse to be bound.
        let _ = resolver.bind((IpAddress::Ipv4(gateway), 53));
        let names = sockets.add(resolver);
        let mut stack = Stack {
            interface,
            sockets,
            wire,
            listeners: Vec::new(),
            connections: Vec::new(),
            names,
            metadata,
            gateway,
            began,
            next_port: 49_152,
        };
        for _ in 0..LISTENERS {
            stack.listen(
                IpEndpoint::new(IpAddress::Ipv4(METADATA), 80),
                Service::Metadata,
            );
        }
        for (port, host) in forwards {
            for _ in 0..4 {
                stack.listen(
                    IpEndpoint::new(IpAddress::Ipv4(gateway), *port),
                    Service::Host(*host),
                );
            }
        }
        stack
    }

    fn listen(&mut self, at: IpEndpoint, service: Service) {
        let mut socket = socket(16 * 1024, 128 * 1024);
        if socket.listen(at).is_ok() {
            let handle = self.sockets.add(socket);
            self.listeners.push((handle, at, service));
        }
    }

    /// A frame from the guest for the gateway.
    pub(super) fn receive(&mut self, frame: Vec<u8>) {
        self.wire.received.push_back(frame);
    }

    /// Joins a host connection to a port of the guest.
    pub(super) fn connect(&mut self, guest: Ipv4Addr, port: u16, host: TcpStream) {
        let Ok(joint) = Joint::new(host) else { return };
        let local = IpEndpoint::new(IpAddress::Ipv4(self.gateway), self.next_port);
        self.next_port = if self.next_port == u16::MAX {
            49_152
        } else {
            self.next_port + 1
        };
        let mut socket = socket(256 * 1024, 256 * 1024);
        let remote = IpEndpoint::new(IpAddress::Ipv4(guest), port);
        if socket
            .connect(self.interface.context(), remote, local)
            .is_ok()
        {
            let handle = self.sockets.add(socket);
            self.connections.push(Connection {
                handle,
                peer: Peer::Joint(joint),
                seen: false,
                cut: false,
            });
        }
    }

    /// Host sockets that this stack waits for, with what it waits for: reading, writing.
    pub(super) fn host_sockets(&self) -> impl Iterator<Item = (&TcpStream, bool, bool)> {
        self.connections
            .iter()
            .filter_map(|connection| match &connection.peer {
                Peer::Joint(joint) => {
                    let (read, write) = (joint.wants_read(), joint.wants_write());
                    (read || write).then(|| (joint.host(), read, write))
                }
                Peer::Http(_) => None,
            })
    }

    /// Does everything that can be done now; returns the frames for the guest and when to come back at the latest.
    pub(super) fn turn(&mut self, names: &Names) -> (Vec<Vec<u8>>, Duration) {
        let mut wait = Duration::from_secs(1);
        for _ in 0..4 {
            let now = self.now();
            self.interface.poll(now, &mut self.wire, &mut self.sockets);
            self.take_connections();
            self.resolve(names);
            wait = self.serve();
            self.interface.poll(now, &mut self.wire, &mut self.sockets);
            if self.wire.received.is_empty() {
                break;
            }
        }
        let now = self.now();
        if let Some(delay) = self.interface.poll_delay(now, &self.sockets) {
            wait = wait.min(Duration::from_micros(delay.total_micros()));
        }
        (self.wire.sent.drain(..).collect(), wait)
    }

    fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    fn take_connections(&mut self) {
        let mut taken = Vec::new();
        let sockets = &self.sockets;
        self.listeners.retain(|(handle, at, service)| {
            let waiting = sockets.get::<tcp::Socket<'_>>(*handle).state() == tcp::State::Listen;
            if !waiting {
                taken.push((*handle, *at, service.clone()));
            }
            waiting
        });
        for (handle, at, service) in taken {
            self.listen(at, service.clone());
            let peer = match service {
                Service::Metadata if !self.metadata.refuses() => {
                    Some(Peer::Http(Session::default()))
                }
                Service::Metadata => None,
                Service::Host(address) => {
                    TcpStream::connect_timeout(&address, Duration::from_millis(200))
                        .and_then(Joint::new)
                        .ok()
                        .map(Peer::Joint)
                }
            };
            match peer {
                Some(peer) => self.connections.push(Connection {
                    handle,
                    peer,
                    seen: false,
                    cut: false,
                }),
                None => {
                    self.sockets.get_mut::<tcp::Socket<'_>>(handle).abort();
                    let peer = Peer::Http(Session::default());
                    self.connections.push(Connection {
                        handle,
                        peer,
                        seen: false,
                        cut: true,
                    });
                }
            }
        }
    }

    fn resolve(&mut self, names: &Names) {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.names);
        while let Ok((query, from)) = socket.recv() {
            let reply = names.with(|table| dns::answer(query, table));
            if let Some(reply) = reply {
                // A full buffer loses the answer; the guest asks again.
                let _ = socket.send_slice(&reply, from.endpoint);
            }
        }
    }

    fn serve(&mut self) -> Duration {
        let mut wait = Duration::from_secs(1);
        let now = std::time::Instant::now();
        let (sockets, metadata) = (&mut self.sockets, &self.metadata);
        for connection in &mut self.connections {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
            connection.seen |= socket.may_send();
            if !connection.cut {
                match &mut connection.peer {
                    Peer::Http(session) => {
                        wait =
                            wait.min(serve_http(session, socket, connection.seen, now, metadata));
                    }
                    Peer::Joint(joint) => joint.pump(socket, connection.seen),
                }
            }
        }
        self.bury();
        wait
    }

    /// Removes connections that are over, once the stack has sent their last segment.
    fn bury(&mut self) {
        let now = self.now();
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        let sockets = &mut self.sockets;
        self.connections.retain(|connection| {
            let socket = sockets.get::<tcp::Socket<'_>>(connection.handle);
            let over = matches!(socket.state(), tcp::State::Closed | tcp::State::TimeWait);
            let said = match &connection.peer {
                Peer::Http(_) => true,
                Peer::Joint(joint) => joint.finished(socket.can_recv()),
            };
            if over && said {
                sockets.remove(connection.handle);
            }
            !(over && said)
        });
    }
}

fn socket(receive: usize, send: usize) -> tcp::Socket<'static> {
    let mut socket = tcp::Socket::new(
        tcp::SocketBuffer::new(vec![0; receive]),
        tcp::SocketBuffer::new(vec![0; send]),
    );
    socket.set_nagle_enabled(false);
    socket.set_timeout(Some(smoltcp::time::Duration::from_secs(120)));
    socket
}

fn serve_http(
    session: &mut Session,
    socket: &mut tcp::Socket<'_>,
    seen: bool,
    now: std::time::Instant,
    metadata: &Metadata,
) -> Duration {
    while socket.can_recv() {
        let taken = socket.recv(|bytes| {
            session.receive(bytes);
            (bytes.len(), bytes.len())
        });
        if !matches!(taken, Ok(count) if count > 0) {
            break;
        }
    }
    if seen && !socket.may_recv() {
        session.guest_closed();
    }
    loop {
        match session.turn(now, metadata) {
            Next::Cut => {
                if socket.send_queue() == 0 || !socket.may_send() {
                    socket.abort();
                }
                return Duration::from_millis(20);
            }
            Next::Close => {
                socket.close();
                return Duration::from_secs(1);
            }
            Next::Wait(time) => return time,
            Next::Go => {
                if session.pending().is_empty() || !socket.can_send() {
                    return Duration::from_secs(1);
                }
                let Ok(count) = socket.send_slice(session.pending()) else {
                    return Duration::from_secs(1);
                };
                session.wrote(count);
            }
        }
    }
}

/// The stack's end of the cable: two queues.
#[derive(Debug, Default)]
struct Wire {
    received: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sender<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sender<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sender(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sender<'_>> {
        // The stack sends as fast as it may; what the guest has not taken waits here, a little.
        (self.sent.len() < 256).then_some(Sender(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = LONGEST_FRAME;
        capabilities
    }
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Sender<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Sender<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}

/// Is the frame the gateway's own, or for everybody?
pub(super) fn is_for_gateway(to: Mac) -> bool {
    to == GATEWAY_MAC
}
