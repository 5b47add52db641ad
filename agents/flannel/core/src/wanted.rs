//! What the kernel should have, so that packets for the other machines' subnets find their way.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::{Leases, Mac, Subnet};

/// One thing that the kernel knows. In this order things are added; in reverse they are removed, so
/// that no packet is sent by a route whose neighbour is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// On the vxlan device: the address of the other end has this hardware address.
    Neighbour { address: Ipv4Addr, mac: Mac },
    /// On the vxlan device: frames for this hardware address go to that machine.
    Fdb { mac: Mac, destination: Ipv4Addr },
    /// In the main table.
    Route(Route),
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    pub destination: Subnet,
    pub gateway: Option<Ipv4Addr>,
    /// Index of the interface.
    pub device: u32,
    /// The gateway is on the link although no address says so.
    pub onlink: bool,
}

/// How packets travel here.
#[derive(Debug, Clone, Copy)]
pub enum Means<'a> {
    /// By the device with this index; `direct` has the machines that are on a link of ours, with the
    /// link's index, when those are to be reached without it.
    Vxlan {
        device: u32,
        direct: &'a BTreeMap<Ipv4Addr, u32>,
    },
    /// By the interface with this index.
    HostGw { interface: u32 },
    /// By the tun device with this index, for the whole network.
    Udp { device: u32, network: Subnet },
    /// By somebody else.
    Alloc,
}

/// The entries for the leases of the other machines.
#[must_use]
pub fn wanted(
    leases: &Leases,
    own_key: &str,
    own_ip: Ipv4Addr,
    means: Means<'_>,
) -> BTreeSet<Entry> {
    let peers = leases
        .peers(own_key)
        .filter(|(_, record)| record.public_ip != own_ip);
    match means {
        Means::Alloc => BTreeSet::new(),
        Means::Udp { device, network } => {
            let route = Route {
                destination: network,
                gateway: None,
                device,
                onlink: false,
            };
            BTreeSet::from([Entry::Route(route)])
        }
        Means::HostGw { interface } => peers
            .filter(|(_, record)| record.kind == "host-gw")
            .map(|(subnet, record)| plain(subnet, record.public_ip, interface))
            .collect(),
        Means::Vxlan { device, direct } => peers
            .filter(|(_, record)| record.kind == "vxlan")
            .filter_map(|(subnet, record)| Some((subnet, record.public_ip, record.mac?)))
            .flat_map(|(subnet, public_ip, mac)| match direct.get(&public_ip) {
                Some(link) => vec![plain(subnet, public_ip, *link)],
                None => by_vxlan(subnet, public_ip, mac, device),
            })
            .collect(),
    }
}

fn plain(subnet: Subnet, gateway: Ipv4Addr, device: u32) -> Entry {
    Entry::Route(Route {
        destination: subnet,
        gateway: Some(gateway),
        device,
        onlink: false,
    })
}

/// The other end's device has the first address of its subnet.
fn by_vxlan(subnet: Subnet, public_ip: Ipv4Addr, mac: Mac, device: u32) -> Vec<Entry> {
    let gateway = subnet.base();
    vec![
        Entry::Neighbour {
            address: gateway,
            mac,
        },
        Entry::Fdb {
            mac,
            destination: public_ip,
        },
        Entry::Route(Route {
            destination: subnet,
            gateway: Some(gateway),
            device,
            onlink: true,
        }),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Means, wanted};
    use crate::Leases;

    fn leases() -> Leases {
        let mut leases = Leases::default();
        let vxlan = |ip: &str, mac: &str| {
            format!(
                r#"{{"PublicIP":"{ip}","BackendType":"vxlan","BackendData":{{"VtepMAC":"02:00:00:00:00:{mac}"}}}}"#
            )
        };
        leases.put("10.1.1.0-24", &vxlan("192.0.2.1", "01"), None, 1);
        leases.put("10.1.2.0-24", &vxlan("192.0.2.2", "02"), None, 1);
        leases.put(
            "10.1.3.0-24",
            r#"{"PublicIP":"192.0.2.3","BackendType":"host-gw"}"#,
            None,
            1,
        );
        leases.put("10.1.4.0-24", r#"{"PublicIP":"192.0.2.4"}"#, None, 1);
        leases.put(
            "10.1.5.0-24",
            r#"{"PublicIP":"192.0.2.5","BackendType":"vxlan"}"#,
            None,
            1,
        );
        leases.put("10.1.6.0-24", "nonsense", None, 1);
        leases
    }

    fn texts(means: Means<'_>) -> Vec<String> {
        let own = "192.0.2.1".parse().unwrap();
        wanted(&leases(), "10.1.1.0-24", own, means)
            .iter()
            .map(|entry| format!("{entry:?}"))
            .collect()
    }

    #[test]
    fn a_peer_by_vxlan_has_a_neighbour_an_fdb_entry_and_a_route() {
        let none = BTreeMap::new();
        let entries = texts(Means::Vxlan {
            device: 9,
            direct: &none,
        });
        assert_eq!(entries.len(), 3, "{entries:?}");
        assert!(entries[0].starts_with("Neighbour { address: 10.1.2.0"));
        assert!(entries[1].contains("destination: 192.0.2.2"));
        assert!(entries[2].contains("gateway: Some(10.1.2.0), device: 9, onlink: true"));
    }

    #[test]
    fn a_peer_on_our_link_has_a_plain_route_only() {
        let direct = BTreeMap::from([("192.0.2.2".parse().unwrap(), 2)]);
        let entries = texts(Means::Vxlan {
            device: 9,
            direct: &direct,
        });
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(entries[0].contains("gateway: Some(192.0.2.2), device: 2, onlink: false"));
    }

    #[test]
    fn leases_of_other_backends_and_of_ourselves_are_left_alone() {
        let entries = texts(Means::HostGw { interface: 2 });
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(entries[0].contains("10.1.3.0"));
        assert!(texts(Means::Alloc).is_empty());
        assert_eq!(
            texts(Means::Udp {
                device: 3,
                network: "10.1.0.0/16".parse().unwrap()
            })
            .len(),
            1
        );
    }
}
