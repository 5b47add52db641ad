//! The switch: one thread that moves frames between the machines of a cluster and the gateway. It waits with `poll`,
//! owns every socket, and takes orders by a channel; nobody else touches a frame.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::dhcp::{self, Lease};
use super::frame::{self, BROADCAST, End, Mac};
use super::link::Link;
use super::rules::{Counts, Rule, Ways};
use super::stack::{Stack, is_for_gateway};
use super::trace::Trace;
use super::{GATEWAY_MAC, Names};

/// What passed a port, for the report of a failed test.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) from_guest: AtomicU64,
    pub(super) to_guest: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) leases: AtomicU64,
}

/// A port as it is handed to the switch.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) cable: UnixListener,
    pub(super) ssh: TcpListener,
    pub(super) lease: Lease,
    pub(super) stack: Stack,
    pub(super) counters: Arc<Counters>,
    /// Ports of one segment are one network.
    pub(super) segment: u8,
    /// Reaches the gateway, and no other port.
    pub(super) isolated: bool,
}

/// An order to the switch.
#[derive(Debug)]
pub(super) enum Order {
    Attach(Box<Port>),
    /// Rules for ordered pairs of ports; told when they hold.
    Rules(Vec<(usize, usize, Rule)>, Sender<()>),
    /// Everything passes again.
    Heal(Sender<()>),
    /// The last frames, as a file.
    Trace(Sender<Vec<u8>>),
}

#[derive(Debug)]
struct Slot {
    port: Port,
    link: Option<Link>,
}

#[derive(Clone, Copy, PartialEq)]
enum Wait {
    Bell,
    Cable(usize),
    Ssh(usize),
    Link(usize),
    Host,
}

/// The switch's state.
#[derive(Debug)]
pub(super) struct Switch {
    slots: Vec<Slot>,
    places: HashMap<(u8, Mac), usize>,
    ways: Ways,
    trace: Trace,
    orders: Receiver<Order>,
    bell: UnixStream,
    names: Names,
}

impl Switch {
    pub(super) fn new(
        orders: Receiver<Order>,
        bell: UnixStream,
        names: Names,
        counts: Counts,
    ) -> Switch {
        Switch {
            slots: Vec::new(),
            places: HashMap::new(),
            ways: Ways::new(counts),
            trace: Trace::default(),
            orders,
            bell,
            names,
        }
    }

    /// Works until the network is dropped.
    pub(super) fn run(mut self) -> io::Result<()> {
        self.bell.set_nonblocking(true)?;
        let mut wait = Duration::ZERO;
        loop {
            for ready in self.wait(wait)? {
                match ready {
                    Wait::Bell => {
                        // Only the fact counts, not how often it was rung.
                        let _ = self.bell.read(&mut [0; 64]);
                    }
                    Wait::Cable(slot) => self.plug(slot),
                    Wait::Ssh(slot) => self.visit(slot),
                    Wait::Link(slot) => self.receive(slot),
                    Wait::Host => {}
                }
            }
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            wait = self.turn();
        }
    }

    fn obey(&mut self, order: Order) {
        // Whoever gave the order and went away does not need to know.
        match order {
            Order::Attach(port) => self.slots.push(Slot {
                port: *port,
                link: None,
            }),
            Order::Rules(rules, done) => {
                for (from, to, rule) in rules {
                    self.ways.set(from, to, rule);
                }
                let _ = done.send(());
            }
            Order::Heal(done) => {
                self.ways.heal();
                let _ = done.send(());
            }
            Order::Trace(file) => {
                let _ = file.send(self.trace.pcap());
            }
        }
    }

