//! One entry of the journal, away from its file.

/// An entry: when, where in the sequence, and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub seqnum_id: [u8; 16],
    pub seqnum: u64,
    /// Microseconds since 1970.
    pub realtime: u64,
    /// Microseconds since boot.
    pub monotonic: u64,
    pub boot_id: [u8; 16],
    pub xor_hash: u64,
    /// `FIELD=value`, the value any bytes.
    pub fields: Vec<Vec<u8>>,
}

/// An id as 32 hexadecimal digits.
#[must_use]
pub fn hex(id: &[u8; 16]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 hexadecimal digits (dashes are skipped) as an id.
#[must_use]
pub fn parse_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.is_ascii() {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

impl Entry {
    /// The first value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.pairs()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// The first value of a field as text, with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// All fields as name and value; items without a name are left out.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().filter_map(|field| {
            let at = field.iter().position(|b| *b == b'=')?;
            let (name, value) = field.split_at_checked(at)?;
            Some((std::str::from_utf8(name).ok()?, value.get(1..)?))
        })
    }

    /// The cursor: a text by which this entry is found again, in any file.
    #[must_use]
    pub fn cursor(&self) -> String {
        format!(
            "s={};i={:x};b={};m={:x};t={:x};x={:x}",
            hex(&self.seqnum_id),
            self.seqnum,
            hex(&self.boot_id),
            self.monotonic,
            self.realtime,
            self.xor_hash
        )
    }
}

/// What of a cursor is needed to find its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub seqnum_id: [u8; 16],
    pub seqnum: u64,
    pub realtime: u64,
}

impl Cursor {
    /// Reads a cursor as [`Entry::cursor`] writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let part = |key: &str| {
            text.split(';')
                .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
        };
        let number = |key| u64::from_str_radix(part(key)?, 16).ok();
        Some(Self {
            seqnum_id: parse_id(part("s")?)?,
            seqnum: number("i")?,
            realtime: number("t")?,
        })
    }

    /// Whether `entry` comes after this place.
    #[must_use]
    pub fn is_before(&self, entry: &Entry) -> bool {
        if entry.seqnum_id == self.seqnum_id {
            entry.seqnum > self.seqnum
        } else {
            entry.realtime > self.realtime
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_the_place_it_was_made_from() {
        let entry = Entry {
            seqnum_id: [0xab; 16],
            seqnum: 0x1f,
            realtime: 123_456,
            monotonic: 7,
            boot_id: [1; 16],
            xor_hash: 9,
            fields: vec![b"MESSAGE=a=b".to_vec()],
        };
        let cursor = Cursor::parse(&entry.cursor()).unwrap();
        assert_eq!(
            (cursor.seqnum, cursor.realtime, cursor.seqnum_id),
            (0x1f, 123_456, [0xab; 16])
        );
        assert!(!cursor.is_before(&entry));
        assert_eq!(entry.text("MESSAGE").as_deref(), Some("a=b"));
    }
}
