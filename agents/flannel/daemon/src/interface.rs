//! Which interface carries the traffic between machines, and by which address the others know us.

use std::net::Ipv4Addr;

use flannel_core::Subnet;

use crate::kernel::{Address, Kernel, Link};
use crate::options::{OptionError, Options};

/// The interface that was chosen.
#[derive(Debug, Clone)]
pub(crate) struct Interface {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    pub(crate) address: Ipv4Addr,
    /// What the others are told.
    pub(crate) public_ip: Ipv4Addr,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InterfaceError {
    #[error(
        "no interface of this machine has the address {0} (--iface, FLANNELD_IFACE): a floating address is on none, give the private one"
    )]
    NoSuchAddress(Ipv4Addr),
    #[error(
        "there is no interface {0:?} (--iface, FLANNELD_IFACE): its name or its IPv4 address is wanted"
    )]
    NoSuchName(String),
    #[error("interface {0} has no IPv4 address yet")]
    NoAddress(String),
    #[error("there is no default route to choose an interface by: say --iface=NAME")]
    NoDefaultRoute,
    #[error("the MTU of interface {0} cannot be found")]
    NoMtu(String),
    #[error("cannot ask the kernel for interfaces")]
    Kernel(#[from] rtnetlink::Error),
    #[error(transparent)]
    Option(#[from] OptionError),
}

impl InterfaceError {
    /// Whether it is worth waiting: an address that no interface has is a mistake more often than not.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            InterfaceError::NoSuchName(_)
                | InterfaceError::NoAddress(_)
                | InterfaceError::NoDefaultRoute
        )
    }
}

/// Chooses as the original does: by the address, by the name, or by the default route.
pub(crate) async fn choose(
    kernel: &Kernel,
    options: &Options,
) -> Result<Interface, InterfaceError> {
    let links = kernel.links().await?;
    let addresses = kernel.addresses().await?;
    let (link, address) = if options.iface.is_empty() {
        let index = kernel
            .default_route()
            .await?
            .ok_or(InterfaceError::NoDefaultRoute)?;
        let link = links
            .iter()
            .find(|link| link.index == index)
            .ok_or(InterfaceError::NoDefaultRoute)?;
        (link, first_address(link, &addresses)?)
    } else if let Ok(address) = options.iface.parse::<Ipv4Addr>() {
        let found = addresses.iter().find(|there| there.address == address);
        let link = found.and_then(|there| links.iter().find(|link| link.index == there.link));
        (link.ok_or(InterfaceError::NoSuchAddress(address))?, address)
    } else {
        let link = links.iter().find(|link| link.name == options.iface);
        let link = link.ok_or_else(|| InterfaceError::NoSuchName(options.iface.clone()))?;
        (link, first_address(link, &addresses)?)
    };
    if link.mtu == 0 {
        return Err(InterfaceError::NoMtu(link.name.clone()));
    }
    Ok(Interface {
        index: link.index,
        name: link.name.clone(),
        mtu: link.mtu,
        address,
        public_ip: options.public_ip()?.unwrap_or(address),
    })
}

/// The first global address, or a link-local one when there is no other.
fn first_address(link: &Link, addresses: &[Address]) -> Result<Ipv4Addr, InterfaceError> {
    let own = || {
        addresses
            .iter()
            .filter(|address| address.link == link.index)
    };
    let best = own().find(|address| address.global && !address.address.is_link_local());
    let best = best.or_else(|| own().find(|address| address.address.is_link_local()));
    best.map(|address| address.address)
        .ok_or_else(|| InterfaceError::NoAddress(link.name.clone()))
}

/// The networks that this machine is in by itself: not by bridges and devices of containers, which may
/// have flannel's own addresses.
pub(crate) async fn host_networks(
    kernel: &Kernel,
) -> Result<Vec<(String, Subnet)>, rtnetlink::Error> {
    let links = kernel.links().await?;
    let addresses = kernel.addresses().await?;
    let of_containers = |link: &Link| {
        link.bridge
            || link.loopback
            || ["flannel", "docker", "br-", "veth", "cni", "virbr"]
                .iter()
                .any(|start| link.name.starts_with(start))
    };
    let networks = links
        .iter()
        .filter(|link| !of_containers(link))
        .flat_map(|link| {
            let own = addresses
                .iter()
                .filter(|address| address.link == link.index);
            own.filter_map(|address| Some((link.name.clone(), address.network()?)))
        });
    Ok(networks.collect())
}
