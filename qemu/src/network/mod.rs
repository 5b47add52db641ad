//! The harness's own network: a switch with a gateway that answers ARP, DHCP, names and the metadata service, and by
//! which the host reaches each machine's ssh. It needs no rights and no configuration of the host, and lets nothing
//! out. One network per cluster, one port per machine.

mod dhcp;
mod dns;
mod frame;
mod http;
mod joint;
mod link;
mod rules;
mod stack;
mod switch;
mod trace;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rules::Counts;
use stack::Stack;
use switch::{Counters, Order, Port as SwitchPort, Switch};

pub use dhcp::Lease;
pub(crate) use rules::Dice;
pub use rules::{Rule, Traffic};

use crate::metadata::Metadata;

/// The gateway: router, name server, DHCP server.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);
/// Where every cloud's machines look for their metadata.
pub const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const GATEWAY_MAC: frame::Mac = [0xfa, 0x16, 0x3e, 0xff, 0xff, 0x01];

/// The names that the name server knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(Arc<Mutex<BTreeMap<String, Ipv4Addr>>>);

impl Names {
    fn with<T>(&self, read: impl FnOnce(&BTreeMap<String, Ipv4Addr>) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, name: &str, address: Ipv4Addr) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_lowercase(), address);
    }
}

/// What a new port is to be.
#[derive(Clone, Debug)]
pub struct PortConfig {
    /// The machine's name, for the name server.
    pub name: String,
    /// What DHCP tells the machine.
    pub lease: Lease,
    /// What the metadata service tells it.
    pub metadata: Arc<Metadata>,
    /// Ports of the gateway that lead to a socket of the host.
    pub forwards: Vec<(u16, SocketAddr)>,
    /// Ports of one segment are one network.
    pub segment: u8,
    /// Reaches the gateway, and no other port.
    pub isolated: bool,
}

impl PortConfig {
    /// The usual port: one network card with a reserved address, as on `OpenStack`.
    #[must_use]
    pub fn new(name: &str, address: Ipv4Addr, metadata: Arc<Metadata>) -> PortConfig {
        let lease = Lease {
            address,
            prefix: 24,
            server: GATEWAY,
            router: true,
            domain: "novalocal".into(),
            mtu: 1500,
            seconds: 86_400,
            metadata_route: true,
        };
        PortConfig {
            name: name.to_owned(),
            lease,
            metadata,
            forwards: Vec::new(),
            segment: 0,
            isolated: false,
        }
    }

    /// A second card's port, on a segment of its own without a way out and without metadata: 192.168.51.0/24 for the
    /// first such segment, with the same last number as the first card's address.
    #[must_use]
    pub fn second(name: &str, segment: u8, address: Ipv4Addr) -> PortConfig {
        let metadata = Arc::new(Metadata::empty());
        let mut config = PortConfig::new(name, second_address(segment, address), metadata);
        config.lease.server = Ipv4Addr::new(192, 168, 50_u8.saturating_add(segment), 1);
        config.lease.router = false;
        config.lease.metadata_route = false;
        config.metadata.faults(|faults| faults.refuse = true);
        config.segment = segment;
        config
    }
}

/// The address of a second card.
#[must_use]
pub fn second_address(segment: u8, first: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::new(192, 168, 50_u8.saturating_add(segment), first.octets()[3])
}

/// One machine's port. The machine's end is the unix socket that it was made with.
#[derive(Debug)]
pub struct Port {
    number: usize,
    ssh: SocketAddr,
    counters: Arc<Counters>,
    metadata: Arc<Metadata>,
}

impl Port {
    /// Where the host reaches the machine's ssh.
    #[must_use]
    pub fn ssh(&self) -> SocketAddr {
        self.ssh
    }

    /// The machine's metadata service.
    #[must_use]
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// How often the machine's address was settled by DHCP.
    #[must_use]
    pub fn leases(&self) -> u64 {
        self.counters.leases.load(Ordering::Relaxed)
    }

    /// Frames from the guest, to the guest, and dropped because the guest did not read.
    #[must_use]
    pub fn frames(&self) -> (u64, u64, u64) {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (
            read(&self.counters.from_guest),
            read(&self.counters.to_guest),
            read(&self.counters.dropped),
        )
    }
}

