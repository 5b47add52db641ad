//! One IPv4 packet on its way through the udp backend: where to, with one hop less, or an answer
//! that says that nobody has that address.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::{Leases, Subnet};

const HEADER: usize = 20;
const PROTOCOL_ICMP: u8 = 1;

/// Which machine has which subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// By length of prefix, the longest first.
    tables: Vec<(u8, HashMap<u32, Ipv4Addr>)>,
    addresses: Vec<Ipv4Addr>,
}

/// What becomes of a packet from our side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// To this machine.
    Send(Ipv4Addr),
    /// Back to the sender, with this packet.
    Answer(Vec<u8>),
    /// Nowhere.
    Drop,
}

impl Peers {
    /// From the leases of the other machines, of whatever backend. A second lease with our own
    /// address would send packets in circles.
    #[must_use]
    pub fn new(leases: &Leases, own_key: &str, own_ip: Ipv4Addr) -> Peers {
        let mut peers = Peers::default();
        let others = leases
            .peers(own_key)
            .filter(|(_, record)| record.public_ip != own_ip);
        for (subnet, record) in others {
            peers.insert(subnet, record.public_ip);
        }
        peers.tables.sort_by_key(|(len, _)| std::cmp::Reverse(*len));
        peers.addresses.sort_unstable();
        peers.addresses.dedup();
        peers
    }

    fn insert(&mut self, subnet: Subnet, machine: Ipv4Addr) {
        self.addresses.push(machine);
        let base = u32::from(subnet.base());
        match self.tables.iter_mut().find(|(len, _)| *len == subnet.len()) {
            Some((_, table)) => drop(table.insert(base, machine)),
            None => self
                .tables
                .push((subnet.len(), HashMap::from([(base, machine)]))),
        }
    }

    /// The machine that has an address.
    #[must_use]
    pub fn find(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        self.tables.iter().find_map(|(len, table)| {
            let base = Subnet::new(address, *len)?.base();
            table.get(&u32::from(base)).copied()
        })
    }

    /// Whether an address is that of a machine.
    #[must_use]
    pub fn knows(&self, address: Ipv4Addr) -> bool {
        self.addresses.binary_search(&address).is_ok()
    }
}

/// A packet that the kernel gave us to carry; `from` is our address on the overlay.
#[must_use]
pub fn outgoing(packet: &mut [u8], peers: &Peers, from: Ipv4Addr) -> Verdict {
    let Some(destination) = destination(packet) else {
        return Verdict::Drop;
    };
    match peers.find(destination) {
        Some(machine) if one_hop(packet) => Verdict::Send(machine),
        Some(_) => Verdict::Drop,
        None => unreachable(packet, from).map_or(Verdict::Drop, Verdict::Answer),
    }
}

/// A packet that another machine sent; whether the kernel gets it.
#[must_use]
pub fn incoming(packet: &mut [u8]) -> bool {
    destination(packet).is_some() && one_hop(packet)
}

fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let header: &[u8; HEADER] = packet.first_chunk()?;
    let length = usize::from(header[0] & 0x0f) * 4;
    (header[0] >> 4 == 4 && length >= HEADER && length <= packet.len())
        .then(|| Ipv4Addr::new(header[16], header[17], header[18], header[19]))
}

/// Takes one from the time to live and mends the checksum (RFC 1624); `false` when none was left.
fn one_hop(packet: &mut [u8]) -> bool {
    let Some(header) = packet.first_chunk_mut::<HEADER>() else {
        return false;
    };
    if header[8] <= 1 {
        return false;
    }
    let before = u16::from_be_bytes([header[8], header[9]]);
    header[8] -= 1;
    let after = u16::from_be_bytes([header[8], header[9]]);
    let sum = u16::from_be_bytes([header[10], header[11]]);
    let mended = !fold(u32::from(!sum) + u32::from(!before) + u32::from(after));
    header[10..12].copy_from_slice(&mended.to_be_bytes());
    true
}

