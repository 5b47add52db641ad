//! The udp backend: a thread that carries packets between a tun device and a UDP socket.
//!
//! A datagram is one bare IPv4 packet. Packets of one size that follow each other to one machine leave
//! as one call and are cut into datagrams by the kernel (`UDP_SEGMENT`); what arrives comes in bundles
//! the same way (`UDP_GRO`). On the wire nothing of this shows.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use flannel_core::packet::{Peers, Verdict, incoming, outgoing};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// What one datagram of the kernel's may hold, and so one bundle.
const BUNDLE: usize = 65_000;
/// Datagrams in a bundle (`UDP_MAX_SEGMENTS` of older kernels).
const SEGMENTS: usize = 64;
/// Bundles or reads before the other side has its turn.
const TURN: usize = 64;
/// The largest packet.
const PACKET: usize = 65_535;

/// Why packets cannot be carried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("cannot listen on {address}")]
    Socket {
        address: SocketAddrV4,
        source: io::Error,
    },
    #[error("cannot make a tun device (is the module tun there?)")]
    Tun(#[source] io::Error),
    #[error("cannot start a thread for packets")]
    Thread(#[source] io::Error),
    #[error("packets are no longer carried")]
    Carry(#[source] io::Error),
    #[error("the thread that carries packets is gone")]
    Gone,
}

type Shared = Arc<Mutex<Arc<Peers>>>;

/// The backend.
#[derive(Debug)]
pub(crate) struct Proxy {
    socket: Option<UdpSocket>,
    peers: Shared,
    /// The device's name, once it is there.
    name: Option<String>,
    /// The device's index, once it is there.
    pub(crate) index: u32,
    ended: Option<oneshot::Receiver<io::Error>>,
}

impl Proxy {
    /// Takes the port, so that a second flanneld is noticed before there is a lease.
    pub(crate) fn prepare(address: Ipv4Addr, port: u16) -> Result<Proxy, ProxyError> {
        let address = SocketAddrV4::new(address, port);
        let bind = || {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let socket = bind().map_err(|source| ProxyError::Socket { address, source })?;
        // Room for what arrives while the other direction has its turn; kernels without GRO do without.
        let _ = setsockopt(&socket, sockopt::RcvBuf, &(2 << 20));
        let _ = setsockopt(&socket, sockopt::SndBuf, &(2 << 20));
        let _ = setsockopt(&socket, sockopt::UdpGroSegment, &true);
        Ok(Proxy {
            socket: Some(socket),
            peers: Shared::default(),
            name: None,
            index: 0,
            ended: None,
        })
    }

    /// Makes the device and starts to carry, once; the device's name.
    pub(crate) fn start(&mut self, own: Ipv4Addr, any_source: bool) -> Result<String, ProxyError> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let tun = init_sys::tun::create("flannel%d").map_err(ProxyError::Tun)?;
        let socket = self.socket.take().ok_or(ProxyError::Gone)?;
        let (send, ended) = oneshot::channel();
        let mut carrier = Carrier {
            tun: tun.fd,
            socket,
            shared: Arc::clone(&self.peers),
            own,
            any_source,
            bundles: true,
            buffer: vec![0; BUNDLE + PACKET],
        };
        let thread = std::thread::Builder::new().name("packets".to_owned());
        let started = thread.spawn(move || {
            let Err(error) = carrier.run();
            let _ = send.send(error);
        });
        drop(started.map_err(ProxyError::Thread)?);
        self.ended = Some(ended);
        self.name = Some(tun.name.clone());
        Ok(tun.name)
    }

    pub(crate) fn set_peers(&self, peers: Peers) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(peers);
    }

    /// Ends when the thread does.
    pub(crate) async fn failed(&mut self) -> ProxyError {
        match &mut self.ended {
            None => std::future::pending().await,
            Some(ended) => ended.await.map_or(ProxyError::Gone, ProxyError::Carry),
        }
    }
}

/// What the thread has.
#[derive(Debug)]
struct Carrier {
    tun: OwnedFd,
    socket: UdpSocket,
    shared: Shared,
    own: Ipv4Addr,
    any_source: bool,
    /// Whether the kernel takes bundles on this path.
    bundles: bool,
    buffer: Vec<u8>,
}

/// Packets in the buffer that leave together.
#[derive(Debug, Clone, Copy)]
struct Bundle {
    machine: Ipv4Addr,
    start: usize,
    end: usize,
    /// The size of all but the last, which may be shorter.
    size: usize,
    count: usize,
    closed: bool,
}

impl Carrier {
    fn run(&mut self) -> Result<std::convert::Infallible, io::Error> {
        loop {
            let (from_tun, from_socket) = {
                let mut fds = [
                    PollFd::new(&self.tun, PollFlags::IN),
                    PollFd::new(&self.socket, PollFlags::IN),
                ];
                match poll(&mut fds, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                (!fds[0].revents().is_empty(), !fds[1].revents().is_empty())
            };
            let peers = Arc::clone(&self.shared.lock().unwrap_or_else(PoisonError::into_inner));
            if from_tun {
                self.out(&peers)?;
            }
            if from_socket {
                self.receive(&peers)?;
            }
        }
    }

    /// From the device to the others.
    fn out(&mut self, peers: &Peers) -> io::Result<()> {
        let mut bundle: Option<Bundle> = None;
        let mut end = 0;
        for _ in 0..TURN {
            let length = match rustix::io::read(&self.tun, &mut self.buffer[end..]) {
                Ok(length) => length,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let packet = &mut self.buffer[end..end + length];
            match outgoing(packet, peers, self.own) {
                Verdict::Drop => {}
                Verdict::Answer(answer) => self.to_device(&answer),
                Verdict::Send(machine) => {
                    let joined = bundle
                        .as_mut()
                        .is_some_and(|bundle| bundle.join(machine, length));
                    if !joined {
                        if let Some(full) = bundle.take() {
                            self.send(&full);
                            self.buffer.copy_within(end..end + length, 0);
                        }
                        let start = 0;
                        bundle = Some(Bundle {
                            machine,
                            start,
                            end: length,
                            size: length,
                            count: 1,
                            closed: false,
                        });
                    }
                    end = bundle.map_or(0, |bundle| bundle.end);
                }
            }
        }
        if let Some(last) = bundle {
            self.send(&last);
        }
        Ok(())
    }

    fn send(&mut self, bundle: &Bundle) {
        let to = SockaddrIn::from(SocketAddrV4::new(bundle.machine, self.port()));
        let bytes = &self.buffer[bundle.start..bundle.end];
        if bundle.count > 1 && self.bundles {
            let size = u16::try_from(bundle.size).unwrap_or(u16::MAX);
            let control = [ControlMessage::UdpGsoSegments(&size)];
            match sendmsg(
                self.socket.as_raw_fd(),
                &[IoSlice::new(bytes)],
                &control,
                MsgFlags::MSG_DONTWAIT,
                Some(&to),
            ) {
                // The interface cannot: from now on one by one.
                Err(
                    nix::errno::Errno::EIO
                    | nix::errno::Errno::EINVAL
                    | nix::errno::Errno::EMSGSIZE,
                ) => self.bundles = false,
                // What the network does not take is lost, as on any network.
                _ => return,
            }
        }
        for packet in bytes.chunks(bundle.size) {
            let _ = sendmsg(
                self.socket.as_raw_fd(),
                &[IoSlice::new(packet)],
                &[],
                MsgFlags::MSG_DONTWAIT,
                Some(&to),
            );
        }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// From the others to the device.
    fn receive(&mut self, peers: &Peers) -> io::Result<()> {
        let mut control = nix::cmsg_space!(i32);
        for _ in 0..TURN {
            let mut parts = [IoSliceMut::new(&mut self.buffer)];
            let got = recvmsg::<SockaddrIn>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_DONTWAIT,
            );
            let (length, sender, size) = match got {
                Ok(message) => {
                    let size = message
                        .cmsgs()
                        .into_iter()
                        .flatten()
                        .find_map(|item| match item {
                            ControlMessageOwned::UdpGroSegments(size) => usize::try_from(size).ok(),
                            _ => None,
                        });
                    (
                        message.bytes,
                        message.address.map(|address| address.ip()),
                        size,
                    )
                }
                Err(nix::errno::Errno::EAGAIN) => return Ok(()),
                // An earlier datagram of ours was not wanted there; that is its sender's affair.
                Err(
                    nix::errno::Errno::ECONNREFUSED
                    | nix::errno::Errno::EINTR
                    | nix::errno::Errno::EHOSTUNREACH
                    | nix::errno::Errno::ENETUNREACH,
                ) => continue,
                Err(error) => return Err(error.into()),
            };
            if length == 0 || !(self.any_source || sender.is_some_and(|sender| peers.knows(sender)))
            {
                continue;
            }
            let (tun, bytes) = (&self.tun, &mut self.buffer[..length]);
            for packet in bytes.chunks_mut(size.filter(|size| *size > 0).unwrap_or(length)) {
                if incoming(packet) {
                    write(tun, packet);
                }
            }
        }
        Ok(())
    }

    fn to_device(&self, packet: &[u8]) {
        write(&self.tun, packet);
    }
}

/// A packet that the device does not take is lost.
fn write(tun: &OwnedFd, packet: &[u8]) {
    let _ = rustix::io::write(tun.as_fd(), packet);
}

impl Bundle {
    /// Takes a packet that lies right behind it, if it can leave with the others.
    fn join(&mut self, machine: Ipv4Addr, length: usize) -> bool {
        let fits = !self.closed
            && machine == self.machine
            && length <= self.size
            && self.count < SEGMENTS
            && self.end + length <= BUNDLE;
        if fits {
            self.end += length;
            self.count += 1;
            self.closed = length < self.size;
        }
        fits
    }
}
