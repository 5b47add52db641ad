//! An IPv4 network: `10.1.5.0/24` in texts, `10.1.5.0-24` as a key of etcd.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network without host bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    base: Ipv4Addr,
    len: u8,
}

/// A text that is no IPv4 network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no IPv4 network such as 10.1.0.0/16")]
pub struct NotASubnet(String);

impl Subnet {
    /// The network of `len` bits that holds an address; `None` above 32 bits.
    #[must_use]
    pub fn new(address: Ipv4Addr, len: u8) -> Option<Subnet> {
        let base = Ipv4Addr::from(u32::from(address) & mask(len)?);
        Some(Subnet { base, len })
    }

    /// The network with the host bits dropped.
    #[must_use]
    pub fn base(&self) -> Ipv4Addr {
        self.base
    }

    /// The length of the prefix.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a prefix has a length, and no network is empty"
    )]
    #[must_use]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// The first address that a host may have.
    #[must_use]
    pub fn first(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base).wrapping_add(1))
    }

    /// The last address.
    #[must_use]
    pub fn last(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base) | !mask(self.len).unwrap_or(u32::MAX))
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn has(&self, address: Ipv4Addr) -> bool {
        self.base <= address && address <= self.last()
    }

    /// Whether the other lies within it.
    #[must_use]
    pub fn contains(&self, other: &Subnet) -> bool {
        self.len <= other.len && self.has(other.base)
    }

    /// Whether the two share an address.
    #[must_use]
    pub fn overlaps(&self, other: &Subnet) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// The last part of a lease's key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-{}", self.base, self.len)
    }

    /// From the last part of a lease's key; what newer versions append for IPv6 (`&fc00::-64`) is
    /// not looked at.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Subnet> {
        let (v4, _) = key.split_once('&').unwrap_or((key, ""));
        let (address, len) = v4.split_once('-')?;
        Subnet::new(address.parse().ok()?, digits(len)?)
    }
}

fn digits(text: &str) -> Option<u8> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

fn mask(len: u8) -> Option<u32> {
    match len {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - len)),
        _ => None,
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.len)
    }
}

impl FromStr for Subnet {
    type Err = NotASubnet;

    fn from_str(text: &str) -> Result<Subnet, NotASubnet> {
        let parse = || {
            let (address, len) = text.split_once('/')?;
            Subnet::new(address.parse().ok()?, digits(len)?)
        };
        parse().ok_or_else(|| NotASubnet(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::Subnet;

    #[test]
    fn host_bits_are_dropped() {
        let network: Subnet = "10.1.2.3/16".parse().unwrap();
        assert_eq!(network.to_string(), "10.1.0.0/16");
        assert_eq!(network.first().to_string(), "10.1.0.1");
        assert_eq!(network.last().to_string(), "10.1.255.255");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.1.0.0",
            "10.1.0.0/33",
            "10.1.0/16",
            "10.1.0.0/+8",
            "10.1.0.0/",
            "fc00::/7",
            "a/8",
        ] {
            assert!(
                text.parse::<Subnet>()
                    .unwrap_err()
                    .to_string()
                    .contains("10.1.0.0/16"),
                "{text}"
            );
        }
        for key in [
            "foo",
            "10.1.0.0",
            "10.1.0.0-",
            "10.1.0.0-40",
            "10.1.0.0/24",
            "10.1.0.0-2x",
        ] {
            assert_eq!(Subnet::from_key(key), None, "{key}");
        }
        assert_eq!(
            Subnet::from_key("10.1.5.0-24&fc00::-64").unwrap().key(),
            "10.1.5.0-24"
        );
    }

    proptest! {
        #[test]
        fn texts_and_keys_are_read_back(address in any::<u32>(), len in 0_u8..=32) {
            let subnet = Subnet::new(address.into(), len).unwrap();
            proptest::prop_assert_eq!(subnet.to_string().parse::<Subnet>().unwrap(), subnet);
            proptest::prop_assert_eq!(Subnet::from_key(&subnet.key()).unwrap(), subnet);
        }

        #[test]
        fn two_networks_overlap_exactly_when_one_holds_the_others_ends(a in any::<u32>(), b in any::<u32>(), la in 0_u8..=32, lb in 0_u8..=32) {
            let (a, b) = (Subnet::new(a.into(), la).unwrap(), Subnet::new(b.into(), lb).unwrap());
            let naive = a.base() <= b.last() && b.base() <= a.last();
            proptest::prop_assert_eq!(a.overlaps(&b), naive);
        }
    }
}
