//! What this machine knows by itself: the kernel's command line, its interfaces, its environment.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

use cloud_config_document::variables::Addresses;

/// `cloud-config-url=` of the kernel's command line; the last one wins.
#[must_use]
pub(crate) fn cmdline_url(root: &Path) -> Option<String> {
    let line = fs::read_to_string(root.join("proc/cmdline")).ok()?;
    line.split_whitespace()
        .filter_map(|word| {
            word.strip_prefix("cloud-config-url=")
                .or_else(|| word.strip_prefix("cloud_config_url="))
        })
        .rfind(|url| !url.is_empty())
        .map(str::to_owned)
}

/// True when PID 1 has loaded the drivers of all devices that were there at boot.
#[must_use]
pub(crate) fn devices_settled() -> bool {
    Path::new("/run/garboard/devices-settled").exists()
}

/// The address that this machine would use towards the world: that of the default route's interface.
/// Connecting a datagram socket sends nothing; the address is one that nobody has (RFC 5737).
#[must_use]
pub(crate) fn default_route_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(address) if !address.is_unspecified() && !address.is_loopback() => Some(address),
        _ => None,
    }
}

/// All addresses of all interfaces.
#[must_use]
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    let Ok(list) = nix::ifaddrs::getifaddrs() else {
        return vec![];
    };
    list.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    })
    .collect()
}

/// `COREOS_PUBLIC_IPV4` and its kin in this program's environment.
#[must_use]
pub(crate) fn environment_addresses() -> Addresses {
    let get = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|value| value.trim().to_owned())
    };
    Addresses {
        private_ipv4: get("COREOS_PRIVATE_IPV4").and_then(|v| v.parse().ok()),
        public_ipv4: get("COREOS_PUBLIC_IPV4").and_then(|v| v.parse().ok()),
        private_ipv6: get("COREOS_PRIVATE_IPV6").and_then(|v| v.parse().ok()),
        public_ipv6: get("COREOS_PUBLIC_IPV6").and_then(|v| v.parse().ok()),
    }
}
