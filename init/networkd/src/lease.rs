//! What a server's answer means for an interface: address, routes, names, times.
//!
//! Pure. It reads options; it never decides when to ask again (that is `client`).

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::message::{Message, option};

/// The address of the metadata service of clouds.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// One IPv4 route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub destination: Ipv4Addr,
    pub prefix: u8,
    /// `None`: the destination is on the link itself.
    pub gateway: Option<Ipv4Addr>,
}

/// What we were given, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub server: Ipv4Addr,
    pub routes: Vec<Route>,
    pub dns: Vec<Ipv4Addr>,
    pub ntp: Vec<Ipv4Addr>,
    pub domain: Option<String>,
    pub search: Vec<String>,
    pub host_name: Option<String>,
    pub mtu: Option<u16>,
    /// `None`: for ever.
    pub lifetime: Option<Duration>,
    pub t1: Duration,
    pub t2: Duration,
}

/// The network of `address` with that prefix.
#[must_use]
pub fn network(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.min(32)))
        .unwrap_or(0);
    Ipv4Addr::from(u32::from(address) & mask)
}

impl Route {
    fn covers(&self, address: Ipv4Addr) -> bool {
        network(address, self.prefix) == self.destination
    }
}

impl Lease {
    /// Reads an OFFER or ACK; `None` when it gives no usable address or names no server.
    #[must_use]
    pub fn from_message(message: &Message) -> Option<Self> {
        let address = message.yiaddr;
        if address.is_unspecified() || address.is_broadcast() || address.is_multicast() {
            return None;
        }
        let server = message.address(option::SERVER_ID)?;
        let prefix = message.number(option::SUBNET_MASK).map_or_else(
            || class_prefix(address),
            |mask| u8::try_from(mask.leading_ones()).unwrap_or(32),
        );
        let lifetime = message
            .number(option::LEASE_TIME)
            .filter(|seconds| *seconds != u32::MAX)
            .map(|seconds| Duration::from_secs(u64::from(seconds.max(2))));
        // Servers that name no times mean a half and seven eighths (RFC 2131, 4.4.5).
        let whole = lifetime.unwrap_or_else(|| Duration::from_secs(u64::from(u32::MAX)));
        let t2 = seconds(message, option::T2)
            .filter(|t| *t < whole)
            .unwrap_or(whole * 7 / 8);
        let t1 = seconds(message, option::T1)
            .filter(|t| *t < t2)
            .unwrap_or_else(|| t2.min(whole / 2));
        Some(Self {
            address,
            prefix,
            server,
            routes: routes(message, address, prefix),
            dns: message.addresses(option::DNS),
            ntp: message.addresses(option::NTP),
            domain: text(message, option::DOMAIN_NAME),
            search: message
                .options
                .get(&option::DOMAIN_SEARCH)
                .map(|value| search_list(value))
                .unwrap_or_default(),
            host_name: text(message, option::HOST_NAME),
            mtu: message
                .options
                .get(&option::MTU)
                .and_then(|value| Some(u16::from_be_bytes(value.as_slice().try_into().ok()?)))
                .filter(|mtu| *mtu >= 576),
            lifetime,
            t1,
            t2,
        })
    }
}

fn seconds(message: &Message, number: u8) -> Option<Duration> {
    message
        .number(number)
        .map(|s| Duration::from_secs(u64::from(s)))
}

