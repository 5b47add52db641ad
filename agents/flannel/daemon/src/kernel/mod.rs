//! The kernel over rtnetlink: links, addresses and the way to an address. Reads and changes, and
//! decides nothing.

mod entries;
mod vxlan;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use flannel_core::{Mac, Subnet};
use futures_util::StreamExt as _;
use futures_util::stream::Stream;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use rtnetlink::{Error, Handle, LinkUnspec, MulticastGroup, RouteMessageBuilder};

pub(crate) use entries::Scope;
pub(crate) use vxlan::VxlanDevice;

/// A link as far as it matters here.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    pub(crate) loopback: bool,
    pub(crate) bridge: bool,
    pub(crate) mac: Option<Mac>,
    /// What a vxlan device says of itself.
    pub(crate) vxlan: Option<Vec<InfoVxlan>>,
}

/// An IPv4 address of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) link: u32,
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    /// Reachable from beyond the link.
    pub(crate) global: bool,
}

impl Address {
    /// The network that it is in.
    pub(crate) fn network(&self) -> Option<Subnet> {
        Subnet::new(self.address, self.prefix)
    }
}

/// What the kernel tells unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    LinkGone(u32),
    /// A link or an address is new or another.
    Other,
}

/// The way to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) device: u32,
    pub(crate) gateway: bool,
}

/// The connection to the kernel.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    handle: Handle,
}

