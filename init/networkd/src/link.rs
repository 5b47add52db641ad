//! One interface: the file that is for it, its DHCP client, its socket, and what was configured.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use init_sys::packet::PacketSocket;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::{Action, Client, Event, Identity};
use crate::facts;
use crate::files::{self, Names};
use crate::kernel::{Kernel, LinkInfo, Route};
use crate::lease::{Lease, network};
use crate::log;
use crate::manager::{Paths, write};
use crate::message::{self, CLIENT_PORT, Message, SERVER_PORT};
use crate::netdev::NetDev;
use crate::network_file::NetworkFile;

/// A packet that an interface received.
#[derive(Debug)]
pub struct Packet {
    pub index: u32,
    bytes: Vec<u8>,
}

impl Packet {
    pub fn message(&self) -> Option<Message> {
        message::payload(&self.bytes, CLIENT_PORT).and_then(Message::decode)
    }
}

#[derive(Debug)]
struct Listening {
    socket: Arc<AsyncFd<PacketSocket>>,
    reader: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// One interface.
#[derive(Debug)]
pub struct Link {
    pub info: LinkInfo,
    file: Option<NetworkFile>,
    client: Option<Client>,
    listening: Option<Listening>,
    lease: Option<Lease>,
    routes: Vec<Route>,
    /// An address that an earlier run of this program was given here.
    left_over: Option<Ipv4Addr>,
    statics_set: bool,
}

impl Link {
    pub fn new(info: LinkInfo, file: Option<NetworkFile>, paths: &Paths) -> Self {
        let left_over = fs::read_to_string(paths.state(&format!("leases/{}", info.index)))
            .ok()
            .and_then(|text| files::value(&text, "ADDRESS")?.parse().ok());
        let client = file.as_ref().filter(|file| file.dhcp4).and_then(|file| {
            let mac = file.mac.or(info.mac)?;
            let identity = Identity {
                mac,
                client_id: Some(client_id(file.dhcp.duid, mac, &paths.root)),
                host_name: file
                    .dhcp
                    .send_hostname
                    .then(|| file.dhcp.hostname.clone().or_else(facts::own_host_name))
                    .flatten(),
                broadcast: file.dhcp.request_broadcast,
            };
            Some(Client::new(identity, facts::dice(), left_over))
        });
        Self {
            info,
            file,
            client,
            listening: None,
            lease: None,
            routes: Vec::new(),
            left_over,
            statics_set: false,
        }
    }

    /// True if a file asks for something here.
    pub fn managed(&self) -> bool {
        self.file.is_some()
    }

    pub fn file_name(&self) -> Option<&str> {
        self.file.as_ref().map(|file| file.name.as_str())
    }

    pub fn deadline(&self) -> Option<Duration> {
        self.client.as_ref().and_then(Client::deadline)
    }

    pub fn wants_master(&self, name: &str) -> bool {
        self.file.as_ref().and_then(|file| file.master.as_deref()) == Some(name)
    }

    /// Everything that needs no carrier: MTU, addresses, routes, IPv6 switches, then up.
    pub async fn set_up(
        &mut self,
        kernel: &Kernel,
        masters: &BTreeMap<String, u32>,
        netdevs: &[NetDev],
        paths: &Paths,
    ) {
        let Some(file) = self.file.clone() else {
            return;
        };
        let index = self.info.index;
        self.switch_ipv6(&file);
        if let Some(mac) = file.mac.filter(|mac| self.info.mac != Some(*mac)) {
            // Most cards change their address only while down.
            self.told("take the interface down", kernel.set_down(index).await);
            self.told("set the hardware address", kernel.set_mac(index, mac).await);
        }
        if let Some(mtu) = file.mtu.filter(|mtu| *mtu != self.info.mtu) {
            self.told("set the MTU", kernel.set_mtu(index, mtu).await);
        }
        for netdev in netdevs
            .iter()
            .filter(|netdev| file.vlans.contains(&netdev.name))
        {
            self.told(
                "create a stacked interface",
                netdev.create(kernel.handle(), Some(index)).await,
            );
        }
        if let Some(master) = file.master.as_ref().and_then(|name| masters.get(name)) {
            self.join(kernel, *master).await;
        }
        self.told("bring the interface up", kernel.set_up(index).await);
        for wanted in &file.addresses {
            let place = (wanted.address, wanted.prefix);
            let result = kernel
                .add_address(index, place, None, wanted.peer, wanted.label.as_deref())
                .await;
            self.told(
                &format!("add the address {}/{}", wanted.address, wanted.prefix),
                result,
            );
        }
        for wanted in &file.routes {
            if let Some(route) = static_route(wanted) {
                let result = kernel.add_route(index, &route).await;
                self.told(
                    &format!("add the route to {}/{}", route.destination, route.prefix),
                    result,
                );
            }
        }
        if let (Some(old), None) = (self.left_over, &self.client) {
            if !file.addresses.iter().any(|a| a.address == IpAddr::V4(old)) {
                self.told(
                    "remove an earlier lease's address",
                    kernel.remove_address(index, old.into()).await,
                );
            }
            let _ = fs::remove_file(paths.state(&format!("leases/{index}")));
        }
        self.statics_set = true;
    }

