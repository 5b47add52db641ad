//! Bytes to values, either byte order, with every length checked before it is believed.

use crate::encode::{MAX_ARRAY, too_large};
use crate::signature::{alignment, first_type};
use crate::{DbusError, Signature, Value, names};

/// A place in a message.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
    little: bool,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], little: bool) -> Self {
        Self {
            bytes,
            at: 0,
            little,
        }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn malformed(&self, what: &'static str) -> DbusError {
        DbusError::Malformed { what, at: self.at }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DbusError> {
        let end = self.at.checked_add(length);
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        let found = found.ok_or(DbusError::Truncated { at: self.at })?;
        self.at += length;
        Ok(found)
    }

    pub(crate) fn align(&mut self, to: usize) -> Result<(), DbusError> {
        while !self.at.is_multiple_of(to) {
            if self.take(1)? != [0] {
                return Err(self.malformed("padding that is not zero"));
            }
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DbusError> {
        self.align(N)?;
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        if !self.little {
            out.reverse();
        }
        Ok(out)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DbusError> {
        self.fixed::<1>().map(|[b]| b)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DbusError> {
        self.fixed().map(u32::from_le_bytes)
    }

    fn length(&mut self, what: &'static str) -> Result<usize, DbusError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if length > MAX_ARRAY {
            return Err(too_large(what, length, MAX_ARRAY));
        }
        Ok(length)
    }

    fn terminated(&mut self, length: usize) -> Result<String, DbusError> {
        let bytes = self.take(length)?;
        if self.take(1)? != [0] {
            return Err(self.malformed("a string without its closing NUL"));
        }
        if bytes.contains(&0) {
            return Err(self.malformed("a NUL inside a string"));
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| self.malformed("a string that is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn text(&mut self) -> Result<String, DbusError> {
        let length = self.length("a string")?;
        self.terminated(length)
    }

    pub(crate) fn signature(&mut self) -> Result<Signature, DbusError> {
        let length = usize::from(self.byte()?);
        Signature::parse(&self.terminated(length)?)
    }

    /// One value of a complete type; `depth` is how many containers may still be opened.
    pub(crate) fn value(&mut self, kind: &str, depth: usize) -> Result<Value, DbusError> {
        let code = kind.bytes().next().unwrap_or(0);
        let inside = || {
            depth
                .checked_sub(1)
                .ok_or_else(|| too_large("nesting", 65, 64))
        };
        Ok(match code {
            b'y' => Value::Byte(self.byte()?),
            b'b' => match self.u32()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(self.malformed("a boolean that is neither 0 nor 1")),
            },
            b'n' => Value::Int16(self.fixed().map(i16::from_le_bytes)?),
            b'q' => Value::Uint16(self.fixed().map(u16::from_le_bytes)?),
            b'i' => Value::Int32(self.fixed().map(i32::from_le_bytes)?),
            b'u' => Value::Uint32(self.u32()?),
            b'x' => Value::Int64(self.fixed().map(i64::from_le_bytes)?),
            b't' => Value::Uint64(self.fixed().map(u64::from_le_bytes)?),
            b'd' => Value::Double(self.fixed().map(f64::from_le_bytes)?),
            b's' => Value::Str(self.text()?),
            b'o' => {
                let text = self.text()?;
                if !names::is_object_path(&text) {
                    return Err(DbusError::Name {
                        what: "object path",
                        text,
                    });
                }
                Value::Path(text)
            }
            b'g' => Value::Signature(self.signature()?),
            b'h' => Value::Fd(self.u32()?),
            b'a' => self.array(kind.get(1..).unwrap_or_default(), inside()?)?,
            b'(' => {
                self.align(8)?;
                let inner = kind
                    .get(1..kind.len().saturating_sub(1))
                    .unwrap_or_default();
                Value::Struct(self.sequence(inner, inside()?)?)
            }
            b'{' => {
                self.align(8)?;
                let inner = kind
                    .get(1..kind.len().saturating_sub(1))
                    .unwrap_or_default();
                let mut pair = self.sequence(inner, inside()?)?.into_iter();
                match (pair.next(), pair.next()) {
                    (Some(key), Some(value)) => Value::Entry(Box::new(key), Box::new(value)),
                    _ => return Err(self.malformed("a dict entry without two parts")),
                }
            }
            b'v' => {
                let depth = inside()?;
                let signature = self.signature()?;
                if !signature.is_single() {
                    return Err(self.malformed("a variant that is not one complete type"));
                }
                Value::Variant(Box::new(self.value(signature.as_str(), depth)?))
            }
            _ => return Err(self.malformed("an unknown type code")),
        })
    }

    /// Values of the complete types of a signature, one after another.
    pub(crate) fn sequence(
        &mut self,
        mut kinds: &str,
        depth: usize,
    ) -> Result<Vec<Value>, DbusError> {
        let mut out = Vec::new();
        while let Some(kind) = first_type(kinds) {
            out.push(self.value(kind, depth)?);
            kinds = kinds.get(kind.len()..).unwrap_or_default();
        }
        Ok(out)
    }

    fn array(&mut self, element: &str, depth: usize) -> Result<Value, DbusError> {
        let length = self.length("an array")?;
        self.align(element.bytes().next().map_or(1, alignment))?;
        if element == "y" {
            return Ok(Value::Bytes(self.take(length)?.to_vec()));
        }
        let end = self
            .at
            .checked_add(length)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(DbusError::Truncated { at: self.at })?;
        let mut items = Vec::new();
        while self.at < end {
            items.push(self.value(element, depth)?);
        }
        if self.at != end {
            return Err(self.malformed("an array whose last element overruns it"));
        }
        Ok(Value::Array(Signature::trusted(element.to_owned()), items))
    }
}
