//! Ethernet frames by hand: the few forms that the gateway reads and writes below its TCP/IP stack.
//! DHCP lives here because a client without an address is no peer of an ordinary UDP socket.

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol,
    Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

/// A hardware address.
pub(super) type Mac = [u8; 6];

/// The address that every station listens to.
pub(super) const BROADCAST: Mac = [0xff; 6];

/// One end of a UDP datagram, with the station that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Hardware address.
    pub mac: Mac,
    /// Address.
    pub ip: Ipv4Addr,
    /// Port.
    pub port: u16,
}

/// A UDP datagram found in a frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    /// Who sent it.
    pub from: End,
    /// To whom.
    pub to: End,
    /// What it carries.
    pub payload: &'a [u8],
}

/// The two addresses of a frame, or nothing when it is too short to be one.
#[must_use]
pub(super) fn stations(frame: &[u8]) -> Option<(Mac, Mac)> {
    let to = frame.get(0..6)?.try_into().ok()?;
    let from = frame.get(6..12)?.try_into().ok()?;
    frame.get(12..14)?;
    Some((from, to))
}

fn ipv4(frame: &[u8]) -> Option<Ipv4Packet<&[u8]>> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    Ipv4Packet::new_checked(frame.get(14..)?).ok()
}

/// The address that an IPv4 frame is meant for.
#[must_use]
pub(super) fn ipv4_destination(frame: &[u8]) -> Option<Ipv4Addr> {
    ipv4(frame).map(|packet| packet.dst_addr())
}

/// Reads a UDP datagram out of a frame.
#[must_use]
pub(super) fn read_udp(frame: &[u8]) -> Option<Datagram<'_>> {
    let (from_mac, to_mac) = stations(frame)?;
    let packet = ipv4(frame)?;
    if packet.next_header() != IpProtocol::Udp || packet.more_frags() || packet.frag_offset() != 0 {
        return None;
    }
    let start = 14 + usize::from(packet.header_len());
    let end = 14 + usize::from(packet.total_len());
    let udp = UdpPacket::new_checked(frame.get(start..end)?).ok()?;
    let length = usize::from(udp.len());
    Some(Datagram {
        from: End {
            mac: from_mac,
            ip: packet.src_addr(),
            port: udp.src_port(),
        },
        to: End {
            mac: to_mac,
            ip: packet.dst_addr(),
            port: udp.dst_port(),
        },
        payload: frame.get(start + 8..start + length)?,
    })
}

/// Writes a UDP datagram as a frame.
#[must_use]
pub(super) fn write_udp(from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let sums = ChecksumCapabilities::default();
    let udp = UdpRepr {
        src_port: from.port,
        dst_port: to.port,
    };
    let (mut frame, at) = write_ipv4(from, to, IpProtocol::Udp, 8 + payload.len());
    let mut packet = UdpPacket::new_unchecked(&mut frame[at..]);
    udp.emit(
        &mut packet,
        &IpAddress::Ipv4(from.ip),
        &IpAddress::Ipv4(to.ip),
        payload.len(),
        |room| room.copy_from_slice(payload),
        &sums,
    );
    frame
}

/// The refusal of a TCP connection to an address that the gateway does not have: a guest that reaches for the
/// outside world is told at once, and no frame ever leaves.
#[must_use]
pub(super) fn refuse_tcp(frame: &[u8]) -> Option<Vec<u8>> {
    let (from_mac, to_mac) = stations(frame)?;
    let packet = ipv4(frame)?;
    if packet.next_header() != IpProtocol::Tcp {
        return None;
    }
    let start = 14 + usize::from(packet.header_len());
    let end = 14 + usize::from(packet.total_len());
    let tcp = TcpPacket::new_checked(frame.get(start..end)?).ok()?;
    if !tcp.syn() || tcp.ack() {
        return None;
    }
    let (guest, outside) = (packet.src_addr(), packet.dst_addr());
    let reply = TcpRepr {
        src_port: tcp.dst_port(),
        dst_port: tcp.src_port(),
        control: TcpControl::Rst,
        seq_number: TcpSeqNumber(0),
        ack_number: Some(tcp.seq_number() + 1),
        window_len: 0,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None, None, None],
        timestamp: None,
        payload: &[],
    };
    let from = End {
        mac: to_mac,
        ip: outside,
        port: tcp.dst_port(),
    };
    let to = End {
        mac: from_mac,
        ip: guest,
        port: tcp.src_port(),
    };
    let (mut frame, at) = write_ipv4(from, to, IpProtocol::Tcp, reply.buffer_len());
    let mut out = TcpPacket::new_unchecked(&mut frame[at..]);
    reply.emit(
        &mut out,
        &IpAddress::Ipv4(outside),
        &IpAddress::Ipv4(guest),
        &ChecksumCapabilities::default(),
    );
    Some(frame)
}

fn write_ipv4(from: End, to: End, protocol: IpProtocol, length: usize) -> (Vec<u8>, usize) {
    let ip = Ipv4Repr {
        src_addr: from.ip,
        dst_addr: to.ip,
        next_header: protocol,
        payload_len: length,
        hop_limit: 64,
    };
    let at = 14 + ip.buffer_len();
    let mut frame = vec![0; at + length];
    let ethernet = EthernetRepr {
        src_addr: EthernetAddress(from.mac),
        dst_addr: EthernetAddress(to.mac),
        ethertype: EthernetProtocol::Ipv4,
    };
    ethernet.emit(&mut EthernetFrame::new_unchecked(&mut frame[..]));
    ip.emit(
        &mut Ipv4Packet::new_unchecked(&mut frame[14..]),
        &ChecksumCapabilities::default(),
    );
    (frame, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_survives_the_way_into_a_frame_and_back() {
        let from = End {
            mac: [2, 0, 0, 0, 0, 1],
            ip: Ipv4Addr::new(192, 168, 50, 1),
            port: 67,
        };
        let to = End {
            mac: [2, 0, 0, 0, 0, 2],
            ip: Ipv4Addr::new(192, 168, 50, 14),
            port: 68,
        };
        let frame = write_udp(from, to, b"hello");
        assert_eq!(
            read_udp(&frame),
            Some(Datagram {
                from,
                to,
                payload: b"hello"
            })
        );
        assert_eq!(ipv4_destination(&frame), Some(to.ip));
    }

    #[test]
    fn frames_that_are_cut_short_are_nothing() {
        let end = End {
            mac: [2; 6],
            ip: Ipv4Addr::LOCALHOST,
            port: 1,
        };
        let frame = write_udp(end, end, b"0123456789");
        for length in 0..frame.len() {
            assert_eq!(read_udp(&frame[..length]), None, "{length} bytes");
            assert_eq!(refuse_tcp(&frame[..length]), None);
        }
    }
}
