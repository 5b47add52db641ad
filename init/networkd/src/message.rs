//! `DHCPv4` messages: bytes to values and back, and the IPv4 and UDP headers round them.
//!
//! Pure. RFC 2131 for the layout, RFC 2132 for the options, RFC 3396 for options in several pieces,
//! RFC 3442 for option 121. It never decides what to send.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const FIXED: usize = 236;
/// Smallest message that old relays accept (RFC 1542).
const SHORTEST: usize = 300;

/// Numbers of the options that we read or write.
pub mod option {
    pub const SUBNET_MASK: u8 = 1;
    pub const ROUTER: u8 = 3;
    pub const DNS: u8 = 6;
    pub const HOST_NAME: u8 = 12;
    pub const DOMAIN_NAME: u8 = 15;
    pub const MTU: u8 = 26;
    pub const NTP: u8 = 42;
    pub const REQUESTED_ADDRESS: u8 = 50;
    pub const LEASE_TIME: u8 = 51;
    pub const OVERLOAD: u8 = 52;
    pub const MESSAGE_TYPE: u8 = 53;
    pub const SERVER_ID: u8 = 54;
    pub const PARAMETERS: u8 = 55;
    pub const MAX_SIZE: u8 = 57;
    pub const T1: u8 = 58;
    pub const T2: u8 = 59;
    pub const CLIENT_ID: u8 = 61;
    pub const DOMAIN_SEARCH: u8 = 119;
    pub const CLASSLESS_ROUTES: u8 = 121;
}

/// What a message is for (option 53).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Discover,
    Offer,
    Request,
    Decline,
    Ack,
    Nak,
    Release,
}

impl Kind {
    const TABLE: [(u8, Self); 7] = [
        (1, Self::Discover),
        (2, Self::Offer),
        (3, Self::Request),
        (4, Self::Decline),
        (5, Self::Ack),
        (6, Self::Nak),
        (7, Self::Release),
    ];

    fn number(self) -> u8 {
        Self::TABLE
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or(0, |(number, _)| *number)
    }
}

/// One DHCP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// True for client to server.
    pub request: bool,
    /// Ties answers to questions.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Asks the server to answer by broadcast.
    pub broadcast: bool,
    /// The client's address, when it has one.
    pub ciaddr: Ipv4Addr,
    /// The address given.
    pub yiaddr: Ipv4Addr,
    /// The client's hardware address.
    pub chaddr: [u8; 6],
    /// Option number to value; pieces of one option are joined.
    pub options: BTreeMap<u8, Vec<u8>>,
}

impl Message {
    /// A client's message without options but the type.
    #[must_use]
    pub fn from_client(kind: Kind, xid: u32, chaddr: [u8; 6]) -> Self {
        Self {
            request: true,
            xid,
            secs: 0,
            broadcast: false,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            chaddr,
            options: BTreeMap::from([(option::MESSAGE_TYPE, vec![kind.number()])]),
        }
    }

    /// The message's kind, if it has a known one.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        let number = *self.options.get(&option::MESSAGE_TYPE)?.first()?;
        Kind::TABLE
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, kind)| *kind)
    }

    /// The first address in an option.
    #[must_use]
    pub fn address(&self, number: u8) -> Option<Ipv4Addr> {
        self.addresses(number).first().copied()
    }

    /// All addresses in an option.
    #[must_use]
    pub fn addresses(&self, number: u8) -> Vec<Ipv4Addr> {
        let value = self.options.get(&number).map_or(&[][..], Vec::as_slice);
        value
            .chunks_exact(4)
            .map(|quad| Ipv4Addr::from(be32(quad)))
            .collect()
    }

    /// A 32-bit number in an option.
    #[must_use]
    pub fn number(&self, number: u8) -> Option<u32> {
        self.options
            .get(&number)
            .filter(|value| value.len() == 4)
            .map(|value| be32(value))
    }

    /// The bytes that go into a UDP datagram.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![if self.request { 1 } else { 2 }, 1, 6, 0];
        out.extend(self.xid.to_be_bytes());
        out.extend(self.secs.to_be_bytes());
        out.extend(if self.broadcast { [0x80, 0] } else { [0, 0] });
        out.extend(self.ciaddr.octets());
        out.extend(self.yiaddr.octets());
        out.extend([0; 8]);
        out.extend(self.chaddr);
        out.resize(FIXED, 0);
        out.extend(COOKIE);
        // The type goes first: some servers look no further.
        let (first, rest): (Vec<_>, Vec<_>) = self
            .options
            .iter()
            .partition(|(number, _)| **number == option::MESSAGE_TYPE);
        for (number, value) in first.into_iter().chain(rest) {
            for piece in value.chunks(255) {
                out.push(*number);
                out.push(u8::try_from(piece.len()).unwrap_or(255));
                out.extend(piece);
            }
        }
        out.push(255);
        out.resize(out.len().max(SHORTEST), 0);
        out
    }

    /// Reads a UDP payload; `None` when it is no DHCP message for an Ethernet client.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let fixed = bytes.get(..FIXED)?;
        let request = match fixed.get(..3)? {
            [1, 1, 6] => true,
            [2, 1, 6] => false,
            _ => return None,
        };
        let rest = bytes.get(FIXED..)?.strip_prefix(&COOKIE)?;
        let mut options = BTreeMap::new();
        read_options(rest, &mut options);
        let overload = options
            .get(&option::OVERLOAD)
            .and_then(|v| v.first().copied())
            .unwrap_or(0);
        if overload & 1 != 0 {
            read_options(fixed.get(108..236)?, &mut options);
        }
        if overload & 2 != 0 {
            read_options(fixed.get(44..108)?, &mut options);
        }
        Some(Self {
            request,
            xid: be32(fixed.get(4..8)?),
            secs: u16::from_be_bytes(fixed.get(8..10)?.try_into().ok()?),
            broadcast: fixed.get(10)? & 0x80 != 0,
            ciaddr: be32(fixed.get(12..16)?).into(),
            yiaddr: be32(fixed.get(16..20)?).into(),
            chaddr: fixed.get(28..34)?.try_into().ok()?,
            options,
        })
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |sum, byte| (sum << 8) | u32::from(*byte))
}