    pub async fn join(&self, kernel: &Kernel, master: u32) {
        let index = self.info.index;
        // A bond takes only interfaces that are down; a bridge does not mind.
        self.told("take the interface down", kernel.set_down(index).await);
        self.told(
            "join its bridge or bond",
            kernel.set_master(index, master).await,
        );
        self.told("bring the interface up", kernel.set_up(index).await);
    }

    fn switch_ipv6(&self, file: &NetworkFile) {
        let set = |name: &str, value: &str| {
            let path = format!("/proc/sys/net/ipv6/conf/{}/{name}", self.info.name);
            if let Err(error) = fs::write(&path, value) {
                log::warning(&format!("{}: cannot write {path}: {error}", self.info.name));
            }
        };
        if let Some(accept) = file.accept_ra {
            // 2: also when the machine forwards packets, as a container host does.
            set("accept_ra", if accept { "2" } else { "0" });
        }
        if file.no_ipv6_link_local {
            set("addr_gen_mode", "1");
        }
    }

    fn told(&self, what: &str, result: Result<(), rtnetlink::Error>) {
        if let Err(error) = result {
            log::error(&format!("{}: cannot {what}: {error}", self.info.name));
        }
    }

    /// Events of an interface that was just taken over.
    pub fn begin(&mut self) -> Vec<Event> {
        if self.info.carrier {
            vec![Event::CarrierUp]
        } else {
            vec![]
        }
    }

    /// Takes over what the kernel says now; the events are for the client.
    pub fn changed(&mut self, info: LinkInfo) -> Vec<Event> {
        let before = self.info.carrier;
        self.info = info;
        if !self.managed() || before == self.info.carrier {
            return vec![];
        }
        let name = &self.info.name;
        if self.info.carrier {
            log::info(&format!("{name}: carrier"));
            vec![Event::CarrierUp]
        } else {
            log::warning(&format!("{name}: no carrier"));
            vec![Event::CarrierLost]
        }
    }

    /// Lets the client decide and carries it out; true when the state files must be written.
    pub async fn handle(
        &mut self,
        now: Duration,
        event: Event,
        kernel: &Kernel,
        packets: &mpsc::Sender<Packet>,
        paths: &Paths,
    ) -> bool {
        let mut visible = matches!(event, Event::CarrierUp | Event::CarrierLost);
        let actions = match &mut self.client {
            Some(client) => client.handle(now, event),
            None => return visible,
        };
        for action in actions {
            match action {
                Action::Listen(true) => self.listen(packets),
                Action::Listen(false) => self.listening = None,
                Action::Broadcast(payload) => self.broadcast(&payload),
                Action::Unicast { server, payload } => self.unicast(server, &payload),
                Action::Configure(lease) => {
                    self.configure(kernel, lease, paths).await;
                    visible = true;
                }
                Action::Withdraw(why) => {
                    self.withdraw(kernel, why, paths).await;
                    visible = true;
                }
            }
        }
        visible
    }

    fn listen(&mut self, packets: &mpsc::Sender<Packet>) {
        if self.listening.is_some() {
            return;
        }
        let index = self.info.index;
        let opened = PacketSocket::open(index, CLIENT_PORT).and_then(watched);
        match opened {
            Ok(socket) => {
                let socket = Arc::new(socket);
                let reader = tokio::spawn(read(Arc::clone(&socket), index, packets.clone()));
                self.listening = Some(Listening { socket, reader });
            }
            Err(error) => log::error(&format!(
                "{}: cannot open a packet socket for DHCP: {error}; are CAP_NET_RAW and the kernel's af_packet there?",
                self.info.name
            )),
        }
    }

