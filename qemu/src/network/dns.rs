//! The name server: it knows the machines of its network and refuses every other name at once, so that nothing in a
//! guest ever waits for an answer from the outside world.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Answers one query.
#[must_use]
pub(super) fn answer(query: &[u8], names: &BTreeMap<String, Ipv4Addr>) -> Option<Vec<u8>> {
    if query.len() < 12 || query[2] & 0x80 != 0 || query[4..6] != [0, 1] {
        return None;
    }
    let mut name = String::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 || name.len() > 255 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(query.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = query.get(at..at + 2)?;
    let end = at + 4;
    query.get(at + 2..end)?;
    let host = name.strip_suffix(".novalocal").unwrap_or(&name);
    let found = names.get(host);
    let mut reply = query[..end].to_vec();
    reply[2] = 0x84 | (query[2] & 0x01);
    reply[3] = if found.is_some() { 0x80 } else { 0x83 };
    reply[6..12].fill(0);
    if let (Some(address), [0, 1]) = (found, kind) {
        reply[7] = 1;
        reply.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address.octets());
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut query = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).expect("a short label"));
            query.extend(label.as_bytes());
        }
        query.extend([0, 0, kind, 0, 1]);
        query
    }

    fn names() -> BTreeMap<String, Ipv4Addr> {
        BTreeMap::from([("node1".to_owned(), Ipv4Addr::new(192, 168, 50, 14))])
    }

    #[test]
    fn a_machine_is_found_by_name_and_by_its_full_name() {
        for name in ["node1", "Node1.novalocal"] {
            let reply = answer(&query(name, 1), &names()).expect("a reply");
            assert_eq!(&reply[..4], &[0xab, 0xcd, 0x85, 0x80]);
            assert_eq!(&reply[reply.len() - 4..], &[192, 168, 50, 14]);
        }
        let reply = answer(&query("node1", 28), &names()).expect("a reply");
        assert_eq!(
            &reply[3..8],
            &[0x80, 0, 1, 0, 0],
            "a name without an IPv6 address exists and has no answer"
        );
    }

    #[test]
    fn an_unknown_name_does_not_exist() {
        let reply = answer(&query("0.debian.pool.ntp.org", 1), &names()).expect("a reply");
        assert_eq!(reply[3] & 0x0f, 3);
    }

    #[test]
    fn rubbish_gets_no_answer() {
        let whole = query("node1", 1);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], &names()), None);
        }
    }
}
