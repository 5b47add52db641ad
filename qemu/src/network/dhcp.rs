//! The DHCP server, as a function from a request to its answer: one fixed address per machine, with the options
//! that `OpenStack`'s Neutron sends. It keeps no state: a machine is known by its port and always gets its own lease.

use std::net::Ipv4Addr;

/// What one network card is told.
#[derive(Clone, Debug)]
pub struct Lease {
    /// The card's address.
    pub address: Ipv4Addr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// The server, which is the gateway and the name server too.
    pub server: Ipv4Addr,
    /// Is the server the default route?
    pub router: bool,
    /// Domain of the machine's name.
    pub domain: String,
    /// Largest packet.
    pub mtu: u16,
    /// How long the address is promised.
    pub seconds: u32,
    /// Does option 121 carry the route to the metadata service (and, as RFC 3442 wants it, the default route again)?
    pub metadata_route: bool,
}

/// An answer and the address it goes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The message.
    pub message: Vec<u8>,
    /// Where to; the broadcast address when the client asked for that.
    pub to: Ipv4Addr,
}

impl Answer {
    /// Is the client's address settled by it?
    #[must_use]
    pub(super) fn acknowledges(&self) -> bool {
        self.message
            .get(FIXED + 4..)
            .and_then(|options| option(options, 53))
            == Some(&[ACK])
    }
}

const COOKIE: [u8; 4] = [99, 130, 83, 99];
const FIXED: usize = 236;
const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;
const INFORM: u8 = 8;

/// Answers a client's message, or stays silent when nothing is to be said.
#[must_use]
pub(super) fn answer(request: &[u8], lease: &Lease) -> Option<Answer> {
    let fixed = request.get(..FIXED)?;
    if fixed[0] != 1 || request.get(FIXED..FIXED + 4)? != COOKIE {
        return None;
    }
    let options = request.get(FIXED + 4..)?;
    let client = address(fixed.get(12..16)?)?;
    let kind = match *option(options, 53)?.first()? {
        DISCOVER => OFFER,
        REQUEST => {
            if option(options, 54)
                .and_then(address)
                .is_some_and(|server| server != lease.server)
            {
                return None;
            }
            let wanted = option(options, 50).and_then(address).unwrap_or(client);
            if wanted == lease.address { ACK } else { NAK }
        }
        INFORM => ACK,
        _ => return None,
    };
    let asked = *option(options, 53)?.first()?;
    let mut message = vec![0; FIXED];
    message[0] = 2;
    message[1..3].copy_from_slice(&fixed[1..3]);
    message[4..8].copy_from_slice(&fixed[4..8]);
    message[10..12].copy_from_slice(&fixed[10..12]);
    message[28..44].copy_from_slice(&fixed[28..44]);
    if kind != NAK {
        message[12..16].copy_from_slice(&client.octets());
        if asked != INFORM {
            message[16..20].copy_from_slice(&lease.address.octets());
        }
        message[20..24].copy_from_slice(&lease.server.octets());
    }
    message.extend(COOKIE);
    message.extend([53, 1, kind]);
    put(&mut message, 54, &lease.server.octets());
    if kind != NAK {
        describe(&mut message, lease, asked != INFORM);
    }
    message.push(255);
    while message.len() < 300 {
        message.push(0);
    }
    let broadcast = kind == NAK || (fixed[10] & 0x80 != 0 && client.is_unspecified());
    let to = if broadcast {
        Ipv4Addr::BROADCAST
    } else if client.is_unspecified() {
        lease.address
    } else {
        client
    };
    Some(Answer { message, to })
}

fn describe(message: &mut Vec<u8>, lease: &Lease, timed: bool) {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(lease.prefix))
        .unwrap_or(0);
    put(message, 1, &mask.to_be_bytes());
    if lease.router {
        put(message, 3, &lease.server.octets());
    }
    put(message, 6, &lease.server.octets());
    put(message, 15, lease.domain.as_bytes());
    put(message, 26, &lease.mtu.to_be_bytes());
    if timed {
        put(message, 51, &lease.seconds.to_be_bytes());
        put(message, 58, &(lease.seconds / 2).to_be_bytes());
        put(message, 59, &(lease.seconds / 8 * 7).to_be_bytes());
    }
    if lease.metadata_route {
        let gateway = lease.server.octets();
        let mut routes = vec![32, 169, 254, 169, 254];
        routes.extend(gateway);
        if lease.router {
            routes.push(0);
            routes.extend(gateway);
        }
        put(message, 121, &routes);
    }
}

