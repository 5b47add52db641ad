//! The hash of the journal's tables: Bob Jenkins's lookup3, two 32-bit words in one (journal files without
//! the keyed-hash flag).

fn word(bytes: &[u8]) -> u32 {
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(bytes) {
        *to = *from;
    }
    u32::from_le_bytes(four)
}

fn mix(a: &mut u32, b: &mut u32, c: &mut u32) {
    let step = |x: &mut u32, y: &mut u32, z: u32, turn: u32, add: u32| {
        *x = x.wrapping_sub(z) ^ z.rotate_left(turn);
        *y = y.wrapping_add(add);
    };
    step(a, c, *c, 4, *b);
    step(b, a, *a, 6, *c);
    step(c, b, *b, 8, *a);
    step(a, c, *c, 16, *b);
    step(b, a, *a, 19, *c);
    step(c, b, *b, 4, *a);
}

fn finish(a: &mut u32, b: &mut u32, c: &mut u32) {
    let step = |x: &mut u32, y: u32, turn: u32| *x = (*x ^ y).wrapping_sub(y.rotate_left(turn));
    step(c, *b, 14);
    step(a, *c, 11);
    step(b, *a, 25);
    step(c, *b, 16);
    step(a, *c, 4);
    step(b, *a, 14);
    step(c, *b, 24);
}

/// The hash of `data` with both seeds zero: the first word is the high half.
#[must_use]
pub(crate) fn hash(data: &[u8]) -> u64 {
    let seed = 0xdead_beef_u32.wrapping_add(u32::try_from(data.len()).unwrap_or(u32::MAX));
    let (mut a, mut b, mut c) = (seed, seed, seed);
    let mut rest = data;
    while rest.len() > 12 {
        let (twelve, after) = rest.split_at(12);
        a = a.wrapping_add(word(&twelve[0..4]));
        b = b.wrapping_add(word(&twelve[4..8]));
        c = c.wrapping_add(word(&twelve[8..12]));
        mix(&mut a, &mut b, &mut c);
        rest = after;
    }
    if !rest.is_empty() {
        let mut last = [0; 12];
        last[..rest.len()].copy_from_slice(rest);
        a = a.wrapping_add(word(&last[0..4]));
        b = b.wrapping_add(word(&last[4..8]));
        c = c.wrapping_add(word(&last[8..12]));
        finish(&mut a, &mut b, &mut c);
    }
    (u64::from(c) << 32) | u64::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_equals_the_published_vectors_of_lookup3() {
        assert_eq!(hash(b""), 0xdead_beef_dead_beef);
        // "Four score and seven years ago", seeds 0: the self-test of lookup3.c prints 17770551 ce7226e6.
        assert_eq!(
            hash(b"Four score and seven years ago"),
            0x1777_0551_ce72_26e6
        );
    }
}
