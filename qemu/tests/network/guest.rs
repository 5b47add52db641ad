//! A guest made of smoltcp: what a virtual machine's network card would do, without the machine.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Guest {
    interface: Interface,
    sockets: SocketSet<'static>,
    cable: Cable,
    began: Clock,
    next_port: u16,
    mac: [u8; 6],
}

pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    options: Vec<u8>,
}

impl Lease {
    pub(crate) fn option(&self, wanted: u8) -> Option<&[u8]> {
        let mut rest = &self.options[..];
        while rest.len() > 1 && rest[0] != 255 {
            let length = usize::from(rest[1]);
            if rest[0] == wanted {
                return Some(&rest[2..2 + length]);
            }
            rest = &rest[2 + length..];
        }
        None
    }
}

impl Guest {
    pub(crate) fn plug_in(cable: &Path, address: Ipv4Addr) -> Guest {
        let stream = UnixStream::connect(cable).expect("the switch listens");
        stream.set_nonblocking(true).expect("set");
        Guest::new(
            Cable {
                stream,
                input: Vec::new(),
                received: VecDeque::new(),
                output: Vec::new(),
            },
            address,
        )
    }

    fn new(mut cable: Cable, address: Ipv4Addr) -> Guest {
        let mac = [0xfa, 0x16, 0x3e, 0, 0, address.octets()[3]];
        let config = Config::new(EthernetAddress(mac).into());
        let mut interface = Interface::new(config, &mut cable, Instant::ZERO);
        interface.update_ip_addrs(|list| {
            list.push(IpCidr::new(IpAddress::Ipv4(address), 24))
                .expect("room");
        });
        interface
            .routes_mut()
            .add_default_ipv4_route(GATEWAY)
            .expect("room");
        let sockets = SocketSet::new(Vec::new());
        Guest {
            interface,
            sockets,
            cable,
            began: Clock::now(),
            next_port: 40_000,
            mac,
        }
    }

    pub(crate) fn with_address(self, address: Ipv4Addr) -> Guest {
        Guest::new(self.cable, address)
    }

    fn turn(&mut self) {
        self.cable.read();
        let now =
            Instant::from_micros(i64::try_from(self.began.elapsed().as_micros()).expect("short"));
        self.interface.poll(now, &mut self.cable, &mut self.sockets);
        self.cable.flush();
    }

    fn until<T>(&mut self, mut look: impl FnMut(&mut Guest) -> Option<T>) -> Option<T> {
        let begun = Clock::now();
        while begun.elapsed() < PATIENCE {
            self.turn();
            if let Some(found) = look(self) {
                return Some(found);
            }
            if self.cable.received.is_empty() {
                qemu_harness::pause::pause(Duration::from_micros(200));
            }
        }
        None
    }