fn put(message: &mut Vec<u8>, code: u8, value: &[u8]) {
    if let Ok(length) = u8::try_from(value.len()) {
        message.push(code);
        message.push(length);
        message.extend(value);
    }
}

fn address(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

/// One option's value. Public for the tests that read the server's answers.
#[must_use]
pub(super) fn option(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        match *options.first()? {
            0 => options = &options[1..],
            255 => return None,
            code => {
                let length = usize::from(*options.get(1)?);
                let value = options.get(2..2 + length)?;
                if code == wanted {
                    return Some(value);
                }
                options = &options[2 + length..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            address: Ipv4Addr::new(192, 168, 50, 14),
            prefix: 24,
            server: Ipv4Addr::new(192, 168, 50, 1),
            router: true,
            domain: "novalocal".into(),
            mtu: 1450,
            seconds: 86_400,
            metadata_route: true,
        }
    }

    fn request(kind: u8, client: [u8; 4], extra: &[u8]) -> Vec<u8> {
        let mut message = vec![0; FIXED];
        message[..3].copy_from_slice(&[1, 1, 6]);
        message[4..8].copy_from_slice(&[0xde, 0xad, 0xbe, 0xef]);
        message[12..16].copy_from_slice(&client);
        message[28..34].copy_from_slice(&[0xfa, 0x16, 0x3e, 0, 0, 1]);
        message.extend(COOKIE);
        message.extend([53, 1, kind]);
        message.extend(extra);
        message.push(255);
        message
    }

    #[test]
    fn an_offer_carries_every_option_that_openstack_sends() {
        let offer = answer(&request(DISCOVER, [0; 4], &[]), &lease()).expect("an offer");
        let options = &offer.message[FIXED + 4..];
        assert_eq!(&offer.message[4..8], &[0xde, 0xad, 0xbe, 0xef]);
        assert_eq!(&offer.message[16..20], &[192, 168, 50, 14]);
        assert_eq!(offer.to, lease().address);
        for (code, wanted) in [
            (53, &[OFFER][..]),
            (1, &[255, 255, 255, 0]),
            (3, &[192, 168, 50, 1]),
            (6, &[192, 168, 50, 1]),
            (15, b"novalocal"),
            (26, &[0x05, 0xaa]),
            (51, &[0, 1, 0x51, 0x80]),
            (54, &[192, 168, 50, 1]),
            (
                121,
                &[32, 169, 254, 169, 254, 192, 168, 50, 1, 0, 192, 168, 50, 1],
            ),
        ] {
            assert_eq!(option(options, code), Some(wanted), "option {code}");
        }
    }

    #[test]
    fn a_renewal_is_acknowledged_to_the_clients_own_address() {
        let ack = answer(&request(REQUEST, [192, 168, 50, 14], &[]), &lease()).expect("an answer");
        assert_eq!(option(&ack.message[FIXED + 4..], 53), Some(&[ACK][..]));
        assert_eq!(ack.to, Ipv4Addr::new(192, 168, 50, 14));
    }

    #[test]
    fn a_request_for_an_address_of_somebody_else_is_refused() {
        let nak = answer(
            &request(REQUEST, [0; 4], &[50, 4, 192, 168, 50, 99]),
            &lease(),
        )
        .expect("an answer");
        assert_eq!(option(&nak.message[FIXED + 4..], 53), Some(&[NAK][..]));
        assert_eq!(nak.to, Ipv4Addr::BROADCAST);
    }

    #[test]
    fn a_request_to_another_server_and_rubbish_get_no_answer() {
        assert_eq!(
            answer(&request(REQUEST, [0; 4], &[54, 4, 10, 0, 0, 1]), &lease()),
            None
        );
        let whole = request(DISCOVER, [0; 4], &[]);
        for length in 0..FIXED + 6 {
            assert_eq!(answer(&whole[..length], &lease()), None);
        }
    }
}
