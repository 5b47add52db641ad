//! The network's configuration, from the key `config`: what it may say, and what is refused.
//!
//! The rules for sizes are those of flannel 0.10 and later. A mistake is one line for the log; the
//! daemon reads the key again until it is mended.

use std::net::Ipv4Addr;

use serde_json::{Map, Value};

use crate::Subnet;
use crate::json::{get, kind};

/// Ports when the configuration names none: flannel's own, and the kernel's for vxlan.
const UDP_PORT: u16 = 8285;
const VXLAN_PORT: u16 = 8472;

/// The largest and the smallest network that can be divided.
const LONGEST_SUBNET: u8 = 30;
const LONGEST_NETWORK: u8 = 28;

/// How packets get from machine to machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// Whole packets in datagrams, by the daemon itself: slow, and works everywhere.
    Udp { port: u16 },
    /// The kernel's vxlan device.
    Vxlan {
        vni: u32,
        port: u16,
        gbp: bool,
        direct_routing: bool,
        learning: bool,
        mtu: Option<u32>,
    },
    /// Routes by way of the other machines, which have to be on one link.
    HostGw,
    /// Subnets only; somebody else carries the packets.
    Alloc,
}

impl Backend {
    /// `BackendType` of its leases; udp and alloc write none.
    #[must_use]
    pub fn kind(&self) -> Option<&'static str> {
        match self {
            Backend::Vxlan { .. } => Some("vxlan"),
            Backend::HostGw => Some("host-gw"),
            Backend::Udp { .. } | Backend::Alloc => None,
        }
    }

    /// What fits in a packet of the overlay when `interface` fits in one of the machine's network.
    #[must_use]
    pub fn mtu(&self, interface: u32) -> u32 {
        match self {
            Backend::Udp { .. } => interface.saturating_sub(20 + 8),
            // The inner Ethernet header, vxlan's, UDP's and the outer IP header.
            Backend::Vxlan { mtu, .. } => mtu.unwrap_or(interface).saturating_sub(14 + 8 + 8 + 20),
            Backend::HostGw | Backend::Alloc => interface,
        }
    }
}

/// A configuration that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub network: Subnet,
    pub subnet_len: u8,
    /// The first and the last subnet that may be given.
    pub min: Ipv4Addr,
    pub max: Ipv4Addr,
    pub backend: Backend,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("it is no JSON: {0}")]
    NotJson(String),
    #[error("it has to be an object such as {{\"Network\": \"10.1.0.0/16\"}}, not {0}")]
    NotAnObject(&'static str),
    #[error("{name} has to be {wants}, not {got}")]
    Wants {
        name: &'static str,
        wants: &'static str,
        got: String,
    },
    #[error("Network is missing: say for example \"Network\": \"10.1.0.0/16\"")]
    NoNetwork,
    #[error("Network {0} is too small: at least a /{LONGEST_NETWORK} can be divided")]
    SmallNetwork(Subnet),
    #[error(
        "SubnetLen {len} does not divide {network}: it has to be between {least} and {LONGEST_SUBNET}"
    )]
    SubnetLen {
        len: u64,
        network: Subnet,
        least: u8,
    },
    #[error("{name} {address} is not in Network {network}")]
    Outside {
        name: &'static str,
        address: Ipv4Addr,
        network: Subnet,
    },
    #[error("{name} {address} is not the beginning of a /{len}")]
    OffBoundary {
        name: &'static str,
        address: Ipv4Addr,
        len: u8,
    },
    #[error("SubnetMin {min} comes after SubnetMax {max}")]
    Reversed { min: Ipv4Addr, max: Ipv4Addr },
    #[error("Backend.Type {0:?} is not known here: udp, vxlan, host-gw and alloc are")]
    Backend(String),
    #[error("only IPv4 networks are known here: EnableIPv4 cannot be false")]
    NoIpv4,
    #[error(
        "Network {network} overlaps {other} of interface {interface}: the overlay needs addresses of its own"
    )]
    Overlap {
        network: Subnet,
        other: Subnet,
        interface: String,
    },
}

