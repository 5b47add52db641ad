//! The encoding of what goes to disk and to other members: little-endian numbers, counted bytes.

use std::sync::Arc;

/// The bytes are not what was encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed at byte {at}: {wants} expected")]
pub struct Malformed {
    /// Offset.
    pub at: usize,
    /// What should have been there.
    pub wants: &'static str,
}

/// Writes.
#[derive(Debug, Default)]
pub struct Encoder {
    /// What was written so far.
    pub out: Vec<u8>,
}

impl Encoder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    /// A truth value.
    pub fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    /// A number of 32 bits.
    pub fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A number of 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A number of 64 bits that may be absent.
    pub fn option_u64(&mut self, value: Option<u64>) {
        self.bool(value.is_some());
        if let Some(value) = value {
            self.u64(value);
        }
    }

    /// A count.
    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Bytes with their count.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend_from_slice(bytes);
    }
}

/// Reads.
#[derive(Debug)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// From the beginning.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, at: 0 }
    }

    fn take(&mut self, count: usize, wants: &'static str) -> Result<&'a [u8], Malformed> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Malformed { at: self.at, wants })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, wants: &'static str) -> Result<[u8; N], Malformed> {
        let at = self.at;
        self.take(N, wants)?
            .try_into()
            .map_err(|_| Malformed { at, wants })
    }

    /// A byte.
    ///
    /// # Errors
    /// At the end.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>("a byte")?[0])
    }

    /// A truth value.
    ///
    /// # Errors
    /// At the end, or for a byte above 1.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed("0 or 1")),
        }
    }

    /// A number of 32 bits.
    ///
    /// # Errors
    /// At the end.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array("4 bytes")?))
    }

    /// A number of 64 bits.
    ///
    /// # Errors
    /// At the end.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array("8 bytes")?))
    }

    /// A number of 64 bits that may be absent.
    ///
    /// # Errors
    /// At the end.
    pub fn option_u64(&mut self) -> Result<Option<u64>, Malformed> {
        self.bool()?.then(|| self.u64()).transpose()
    }

    /// A count.
    ///
    /// # Errors
    /// At the end.
    pub fn count(&mut self) -> Result<usize, Malformed> {
        let at = self.at;
        usize::try_from(self.u32()?).map_err(|_| Malformed {
            at,
            wants: "a count",
        })
    }

    /// Counted bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.count()?;
        self.take(count, "counted bytes")
    }

    /// Counted bytes, shared.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn text(&mut self) -> Result<Arc<[u8]>, Malformed> {
        Ok(self.bytes()?.into())
    }

    /// Counted bytes that are UTF-8.
    ///
    /// # Errors
    /// When there are fewer or they are not.
    pub fn string(&mut self) -> Result<String, Malformed> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.malformed("UTF-8"))
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.malformed("the end"))
        }
    }

    /// An error here.
    #[must_use]
    pub fn malformed(&self, wants: &'static str) -> Malformed {
        Malformed { at: self.at, wants }
    }
}