impl Kernel {
    /// Connects, and gives what the kernel tells unasked.
    pub(crate) fn connect() -> io::Result<(Kernel, impl Stream<Item = Change> + Unpin)> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr];
        let (connection, handle, messages) = rtnetlink::new_multicast_connection(&groups)?;
        // Ends with the last handle.
        tokio::spawn(connection);
        let changes = messages.filter_map(|(message, _)| std::future::ready(change(&message)));
        Ok((Kernel { handle }, changes))
    }

    pub(crate) async fn links(&self) -> Result<Vec<Link>, Error> {
        let mut stream = self.handle.link().get().execute();
        let mut links = Vec::new();
        while let Some(message) = stream.next().await {
            links.push(link(message?));
        }
        Ok(links)
    }

    /// The link of a name, if there is one.
    pub(crate) async fn link(&self, name: &str) -> Result<Option<Link>, Error> {
        let mut stream = self.handle.link().get().match_name(name).execute();
        match stream.next().await {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(link(message))),
            Some(Err(error)) if is_absent(&error) => Ok(None),
            Some(Err(error)) => Err(error),
        }
    }

    pub(crate) async fn set_up(&self, index: u32, mtu: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).mtu(mtu).up().build();
        self.handle.link().set(message).execute().await
    }

    pub(crate) async fn delete_link(&self, index: u32) -> Result<(), Error> {
        ignore_absent(self.handle.link().del(index).execute().await)
    }

    /// All IPv4 addresses.
    pub(crate) async fn addresses(&self) -> Result<Vec<Address>, Error> {
        let mut stream = self.handle.address().get().execute();
        let mut found = Vec::new();
        while let Some(message) = stream.next().await {
            found.extend(address(&message?));
        }
        Ok(found)
    }

    /// Gives a link this address, and then takes away what is not meant to be there: without any
    /// address the kernel would drop the link's routes.
    pub(crate) async fn only_address(
        &self,
        link: u32,
        wanted: (Ipv4Addr, u8),
    ) -> Result<(), Error> {
        let there: Vec<Address> = self
            .addresses()
            .await?
            .into_iter()
            .filter(|address| address.link == link)
            .collect();
        if !there
            .iter()
            .any(|address| (address.address, address.prefix) == wanted)
        {
            self.add_address(link, wanted).await?;
        }
        for other in there
            .iter()
            .filter(|address| (address.address, address.prefix) != wanted)
        {
            self.remove_address(link, (other.address, other.prefix))
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn add_address(
        &self,
        link: u32,
        (address, prefix): (Ipv4Addr, u8),
    ) -> Result<(), Error> {
        self.handle
            .address()
            .add(link, IpAddr::V4(address), prefix)
            .replace()
            .execute()
            .await
    }

    pub(crate) async fn remove_address(
        &self,
        link: u32,
        (address, prefix): (Ipv4Addr, u8),
    ) -> Result<(), Error> {
        let mut message = AddressMessage::default();
        message.header.family = rtnetlink::packet_route::AddressFamily::Inet;
        message.header.index = link;
        message.header.prefix_len = prefix;
        message
            .attributes
            .push(AddressAttribute::Local(IpAddr::V4(address)));
        ignore_absent(self.handle.address().del(message).execute().await)
    }

    /// The interface of the default route, of several the one with the lowest metric.
    pub(crate) async fn default_route(&self) -> Result<Option<u32>, Error> {
        let mut stream = self
            .handle
            .route()
            .get(RouteMessageBuilder::<Ipv4Addr>::new().build())
            .execute();
        let mut best: Option<(u32, u32)> = None;
        while let Some(message) = stream.next().await {
            let message = message?;
            if message.header.destination_prefix_length != 0
                || entries::table(&message) != entries::MAIN
            {
                continue;
            }
            let metric = entries::metric(&message);
            if let Some(device) = device(&message)
                && best.is_none_or(|(lowest, _)| metric < lowest)
            {
                best = Some((metric, device));
            }
        }
        Ok(best.map(|(_, device)| device))
    }

    /// Which way a packet to this address would go; `None` when none.
    pub(crate) async fn way_to(&self, address: Ipv4Addr) -> Option<Way> {
        let question = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(address, 32)
            .build();
        let mut stream = self.handle.route().get(question).execute();
        let answer = stream.next().await?.ok()?;
        let gateway = answer.attributes.iter().any(|attribute| {
            matches!(
                attribute,
                RouteAttribute::Gateway(RouteAddress::Inet(_)) | RouteAttribute::Via(_)
            )
        });
        Some(Way {
            device: device(&answer)?,
            gateway,
        })
    }

    /// Of these addresses those that are on a link of ours, with the link.
    pub(crate) async fn direct(
        &self,
        addresses: impl IntoIterator<Item = Ipv4Addr>,
    ) -> BTreeMap<Ipv4Addr, u32> {
        let mut direct = BTreeMap::new();
        for address in addresses {
            if let Some(way) = self.way_to(address).await.filter(|way| !way.gateway) {
                direct.insert(address, way.device);
            }
        }
        direct
    }
}

/// Whether the kernel says that a thing is not there: no entry, no process, no address, no device.
pub(crate) fn is_absent(error: &Error) -> bool {
    const ABSENT: [i32; 4] = [2, 3, 19, 99];
    matches!(error, Error::NetlinkError(message) if ABSENT.contains(&message.raw_code().abs()))
}

pub(crate) fn ignore_absent(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(error) if is_absent(&error) => Ok(()),
        other => other,
    }
}

fn device(message: &RouteMessage) -> Option<u32> {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        })
}

fn link(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        loopback: flags.contains(LinkFlags::Loopback),
        ..Link::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok().map(Mac),
            LinkAttribute::LinkInfo(list) => {
                for item in list {
                    match item {
                        LinkInfo::Kind(InfoKind::Bridge) => link.bridge = true,
                        LinkInfo::Data(InfoData::Vxlan(facts)) => link.vxlan = Some(facts),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link
}

fn address(message: &AddressMessage) -> Option<Address> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V4(address)) => {
                found = Some(*address);
                break;
            }
            AddressAttribute::Address(IpAddr::V4(address)) => found = Some(*address),
            _ => {}
        }
    }
    Some(Address {
        link: message.header.index,
        address: found?,
        prefix: message.header.prefix_len,
        global: message.header.scope == AddressScope::Universe,
    })
}

fn change(message: &NetlinkMessage<RouteNetlinkMessage>) -> Option<Change> {
    match &message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            Some(Change::LinkGone(message.header.index))
        }
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewLink(_)
            | RouteNetlinkMessage::NewAddress(_)
            | RouteNetlinkMessage::DelAddress(_),
        ) => Some(Change::Other),
        _ => None,
    }
}
