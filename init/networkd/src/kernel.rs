//! The kernel's network configuration over rtnetlink: reads it and changes it, decides nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt as _;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage, AddressScope, CacheInfo};
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo as LinkInfoAttribute, LinkLayerType, LinkMessage,
};
use rtnetlink::packet_route::route::{RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::{Error, Handle, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder};

/// What the kernel says of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    pub index: u32,
    pub name: String,
    pub mac: Option<[u8; 6]>,
    pub up: bool,
    pub carrier: bool,
    pub loopback: bool,
    /// `ether`, `loopback`, `bridge`, `vlan`, …: the words of `Type=` in `[Match]`.
    pub kind: String,
    pub mtu: u32,
    pub master: Option<u32>,
}

/// What the kernel tells unasked.
#[derive(Debug)]
pub enum News {
    Link(LinkInfo),
    LinkGone(u32),
    Addresses(u32),
}

/// One address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub address: IpAddr,
    pub prefix: u8,
    /// Reachable from beyond the link.
    pub global: bool,
}

/// One IPv4 or IPv6 route to add or remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: IpAddr,
    pub prefix: u8,
    pub gateway: Option<IpAddr>,
    pub metric: Option<u32>,
    /// The gateway is on the link although no route says so.
    pub onlink: bool,
    pub from_dhcp: bool,
    pub source: Option<Ipv4Addr>,
}

/// The connection to the kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    handle: Handle,
}

impl Kernel {
    pub fn new(handle: Handle) -> Self {
        Self { handle }
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    pub async fn links(&self) -> Result<Vec<LinkInfo>, Error> {
        let mut stream = self.handle.link().get().execute();
        let mut links = Vec::new();
        while let Some(message) = stream.next().await {
            links.extend(link_info(&message?));
        }
        Ok(links)
    }

    pub async fn set_up(&self, index: u32) -> Result<(), Error> {
        self.set(LinkUnspec::new_with_index(index).up()).await
    }

    pub async fn set_down(&self, index: u32) -> Result<(), Error> {
        self.set(LinkUnspec::new_with_index(index).down()).await
    }

    pub async fn set_mtu(&self, index: u32, mtu: u32) -> Result<(), Error> {
        self.set(LinkUnspec::new_with_index(index).mtu(mtu)).await
    }

    pub async fn set_mac(&self, index: u32, mac: [u8; 6]) -> Result<(), Error> {
        self.set(LinkUnspec::new_with_index(index).address(mac.to_vec()))
            .await
    }

    pub async fn set_master(&self, index: u32, master: u32) -> Result<(), Error> {
        self.set(LinkUnspec::new_with_index(index).controller(master))
            .await
    }

    async fn set(&self, builder: LinkMessageBuilder<LinkUnspec>) -> Result<(), Error> {
        self.handle.link().set(builder.build()).execute().await
    }

    /// The addresses of one interface.
    pub async fn addresses(&self, index: u32) -> Result<Vec<Address>, Error> {
        let mut stream = self
            .handle
            .address()
            .get()
            .set_link_index_filter(index)
            .execute();
        let mut found = Vec::new();
        while let Some(message) = stream.next().await {
            let message = message?;
            if let Some(address) = address_of(&message) {
                found.push(Address {
                    address,
                    prefix: message.header.prefix_len,
                    global: message.header.scope == AddressScope::Universe,
                });
            }
        }
        Ok(found)
    }

    /// Adds an address or renews its lifetime (`None`: for ever).
    pub async fn add_address(
        &self,
        index: u32,
        (address, prefix): (IpAddr, u8),
        lifetime: Option<Duration>,
        peer: Option<IpAddr>,
        label: Option<&str>,
    ) -> Result<(), Error> {
        let mut request = self.handle.address().add(index, address, prefix).replace();
        let attributes = &mut request.message_mut().attributes;
        if let Some(peer) = peer {
            attributes.retain(|a| !matches!(a, AddressAttribute::Address(_)));
            attributes.push(AddressAttribute::Address(peer));
        }
        if let Some(label) = label {
            attributes.push(AddressAttribute::Label(label.to_owned()));
        }
        let seconds = lifetime.map_or(u32::MAX, |t| u32::try_from(t.as_secs()).unwrap_or(u32::MAX));
        let mut times = CacheInfo::default();
        times.ifa_preferred = seconds;
        times.ifa_valid = seconds;
        attributes.push(AddressAttribute::CacheInfo(times));
        request.execute().await
    }

    pub async fn remove_address(&self, index: u32, address: IpAddr) -> Result<(), Error> {
        let mut stream = self
            .handle
            .address()
            .get()
            .set_link_index_filter(index)
            .execute();
        let mut found = None;
        while let Some(message) = stream.next().await {
            let message = message?;
            if address_of(&message) == Some(address) {
                found = Some(message);
            }
        }
        match found {
            Some(message) => self.handle.address().del(message).execute().await,
            None => Ok(()),
        }
    }

    pub async fn add_route(&self, index: u32, route: &Route) -> Result<(), Error> {
        let message = route_message(index, route);
        self.handle.route().add(message).replace().execute().await
    }

    pub async fn remove_route(&self, index: u32, route: &Route) -> Result<(), Error> {
        self.handle
            .route()
            .del(route_message(index, route))
            .execute()
            .await
    }
}

fn route_message(index: u32, route: &Route) -> RouteMessage {
    let protocol = if route.from_dhcp {
        RouteProtocol::Dhcp
    } else {
        RouteProtocol::Static
    };
    match route.destination {
        IpAddr::V4(destination) => {
            let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
                .output_interface(index)
                .protocol(protocol)
                .destination_prefix(destination, route.prefix);
            match route.gateway {
                Some(IpAddr::V4(gateway)) => builder = builder.gateway(gateway),
                _ => builder = builder.scope(RouteScope::Link),
            }
            if let Some(source) = route.source {
                builder = builder.pref_source(source);
            }
            finish(builder, route)
        }
        IpAddr::V6(destination) => {
            let mut builder = RouteMessageBuilder::<std::net::Ipv6Addr>::new()
                .output_interface(index)
                .protocol(protocol)
                .destination_prefix(destination, route.prefix);
            if let Some(IpAddr::V6(gateway)) = route.gateway {
                builder = builder.gateway(gateway);
            }
            finish(builder, route)
        }
    }
}

fn finish<T>(mut builder: RouteMessageBuilder<T>, route: &Route) -> RouteMessage {
    if let Some(metric) = route.metric {
        builder = builder.priority(metric);
    }
    if route.onlink {
        builder = builder.onlink();
    }
    builder.build()
}

/// The address itself: for IPv4 the local end, which is not `Address` on point-to-point links.
fn address_of(message: &AddressMessage) -> Option<IpAddr> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => return Some(*address),
            AddressAttribute::Address(address) => found = Some(*address),
            _ => {}
        }
    }
    found
}

