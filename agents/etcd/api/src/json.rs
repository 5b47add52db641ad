//! The JSON dialect of the answers: which characters are escaped and how numbers are written.

use crate::time::rfc3339_nanos;

/// The fields of a node, in the order in which they are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeFields<'a> {
    /// Key; empty for the root, which has none.
    pub key: &'a [u8],
    /// Value of a file.
    pub value: Option<&'a [u8]>,
    /// Whether it is a directory.
    pub dir: bool,
    /// Nanoseconds since 1970 at which it expires.
    pub expiration: Option<u64>,
    /// Seconds until then; 0 is left out.
    pub ttl: i64,
    /// Both indexes are left out when 0.
    pub modified: u64,
    /// Index of its creation.
    pub created: u64,
}

/// Writes a node without a listing.
pub fn node(out: &mut Vec<u8>, fields: &NodeFields<'_>) {
    let begin = begin_node(out, fields);
    end_node(out, begin, fields.modified, fields.created);
}

/// Writes a node as far as its listing; [`end_node`] wants to know where that was.
pub fn begin_node(out: &mut Vec<u8>, fields: &NodeFields<'_>) -> usize {
    let begin = out.len();
    if !fields.key.is_empty() {
        out.extend_from_slice(b",\"key\":");
        string(out, fields.key);
    }
    if let Some(value) = fields.value {
        out.extend_from_slice(b",\"value\":");
        string(out, value);
    }
    if fields.dir {
        out.extend_from_slice(b",\"dir\":true");
    }
    if let Some(expiration) = fields.expiration {
        out.extend_from_slice(b",\"expiration\":\"");
        out.extend_from_slice(rfc3339_nanos(expiration).as_bytes());
        out.push(b'"');
    }
    if fields.ttl != 0 {
        out.extend_from_slice(b",\"ttl\":");
        if fields.ttl < 0 {
            out.push(b'-');
        }
        number(out, fields.ttl.unsigned_abs());
    }
    begin
}

/// Writes the rest of a node, whose indexes these are.
pub fn end_node(out: &mut Vec<u8>, begin: usize, modified: u64, created: u64) {
    if modified != 0 {
        out.extend_from_slice(b",\"modifiedIndex\":");
        number(out, modified);
    }
    if created != 0 {
        out.extend_from_slice(b",\"createdIndex\":");
        number(out, created);
    }
    if out.len() == begin {
        out.push(b'{');
    } else {
        out[begin] = b'{';
    }
    out.push(b'}');
}

/// Writes a decimal number.
pub fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a string with its quotes. Bytes that are no UTF-8 become `\ufffd`.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if text.iter().all(|byte| is_plain(*byte)) {
        out.extend_from_slice(text);
    } else {
        for chunk in text.utf8_chunks() {
            escape(out, chunk.valid());
            for _ in chunk.invalid() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
    }
    out.push(b'"');
}

fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&')
}

fn escape(out: &mut Vec<u8>, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(c)).as_bytes());
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NodeFields, node, string};

    fn text(of: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, of);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn characters_are_escaped_as_the_original_escapes_them() {
        assert_eq!(
            text(b"<a>&\"\x01\n\t\r\\"),
            r#""\u003ca\u003e\u0026\"\u0001\n\t\r\\""#
        );
        assert_eq!(text("文\u{2028}é".as_bytes()), "\"文\\u2028é\"");
        assert_eq!(text(b"a\xff\xfeb"), "\"a\\ufffd\\ufffdb\"");
    }

    #[test]
    fn the_fields_of_a_node_keep_their_order() {
        let fields = NodeFields {
            key: b"/a",
            value: Some(b""),
            dir: false,
            expiration: Some(1_000_000_000),
            ttl: 5,
            modified: 2,
            created: 1,
        };
        let mut out = Vec::new();
        node(&mut out, &fields);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"key":"/a","value":"","expiration":"1970-01-01T00:00:01Z","ttl":5,"modifiedIndex":2,"createdIndex":1}"#
        );
    }

    #[test]
    fn an_empty_root_is_only_a_directory() {
        let mut out = Vec::new();
        node(
            &mut out,
            &NodeFields {
                dir: true,
                ..NodeFields::default()
            },
        );
        assert_eq!(out, b"{\"dir\":true}");
    }
}