/// The mask that an address had before masks were sent.
fn class_prefix(address: Ipv4Addr) -> u8 {
    match address.octets() {
        [0..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    }
}

/// Option 121 if there is one, and then never option 3 (RFC 3442); the metadata service is always
/// reachable: without any route that covers it, it is looked for on the link.
fn routes(message: &Message, address: Ipv4Addr, prefix: u8) -> Vec<Route> {
    let mut routes = match message.options.get(&option::CLASSLESS_ROUTES) {
        Some(value) => classless(value),
        None => message
            .address(option::ROUTER)
            .map(|gateway| Route {
                destination: Ipv4Addr::UNSPECIFIED,
                prefix: 0,
                gateway: Some(gateway),
            })
            .into_iter()
            .collect(),
    };
    let own = Route {
        destination: network(address, prefix),
        prefix,
        gateway: None,
    };
    if !own.covers(METADATA) && !routes.iter().any(|route| route.covers(METADATA)) {
        routes.push(Route {
            destination: METADATA,
            prefix: 32,
            gateway: None,
        });
    }
    // A gateway can be used only after the route that leads to it.
    routes.sort_by_key(|route| (route.gateway.is_some(), u8::MAX - route.prefix));
    routes
}

fn classless(mut rest: &[u8]) -> Vec<Route> {
    let mut routes = Vec::new();
    while let [prefix @ 0..=32, tail @ ..] = rest {
        let significant = usize::from(prefix.div_ceil(8));
        let Some((head, tail)) = tail.split_at_checked(significant + 4) else {
            break;
        };
        let (network_bytes, gateway) = head.split_at(significant);
        let mut destination = [0; 4];
        destination[..significant].copy_from_slice(network_bytes);
        let gateway = Ipv4Addr::from(<[u8; 4]>::try_from(gateway).unwrap_or_default());
        routes.push(Route {
            destination: network(destination.into(), *prefix),
            prefix: *prefix,
            gateway: (!gateway.is_unspecified()).then_some(gateway),
        });
        rest = tail;
    }
    routes
}

/// A host or domain name that is safe to write into a file, or nothing.
fn text(message: &Message, number: u8) -> Option<String> {
    let value = message.options.get(&number)?;
    let text = std::str::from_utf8(value)
        .ok()?
        .trim_end_matches('\0')
        .trim();
    safe_name(text).then(|| text.to_owned())
}

fn safe_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// Option 119: names in DNS form with compression (RFC 3397).
fn search_list(value: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < value.len() && names.len() < 16 {
        let Some((name, next)) = dns_name(value, at) else {
            break;
        };
        if safe_name(&name) {
            names.push(name);
        }
        at = next;
    }
    names
}

fn dns_name(value: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut at, mut after, mut labels, mut hops) = (start, None, Vec::new(), 0);
    loop {
        let length = usize::from(*value.get(at)?);
        if length == 0 {
            return Some((labels.join("."), after.unwrap_or(at + 1)));
        }
        if length & 0xc0 == 0xc0 {
            hops += 1;
            if hops > 16 {
                return None;
            }
            after = after.or(Some(at + 2));
            at = ((length & 0x3f) << 8) | usize::from(*value.get(at + 1)?);
        } else {
            labels.push(String::from_utf8_lossy(value.get(at + 1..at + 1 + length)?).into_owned());
            at += 1 + length;
            if labels.len() > 64 {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Kind;

    fn ack(options: &[(u8, &[u8])]) -> Message {
        let mut message = Message::from_client(Kind::Ack, 1, [2; 6]);
        message.yiaddr = Ipv4Addr::new(10, 0, 0, 5);
        message.options.insert(option::SERVER_ID, vec![10, 0, 0, 1]);
        for (number, value) in options {
            message.options.insert(*number, value.to_vec());
        }
        message
    }

    #[test]
    fn option_121_silences_option_3_and_leads_to_the_metadata_service() {
        let routes: &[u8] = &[
            32, 169, 254, 169, 254, 10, 0, 0, 2, //
            0, 10, 0, 0, 1,
        ];
        let message = ack(&[
            (option::SUBNET_MASK, &[255, 255, 255, 0]),
            (option::ROUTER, &[10, 0, 0, 99]),
            (option::CLASSLESS_ROUTES, routes),
            (option::MTU, &[5, 170]),
        ]);
        let lease = Lease::from_message(&message).unwrap();
        let gateways: Vec<_> = lease
            .routes
            .iter()
            .map(|r| (r.prefix, r.gateway.unwrap()))
            .collect();
        assert_eq!(
            gateways,
            [
                (32, Ipv4Addr::new(10, 0, 0, 2)),
                (0, Ipv4Addr::new(10, 0, 0, 1))
            ]
        );
        assert_eq!((lease.prefix, lease.mtu), (24, Some(1450)));
    }

    #[test]
    fn without_any_route_the_metadata_service_is_sought_on_the_link() {
        let lease = Lease::from_message(&ack(&[])).unwrap();
        assert_eq!(
            lease.routes,
            [Route {
                destination: METADATA,
                prefix: 32,
                gateway: None
            }]
        );
        assert_eq!(lease.prefix, 8);
    }

    #[test]
    fn times_default_to_a_half_and_seven_eighths() {
        let lease = Lease::from_message(&ack(&[(option::LEASE_TIME, &[0, 0, 0, 80])])).unwrap();
        assert_eq!((lease.t1.as_secs(), lease.t2.as_secs()), (40, 70));
        assert_eq!(Lease::from_message(&ack(&[])).unwrap().lifetime, None);
    }

    #[test]
    fn search_domains_follow_compression_and_bad_names_are_left_out() {
        let value = b"\x03eng\x05apple\x03com\x00\x09marketing\xc0\x04\x04a b;\x00";
        let lease = Lease::from_message(&ack(&[(option::DOMAIN_SEARCH, value)])).unwrap();
        assert_eq!(lease.search, ["eng.apple.com", "marketing.apple.com"]);
        assert!(search_list(b"\xc0\x00").is_empty());
    }
}