fn link_info(message: &LinkMessage) -> Option<LinkInfo> {
    let flags = message.header.flags;
    let loopback = flags.contains(LinkFlags::Loopback);
    let mut info = LinkInfo {
        index: message.header.index,
        name: String::new(),
        mac: None,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp) && flags.contains(LinkFlags::Running),
        loopback,
        kind: if loopback {
            "loopback".into()
        } else if message.header.link_layer_type == LinkLayerType::Ether {
            "ether".into()
        } else {
            "none".into()
        },
        mtu: 0,
        master: None,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => info.name.clone_from(name),
            LinkAttribute::Address(bytes) => info.mac = bytes.as_slice().try_into().ok(),
            LinkAttribute::Mtu(mtu) => info.mtu = *mtu,
            LinkAttribute::Controller(index) => info.master = Some(*index),
            LinkAttribute::LinkInfo(list) => {
                for item in list {
                    let word = match item {
                        LinkInfoAttribute::Kind(InfoKind::Bridge) => "bridge",
                        LinkInfoAttribute::Kind(InfoKind::Bond) => "bond",
                        LinkInfoAttribute::Kind(InfoKind::Vlan) => "vlan",
                        LinkInfoAttribute::Kind(InfoKind::Vxlan) => "vxlan",
                        _ => continue,
                    };
                    info.kind = word.into();
                }
            }
            _ => {}
        }
    }
    (!info.name.is_empty()).then_some(info)
}

/// What an unasked message says, if it is about links or addresses.
pub fn news(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<News> {
    let NetlinkPayload::InnerMessage(inner) = message.payload else {
        return None;
    };
    match inner {
        RouteNetlinkMessage::NewLink(message) => link_info(&message).map(News::Link),
        RouteNetlinkMessage::DelLink(message) => Some(News::LinkGone(message.header.index)),
        RouteNetlinkMessage::NewAddress(message) | RouteNetlinkMessage::DelAddress(message) => {
            Some(News::Addresses(message.header.index))
        }
        _ => None,
    }
}