    fn connect(&mut self, to: Ipv4Addr, port: u16) -> SocketHandle {
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; 256 * 1024]),
            tcp::SocketBuffer::new(vec![0; 64 * 1024]),
        );
        self.next_port += 1;
        let local = self.next_port;
        socket
            .connect(
                self.interface.context(),
                IpEndpoint::new(IpAddress::Ipv4(to), port),
                local,
            )
            .expect("a connection can be begun");
        self.sockets.add(socket)
    }

    /// Sends bytes and reads until the other side ends; `None` when the connection was refused.
    pub(crate) fn exchange(
        &mut self,
        to: Ipv4Addr,
        port: u16,
        send: &[u8],
        half_close: bool,
    ) -> Option<Vec<u8>> {
        let handle = self.connect(to, port);
        let up = self.until(
            |guest| match guest.sockets.get::<tcp::Socket<'_>>(handle).state() {
                tcp::State::Established | tcp::State::CloseWait => Some(true),
                tcp::State::Closed => Some(false),
                _ => None,
            },
        );
        if up != Some(true) {
            return None;
        }
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        assert_eq!(socket.send_slice(send), Ok(send.len()));
        if half_close {
            socket.close();
        }
        let mut answer = Vec::new();
        self.until(|guest| {
            let socket = guest.sockets.get_mut::<tcp::Socket<'_>>(handle);
            take(socket, &mut answer);
            (!socket.may_recv() && !socket.can_recv()).then_some(())
        });
        self.sockets.get_mut::<tcp::Socket<'_>>(handle).abort();
        self.turn();
        self.sockets.remove(handle);
        Some(answer)
    }

    pub(crate) fn get(&mut self, to: Ipv4Addr, port: u16, path: &str) -> Vec<u8> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
        self.exchange(to, port, request.as_bytes(), false)
            .expect("the metadata service takes connections")
    }

    /// Several requests at once, each on its own connection.
    pub(crate) fn get_many(&mut self, to: Ipv4Addr, port: u16, paths: &[&str]) -> Vec<Vec<u8>> {
        let mut open: Vec<(SocketHandle, String, Vec<u8>, bool)> = paths
            .iter()
            .map(|path| {
                (
                    self.connect(to, port),
                    format!("GET {path} HTTP/1.0\r\n\r\n"),
                    Vec::new(),
                    false,
                )
            })
            .collect();
        self.until(|guest| {
            let mut done = true;
            for (handle, request, answer, asked) in &mut open {
                let socket = guest.sockets.get_mut::<tcp::Socket<'_>>(*handle);
                if !*asked && socket.can_send() {
                    socket.send_slice(request.as_bytes()).expect("sent");
                    *asked = true;
                }
                take(socket, answer);
                done &= *asked && !socket.may_recv();
            }
            done.then_some(())
        });
        for (handle, ..) in &open {
            self.sockets.get_mut::<tcp::Socket<'_>>(*handle).abort();
        }
        self.turn();
        open.into_iter()
            .map(|(handle, _, answer, _)| {
                self.sockets.remove(handle);
                answer
            })
            .collect()
    }

    /// Serves one connection on a port: sends everything back until the other side ends.
    pub(crate) fn echo(mut self, port: u16) {
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; 256 * 1024]),
            tcp::SocketBuffer::new(vec![0; 256 * 1024]),
        );
        socket.listen(port).expect("a port");
        let handle = self.sockets.add(socket);
        let mut waiting = Vec::new();
        self.until(|guest| {
            let socket = guest.sockets.get_mut::<tcp::Socket<'_>>(handle);
            if waiting.len() < 256 * 1024 {
                take(socket, &mut waiting);
            }
            if socket.can_send() && !waiting.is_empty() {
                let count = socket.send_slice(&waiting).expect("sent");
                waiting.drain(..count);
            }
            let ended = socket.state() == tcp::State::CloseWait && !socket.can_recv();
            if ended && waiting.is_empty() {
                socket.close();
            }
            (socket.state() == tcp::State::Closed).then_some(())
        });
    }

    /// One DHCP message by hand: discover (1), or request (3) with the client's address.
    pub(crate) fn dhcp(&mut self, kind: u8, client: Ipv4Addr) -> Lease {
        let mut message = vec![0; 236];
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[4..8].copy_from_slice(&[7, 7, 7, kind]);
        message[12..16].copy_from_slice(&client.octets());
        message[28..34].copy_from_slice(&self.mac);
        message.extend([99, 130, 83, 99, 53, 1, kind, 255]);
        let mut frame = vec![0xff; 6];
        frame.extend(self.mac);
        frame.extend([8, 0]);
        let total = u16::try_from(28 + message.len()).expect("short");
        let mut ip = vec![0x45, 0];
        ip.extend(total.to_be_bytes());
        ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        ip.extend(client.octets());
        ip.extend([255; 4]);
        let sum: u32 = ip
            .chunks(2)
            .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])))
            .sum();
        let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("folded");
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend(ip);
        frame.extend([0, 68, 0, 67]);
        frame.extend((total - 20).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(message);
        self.cable.send(&frame);
        let begun = Clock::now();
        while begun.elapsed() < PATIENCE {
            self.cable.flush();
            self.cable.read();
            while let Some(frame) = self.cable.received.pop_front() {
                if frame.len() > 282 && frame[12..14] == [8, 0] && frame[36..38] == [0, 68] {
                    let message = &frame[42..];
                    let address = Ipv4Addr::new(message[16], message[17], message[18], message[19]);
                    return Lease {
                        address,
                        options: message[240..].to_vec(),
                    };
                }
            }
            qemu_harness::pause::pause(Duration::from_millis(1));
        }
        panic!("no answer from the DHCP server");
    }

    pub(crate) fn resolve(&mut self, name: &str) -> Option<Ipv4Addr> {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 2048]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        self.next_port += 1;
        socket.bind(self.next_port).expect("bound");
        let mut query = vec![1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).expect("short"));
            query.extend(label.bytes());
        }
        query.extend([0, 0, 1, 0, 1]);
        socket
            .send_slice(&query, IpEndpoint::new(IpAddress::Ipv4(GATEWAY), 53))
            .expect("sent");
        let handle = self.sockets.add(socket);
        let reply = self.until(|guest| {
            let socket = guest.sockets.get_mut::<udp::Socket<'_>>(handle);
            socket.recv().ok().map(|(bytes, _)| bytes.to_vec())
        });
        let reply = reply.expect("the name server answers");
        let last: [u8; 4] = reply[reply.len() - 4..].try_into().expect("four");
        (reply[7] == 1).then(|| Ipv4Addr::from(last))
    }
}

fn take(socket: &mut tcp::Socket<'_>, into: &mut Vec<u8>) {
    while socket.can_recv() {
        let count = socket.recv(|bytes| {
            into.extend_from_slice(bytes);
            (bytes.len(), bytes.len())
        });
        if !matches!(count, Ok(count) if count > 0) {
            break;
        }
    }
}

/// The guest's end of the cable.
struct Cable {
    stream: UnixStream,
    input: Vec<u8>,
    received: VecDeque<Vec<u8>>,
    output: Vec<u8>,
}

impl Cable {
    fn send(&mut self, frame: &[u8]) {
        self.output
            .extend(u32::try_from(frame.len()).expect("short").to_be_bytes());
        self.output.extend(frame);
    }

    fn flush(&mut self) {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("the switch is gone: {error}"),
            }
        }
    }

    fn read(&mut self) {
        let mut room = [0; 64 * 1024];
        match self.stream.read(&mut room) {
            Ok(count) => self.input.extend(&room[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("the switch is gone: {error}"),
        }
        let mut at = 0;
        while let Some(head) = self.input.get(at..at + 4) {
            let length =
                usize::try_from(u32::from_be_bytes(head.try_into().expect("four"))).expect("small");
            let Some(frame) = self.input.get(at + 4..at + 4 + length) else {
                break;
            };
            self.received.push_back(frame.to_vec());
            at += 4 + length;
        }
        self.input.drain(..at);
    }
}

impl Device for Cable {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Out<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Frame, Out<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Frame(frame), Out(&mut self.output)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Out<'_>> {
        (self.output.len() < 256 * 1024).then_some(Out(&mut self.output))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Out<'a>(&'a mut Vec<u8>);

impl TxToken for Out<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0
            .extend(u32::try_from(length).expect("short").to_be_bytes());
        self.0.extend(frame);
        result
    }
}