/// "Net unreachable", as a router would say it: not about ICMP and not about later fragments.
fn unreachable(packet: &[u8], from: Ipv4Addr) -> Option<Vec<u8>> {
    let header: &[u8; HEADER] = packet.first_chunk()?;
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    if header[9] == PROTOCOL_ICMP || later_fragment {
        return None;
    }
    let quoted = packet
        .get(..usize::from(header[0] & 0x0f) * 4 + 8)
        .unwrap_or(packet);
    let total = u16::try_from(HEADER + 8 + quoted.len()).ok()?;
    let mut answer = vec![0_u8; HEADER];
    answer[0] = 0x45;
    answer[2..4].copy_from_slice(&total.to_be_bytes());
    answer[8] = 8;
    answer[9] = PROTOCOL_ICMP;
    answer[12..16].copy_from_slice(&from.octets());
    answer[16..20].copy_from_slice(&header[12..16]);
    let sum = checksum(&answer);
    answer[10..12].copy_from_slice(&sum.to_be_bytes());
    // Type 3 (destination unreachable), code 0 (net).
    answer.extend_from_slice(&[3, 0, 0, 0, 0, 0, 0, 0]);
    answer.extend_from_slice(quoted);
    let sum = checksum(&answer[HEADER..]);
    answer[HEADER + 2..HEADER + 4].copy_from_slice(&sum.to_be_bytes());
    Some(answer)
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    !fold(bytes.chunks(2).map(word).sum())
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{HEADER, Peers, Verdict, checksum, incoming, outgoing};
    use crate::Leases;

    fn packet(protocol: u8, ttl: u8, to: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 36, 0, 1, 0, 0, ttl, protocol, 0, 0, 10, 1, 5, 2];
        packet.extend_from_slice(&to);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend_from_slice(&[7; 16]);
        packet
    }

    fn peers() -> Peers {
        let mut leases = Leases::default();
        leases.put("10.1.5.0-24", r#"{"PublicIP":"192.0.2.1"}"#, None, 1);
        leases.put(
            "10.1.6.0-24",
            r#"{"PublicIP":"192.0.2.2","BackendType":"vxlan"}"#,
            None,
            1,
        );
        leases.put("10.1.7.0-26", r#"{"PublicIP":"192.0.2.3"}"#, None, 1);
        leases.put("10.1.8.0-24", r#"{"PublicIP":"192.0.2.1"}"#, None, 1);
        Peers::new(&leases, "10.1.5.0-24", [192, 0, 2, 1].into())
    }

    const US: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 1, 5, 0);

    #[test]
    fn a_packet_goes_to_the_machine_with_its_subnet_and_has_one_hop_less() {
        let mut sent = packet(6, 64, [10, 1, 6, 9]);
        assert_eq!(
            outgoing(&mut sent, &peers(), US),
            Verdict::Send([192, 0, 2, 2].into())
        );
        assert_eq!((sent[8], checksum(&sent[..HEADER])), (63, 0));
        assert!(incoming(&mut sent));
        assert_eq!((sent[8], checksum(&sent[..HEADER])), (62, 0));
        assert_eq!(
            outgoing(&mut packet(6, 64, [10, 1, 7, 63]), &peers(), US),
            Verdict::Send([192, 0, 2, 3].into())
        );
    }

    #[test]
    fn the_last_hop_is_dropped_in_silence() {
        assert_eq!(
            outgoing(&mut packet(6, 1, [10, 1, 6, 9]), &peers(), US),
            Verdict::Drop
        );
        assert!(!incoming(&mut packet(6, 0, [10, 1, 5, 9])));
    }

    #[test]
    fn nobodys_address_is_answered_but_not_to_icmp_nor_to_later_fragments() {
        let Verdict::Answer(answer) = outgoing(&mut packet(17, 64, [10, 1, 7, 64]), &peers(), US)
        else {
            panic!()
        };
        assert_eq!(
            (answer[8], answer[9], answer[HEADER], answer[HEADER + 1]),
            (8, 1, 3, 0)
        );
        assert_eq!(
            (&answer[12..16], &answer[16..20]),
            (&[10, 1, 5, 0][..], &[10, 1, 5, 2][..])
        );
        assert_eq!(
            (checksum(&answer[..HEADER]), checksum(&answer[HEADER..])),
            (0, 0)
        );
        assert_eq!(answer.len(), HEADER + 8 + HEADER + 8);
        assert_eq!(
            outgoing(&mut packet(1, 64, [10, 1, 9, 1]), &peers(), US),
            Verdict::Drop
        );
        let mut fragment = packet(17, 64, [10, 1, 9, 1]);
        fragment[7] = 1;
        assert_eq!(outgoing(&mut fragment, &peers(), US), Verdict::Drop);
    }

    #[test]
    fn machines_are_known_by_their_addresses() {
        assert!(peers().knows([192, 0, 2, 3].into()));
        assert!(!peers().knows([192, 0, 2, 1].into()), "ourselves");
        assert_eq!(
            peers().find([10, 1, 8, 1].into()),
            None,
            "our own second lease"
        );
    }

    proptest! {
        #[test]
        fn noise_is_never_trouble(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = outgoing(&mut bytes.clone(), &peers(), US);
            let _ = incoming(&mut bytes);
        }
    }
}
