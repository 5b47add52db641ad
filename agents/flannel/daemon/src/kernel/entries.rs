//! Routes, neighbours and fdb entries: what the kernel has, and one step to change it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use flannel_core::{Entry, Mac, Operation, Route, Subnet};
use futures_util::StreamExt as _;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use rtnetlink::{Error, RouteMessageBuilder};

use super::{Kernel, device, ignore_absent};

/// The main table.
pub(super) const MAIN: u32 = 254;

/// Who made a route, for `ip route`: a number that no other program is known by.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(70);

/// Which entries are ours to look after.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// Our device, whose entries are all ours.
    pub(crate) device: Option<u32>,
    /// Routes that we made into one of these are ours wherever they lead.
    pub(crate) networks: Vec<Subnet>,
}

impl Kernel {
    /// The entries in our scope, and the routes of others to places where `wanted` has one.
    pub(crate) async fn entries(
        &self,
        scope: &Scope,
        wanted: &BTreeSet<Entry>,
    ) -> Result<BTreeSet<Entry>, Error> {
        let mut found = BTreeSet::new();
        if let Some(device) = scope.device {
            for (family, read) in [
                (
                    AddressFamily::Inet,
                    neighbour as fn(&NeighbourMessage) -> Option<Entry>,
                ),
                (AddressFamily::Bridge, fdb),
            ] {
                let mut stream = self
                    .handle
                    .neighbours()
                    .get()
                    .set_address_family(family)
                    .execute();
                while let Some(message) = stream.next().await {
                    let message = message?;
                    if message.header.ifindex == device
                        && message.header.state == NeighbourState::Permanent
                    {
                        found.extend(read(&message));
                    }
                }
            }
        }
        let places: BTreeSet<Subnet> = wanted
            .iter()
            .filter_map(|entry| match entry {
                Entry::Route(route) => Some(route.destination),
                _ => None,
            })
            .collect();
        let mut stream = self
            .handle
            .route()
            .get(RouteMessageBuilder::<Ipv4Addr>::new().build())
            .execute();
        while let Some(message) = stream.next().await {
            let message = message?;
            let Some(route) = route(&message) else {
                continue;
            };
            let made_by_us = message.header.protocol == PROTOCOL
                && scope
                    .networks
                    .iter()
                    .any(|network| network.contains(&route.destination));
            if scope.device == Some(route.device)
                || made_by_us
                || places.contains(&route.destination)
            {
                found.insert(Entry::Route(route));
            }
        }
        Ok(found)
    }

    /// One step; `device` is where neighbours and fdb entries are.
    pub(crate) async fn apply(&self, step: Operation, device: u32) -> Result<(), Error> {
        match step {
            Operation::Add(Entry::Neighbour { address, mac }) => {
                let request = self.handle.neighbours().add(device, IpAddr::V4(address));
                request
                    .state(NeighbourState::Permanent)
                    .link_layer_address(&mac.0)
                    .replace()
                    .execute()
                    .await
            }
            Operation::Add(Entry::Fdb { mac, destination }) => {
                let request = self.handle.neighbours().add_bridge(device, &mac.0);
                let request = request
                    .state(NeighbourState::Permanent)
                    .flags(NeighbourFlags::Own);
                request
                    .destination(IpAddr::V4(destination))
                    .replace()
                    .execute()
                    .await
            }
            Operation::Add(Entry::Route(route)) => {
                self.handle
                    .route()
                    .add(message(&route))
                    .replace()
                    .execute()
                    .await
            }
            Operation::Remove(Entry::Neighbour { address, .. }) => {
                let mut message = neighbour_message(AddressFamily::Inet, device);
                message
                    .attributes
                    .push(NeighbourAttribute::Destination(NeighbourAddress::Inet(
                        address,
                    )));
                ignore_absent(self.handle.neighbours().del(message).execute().await)
            }
            Operation::Remove(Entry::Fdb { mac, destination }) => {
                let mut message = neighbour_message(AddressFamily::Bridge, device);
                message.header.flags = NeighbourFlags::Own;
                message
                    .attributes
                    .push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
                message
                    .attributes
                    .push(NeighbourAttribute::Destination(NeighbourAddress::Inet(
                        destination,
                    )));
                ignore_absent(self.handle.neighbours().del(message).execute().await)
            }
            Operation::Remove(Entry::Route(route)) => {
                let mut message = message(&route);
                // Whoever made it, and of whatever scope.
                message.header.protocol = RouteProtocol::Unspec;
                message.header.scope = RouteScope::NoWhere;
                ignore_absent(self.handle.route().del(message).execute().await)
            }
        }
    }
}

fn message(route: &Route) -> RouteMessage {
    let mut builder = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(route.destination.base(), route.destination.len())
        .output_interface(route.device)
        .protocol(PROTOCOL);
    match route.gateway {
        Some(gateway) => builder = builder.gateway(gateway),
        None => builder = builder.scope(RouteScope::Link),
    }
    if route.onlink {
        builder = builder.onlink();
    }
    builder.build()
}

fn neighbour_message(family: AddressFamily, device: u32) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family;
    message.header.ifindex = device;
    message.header.state = NeighbourState::Permanent;
    message
}

fn neighbour(message: &NeighbourMessage) -> Option<Entry> {
    let (address, mac) = ends(message);
    Some(Entry::Neighbour {
        address: address?,
        mac: mac?,
    })
}

fn fdb(message: &NeighbourMessage) -> Option<Entry> {
    let (destination, mac) = ends(message);
    Some(Entry::Fdb {
        mac: mac?,
        destination: destination?,
    })
}

fn ends(message: &NeighbourMessage) -> (Option<Ipv4Addr>, Option<Mac>) {
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => address = Some(*ip),
            // In a dump of the family Bridge the address has no family of its own.
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
                address = <[u8; 4]>::try_from(bytes.as_slice())
                    .ok()
                    .map(Ipv4Addr::from);
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = bytes.as_slice().try_into().ok().map(Mac);
            }
            _ => {}
        }
    }
    (address, mac)
}

pub(super) fn table(message: &RouteMessage) -> u32 {
    let long = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Table(table) => Some(*table),
            _ => None,
        });
    long.unwrap_or_else(|| u32::from(message.header.table))
}

pub(super) fn metric(message: &RouteMessage) -> u32 {
    let metric = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Priority(metric) => Some(*metric),
            _ => None,
        });
    metric.unwrap_or(0)
}

/// A route that we could have made, or that stands where ours should: unicast, in the main table,
/// without a metric, and not the kernel's own.
fn route(message: &RouteMessage) -> Option<Route> {
    let ordinary = message.header.kind == RouteType::Unicast
        && message.header.protocol != RouteProtocol::Kernel
        && table(message) == MAIN
        && metric(message) == 0;
    if !ordinary {
        return None;
    }
    let (mut destination, mut gateway) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                destination = Some(*address);
            }
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => gateway = Some(*address),
            _ => {}
        }
    }
    Some(Route {
        destination: Subnet::new(destination?, message.header.destination_prefix_length)?,
        gateway,
        device: device(message)?,
        onlink: message.header.flags.contains(RouteFlags::Onlink),
    })
}
