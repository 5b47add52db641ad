//! What the values of some keys must look like. Plain functions, each with the original's pattern.

/// `^(on|off|readonly)$`
#[must_use]
pub fn proxy(value: &str) -> bool {
    matches!(value, "on" | "off" | "readonly")
}

/// `^(etcd-lock|reboot|off)$`; `best-effort` of older releases is accepted with a warning.
#[must_use]
pub fn reboot_strategy(value: &str) -> bool {
    matches!(value, "etcd-lock" | "reboot" | "off" | "best-effort")
}

/// `[DAY ]HH:MM`
#[must_use]
pub fn window_start(value: &str) -> bool {
    const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let time = match value.split_once(' ') {
        Some((day, time)) if DAYS.contains(&day.to_ascii_lowercase().as_str()) => time,
        Some(_) => return false,
        None => value,
    };
    let number = |text: &str, limit: u32| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.trim_start_matches('0').parse().unwrap_or(0_u32) < limit
            && text.trim_start_matches('0').len() <= 2
    };
    time.split_once(':')
        .is_some_and(|(hour, minute)| number(hour, 24) && number(minute, 60))
}

/// `^[-+]?([0-9]*(\.[0-9]*)?[a-z]+)+$`
#[must_use]
pub fn window_length(value: &str) -> bool {
    let mut rest = value.strip_prefix(['-', '+']).unwrap_or(value);
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        if let Some(fraction) = rest.strip_prefix('.') {
            rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
        if unit.len() == rest.len() {
            return false;
        }
        rest = unit;
    }
    true
}

/// The words that `command:` knows.
pub const COMMANDS: [&str; 7] = [
    "start",
    "stop",
    "restart",
    "reload",
    "try-restart",
    "reload-or-restart",
    "reload-or-try-restart",
];

/// The words that `encoding:` knows, the empty one aside.
pub const ENCODINGS: [&str; 8] = [
    "b64",
    "base64",
    "gz",
    "gzip",
    "gz+b64",
    "gz+base64",
    "gzip+b64",
    "gzip+base64",
];

/// Suffixes of units whose files belong to the network daemon.
pub const NETWORK_SUFFIXES: [&str; 3] = ["network", "netdev", "link"];

const UNIT_SUFFIXES: [&str; 10] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
];

/// Rule E-6.
#[must_use]
pub fn unit_name(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let letters =
        |b: u8| b.is_ascii_alphanumeric() || matches!(b, b':' | b'_' | b'.' | b'\\' | b'@' | b'-');
    name.len() <= 255
        && name.bytes().all(letters)
        && !name.starts_with('.')
        && (UNIT_SUFFIXES.contains(&suffix) || NETWORK_SUFFIXES.contains(&suffix))
}

/// Rule G-1: labels of letters, digits and `-`, at most 64 bytes in all.
#[must_use]
pub fn host_name(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 64 && name.split('.').all(label)
}

/// A URL with a scheme and a host, without blanks.
#[must_use]
pub fn url(value: &str) -> bool {
    let clean = !value.bytes().any(|b| b <= b' ' || b == 0x7f);
    clean
        && value.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty()
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                && !rest.is_empty()
                && !rest.starts_with('/')
        })
}

/// What `permissions:` may be, and what to say about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Permissions {
    Fine(u32),
    /// Octal digits, but the decimal form of a usual mode: probably a YAML tool rewrote it.
    Suspicious(u32, String),
    Wrong(Option<String>),
}

/// Rule B-8. `plain` is false for quoted text, whose writer meant what it says.
#[must_use]
pub fn permissions(text: &str, plain: bool) -> Permissions {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let bare = digits
        .strip_prefix('0')
        .filter(|rest| rest.len() >= 3)
        .unwrap_or(digits);
    let octal = matches!(bare.len(), 3 | 4) && bare.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let rewrite = (plain && !text.starts_with('0'))
        .then(|| rewritten(text))
        .flatten();
    match (octal, rewrite) {
        (false, hint) => Permissions::Wrong(hint),
        (true, None) => Permissions::Fine(u32::from_str_radix(bare, 8).unwrap_or(0o644)),
        (true, Some(hint)) => {
            Permissions::Suspicious(u32::from_str_radix(bare, 8).unwrap_or(0o644), hint)
        }
    }
}

fn rewritten(text: &str) -> Option<String> {
    const DECIMAL: [u32; 17] = [
        256, 288, 292, 320, 365, 384, 416, 420, 432, 436, 448, 457, 484, 488, 493, 509, 511,
    ];
    let number: u32 = text.parse().ok()?;
    DECIMAL
        .contains(&number)
        .then(|| format!("looks like a decimal rewrite of 0{number:o}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_times_and_lengths() {
        for good in ["04:00", "Thu 4:00", "sun 23:59", "0004:007"] {
            assert!(window_start(good), "{good}");
        }
        for bad in ["24:00", "4", "Day 4:00", "4:60", ":1", "thu  4:00"] {
            assert!(!window_start(bad), "{bad}");
        }
        assert!(window_length("90m") && window_length("1h30m") && window_length("+1.5h"));
        assert!(!window_length("") && !window_length("90") && !window_length("90M"));
    }

    #[test]
    fn permissions_are_octal_and_decimal_rewrites_are_noticed() {
        assert_eq!(permissions("0644", true), Permissions::Fine(0o644));
        assert_eq!(permissions("0o744", true), Permissions::Fine(0o744));
        assert_eq!(permissions("1777", false), Permissions::Fine(0o1777));
        assert!(
            matches!(permissions("420", true), Permissions::Suspicious(0o420, hint) if hint.ends_with("0644"))
        );
        assert!(
            matches!(permissions("384", true), Permissions::Wrong(Some(hint)) if hint.ends_with("0600"))
        );
        assert_eq!(permissions("420", false), Permissions::Fine(0o420));
        for wrong in ["7", "00644x", "u+x", "", "12345", "00064444"] {
            assert!(
                matches!(permissions(wrong, true), Permissions::Wrong(None)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn names_and_urls() {
        assert!(
            unit_name("a@b.service") && unit_name(r"dev-sda\x2d1.mount") && unit_name("a.network")
        );
        assert!(
            !unit_name("../../x.service")
                && !unit_name("a/b.service")
                && !unit_name("a")
                && !unit_name(".service")
        );
        assert!(host_name("a.b-c") && !host_name("a_b") && !host_name("") && !host_name("-a"));
        assert!(
            url("https://discovery.etcd.io/<token>")
                && !url("discovery.etcd.io/x")
                && !url("http://")
        );
    }
}
