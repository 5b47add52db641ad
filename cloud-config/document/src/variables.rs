//! `$private_ipv4` and its kin: replaced in the whole text before it is parsed.
//!
//! The only substitution there is: no braces, no upper case, no word
//! boundary. A backslash before the dollar sign keeps the text as it is, without the backslash.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::diagnostic::Diagnostic;

/// The addresses of this machine, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    pub private_ipv4: Option<Ipv4Addr>,
    pub public_ipv4: Option<Ipv4Addr>,
    pub private_ipv6: Option<Ipv6Addr>,
    pub public_ipv6: Option<Ipv6Addr>,
}

/// Names as users write them, and as units get them.
pub const NAMES: [(&str, &str); 4] = [
    ("$private_ipv4", "COREOS_PRIVATE_IPV4"),
    ("$private_ipv6", "COREOS_PRIVATE_IPV6"),
    ("$public_ipv4", "COREOS_PUBLIC_IPV4"),
    ("$public_ipv6", "COREOS_PUBLIC_IPV6"),
];

impl Addresses {
    /// The value of one of [`NAMES`], by either name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        match name {
            "$private_ipv4" | "COREOS_PRIVATE_IPV4" => self.private_ipv4.map(|a| a.to_string()),
            "$private_ipv6" | "COREOS_PRIVATE_IPV6" => self.private_ipv6.map(|a| a.to_string()),
            "$public_ipv4" | "COREOS_PUBLIC_IPV4" => self.public_ipv4.map(|a| a.to_string()),
            "$public_ipv6" | "COREOS_PUBLIC_IPV6" => self.public_ipv6.map(|a| a.to_string()),
            _ => None,
        }
    }

    /// Fills what is missing from another source.
    pub fn fill(&mut self, other: &Self) {
        self.private_ipv4 = self.private_ipv4.or(other.private_ipv4);
        self.public_ipv4 = self.public_ipv4.or(other.public_ipv4);
        self.private_ipv6 = self.private_ipv6.or(other.private_ipv6);
        self.public_ipv6 = self.public_ipv6.or(other.public_ipv6);
    }

    /// The lines for /etc/environment, in its order.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        NAMES
            .iter()
            .filter_map(|(_, name)| Some((*name, self.get(name)?)))
            .collect()
    }
}

/// Text in which every variable has been replaced; the reader takes nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedText(String);

impl ResolvedText {
    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The outcome of a replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub text: ResolvedText,
    /// One warning per line and variable that has no value.
    pub diagnostics: Vec<Diagnostic>,
    /// Variables that the text uses, in the order of [`NAMES`].
    pub used: Vec<&'static str>,
}

/// Replaces every variable; `source` is named where a value is missing.
#[must_use]
pub fn resolve(text: &str, here: &Addresses, source: &str) -> Resolved {
    replace(text, |name, line| match here.get(name) {
        Some(value) => (value, None),
        None => (
            String::new(),
            Some(
                Diagnostic::warning(
                    line,
                    format!("{name} has no value: {source} gives no such address"),
                )
                .about(name),
            ),
        ),
    })
}

/// For the validator: variables stay, only their backslashes go.
#[must_use]
pub fn keep(text: &str) -> Resolved {
    replace(text, |name, _| (name.to_owned(), None))
}

fn replace(
    text: &str,
    value: impl Fn(&'static str, usize) -> (String, Option<Diagnostic>),
) -> Resolved {
    let mut out = String::with_capacity(text.len());
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let mut used = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(at) = rest.find('$') {
        let (before, tail) = rest.split_at(at);
        line += before.matches('\n').count();
        let Some((name, _)) = NAMES.iter().find(|(name, _)| tail.starts_with(name)) else {
            let (kept, after) = rest.split_at(at + 1);
            out.push_str(kept);
            rest = after;
            continue;
        };
        rest = tail.get(name.len()..).unwrap_or("");
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push_str(name);
            continue;
        }
        out.push_str(before);
        if !used.contains(name) {
            used.push(*name);
        }
        let (new, missing) = value(name, line);
        out.push_str(&new);
        diagnostics.extend(missing.filter(|d| !diagnostics.contains(d)));
    }
    out.push_str(rest);
    Resolved {
        text: ResolvedText(out),
        diagnostics,
        used,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Addresses {
        Addresses {
            private_ipv4: Some(Ipv4Addr::new(10, 0, 0, 5)),
            ..Addresses::default()
        }
    }

    #[test]
    fn every_occurrence_is_replaced_and_backslashes_keep_the_text() {
        for (text, wanted) in [
            ("$private_ipv4$private_ipv4", "10.0.0.510.0.0.5"),
            (r"\$private_ipv4", "$private_ipv4"),
            (r"\\$private_ipv4", r"\$private_ipv4"),
            ("$private_ipv4_x:$private_ipv4", "10.0.0.5_x:10.0.0.5"),
            (
                "${private_ipv4} $PRIVATE_IPV4 $$private_ipv4 $",
                "${private_ipv4} $PRIVATE_IPV4 $10.0.0.5 $",
            ),
        ] {
            assert_eq!(resolve(text, &here(), "t").text.as_str(), wanted);
        }
    }

    #[test]
    fn a_missing_value_is_one_warning_per_line_and_variable() {
        let resolved = resolve(
            "a\n$public_ipv4 $public_ipv4\n$public_ipv4",
            &here(),
            "the config drive",
        );
        let lines: Vec<_> = resolved.diagnostics.iter().map(|d| d.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(resolved.diagnostics[0].message.contains("config drive"));
        assert_eq!(resolved.text.as_str(), "a\n \n");
    }

    #[test]
    fn the_validator_keeps_variables() {
        assert_eq!(
            keep(r#""\$private_ipv4" $public_ipv4"#).text.as_str(),
            r#""$private_ipv4" $public_ipv4"#
        );
    }
}
