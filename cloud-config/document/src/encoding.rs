//! base64 and gzip as they occur in user-data: strict, with limits.

use std::io::Read as _;

/// Largest decompressed size.
pub const MOST_DECOMPRESSED: usize = 8 << 20;

/// Why some text could not be decoded.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("not base64 at character {0}")]
    Base64(usize),
    #[error("the gzip data is cut off or damaged")]
    Gzip,
    #[error("unpacked it is larger than {} MiB", MOST_DECOMPRESSED >> 20)]
    TooLarge,
    #[error("unknown encoding")]
    Unknown,
}

/// Standard alphabet with padding; line breaks and blanks are skipped.
///
/// # Errors
/// Names the first character that is wrong.
pub fn base64(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut filled, mut padding) = (0_u32, 0, 0);
    for (at, byte) in text.iter().enumerate() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if filled >= 2 => {
                padding += 1;
                0
            }
            b'\r' | b'\n' | b' ' | b'\t' => continue,
            _ => return Err(DecodeError::Base64(at + 1)),
        };
        // After padding nothing but padding, and no second group.
        if (padding > 0 && *byte != b'=') || padding > 2 {
            return Err(DecodeError::Base64(at + 1));
        }
        group = (group << 6) | u32::from(value);
        filled += 1;
        if filled == 4 {
            let [_, a, b, c] = group.to_be_bytes();
            out.extend([a, b, c].iter().take(3 - padding));
            (group, filled) = (0, 0);
            if padding > 0 {
                // What follows a padded group may only be blank.
                let rest = text.get(at + 1..).unwrap_or(&[]);
                return match rest.iter().position(|b| !b.is_ascii_whitespace()) {
                    None => Ok(out),
                    Some(more) => Err(DecodeError::Base64(at + 2 + more)),
                };
            }
        }
    }
    if filled == 0 {
        Ok(out)
    } else {
        Err(DecodeError::Base64(text.len()))
    }
}

/// Unpacks gzip data, never more than the limit.
///
/// # Errors
/// When it is damaged or too large.
pub fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let limit = u64::try_from(MOST_DECOMPRESSED).unwrap_or(u64::MAX) + 1;
    let mut out = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut out);
    if out.len() > MOST_DECOMPRESSED {
        return Err(DecodeError::TooLarge);
    }
    read.map(|_| out).map_err(|_| DecodeError::Gzip)
}

/// Decodes `content:` by the words that `encoding:` knows.
///
/// # Errors
/// When the word is unknown or the content does not fit it.
pub fn decode(content: &[u8], encoding: &str) -> Result<Vec<u8>, DecodeError> {
    match encoding {
        "" => Ok(content.to_vec()),
        "b64" | "base64" => base64(content),
        "gz" | "gzip" => gunzip(content),
        "gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64" => gunzip(&base64(content)?),
        _ => Err(DecodeError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_takes_line_breaks_and_refuses_what_is_not_base64() {
        assert_eq!(base64(b"AAEC\n/w==\n").unwrap(), [0, 1, 2, 255]);
        for (wrong, at) in [
            ("A", 1),
            ("AA=A", 4),
            ("AA==AA==", 5),
            ("A*", 2),
            ("====", 1),
            ("AAA", 3),
        ] {
            assert_eq!(
                base64(wrong.as_bytes()),
                Err(DecodeError::Base64(at)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn cut_gzip_is_damaged() {
        assert_eq!(gunzip(&[0x1f, 0x8b, 8, 0, 0]), Err(DecodeError::Gzip));
    }
}
