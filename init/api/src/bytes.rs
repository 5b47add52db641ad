//! Amounts of memory and disk, written as `41.7M` and read as `512K`.

const SUFFIXES: [(&str, u64); 6] = [
    ("E", 1 << 60),
    ("P", 1 << 50),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];

/// Bytes with at most one decimal, base 1024: `41.7M`, `512B`.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    for (suffix, unit) in SUFFIXES {
        if bytes >= unit {
            let tenth = bytes % unit * 10 / unit;
            return format!("{}.{tenth}{suffix}", bytes / unit);
        }
    }
    format!("{bytes}B")
}

/// Reads a size: a number with an optional fraction and suffix (B, K, M, G, T, P, E; base 1024),
/// several added. `None` when it is no size or does not fit.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (whole, after) = rest.split_at(end);
        let whole: u64 = whole.parse().ok()?;
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => {
                let end = after
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(after.len());
                after.split_at(end)
            }
            None => ("", after),
        };
        let after = after.trim_start();
        let (unit, after) = SUFFIXES
            .iter()
            .find_map(|(suffix, unit)| Some((*unit, after.strip_prefix(suffix)?)))
            .unwrap_or_else(|| (1, after.strip_prefix('B').unwrap_or(after)));
        total = total.checked_add(whole.checked_mul(unit)?)?;
        let mut place = unit;
        for digit in fraction.bytes() {
            // Exact enough: a fraction of a kibibyte loses less than ten bytes.
            place /= 10;
            total = total.checked_add(u64::from(digit - b'0') * place)?;
        }
        rest = after.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_base_1024_and_have_one_decimal() {
        assert_eq!(format_bytes(43_765_000), "41.7M");
        assert_eq!(format_bytes(512), "512B");
        assert_eq!(format_bytes(1 << 30), "1.0G");
        for (text, bytes) in [
            ("1G", Some(1 << 30)),
            ("512K", Some(524_288)),
            ("10", Some(10)),
            ("1B", Some(1)),
            ("1M 1K", Some(1_049_600)),
            ("", None),
            ("x", None),
            ("99999E", None),
            ("-1", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }
}
