//! .netdev files: bridges, bonds, VLANs, VXLANs and dummies that are to exist.

use std::net::IpAddr;

use rtnetlink::packet_route::link::BondMode;
use rtnetlink::{Handle, LinkBond, LinkBridge, LinkDummy, LinkMessageBuilder, LinkVlan, LinkVxlan};

use unit_file::UnitText;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Bridge,
    Dummy,
    Bond {
        mode: u8,
        miimon: Option<u32>,
    },
    Vlan {
        id: u16,
    },
    Vxlan {
        id: u32,
        local: Option<IpAddr>,
        remote: Option<IpAddr>,
        port: u16,
    },
}

/// One interface to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetDev {
    pub name: String,
    kind: Kind,
    mtu: Option<u32>,
}

impl NetDev {
    /// Reads a file; the text says what is wrong with it.
    ///
    /// # Errors
    /// When name or kind are missing or a needed number is no number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let sections = UnitText::parse(text.as_bytes()).sections;
        let get = |section: &str, key: &str| {
            sections
                .iter()
                .filter(|s| s.name == section)
                .flat_map(|s| &s.assignments)
                .rfind(|a| a.key == key)
                .map(|a| a.value.as_str())
        };
        let number = |section: &str, key: &str| -> Result<Option<u32>, String> {
            get(section, key)
                .map(|v| {
                    v.parse()
                        .map_err(|_| format!("[{section}] {key}= wants a number, got {v:?}"))
                })
                .transpose()
        };
        let address = |key: &str| -> Result<Option<IpAddr>, String> {
            get("VXLAN", key)
                .map(|v| {
                    v.parse()
                        .map_err(|_| format!("[VXLAN] {key}= wants an address, got {v:?}"))
                })
                .transpose()
        };
        let name = get("NetDev", "Name")
            .ok_or("[NetDev] Name= is missing")?
            .to_owned();
        let kind = match get("NetDev", "Kind").ok_or("[NetDev] Kind= is missing")? {
            "bridge" => Kind::Bridge,
            "dummy" => Kind::Dummy,
            "bond" => Kind::Bond {
                mode: bond_mode(get("Bond", "Mode").unwrap_or("balance-rr"))?,
                miimon: get("Bond", "MIIMonitorSec").map(milliseconds).transpose()?,
            },
            "vlan" => Kind::Vlan {
                id: number("VLAN", "Id")?
                    .and_then(|id| u16::try_from(id).ok())
                    .filter(|id| *id < 4095)
                    .ok_or("[VLAN] Id= wants a number below 4095")?,
            },
            "vxlan" => Kind::Vxlan {
                id: number("VXLAN", "Id")?
                    .or(number("VXLAN", "VNI")?)
                    .ok_or("[VXLAN] VNI= is missing")?,
                local: address("Local")?,
                remote: address("Remote")?.or(address("Group")?),
                port: number("VXLAN", "DestinationPort")?
                    .and_then(|p| u16::try_from(p).ok())
                    .unwrap_or(8472),
            },
            other => return Err(format!("[NetDev] Kind={other} is not supported")),
        };
        Ok(Self {
            name,
            kind,
            mtu: number("NetDev", "MTUBytes")?,
        })
    }

    /// Creates it unless it exists; stacked kinds need the interface below and wait for it.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn create(
        &self,
        handle: &Handle,
        parent: Option<u32>,
    ) -> Result<(), rtnetlink::Error> {
        let name = self.name.as_str();
        let message = match (&self.kind, parent) {
            (Kind::Bridge, None) => self.finish(LinkBridge::new(name)),
            (Kind::Dummy, None) => self.finish(LinkDummy::new(name)),
            (Kind::Bond { mode, miimon }, None) => {
                let mut builder = LinkBond::new(name).mode(BondMode::from(*mode));
                if let Some(miimon) = miimon {
                    builder = builder.miimon(*miimon);
                }
                self.finish(builder)
            }
            (Kind::Vlan { id }, Some(parent)) => self.finish(LinkVlan::new(name, parent, *id)),
            (
                Kind::Vxlan {
                    id,
                    local,
                    remote,
                    port,
                },
                Some(parent),
            ) => {
                let mut builder = LinkVxlan::new(name, *id).dev(parent).port(*port);
                builder = match local {
                    Some(IpAddr::V4(local)) => builder.local(*local),
                    Some(IpAddr::V6(local)) => builder.local6(*local),
                    None => builder,
                };
                builder = match remote {
                    Some(IpAddr::V4(remote)) => builder.remote(*remote),
                    Some(IpAddr::V6(remote)) => builder.remote6(*remote),
                    None => builder,
                };
                self.finish(builder)
            }
            _ => return Ok(()),
        };
        match handle.link().add(message).execute().await {
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -17 => Ok(()),
            result => result,
        }
    }

    fn finish<T>(
        &self,
        builder: LinkMessageBuilder<T>,
    ) -> rtnetlink::packet_route::link::LinkMessage {
        match self.mtu {
            Some(mtu) => builder.mtu(mtu).build(),
            None => builder.build(),
        }
    }
}

fn bond_mode(word: &str) -> Result<u8, String> {
    const MODES: [&str; 7] = [
        "balance-rr",
        "active-backup",
        "balance-xor",
        "broadcast",
        "802.3ad",
        "balance-tlb",
        "balance-alb",
    ];
    MODES
        .iter()
        .position(|mode| *mode == word)
        .and_then(|n| u8::try_from(n).ok())
        .ok_or_else(|| format!("[Bond] Mode={word} is not known"))
}

/// `100ms`, `1s` or bare seconds.
fn milliseconds(value: &str) -> Result<u32, String> {
    let wrong = || format!("[Bond] MIIMonitorSec= wants a time, got {value:?}");
    match value.strip_suffix("ms") {
        Some(ms) => ms.trim().parse().map_err(|_| wrong()),
        None => {
            let seconds: u32 = value
                .trim_end_matches('s')
                .trim()
                .parse()
                .map_err(|_| wrong())?;
            Ok(seconds.saturating_mul(1000))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_their_numbers_are_read() {
        let vlan = NetDev::parse("[NetDev]\nName=v7\nKind=vlan\n[VLAN]\nId=7\n").unwrap();
        assert_eq!(vlan.kind, Kind::Vlan { id: 7 });
        let bond =
            NetDev::parse("[NetDev]\nName=b\nKind=bond\n[Bond]\nMode=802.3ad\nMIIMonitorSec=1s\n");
        assert_eq!(
            bond.unwrap().kind,
            Kind::Bond {
                mode: 4,
                miimon: Some(1000)
            }
        );
        assert!(
            NetDev::parse("[NetDev]\nName=x\nKind=wormhole\n")
                .unwrap_err()
                .contains("wormhole")
        );
    }
}
