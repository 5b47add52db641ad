//! The vxlan device: kept when it is as it should be, made anew when it is not.

use std::net::Ipv4Addr;

use flannel_core::Mac;
use rtnetlink::packet_route::link::InfoVxlan;
use rtnetlink::{Error, LinkVxlan};

use super::{Kernel, Link};

/// What the device should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VxlanDevice {
    pub(crate) vni: u32,
    pub(crate) port: u16,
    pub(crate) gbp: bool,
    pub(crate) learning: bool,
    /// The address that packets leave from, and its link.
    pub(crate) local: Ipv4Addr,
    pub(crate) link: u32,
    pub(crate) mtu: u32,
}

impl VxlanDevice {
    pub(crate) fn name(&self) -> String {
        format!("flannel.{}", self.vni)
    }

    /// Whether a link is one that serves.
    fn fits(&self, link: &Link) -> bool {
        let Some(facts) = &link.vxlan else {
            return false;
        };
        let has = |wanted: InfoVxlan| facts.contains(&wanted);
        let gbp = facts.iter().any(|fact| matches!(fact, InfoVxlan::Gbp));
        let unwanted = |fact: &InfoVxlan| {
            matches!(
                fact,
                InfoVxlan::Group(_)
                    | InfoVxlan::Group6(_)
                    | InfoVxlan::L2Miss(true)
                    | InfoVxlan::L3Miss(true)
            )
        };
        has(InfoVxlan::Id(self.vni))
            && has(InfoVxlan::Link(self.link))
            && has(InfoVxlan::Local(self.local))
            && has(InfoVxlan::Port(self.port))
            && has(InfoVxlan::Learning(self.learning))
            && gbp == self.gbp
            && !facts.iter().any(unwanted)
    }
}

impl Kernel {
    /// The device's index and hardware address. Made with the address given, so that one that was
    /// deleted comes back as the others know it; set at once, so that nobody else gives it another.
    pub(crate) async fn vxlan(&self, wanted: &VxlanDevice, mac: Mac) -> Result<(u32, Mac), Error> {
        let name = wanted.name();
        if let Some(there) = self.link(&name).await? {
            match there.mac {
                Some(mac) if wanted.fits(&there) => {
                    if there.mtu != wanted.mtu {
                        self.set_mtu(there.index, wanted.mtu).await?;
                    }
                    return Ok((there.index, mac));
                }
                _ => {
                    tracing::info!(
                        device = name,
                        "the device is not as it should be and is made anew"
                    );
                    self.delete_link(there.index).await?;
                }
            }
        }
        let mut device = LinkVxlan::new(&name, wanted.vni)
            .dev(wanted.link)
            .local(wanted.local)
            .port(wanted.port)
            .learning(wanted.learning)
            .mtu(wanted.mtu)
            .address(mac.0.to_vec());
        if wanted.gbp {
            device = device.gbp();
        }
        self.handle.link().add(device.build()).execute().await?;
        let made = self.link(&name).await?.ok_or(Error::RequestFailed)?;
        // No router on the overlay has anything to say to us.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_ra"), "0");
        tracing::info!(device = name, mac = %mac, mtu = wanted.mtu, "the device is made");
        Ok((made.index, made.mac.unwrap_or(mac)))
    }

    async fn set_mtu(&self, index: u32, mtu: u32) -> Result<(), Error> {
        let message = rtnetlink::LinkUnspec::new_with_index(index)
            .mtu(mtu)
            .build();
        self.handle.link().set(message).execute().await
    }
}
