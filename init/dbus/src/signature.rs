//! Type signatures: which strings are valid, and how to walk them one complete type at a time.

use crate::DbusError;

/// A checked type signature of zero or more complete types, at most 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Signature(String);

impl Signature {
    /// Checks a signature.
    ///
    /// # Errors
    /// [`DbusError::Signature`] names the broken rule.
    pub fn parse(text: &str) -> Result<Self, DbusError> {
        let fail = |why| DbusError::Signature {
            text: text.chars().take(300).collect(),
            why,
        };
        if text.len() > 255 {
            return Err(fail("longer than 255 bytes"));
        }
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let length = complete(rest, Depth::default()).map_err(fail)?;
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(Self(text.to_owned()))
    }

    /// For signatures that were put together from checked values.
    pub(crate) fn trusted(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The complete types it consists of.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        Types(&self.0)
    }

    /// Whether it is exactly one complete type.
    #[must_use]
    pub fn is_single(&self) -> bool {
        first_type(&self.0).is_some_and(|t| t.len() == self.0.len())
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

struct Types<'a>(&'a str);

impl<'a> Iterator for Types<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        let first = first_type(self.0)?;
        self.0 = self.0.get(first.len()..).unwrap_or_default();
        Some(first)
    }
}

/// The first complete type of a valid signature.
pub(crate) fn first_type(text: &str) -> Option<&str> {
    let length = complete(text.as_bytes(), Depth::default()).ok()?;
    text.get(..length)
}

/// The alignment of a type by its first character.
pub(crate) fn alignment(code: u8) -> usize {
    match code {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b's' | b'o' | b'a' | b'h' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}

pub(crate) fn is_basic(code: u8) -> bool {
    matches!(
        code,
        b'y' | b'b' | b'n' | b'q' | b'i' | b'u' | b'x' | b't' | b'd' | b's' | b'o' | b'g' | b'h'
    )
}

#[derive(Clone, Copy, Default)]
struct Depth {
    arrays: u8,
    structs: u8,
}

/// The length of the first complete type.
fn complete(text: &[u8], depth: Depth) -> Result<usize, &'static str> {
    let Some((&code, rest)) = text.split_first() else {
        return Err("a type is missing");
    };
    match code {
        b'v' => Ok(1),
        code if is_basic(code) => Ok(1),
        b'a' => {
            let depth = Depth {
                arrays: depth.arrays + 1,
                ..depth
            };
            if depth.arrays > 32 {
                return Err("more than 32 arrays deep");
            }
            match rest.first() {
                Some(b'{') => dict_entry(rest, depth).map(|n| n + 1),
                _ => complete(rest, depth).map(|n| n + 1),
            }
        }
        b'(' => {
            let depth = Depth {
                structs: depth.structs + 1,
                ..depth
            };
            if depth.structs > 32 {
                return Err("more than 32 structs deep");
            }
            let mut used = 1;
            loop {
                match text.get(used) {
                    None => return Err("a struct is not closed"),
                    Some(b')') if used == 1 => return Err("an empty struct"),
                    Some(b')') => return Ok(used + 1),
                    Some(_) => used += complete(text.get(used..).unwrap_or_default(), depth)?,
                }
            }
        }
        b'{' => Err("a dict entry outside an array"),
        _ => Err("an unknown type code"),
    }
}

fn dict_entry(text: &[u8], depth: Depth) -> Result<usize, &'static str> {
    let depth = Depth {
        structs: depth.structs + 1,
        ..depth
    };
    if depth.structs > 32 {
        return Err("more than 32 structs deep");
    }
    if !text.get(1).copied().is_some_and(is_basic) {
        return Err("a dict key that is not a basic type");
    }
    let value = complete(text.get(2..).unwrap_or_default(), depth)?;
    match text.get(2 + value) {
        Some(b'}') => Ok(value + 3),
        _ => Err("a dict entry is not closed after its value"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_own_examples_are_accepted_and_refused() {
        for good in [
            "",
            "i",
            "ai",
            "aai",
            "(ii)",
            "(i(ii))",
            "a{sv}",
            "a(sasbttttuii)",
            "v",
            "a{s(ii)}",
        ] {
            assert!(Signature::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "a", "(", "()", "(i", "{sv}", "a{vs}", "a{s}", "a{sss}", "z", "i)", "aa",
        ] {
            assert!(Signature::parse(bad).is_err(), "{bad}");
        }
        let refused =
            |text: &str| matches!(Signature::parse(text), Err(DbusError::Signature { .. }));
        assert!(refused(&"i".repeat(256)));
        assert!(refused(&("a".repeat(33) + "i")));
    }

    #[test]
    fn types_splits_into_complete_types() {
        let signature = Signature::parse("sa{sv}(ii)as").unwrap();
        assert_eq!(
            signature.types().collect::<Vec<_>>(),
            ["s", "a{sv}", "(ii)", "as"]
        );
    }
}
