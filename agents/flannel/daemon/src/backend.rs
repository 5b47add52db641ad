//! The device of the configured backend: made, kept as it should be, and made again when it is gone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use flannel_core::packet::Peers;
use flannel_core::{Backend, Config, Leases, Mac, Means, Record, Subnet};

use crate::acquire::random;
use crate::interface::Interface;
use crate::kernel::{Kernel, VxlanDevice};
use crate::proxy::{Proxy, ProxyError};

/// Why a backend cannot be used here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    #[error(
        "host-gw sends packets straight to {public_ip}, which is not the address {address} of interface {name}: behind NAT use vxlan or udp"
    )]
    Nat {
        public_ip: Ipv4Addr,
        address: Ipv4Addr,
        name: String,
    },
    #[error("cannot make the device {name}")]
    Device {
        name: String,
        source: rtnetlink::Error,
    },
    #[error(transparent)]
    Proxy(#[from] ProxyError),
}

/// A backend at work.
#[derive(Debug)]
pub(crate) enum Device {
    Vxlan {
        wanted: VxlanDevice,
        index: u32,
        mac: Mac,
        direct_routing: bool,
    },
    HostGw {
        interface: u32,
    },
    Udp {
        proxy: Proxy,
        network: Subnet,
        port: u16,
        mtu: u32,
    },
    Alloc,
}

impl Device {
    /// What has to be there before the lease is written: vxlan's lease names its hardware address.
    pub(crate) async fn prepare(
        kernel: &Kernel,
        config: &Config,
        interface: &Interface,
    ) -> Result<Device, BackendError> {
        let mtu = config.backend.mtu(interface.mtu);
        match &config.backend {
            Backend::Vxlan {
                vni,
                port,
                gbp,
                direct_routing,
                learning,
                ..
            } => {
                let wanted = VxlanDevice {
                    vni: *vni,
                    port: *port,
                    gbp: *gbp,
                    learning: *learning,
                    local: interface.address,
                    link: interface.index,
                    mtu,
                };
                let [dice @ .., _, _] = random().to_ne_bytes();
                let (index, mac) = vxlan(kernel, &wanted, Mac::local(dice)).await?;
                Ok(Device::Vxlan {
                    wanted,
                    index,
                    mac,
                    direct_routing: *direct_routing,
                })
            }
            Backend::HostGw if interface.public_ip != interface.address => Err(BackendError::Nat {
                public_ip: interface.public_ip,
                address: interface.address,
                name: interface.name.clone(),
            }),
            Backend::HostGw => Ok(Device::HostGw {
                interface: interface.index,
            }),
            Backend::Udp { port } => {
                let proxy = Proxy::prepare(interface.address, *port)?;
                Ok(Device::Udp {
                    proxy,
                    network: config.network,
                    port: *port,
                    mtu,
                })
            }
            Backend::Alloc => Ok(Device::Alloc),
        }
    }

    /// What our lease says.
    pub(crate) fn record(&self, config: &Config, public_ip: Ipv4Addr) -> Record {
        let (mac, vni) = match self {
            Device::Vxlan { wanted, mac, .. } => (Some(*mac), Some(wanted.vni)),
            _ => (None, None),
        };
        Record {
            public_ip,
            kind: config.backend.kind().unwrap_or_default().to_owned(),
            mac,
            vni,
        }
    }

    /// Makes the device as it should be for a subnet; harmless when it is. Whether it was made anew,
    /// so that nothing of what was known of it is there any more.
    pub(crate) async fn ensure(
        &mut self,
        kernel: &Kernel,
        subnet: Subnet,
        any_source: bool,
    ) -> Result<bool, BackendError> {
        let own = (subnet.base(), 32);
        match self {
            Device::Vxlan {
                wanted, index, mac, ..
            } => {
                let before = *index;
                (*index, *mac) = vxlan(kernel, wanted, *mac).await?;
                raise(kernel, &wanted.name(), *index, own, wanted.mtu).await?;
                Ok(before != *index)
            }
            Device::Udp { proxy, mtu, .. } => {
                let link = proxy.start(subnet.base(), any_source)?;
                let failed = |source| BackendError::Device {
                    name: link.clone(),
                    source,
                };
                let there = kernel.link(&link).await.map_err(failed)?;
                let index = there
                    .ok_or(rtnetlink::Error::RequestFailed)
                    .map_err(failed)?
                    .index;
                raise(kernel, &link, index, own, *mtu).await?;
                // "Net unreachable" comes from our own address, by the device.
                let _ = std::fs::write(format!("/proc/sys/net/ipv4/conf/{link}/accept_local"), "1");
                proxy.index = index;
                Ok(false)
            }
            Device::HostGw { .. } | Device::Alloc => Ok(false),
        }
    }

    /// Our own device.
    pub(crate) fn index(&self) -> Option<u32> {
        match self {
            Device::Vxlan { index, .. } => Some(*index),
            Device::Udp { proxy, .. } => Some(proxy.index),
            Device::HostGw { .. } | Device::Alloc => None,
        }
    }

    /// Whether machines on our link are reached without the device.
    pub(crate) fn direct_routing(&self) -> bool {
        matches!(
            self,
            Device::Vxlan {
                direct_routing: true,
                ..
            }
        )
    }

    pub(crate) fn means<'a>(&self, direct: &'a BTreeMap<Ipv4Addr, u32>) -> Means<'a> {
        match self {
            Device::Vxlan { index, .. } => Means::Vxlan {
                device: *index,
                direct,
            },
            Device::HostGw { interface } => Means::HostGw {
                interface: *interface,
            },
            Device::Udp { proxy, network, .. } => Means::Udp {
                device: proxy.index,
                network: *network,
            },
            Device::Alloc => Means::Alloc,
        }
    }

    /// Tells a backend that carries packets itself who is where.
    pub(crate) fn tell(&self, leases: &Leases, own_key: &str, own_ip: Ipv4Addr) {
        if let Device::Udp { proxy, .. } = self {
            proxy.set_peers(Peers::new(leases, own_key, own_ip));
        }
    }

    /// Ends when a backend that carries packets itself cannot go on.
    pub(crate) async fn failed(&mut self) -> BackendError {
        match self {
            Device::Udp { proxy, .. } => proxy.failed().await.into(),
            _ => std::future::pending().await,
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Vxlan { wanted, mac, .. } => write!(f, "vxlan by {} ({mac})", wanted.name()),
            Device::HostGw { .. } => write!(f, "host-gw"),
            Device::Udp { port, .. } => write!(f, "udp on port {port}"),
            Device::Alloc => write!(f, "alloc"),
        }
    }
}

async fn vxlan(
    kernel: &Kernel,
    wanted: &VxlanDevice,
    mac: Mac,
) -> Result<(u32, Mac), BackendError> {
    let failed = |source| BackendError::Device {
        name: wanted.name(),
        source,
    };
    kernel.vxlan(wanted, mac).await.map_err(failed)
}

async fn raise(
    kernel: &Kernel,
    name: &str,
    index: u32,
    address: (Ipv4Addr, u8),
    mtu: u32,
) -> Result<(), BackendError> {
    let failed = |source| BackendError::Device {
        name: name.to_owned(),
        source,
    };
    kernel.only_address(index, address).await.map_err(failed)?;
    kernel.set_up(index, mtu).await.map_err(failed)
}
