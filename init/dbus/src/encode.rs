//! Values to bytes, little-endian.

use crate::signature::alignment;
use crate::{DbusError, Signature, Value, names};

/// Longest array that the protocol allows, in bytes.
pub(crate) const MAX_ARRAY: usize = 64 << 20;

/// Bytes under construction; offsets count from the start of the message.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    pub(crate) bytes: Vec<u8>,
}

impl Encoder {
    pub(crate) fn pad(&mut self, to: usize) {
        while !self.bytes.len().is_multiple_of(to) {
            self.bytes.push(0);
        }
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.pad(N);
        self.bytes.extend_from_slice(&bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.put(value.to_le_bytes());
    }

    fn length(&mut self, what: &'static str, length: usize, limit: usize) -> Result<(), DbusError> {
        match u32::try_from(length) {
            Ok(short) if length <= limit => self.u32(short),
            _ => return Err(too_large(what, length, limit)),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), DbusError> {
        if text.contains('\0') {
            return Err(DbusError::Malformed {
                what: "a NUL inside a string",
                at: self.bytes.len(),
            });
        }
        self.length("a string", text.len(), MAX_ARRAY)?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    pub(crate) fn signature(&mut self, text: &str) -> Result<(), DbusError> {
        let length =
            u8::try_from(text.len()).map_err(|_| too_large("a signature", text.len(), 255))?;
        self.bytes.push(length);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    pub(crate) fn value(&mut self, value: &Value) -> Result<(), DbusError> {
        match value {
            Value::Byte(n) => self.bytes.push(*n),
            Value::Bool(b) => self.u32(u32::from(*b)),
            Value::Int16(n) => self.put(n.to_le_bytes()),
            Value::Uint16(n) => self.put(n.to_le_bytes()),
            Value::Int32(n) => self.put(n.to_le_bytes()),
            Value::Uint32(n) | Value::Fd(n) => self.u32(*n),
            Value::Int64(n) => self.put(n.to_le_bytes()),
            Value::Uint64(n) => self.put(n.to_le_bytes()),
            Value::Double(n) => self.put(n.to_le_bytes()),
            Value::Str(text) => self.text(text)?,
            Value::Path(text) => {
                if !names::is_object_path(text) {
                    return Err(DbusError::Name {
                        what: "object path",
                        text: text.clone(),
                    });
                }
                self.text(text)?;
            }
            Value::Signature(signature) => self.signature(signature.as_str())?,
            Value::Bytes(bytes) => {
                self.length("an array", bytes.len(), MAX_ARRAY)?;
                self.bytes.extend_from_slice(bytes);
            }
            Value::Array(element, items) => self.array(element, items)?,
            Value::Struct(fields) => {
                self.pad(8);
                for field in fields {
                    self.value(field)?;
                }
            }
            Value::Entry(key, value) => {
                self.pad(8);
                self.value(key)?;
                self.value(value)?;
            }
            Value::Variant(inner) => {
                let signature = Signature::parse(&inner.signature())?;
                self.signature(signature.as_str())?;
                self.value(inner)?;
            }
        }
        Ok(())
    }

    fn array(&mut self, element: &Signature, items: &[Value]) -> Result<(), DbusError> {
        self.u32(0);
        let place = self.bytes.len() - 4;
        self.pad(element.as_str().bytes().next().map_or(1, alignment));
        let start = self.bytes.len();
        for item in items {
            let got = item.signature();
            if got != element.as_str() {
                return Err(DbusError::Mixed {
                    want: element.to_string(),
                    got,
                });
            }
            self.value(item)?;
        }
        let length = self.bytes.len() - start;
        let short = u32::try_from(length).ok().filter(|_| length <= MAX_ARRAY);
        let short = short.ok_or_else(|| too_large("an array", length, MAX_ARRAY))?;
        if let Some(place) = self.bytes.get_mut(place..place + 4) {
            place.copy_from_slice(&short.to_le_bytes());
        }
        Ok(())
    }
}

pub(crate) fn too_large(what: &'static str, got: usize, limit: usize) -> DbusError {
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    DbusError::TooLarge {
        what,
        got: wide(got),
        limit: wide(limit),
    }
}