    fn broadcast(&self, payload: &[u8]) {
        let Some(listening) = &self.listening else {
            return;
        };
        let packet = message::to_broadcast_packet(payload);
        if let Err(error) = listening.socket.get_ref().send([0xff; 6], &packet) {
            log::warning(&format!(
                "{}: cannot send a DHCP question: {error}",
                self.info.name
            ));
        }
    }

    fn unicast(&self, server: Ipv4Addr, payload: &[u8]) {
        let Some(lease) = &self.lease else { return };
        let send = || -> io::Result<()> {
            let socket = UdpSocket::bind((lease.address, CLIENT_PORT))?;
            socket.send_to(payload, (server, SERVER_PORT)).map(|_| ())
        };
        // The answer comes to the packet socket. A failure is no matter: after T2 it is broadcast.
        if let Err(error) = send() {
            log::warning(&format!(
                "{}: cannot ask {server} for renewal: {error}",
                self.info.name
            ));
        }
    }

    async fn configure(&mut self, kernel: &Kernel, lease: Lease, paths: &Paths) {
        let Some(options) = self.file.as_ref().map(|file| file.dhcp.clone()) else {
            return;
        };
        let index = self.info.index;
        let renewed = self
            .lease
            .as_ref()
            .is_some_and(|old| old.address == lease.address);
        let old = self.lease.as_ref().map(|l| l.address).or(self.left_over);
        if let Some(old) = old.filter(|old| *old != lease.address) {
            self.told(
                "remove the old address",
                kernel.remove_address(index, old.into()).await,
            );
        }
        if let Some(mtu) = lease.mtu.filter(|_| options.use_mtu).map(u32::from)
            && mtu != self.info.mtu
        {
            self.told("set the MTU", kernel.set_mtu(index, mtu).await);
        }
        let place = (IpAddr::V4(lease.address), lease.prefix);
        let result = kernel
            .add_address(index, place, lease.lifetime, None, None)
            .await;
        self.told(
            &format!("add the address {}/{}", lease.address, lease.prefix),
            result,
        );
        let wanted = if options.use_routes {
            kernel_routes(&lease, options.route_metric)
        } else {
            vec![]
        };
        for gone in self.routes.iter().filter(|old| !wanted.contains(old)) {
            self.told(
                "remove an old route",
                kernel.remove_route(index, gone).await,
            );
        }
        for route in &wanted {
            let what = format!("add the route to {}/{}", route.destination, route.prefix);
            self.told(&what, kernel.add_route(index, route).await);
        }
        self.routes = wanted;
        if !renewed {
            let router = lease
                .routes
                .iter()
                .find(|r| r.prefix == 0)
                .and_then(|r| r.gateway);
            let via = router.map_or_else(|| "no default route".into(), |r| format!("gateway {r}"));
            log::info(&format!(
                "{}: DHCPv4 address {}/{}, {via}, from {}",
                self.info.name, lease.address, lease.prefix, lease.server
            ));
            if let Some(name) = lease.host_name.as_ref().filter(|_| options.use_hostname) {
                facts::take_host_name(&paths.root, name);
            }
        }
        write(
            &paths.state(&format!("leases/{index}")),
            &files::lease_text(&lease),
        );
        self.left_over = None;
        self.lease = Some(lease);
    }

    async fn withdraw(&mut self, kernel: &Kernel, why: &str, paths: &Paths) {
        let index = self.info.index;
        if let Some(address) = self
            .lease
            .take()
            .map(|l| l.address)
            .or_else(|| self.left_over.take())
        {
            log::warning(&format!("{}: giving up {address}: {why}", self.info.name));
            self.told(
                "remove the address",
                kernel.remove_address(index, address.into()).await,
            );
        }
        self.routes.clear();
        let _ = fs::remove_file(paths.state(&format!("leases/{index}")));
    }

    /// Administrative and operational state in networkctl's words.
    pub async fn states(&self, kernel: &Kernel) -> (&'static str, &'static str) {
        let waiting = self.client.is_some() && self.lease.is_none();
        let admin = match (&self.file, waiting || !self.statics_set) {
            (None, _) => "unmanaged",
            (Some(_), true) => "configuring",
            (Some(_), false) => "configured",
        };
        let oper = if !self.info.up {
            "off"
        } else if !self.info.carrier {
            "no-carrier"
        } else {
            let addresses = kernel.addresses(self.info.index).await.unwrap_or_default();
            if addresses.iter().any(|a| a.global) {
                "routable"
            } else if addresses.is_empty() {
                "carrier"
            } else {
                "degraded"
            }
        };
        (admin, oper)
    }

