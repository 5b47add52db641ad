//! Forms: the body and the query of a request as one list of names and values.

use crate::path::decode;
use crate::{Code, EtcdError};

/// Names and values; the first of a name counts, and those of the body come before the query's.
#[derive(Debug, Clone, Default)]
pub struct Form {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Form {
    /// Parses body and query. A semicolon is data.
    ///
    /// # Errors
    /// Code 210 with the escape that is none.
    pub fn parse(body: &[u8], query: &[u8]) -> Result<Form, EtcdError> {
        let mut fields = Vec::new();
        let pairs = body
            .split(|byte| *byte == b'&')
            .chain(query.split(|byte| *byte == b'&'));
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let cut = pair.iter().position(|byte| *byte == b'=');
            let (name, value) = cut.map_or((pair, &b""[..]), |at| (&pair[..at], &pair[at + 1..]));
            let decode = |text| {
                decode(text, true).map_err(|escape| {
                    EtcdError::new(
                        Code::InvalidForm,
                        format!("invalid URL escape \"{escape}\""),
                        0,
                    )
                })
            };
            fields.push((decode(name)?, decode(value)?));
        }
        Ok(Form { fields })
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|(other, _)| other == name.as_bytes())
            .map(|(_, value)| value.as_slice())
    }
}

/// Encodes a value for a form.
#[must_use]
pub fn encode_form_value(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for &byte in value {
        match byte {
            b' ' => out.push('+'),
            _ if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Form, encode_form_value};

    #[test]
    fn the_body_wins_over_the_query_and_the_first_over_the_second() {
        let form = Form::parse(b"value=a+b%2Bc&value=x", b"value=q&dir=true").unwrap();
        assert_eq!(form.get("value"), Some(&b"a b+c"[..]));
        assert_eq!(form.get("dir"), Some(&b"true"[..]));
        assert_eq!(form.get("ttl"), None);
    }

    #[test]
    fn a_semicolon_is_data() {
        assert_eq!(
            Form::parse(b"value=a;b", b"").unwrap().get("value"),
            Some(&b"a;b"[..])
        );
    }

    #[test]
    fn a_bad_escape_is_named() {
        assert_eq!(
            Form::parse(b"value=%zz1", b"").unwrap_err().cause,
            "invalid URL escape \"%zz\""
        );
    }

    #[test]
    fn an_encoded_value_comes_back() {
        let value: Vec<u8> = (0..=255).collect();
        let body = format!("value={}", encode_form_value(&value));
        assert_eq!(
            Form::parse(body.as_bytes(), b"").unwrap().get("value"),
            Some(&value[..])
        );
    }
}