/// A network of its own. Dropping it ends its thread and closes every socket.
#[derive(Debug)]
pub struct Network {
    orders: Mutex<Option<(Sender<Order>, usize)>>,
    counts: Counts,
    bell: UnixStream,
    names: Names,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Network {
    /// Starts the switch.
    ///
    /// # Errors
    /// When the host has no sockets or threads left.
    pub fn start() -> io::Result<Network> {
        let (orders, received) = channel();
        let (bell, heard) = UnixStream::pair()?;
        let names = Names::default();
        let counts = Counts::default();
        let switch = Switch::new(received, heard, names.clone(), counts.clone());
        let thread = std::thread::Builder::new()
            .name("switch".into())
            .spawn(move || switch.run())?;
        Ok(Network {
            orders: Mutex::new(Some((orders, 0))),
            counts,
            bell,
            names,
            thread: Some(thread),
        })
    }

    /// Adds a port whose cable is a unix socket at `cable`. It listens before this returns, as QEMU wants it.
    ///
    /// # Errors
    /// When the socket cannot be made, or the switch has ended.
    pub fn attach(&self, cable: &Path, config: PortConfig) -> io::Result<Port> {
        let cable = UnixListener::bind(cable)?;
        cable.set_nonblocking(true)?;
        let ssh = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        ssh.set_nonblocking(true)?;
        let address = ssh.local_addr()?;
        let counters = Arc::new(Counters::default());
        if config.segment == 0 {
            self.names.add(&config.name, config.lease.address);
        }
        let port = SwitchPort {
            cable,
            ssh,
            stack: Stack::new(
                config.lease.server,
                Arc::clone(&config.metadata),
                &config.forwards,
            ),
            lease: config.lease,
            counters: Arc::clone(&counters),
            segment: config.segment,
            isolated: config.isolated,
        };
        let number = {
            let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
            let (sender, count) = orders.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            sender
                .send(Order::Attach(Box::new(port)))
                .map_err(|_| io::ErrorKind::BrokenPipe)?;
            *count += 1;
            *count - 1
        };
        (&self.bell).write_all(&[1])?;
        Ok(Port {
            number,
            ssh: address,
            counters,
            metadata: config.metadata,
        })
    }

    /// Sets rules for ordered pairs of ports; they hold when this returns.
    ///
    /// # Errors
    /// When the switch has ended.
    pub fn rules<'a>(
        &self,
        rules: impl IntoIterator<Item = (&'a Port, &'a Port, Rule)>,
    ) -> io::Result<()> {
        let rules = rules
            .into_iter()
            .map(|(from, to, rule)| (from.number, to.number, rule))
            .collect();
        self.ask(|done| Order::Rules(rules, done))
    }

    /// Forgets every rule; cables that were pulled stay so.
    ///
    /// # Errors
    /// When the switch has ended.
    pub fn heal(&self) -> io::Result<()> {
        self.ask(Order::Heal)
    }

    /// The last frames of the network as a pcap file.
    ///
    /// # Errors
    /// When the switch has ended.
    pub fn trace(&self) -> io::Result<Vec<u8>> {
        self.ask(Order::Trace)
    }

    /// What became of the frames from one port to another.
    #[must_use]
    pub fn traffic(&self, from: &Port, to: &Port) -> Traffic {
        self.counts.of(from.number, to.number)
    }

    fn ask<T>(&self, order: impl FnOnce(Sender<T>) -> Order) -> io::Result<T> {
        let (done, answer) = channel();
        let ended = || io::Error::from(io::ErrorKind::BrokenPipe);
        if let Some((orders, _)) = &*self.orders.lock().unwrap_or_else(PoisonError::into_inner) {
            orders.send(order(done)).map_err(|_| ended())?;
        }
        (&self.bell).write_all(&[1])?;
        answer.recv().map_err(|_| ended())
    }

    /// Has the switch ended by itself? Then nothing that a machine says is worth anything any more.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The thread may have ended already; then there is nobody to wake.
        let _ = (&self.bell).write_all(&[1]);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
