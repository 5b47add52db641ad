//! Ids of members and clusters: the first eight bytes of SHA-1, so that all members of a new cluster
//! compute the same ones by themselves.

/// The id of a member: of its sorted peer URLs, the cluster's token, and for one that is added to a
/// running cluster the time in seconds.
pub(crate) fn member_id(peer_urls: &[String], token: &str, added_at: Option<u64>) -> u64 {
    let mut urls = peer_urls.to_vec();
    urls.sort();
    let mut text = urls.concat();
    text.push_str(token);
    if let Some(seconds) = added_at {
        text.push_str(&seconds.to_string());
    }
    first_eight(sha1(text.as_bytes()))
}

/// The id of a cluster: of the sorted ids of its first members.
pub(crate) fn cluster_id(members: impl IntoIterator<Item = u64>) -> u64 {
    let mut members: Vec<u64> = members.into_iter().collect();
    members.sort_unstable();
    let bytes: Vec<u8> = members.into_iter().flat_map(u64::to_be_bytes).collect();
    first_eight(sha1(&bytes))
}

fn first_eight(digest: [u8; 20]) -> u64 {
    digest
        .first_chunk()
        .map_or(0, |eight| u64::from_be_bytes(*eight))
}

/// SHA-1 (FIPS 180-4). It names things here and protects nothing.
fn sha1(text: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    let mut padded = text.to_vec();
    padded.push(0x80);
    padded.resize((padded.len() + 8).next_multiple_of(64) - 8, 0);
    padded.extend_from_slice(&(u64::try_from(text.len()).unwrap_or(u64::MAX) * 8).to_be_bytes());
    for block in padded.as_chunks::<64>().0 {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..80 {
            words[at] =
                (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.iter().enumerate() {
            let (mixed, constant) = match at {
                0..20 => ((b & c) | (!b & d), 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
        }
        for (of, add) in state.iter_mut().zip([a, b, c, d, e]) {
            *of = of.wrapping_add(add);
        }
    }
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::{cluster_id, member_id, sha1};

    #[test]
    fn the_digests_of_the_standard_are_met() {
        let hex = |text: &[u8]| {
            sha1(text)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex(&[b'a'; 119]),
            "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"
        );
    }

    #[test]
    fn the_ids_of_a_default_single_node_are_those_of_the_original() {
        let urls = [
            "http://localhost:2380".to_owned(),
            "http://localhost:7001".to_owned(),
        ];
        let member = member_id(&urls, "etcd-cluster", None);
        assert_eq!(format!("{member:x}"), "ce2a822cea30bfca");
        assert_eq!(format!("{:x}", cluster_id([member])), "7e27652122e8b2ae");
    }
}
