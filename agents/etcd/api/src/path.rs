//! Paths of requests: decoding, cleaning and encoding, and how deep a key may be.

use crate::{Code, EtcdError};

/// What a request path is after cleaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CleanPath {
    /// It was clean: serve it.
    Clean(Vec<u8>),
    /// It was not: the client has to ask for this one.
    Moved(Vec<u8>),
}

/// Decodes the percent escapes of a path; the bad escape itself when there is one.
///
/// # Errors
/// The first escape that is none.
pub fn decode_path(path: &str) -> Result<Vec<u8>, String> {
    decode(path.as_bytes(), false)
}

/// Decodes percent escapes, and `+` as a blank in forms.
pub(crate) fn decode(text: &[u8], plus_is_blank: bool) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'%' => {
                let value = text.get(at + 1..at + 3).and_then(hex_byte);
                let Some(value) = value else {
                    let end = text.len().min(at + 3);
                    return Err(String::from_utf8_lossy(&text[at..end]).into_owned());
                };
                out.push(value);
                at += 3;
                continue;
            }
            b'+' if plus_is_blank => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    Ok(out)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(*digits.first()?)? * 16 + digit(*digits.get(1)?)?)
}

/// Removes empty, `.` and `..` components; a slash at the end is kept.
#[must_use]
pub fn clean(path: Vec<u8>) -> CleanPath {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let mut cleaned = Vec::with_capacity(path.len() + 1);
    for part in &parts {
        cleaned.push(b'/');
        cleaned.extend_from_slice(part);
    }
    if cleaned.is_empty() || path.last() == Some(&b'/') {
        cleaned.push(b'/');
    }
    if cleaned == path {
        CleanPath::Clean(path)
    } else {
        CleanPath::Moved(cleaned)
    }
}

/// Components that a key may have which is written.
pub const KEY_DEPTH: usize = 256;

/// That a key to be written is not too deep.
///
/// # Errors
/// Code 209.
pub fn check_depth(key: &[u8]) -> Result<(), EtcdError> {
    let parts = key.split(|byte| *byte == b'/');
    if parts.filter(|part| !part.is_empty()).count() <= KEY_DEPTH {
        return Ok(());
    }
    let cause = format!("a key has at most {KEY_DEPTH} components");
    Err(EtcdError::new(Code::InvalidField, cause, 0))
}

/// Encodes a path for a URL.
#[must_use]
pub fn encode_path(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"-_.~/$&+,:;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{CleanPath, KEY_DEPTH, check_depth, clean, decode_path, encode_path};

    #[test]
    fn a_path_is_decoded_once() {
        assert_eq!(decode_path("/a%2Fb%252Fc+d").unwrap(), b"/a/b%2Fc+d");
        assert_eq!(decode_path("/a%zz").unwrap_err(), "%zz");
        assert_eq!(decode_path("/a%4").unwrap_err(), "%4");
    }

    #[test]
    fn unclean_paths_move_to_the_clean_one_and_never_above_the_root() {
        for (path, want) in [
            ("//a", "/a"),
            ("/a/./b", "/a/b"),
            ("/a/../../b", "/b"),
            ("/..", "/"),
            ("/a//", "/a/"),
            ("", "/"),
        ] {
            assert_eq!(clean(path.into()), CleanPath::Moved(want.into()), "{path}");
        }
        for path in ["/", "/a", "/a/b/", "/..a"] {
            assert_eq!(clean(path.into()), CleanPath::Clean(path.into()), "{path}");
        }
    }

    #[test]
    fn a_key_to_be_written_has_at_most_so_many_components() {
        check_depth(b"/").unwrap();
        check_depth("/b".repeat(KEY_DEPTH).as_bytes()).unwrap();
        let error = check_depth("/b".repeat(KEY_DEPTH + 1).as_bytes()).unwrap_err();
        assert_eq!((error.code.number(), error.code.status()), (209, 400));
    }

    #[test]
    fn encoding_then_decoding_gives_the_path_back() {
        let path = "/中 %?#\"a".as_bytes();
        assert_eq!(decode_path(&encode_path(path)).unwrap(), path);
    }
}
