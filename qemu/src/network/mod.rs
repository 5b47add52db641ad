//! The harness's own network: a switch with a gateway that answers ARP, DHCP, names and the metadata service, and by
//! which the host reaches each machine's ssh. It needs no rights and no configuration of the host, and lets nothing
//! out. One network per cluster, one port per machine.

mod dhcp;
mod dns;
mod frame;
mod http;
mod joint;
mod link;
mod stack;
mod switch;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use stack::Stack;
use switch::{Counters, Order, Port as SwitchPort, Switch};

pub use dhcp::Lease;

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
        }
    }
}

/// One machine's port. The machine's end is the unix socket that it was made with.
#[derive(Debug)]
pub struct Port {
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
    orders: Option<Sender<Order>>,
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
        let switch = Switch::new(received, heard, names.clone());
        let thread = std::thread::Builder::new()
            .name("switch".into())
            .spawn(move || switch.run())?;
        Ok(Network {
            orders: Some(orders),
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
        self.names.add(&config.name, config.lease.address);
        let port = SwitchPort {
            cable,
            ssh,
            lease: config.lease,
            stack: Stack::new(Arc::clone(&config.metadata), &config.forwards),
            counters: Arc::clone(&counters),
        };
        let orders = self.orders.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        orders
            .send(Order::Attach(Box::new(port)))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        (&self.bell).write_all(&[1])?;
        Ok(Port {
            ssh: address,
            counters,
            metadata: config.metadata,
        })
    }

    /// Has the switch ended by itself? Then nothing that a machine says is worth anything any more.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.orders = None;
        // The thread may have ended already; then there is nobody to wake.
        let _ = (&self.bell).write_all(&[1]);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