    /// What this interface adds to name resolution and time: the file first, then the lease.
    pub fn names(&self) -> Names {
        let Some(file) = &self.file else {
            return Names::default();
        };
        let mut names = Names {
            dns: file.dns.clone(),
            domains: file.domains.clone(),
            ntp: file.ntp.clone(),
        };
        if let Some(lease) = &self.lease {
            if file.dhcp.use_dns {
                names.dns.extend(lease.dns.iter().copied().map(IpAddr::V4));
            }
            if file.dhcp.use_domains {
                names.domains.extend(lease.domain.clone());
                names.domains.extend(lease.search.iter().cloned());
            }
            if file.dhcp.use_ntp {
                names.ntp.extend(lease.ntp.iter().map(ToString::to_string));
            }
        }
        names
    }
}

#[expect(
    deprecated,
    reason = "tokio's replacement is unsafe because a type may lie about its descriptor; PacketSocket owns one and never changes it"
)]
fn watched(socket: PacketSocket) -> io::Result<AsyncFd<PacketSocket>> {
    AsyncFd::new(socket)
}

async fn read(socket: Arc<AsyncFd<PacketSocket>>, index: u32, packets: mpsc::Sender<Packet>) {
    let mut buffer = vec![0; 4096];
    loop {
        let Ok(mut guard) = socket.readable().await else {
            return;
        };
        let Ok(received) = guard.try_io(|socket| socket.get_ref().receive(&mut buffer)) else {
            continue;
        };
        match received {
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or(&[]).to_vec();
                if packets.send(Packet { index, bytes }).await.is_err() {
                    return;
                }
            }
            // The interface went down: the socket stays and works again when it comes back.
            Err(error)
                if error.raw_os_error() == Some(rustix::io::Errno::NETDOWN.raw_os_error()) => {}
            Err(_) => return,
        }
    }
}

fn static_route(wanted: &crate::network_file::StaticRoute) -> Option<Route> {
    let (destination, prefix) = match (wanted.destination, wanted.gateway) {
        (Some(destination), _) => destination,
        (None, Some(IpAddr::V4(_))) => (Ipv4Addr::UNSPECIFIED.into(), 0),
        (None, Some(IpAddr::V6(_))) => (std::net::Ipv6Addr::UNSPECIFIED.into(), 0),
        (None, None) => return None,
    };
    Some(Route {
        destination,
        prefix,
        gateway: wanted.gateway,
        metric: wanted.metric,
        onlink: false,
        from_dhcp: false,
        source: None,
    })
}

fn kernel_routes(lease: &Lease, metric: u32) -> Vec<Route> {
    let own = network(lease.address, lease.prefix);
    let reachable = |gateway: Ipv4Addr| {
        network(gateway, lease.prefix) == own
            || lease
                .routes
                .iter()
                .any(|r| r.gateway.is_none() && network(gateway, r.prefix) == r.destination)
    };
    lease
        .routes
        .iter()
        .map(|route| Route {
            destination: route.destination.into(),
            prefix: route.prefix,
            gateway: route.gateway.map(IpAddr::V4),
            metric: Some(metric),
            onlink: route.gateway.is_some_and(|gateway| !reachable(gateway)),
            from_dhcp: true,
            source: Some(lease.address),
        })
        .collect()
}

/// Option 61: the hardware address, or a DUID made from the machine id (RFC 4361).
fn client_id(duid: bool, mac: [u8; 6], root: &std::path::Path) -> Vec<u8> {
    let machine = fs::read_to_string(root.join("etc/machine-id")).unwrap_or_default();
    let machine: Vec<u8> = (0..8)
        .filter_map(|n| u8::from_str_radix(machine.get(2 * n..2 * n + 2)?, 16).ok())
        .collect();
    if !duid || machine.len() < 8 {
        return [&[1][..], &mac].concat();
    }
    // Type 255, the card's own part, then DUID-EN under systemd's enterprise number.
    let [_, _, own @ ..] = mac;
    [
        &[255][..],
        &own,
        &[0, 2],
        &43_793_u32.to_be_bytes(),
        &machine,
    ]
    .concat()
}
