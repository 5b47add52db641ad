//! One value of the D-Bus type system, with the conversions that callers want to write.

use crate::Signature;

/// One value. Arrays carry the signature of their elements, so that empty ones have a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `y`
    Byte(u8),
    /// `b`
    Bool(bool),
    /// `n`
    Int16(i16),
    /// `q`
    Uint16(u16),
    /// `i`
    Int32(i32),
    /// `u`
    Uint32(u32),
    /// `x`
    Int64(i64),
    /// `t`
    Uint64(u64),
    /// `d`
    Double(f64),
    /// `s`
    Str(String),
    /// `o`
    Path(String),
    /// `g`
    Signature(Signature),
    /// `h`: the index of a descriptor that travels beside the message
    Fd(u32),
    /// `ay`
    Bytes(Vec<u8>),
    /// `a…` of anything but bytes; the first part is the element's type
    Array(Signature, Vec<Value>),
    /// `{…}`, only inside arrays
    Entry(Box<Value>, Box<Value>),
    /// `(…)`
    Struct(Vec<Value>),
    /// `v`
    Variant(Box<Value>),
}

impl Value {
    /// An array of strings.
    pub fn strings<I: IntoIterator<Item = S>, S: Into<String>>(items: I) -> Self {
        Self::Array(
            Signature::trusted("s".into()),
            items.into_iter().map(|s| Self::Str(s.into())).collect(),
        )
    }

    /// An array with a type written by us.
    ///
    /// An element type that is no signature gives an array that [`crate::Message::encode`] refuses.
    #[must_use]
    pub fn array(element: &str, items: Vec<Value>) -> Self {
        Self::Array(Signature::trusted(element.to_owned()), items)
    }

    /// `a{sv}` in the given order.
    pub fn dict<I: IntoIterator<Item = (S, Value)>, S: Into<String>>(items: I) -> Self {
        let entry = |(key, value): (S, Value)| {
            Self::Entry(
                Box::new(Self::Str(key.into())),
                Box::new(Self::variant(value)),
            )
        };
        Self::Array(
            Signature::trusted("{sv}".into()),
            items.into_iter().map(entry).collect(),
        )
    }

    /// Wrapped in a variant.
    #[must_use]
    pub fn variant(value: Value) -> Self {
        Self::Variant(Box::new(value))
    }

    /// An object path.
    pub fn path(text: impl Into<String>) -> Self {
        Self::Path(text.into())
    }

    /// The type.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut out = String::new();
        self.write_signature(&mut out);
        out
    }

    pub(crate) fn write_signature(&self, out: &mut String) {
        match self {
            Self::Byte(_) => out.push('y'),
            Self::Bool(_) => out.push('b'),
            Self::Int16(_) => out.push('n'),
            Self::Uint16(_) => out.push('q'),
            Self::Int32(_) => out.push('i'),
            Self::Uint32(_) => out.push('u'),
            Self::Int64(_) => out.push('x'),
            Self::Uint64(_) => out.push('t'),
            Self::Double(_) => out.push('d'),
            Self::Str(_) => out.push('s'),
            Self::Path(_) => out.push('o'),
            Self::Signature(_) => out.push('g'),
            Self::Fd(_) => out.push('h'),
            Self::Bytes(_) => out.push_str("ay"),
            Self::Array(element, _) => {
                out.push('a');
                out.push_str(element.as_str());
            }
            Self::Entry(key, value) => {
                out.push('{');
                key.write_signature(out);
                value.write_signature(out);
                out.push('}');
            }
            Self::Struct(fields) => {
                out.push('(');
                fields.iter().for_each(|f| f.write_signature(out));
                out.push(')');
            }
            Self::Variant(_) => out.push('v'),
        }
    }

    /// The value inside any number of variants.
    #[must_use]
    pub fn plain(&self) -> &Value {
        match self {
            Self::Variant(inner) => inner.plain(),
            other => other,
        }
    }

    /// The text of a string, object path or signature.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self.plain() {
            Self::Str(s) | Self::Path(s) => Some(s),
            Self::Signature(s) => Some(s.as_str()),
            _ => None,
        }
    }

    /// A boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.plain() {
            Self::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// Any whole number that is not negative.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match *self.plain() {
            Self::Byte(n) => Some(n.into()),
            Self::Uint16(n) => Some(n.into()),
            Self::Uint32(n) => Some(n.into()),
            Self::Uint64(n) => Some(n),
            Self::Int16(n) => u64::try_from(n).ok(),
            Self::Int32(n) => u64::try_from(n).ok(),
            Self::Int64(n) => u64::try_from(n).ok(),
            _ => None,
        }
    }

    /// Any whole number that fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self.plain() {
            Self::Int16(n) => Some(n.into()),
            Self::Int32(n) => Some(n.into()),
            Self::Int64(n) => Some(n),
            _ => self.as_u64().and_then(|n| i64::try_from(n).ok()),
        }
    }

    /// A `u`, or any whole number that fits one.
    #[must_use]
    pub fn as_u32(&self) -> Option<u32> {
        self.as_u64().and_then(|n| u32::try_from(n).ok())
    }

    /// The elements of an array (empty for byte arrays) or the fields of a struct.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        match self.plain() {
            Self::Array(_, items) | Self::Struct(items) => items,
            _ => &[],
        }
    }

    /// A byte array.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self.plain() {
            Self::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// The strings of an array of strings or paths.
    #[must_use]
    pub fn as_strings(&self) -> Vec<String> {
        self.items()
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect()
    }

    /// Key and value of each entry of a dictionary with string keys.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.items().iter().filter_map(|item| match item {
            Self::Entry(key, value) => key.as_str().map(|k| (k, value.plain())),
            _ => None,
        })
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}
from! { u8 => Byte, bool => Bool, i16 => Int16, u16 => Uint16, i32 => Int32, u32 => Uint32, i64 => Int64,
u64 => Uint64, f64 => Double, String => Str, Vec<u8> => Bytes, Signature => Signature }

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.to_owned())
    }
}

impl From<Vec<String>> for Value {
    fn from(value: Vec<String>) -> Self {
        Self::strings(value)
    }
}