impl Config {
    /// Reads the value of the key.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| ConfigError::NotJson(error.to_string()))?;
        let Value::Object(object) = &value else {
            return Err(ConfigError::NotAnObject(kind(&value)));
        };
        if boolean(object, "EnableIPv4")? == Some(false) {
            return Err(ConfigError::NoIpv4);
        }
        let network = string(object, "Network")?.ok_or(ConfigError::NoNetwork)?;
        let network: Subnet = network.parse().map_err(|_| ConfigError::Wants {
            name: "Network",
            wants: "an IPv4 network such as 10.1.0.0/16",
            got: format!("{network:?}"),
        })?;
        if network.len() > LONGEST_NETWORK {
            return Err(ConfigError::SmallNetwork(network));
        }
        let subnet_len = subnet_len(number(object, "SubnetLen", u64::MAX)?, network)?;
        let step = 1_u32 << (32 - subnet_len);
        let first = Ipv4Addr::from(u32::from(network.base()).saturating_add(step));
        let last = Ipv4Addr::from(u32::from(network.last()) - (step - 1));
        let min = bound(object, "SubnetMin", network, subnet_len)?.unwrap_or(first);
        let max = bound(object, "SubnetMax", network, subnet_len)?.unwrap_or(last);
        if min > max {
            return Err(ConfigError::Reversed { min, max });
        }
        Ok(Config {
            network,
            subnet_len,
            min,
            max,
            backend: backend(object)?,
        })
    }

    /// Whether a subnet may be given by this configuration.
    #[must_use]
    pub fn allows(&self, subnet: &Subnet) -> bool {
        subnet.len() == self.subnet_len && self.min <= subnet.base() && subnet.base() <= self.max
    }

    /// Refuses a network that would take addresses which the machine itself has.
    ///
    /// # Errors
    /// [`ConfigError::Overlap`] with the first such interface.
    pub fn check_host<'a>(
        &self,
        host: impl IntoIterator<Item = (&'a str, Subnet)>,
    ) -> Result<(), ConfigError> {
        for (interface, other) in host {
            if self.network.overlaps(&other) {
                return Err(ConfigError::Overlap {
                    network: self.network,
                    other,
                    interface: interface.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn subnet_len(given: Option<u64>, network: Subnet) -> Result<u8, ConfigError> {
    let least = network.len() + 2;
    match given {
        Some(len) if len > 0 => u8::try_from(len)
            .ok()
            .filter(|len| (least..=LONGEST_SUBNET).contains(len))
            .ok_or(ConfigError::SubnetLen {
                len,
                network,
                least,
            }),
        _ if network.len() <= 22 => Ok(24),
        _ => Ok(least),
    }
}

fn bound(
    object: &Map<String, Value>,
    name: &'static str,
    network: Subnet,
    len: u8,
) -> Result<Option<Ipv4Addr>, ConfigError> {
    let Some(text) = string(object, name)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let address: Ipv4Addr = text.parse().map_err(|_| ConfigError::Wants {
        name,
        wants: "an IPv4 address",
        got: format!("{text:?}"),
    })?;
    if !network.has(address) {
        return Err(ConfigError::Outside {
            name,
            address,
            network,
        });
    }
    match Subnet::new(address, len) {
        Some(subnet) if subnet.base() == address => Ok(Some(address)),
        _ => Err(ConfigError::OffBoundary { name, address, len }),
    }
}

fn backend(object: &Map<String, Value>) -> Result<Backend, ConfigError> {
    let empty = Map::new();
    let fields = match get(object, "Backend") {
        None => &empty,
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            return Err(wants(
                "Backend",
                "an object such as {\"Type\": \"vxlan\"}",
                other,
            ));
        }
    };
    let name = string(fields, "Type")?.unwrap_or("udp");
    match name.to_ascii_lowercase().as_str() {
        "udp" => Ok(Backend::Udp {
            port: port(fields, UDP_PORT)?,
        }),
        "vxlan" => Ok(Backend::Vxlan {
            vni: number(fields, "VNI", (1 << 24) - 1)?
                .and_then(|vni| u32::try_from(vni).ok())
                .unwrap_or(1),
            port: port(fields, VXLAN_PORT)?,
            gbp: boolean(fields, "GBP")?.unwrap_or(false),
            direct_routing: boolean(fields, "DirectRouting")?.unwrap_or(false),
            learning: boolean(fields, "Learning")?.unwrap_or(false),
            mtu: number(fields, "MTU", 65_535)?
                .and_then(|mtu| u32::try_from(mtu).ok())
                .filter(|mtu| *mtu > 0),
        }),
        "host-gw" => Ok(Backend::HostGw),
        "alloc" => Ok(Backend::Alloc),
        _ => Err(ConfigError::Backend(name.to_owned())),
    }
}

fn port(fields: &Map<String, Value>, default: u16) -> Result<u16, ConfigError> {
    let port = number(fields, "Port", 65_535)?.and_then(|port| u16::try_from(port).ok());
    Ok(port.filter(|port| *port > 0).unwrap_or(default))
}

fn wants(name: &'static str, wants: &'static str, got: &Value) -> ConfigError {
    ConfigError::Wants {
        name,
        wants,
        got: got.to_string(),
    }
}

fn string<'a>(
    object: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'a str>, ConfigError> {
    match get(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wants(name, "a text", other)),
    }
}

fn boolean(object: &Map<String, Value>, name: &'static str) -> Result<Option<bool>, ConfigError> {
    match get(object, name) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(wants(name, "true or false", other)),
    }
}

fn number(
    object: &Map<String, Value>,
    name: &'static str,
    most: u64,
) -> Result<Option<u64>, ConfigError> {
    match get(object, name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) if number <= most => Ok(Some(number)),
            _ => Err(wants(name, "a whole number that is not too large", value)),
        },
    }
}

#[cfg(test)]
mod tests;
