//! Escaping of arbitrary text and paths into unit names, and back: what `systemd-escape` does.

/// Text as a part of a unit name: `/` becomes `-`, other letters than `[A-Za-z0-9:_.]` and a
/// leading dot become `\xHH`.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if index == 0 => hex(&mut escaped, byte),
            _ if is_plain(byte) => escaped.push(char::from(byte)),
            _ => hex(&mut escaped, byte),
        }
    }
    escaped
}

/// The text that was escaped; `None` for a broken `\x` or what is no UTF-8.
#[must_use]
pub fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'-' => bytes.push(b'/'),
            b'\\' => {
                let (digits, after) = rest.strip_prefix(b"x")?.split_at_checked(2)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                rest = after;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

/// A path as a unit's name: `/var/lib/docker` is `var-lib-docker`, `/` is `-`. `None` when the
/// path has `..` in it.
#[must_use]
pub fn escape_path(path: &str) -> Option<String> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return None;
    }
    Some(if parts.is_empty() {
        "-".to_owned()
    } else {
        escape(&parts.join("/"))
    })
}

/// The absolute path that a unit's name stands for; `None` when it stands for none.
#[must_use]
pub fn unescape_path(name: &str) -> Option<String> {
    if name == "-" {
        return Some("/".to_owned());
    }
    let path = unescape(name)?;
    let clean = !path.is_empty()
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..");
    clean.then(|| format!("/{path}"))
}

/// For names that users type: what may stand in a name stays, the rest is escaped.
pub(crate) fn escape_mangled(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'/' => escaped.push('-'),
            b'@' | b'-' | b'\\' => escaped.push(char::from(byte)),
            _ if is_plain(byte) => escaped.push(char::from(byte)),
            _ => hex(&mut escaped, byte),
        }
    }
    escaped
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'.')
}

fn hex(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_paths_escape_as_systemd_escape_prints_them() {
        assert_eq!(
            escape("Hallöchen, Meister"),
            "Hall\\xc3\\xb6chen\\x2c\\x20Meister"
        );
        assert_eq!(escape(".a-b/c"), "\\x2ea\\x2db-c");
        assert_eq!(escape_path("/dev//sda").as_deref(), Some("dev-sda"));
        assert_eq!(escape_path("/").as_deref(), Some("-"));
        assert_eq!(escape_path("/a/../b"), None);
        assert_eq!(
            unescape_path("dev-disk-by\\x2dlabel-x").as_deref(),
            Some("/dev/disk/by-label/x")
        );
        assert_eq!(unescape_path("a--b"), None);
        assert_eq!(unescape("a\\x2"), None);
        assert_eq!(unescape("a\\y20"), None);
    }

    proptest! {
        #[test]
        fn unescaping_gives_back_what_was_escaped(text in "\\PC{0,40}") {
            prop_assert_eq!(unescape(&escape(&text)), Some(text));
        }

        #[test]
        fn unescaping_never_panics(text in "[-\\\\x0-9a-f/]{0,20}") {
            let _ = unescape(&text);
            let _ = unescape_path(&text);
        }
    }
}