    fn wait(&self, wait: Duration) -> io::Result<Vec<Wait>> {
        let mut asked: Vec<(Wait, BorrowedFd<'_>, PollFlags)> =
            vec![(Wait::Bell, self.bell.as_fd(), PollFlags::IN)];
        for (index, slot) in self.slots.iter().enumerate() {
            asked.push((Wait::Cable(index), slot.port.cable.as_fd(), PollFlags::IN));
            asked.push((Wait::Ssh(index), slot.port.ssh.as_fd(), PollFlags::IN));
            if let Some(link) = &slot.link {
                let write = if link.wants_write() {
                    PollFlags::OUT
                } else {
                    PollFlags::empty()
                };
                asked.push((
                    Wait::Link(index),
                    link.stream().as_fd(),
                    PollFlags::IN | write,
                ));
            }
            for (host, read, write) in slot.port.stack.host_sockets() {
                let read = if read {
                    PollFlags::IN
                } else {
                    PollFlags::empty()
                };
                let write = if write {
                    PollFlags::OUT
                } else {
                    PollFlags::empty()
                };
                asked.push((Wait::Host, host.as_fd(), read | write));
            }
        }
        let mut fds: Vec<PollFd<'_>> = asked
            .iter()
            .map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags))
            .collect();
        let timeout = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready: Vec<Wait> = asked
            .iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|((what, ..), _)| *what)
            .collect();
        ready.dedup();
        Ok(ready)
    }

    fn plug(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let Ok((stream, _)) = slot.port.cable.accept() {
            // A machine that was started again comes with a new cable; the old one is gone.
            slot.link = Link::new(stream).ok();
        }
    }

    fn visit(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if let Ok((host, _)) = slot.port.ssh.accept()
            && slot.link.is_some()
        {
            slot.port.stack.connect(slot.port.lease.address, 22, host);
        }
    }

    fn receive(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let Some(link) = &mut slot.link else { return };
        match link.receive() {
            Ok(frames) => {
                for frame in frames {
                    self.forward(index, frame);
                }
            }
            Err(_) => self.slots[index].link = None,
        }
    }

    fn forward(&mut self, from: usize, frame: Vec<u8>) {
        let Some((sender, to)) = frame::stations(&frame) else {
            return;
        };
        self.slots[from]
            .port
            .counters
            .from_guest
            .fetch_add(1, Ordering::Relaxed);
        self.trace.note(&frame);
        let segment = self.slots[from].port.segment;
        self.places.insert((segment, sender), from);
        if to == BROADCAST || is_for_gateway(to) {
            if self.answer_dhcp(from, &frame) {
                return;
            }
            if is_for_gateway(to) && self.refuse(from, &frame) {
                return;
            }
            if is_for_gateway(to) {
                self.slots[from].port.stack.receive(frame);
                return;
            }
            self.slots[from].port.stack.receive(frame.clone());
        }
        match self.places.get(&(segment, to)) {
            Some(&place) if place != from => self.pass(from, place, &frame),
            Some(_) => {}
            None => {
                for place in (0..self.slots.len()).filter(|place| *place != from) {
                    self.pass(from, place, &frame);
                }
            }
        }
    }

    /// From one machine to another: only here rules count.
    fn pass(&mut self, from: usize, to: usize, frame: &[u8]) {
        let (sender, receiver) = (&self.slots[from].port, &self.slots[to].port);
        if sender.segment != receiver.segment || sender.isolated || receiver.isolated {
            return;
        }
        if self.ways.passes(from, to, frame, Instant::now()) {
            self.send(to, frame);
        }
    }

    fn answer_dhcp(&mut self, from: usize, frame: &[u8]) -> bool {
        let Some(datagram) = frame::read_udp(frame).filter(|datagram| datagram.to.port == 67)
        else {
            return false;
        };
        if let Some(answer) = dhcp::answer(datagram.payload, &self.slots[from].port.lease) {
            let mac = if answer.to == Ipv4Addr::BROADCAST {
                BROADCAST
            } else {
                datagram.from.mac
            };
            let server = End {
                mac: GATEWAY_MAC,
                ip: self.slots[from].port.lease.server,
                port: 67,
            };
            let client = End {
                mac,
                ip: answer.to,
                port: 68,
            };
            let reply = frame::write_udp(server, client, &answer.message);
            if answer.acknowledges() {
                self.slots[from]
                    .port
                    .counters
                    .leases
                    .fetch_add(1, Ordering::Relaxed);
            }
            self.send(from, &reply);
        }
        true
    }

    /// Traffic that the gateway would have to route: there is nothing behind it.
    fn refuse(&mut self, from: usize, frame: &[u8]) -> bool {
        let Some(to) = frame::ipv4_destination(frame) else {
            return false;
        };
        let gateway = self.slots[from].port.lease.server;
        if to == gateway || to == super::METADATA || to.is_broadcast() {
            return false;
        }
        if let Some(reply) = frame::refuse_tcp(frame) {
            self.send(from, &reply);
        }
        true
    }

    fn send(&mut self, to: usize, frame: &[u8]) {
        let slot = &mut self.slots[to];
        let counters = &slot.port.counters;
        if let Some(link) = &mut slot.link {
            let counter = if link.send(frame) {
                &counters.to_guest
            } else {
                &counters.dropped
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn turn(&mut self) -> Duration {
        let mut wait = Duration::from_secs(1);
        for (to, frame) in self.ways.due(Instant::now()) {
            self.send(to, &frame);
        }
        if let Some(soon) = self.ways.wait(Instant::now()) {
            wait = wait.min(soon);
        }
        for index in 0..self.slots.len() {
            let (frames, soon) = self.slots[index].port.stack.turn(&self.names);
            wait = wait.min(soon);
            for frame in frames {
                self.trace.note(&frame);
                self.send(index, &frame);
            }
            let slot = &mut self.slots[index];
            if slot.link.as_mut().is_some_and(|link| link.flush().is_err()) {
                slot.link = None;
            }
        }
        wait
    }
}