fn read_options(mut rest: &[u8], options: &mut BTreeMap<u8, Vec<u8>>) {
    while let [number, tail @ ..] = rest {
        match (number, tail) {
            (0, _) => rest = tail,
            (255, _) => return,
            (_, [length, tail @ ..]) => {
                let length = usize::from(*length);
                let Some(value) = tail.get(..length) else {
                    return;
                };
                options.entry(*number).or_default().extend(value);
                rest = tail.get(length..).unwrap_or(&[]);
            }
            _ => return,
        }
    }
}

fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            let high = u32::from(pair.first().copied().unwrap_or(0));
            sum += (high << 8) | u32::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// An IPv4 packet from port 68 of 0.0.0.0 to port 67 of everyone.
#[must_use]
pub fn to_broadcast_packet(payload: &[u8]) -> Vec<u8> {
    datagram(
        (Ipv4Addr::UNSPECIFIED, CLIENT_PORT),
        (Ipv4Addr::BROADCAST, SERVER_PORT),
        payload,
    )
}

/// An IPv4 packet with one UDP datagram. Payloads here are a few hundred bytes.
#[must_use]
pub fn datagram(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let udp_length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut ip = vec![0x45, 0x10];
    ip.extend(udp_length.saturating_add(20).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    ip.extend(from.0.octets());
    ip.extend(to.0.octets());
    let sum = checksum(&[&ip]).to_be_bytes();
    ip.splice(10..12, sum);
    let mut udp = Vec::with_capacity(payload.len() + 8);
    udp.extend(from.1.to_be_bytes());
    udp.extend(to.1.to_be_bytes());
    udp.extend(udp_length.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    let pseudo = [0, 17];
    let sum = checksum(&[
        &from.0.octets(),
        &to.0.octets(),
        &pseudo,
        &udp_length.to_be_bytes(),
        &udp,
    ]);
    let sum = if sum == 0 { 0xffff } else { sum };
    udp.splice(6..8, sum.to_be_bytes());
    ip.extend(udp);
    ip
}

/// The payload of a UDP datagram to `port`. The UDP checksum is not looked at: on virtual machines
/// the host leaves it to be filled in by a card that does not exist; xid and hardware address decide.
#[must_use]
pub fn payload(packet: &[u8], port: u16) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 || *packet.get(9)? != 17 {
        return None;
    }
    let udp = packet.get(header..)?;
    let (head, body) = (udp.get(..8)?, udp.get(8..)?);
    if head.get(2..4)? != port.to_be_bytes() {
        return None;
    }
    let length = usize::from(u16::from_be_bytes(head.get(4..6)?.try_into().ok()?));
    body.get(..length.checked_sub(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_wire() {
        let mut message = Message::from_client(Kind::Request, 0x0102_0304, [2, 0, 0, 0, 0, 9]);
        message
            .options
            .insert(option::HOST_NAME, b"node-1".to_vec());
        message
            .options
            .insert(option::CLASSLESS_ROUTES, vec![7; 300]);
        let packet = to_broadcast_packet(&message.encode());
        let back = Message::decode(payload(&packet, SERVER_PORT).unwrap()).unwrap();
        assert_eq!(back, message);
        assert_eq!(back.kind(), Some(Kind::Request));
    }

    #[test]
    fn both_checksums_add_up_to_zero() {
        let packet = to_broadcast_packet(b"odd");
        assert_eq!(checksum(&[&packet[..20]]), 0);
        let length = u16::try_from(packet.len() - 20).unwrap().to_be_bytes();
        assert_eq!(
            checksum(&[&packet[12..20], &[0, 17], &length, &packet[20..]]),
            0
        );
    }

    #[test]
    fn cut_and_wrong_bytes_are_refused_without_a_panic() {
        let whole = to_broadcast_packet(&Message::from_client(Kind::Discover, 1, [1; 6]).encode());
        for end in 0..whole.len() {
            let _ = payload(&whole[..end], SERVER_PORT).and_then(Message::decode);
        }
        let mut seed = 1_u32;
        for _ in 0..2_000 {
            let noise: Vec<u8> = (0..400)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    seed.to_be_bytes()[0]
                })
                .collect();
            let _ = Message::decode(&noise);
            let _ = payload(&noise, CLIENT_PORT);
        }
    }
}
