//! What kind of user-data some bytes are: unpacked, split into parts, each known by its first line.
//!
//! It never looks into a cloud-config; that is `read`.

use crate::diagnostic::Diagnostic;
use crate::{encoding, mime};

/// Largest input.
pub const MOST_INPUT: usize = 1 << 20;

/// What to do with a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    CloudConfig,
    Script,
}

/// One piece of user-data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub kind: Kind,
    pub text: String,
}

/// What was found in the bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// In their order; empty for empty user-data and for what cannot be used.
    pub parts: Vec<Part>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Opened {
    fn error(line: usize, message: impl Into<String>) -> Self {
        Self {
            parts: vec![],
            diagnostics: vec![Diagnostic::error(line, message)],
        }
    }
}

/// Opens user-data. Mistakes are diagnostics; with an error the part that has it is missing.
#[must_use]
pub fn open(bytes: &[u8]) -> Opened {
    if bytes.len() > MOST_INPUT {
        return Opened::error(
            1,
            format!("user-data is larger than {} KiB", MOST_INPUT >> 10),
        );
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return match encoding::gunzip(bytes) {
            Ok(unpacked) => classify(&unpacked),
            Err(error) => Opened::error(1, format!("user-data begins like gzip, but {error}")),
        };
    }
    classify(bytes)
}

fn classify(bytes: &[u8]) -> Opened {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let line = 1 + bytes.iter().take(at).filter(|b| **b == b'\n').count();
            return Opened::error(line, format!("not UTF-8: wrong byte at offset {at}"));
        }
    };
    if text.is_empty() {
        return Opened::default();
    }
    let (text, mut diagnostics) = without_lead(text);
    let mut opened = by_first_line(&text);
    diagnostics.append(&mut opened.diagnostics);
    Opened {
        parts: opened.parts,
        diagnostics,
    }
}

/// Rule A-3: a byte order mark and blank lines in front are passed over with a warning. The blank
/// lines stay in the text, so that line numbers stay true.
fn without_lead(text: &str) -> (String, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => {
            diagnostics.push(Diagnostic::warning(
                1,
                "a byte order mark stands before the first line",
            ));
            rest
        }
        None => text,
    };
    let first = text.lines().position(|line| !line.trim().is_empty());
    if first.is_some_and(|n| n > 0) {
        diagnostics.push(Diagnostic::warning(
            1,
            "blank lines stand before the first line",
        ));
    }
    (text.to_owned(), diagnostics)
}

/// Rule A-4.
fn by_first_line(text: &str) -> Opened {
    let number = text
        .lines()
        .position(|line| !line.trim().is_empty())
        .unwrap_or(0);
    let first = text.lines().nth(number).unwrap_or("");
    let body: String = text.split_inclusive('\n').skip(number).collect();
    let part = |kind, text| Opened {
        parts: vec![Part { kind, text }],
        diagnostics: vec![],
    };
    if body.starts_with("#!") {
        part(Kind::Script, body)
    } else if first.trim_end() == "#cloud-config" {
        part(Kind::CloudConfig, text.to_owned())
    } else if is_ignition(&body) {
        Opened::error(
            1,
            "this is an Ignition config, which is not supported here; use #cloud-config",
        )
    } else if let Some(message) = mime::parse(&body) {
        from_mime(message)
    } else {
        Opened::error(number + 1, unknown(first, &body))
    }
}

fn unknown(first: &str, body: &str) -> String {
    let mut message = String::from(r##"must be "#cloud-config" or begin with "#!""##);
    let decoded = encoding::base64(body.as_bytes()).unwrap_or_default();
    if decoded.starts_with(b"#cloud-config") || decoded.starts_with(b"#!") {
        message.push_str("; this is base64 of such a text: give it undecoded or decode it first");
    } else if first
        .trim()
        .to_ascii_lowercase()
        .starts_with("#cloud-config")
    {
        message.push_str(
            "; the first line must be exactly that, in lower case, from the first column",
        );
    }
    message
}

/// `{"ignition": {"version": …}}` or the older `ignitionVersion`, by shape: it is never interpreted.
fn is_ignition(body: &str) -> bool {
    let body = body.trim_start();
    body.starts_with('{') && (body.contains("\"ignition\"") || body.contains("\"ignitionVersion\""))
}

fn from_mime(message: mime::Message) -> Opened {
    let mut opened = Opened {
        parts: vec![],
        diagnostics: message.diagnostics,
    };
    for part in message.parts {
        let bytes = if part.body.starts_with(&[0x1f, 0x8b]) {
            match encoding::gunzip(&part.body) {
                Ok(unpacked) => unpacked,
                Err(error) => {
                    opened
                        .diagnostics
                        .push(Diagnostic::error(part.line, format!("part: {error}")));
                    continue;
                }
            }
        } else {
            part.body
        };
        let Ok(text) = String::from_utf8(bytes) else {
            opened
                .diagnostics
                .push(Diagnostic::error(part.line, "part is not UTF-8"));
            continue;
        };
        let kind = match part.content_type.as_str() {
            "text/cloud-config" => Some(Kind::CloudConfig),
            "text/x-shellscript" => Some(Kind::Script),
            "text/plain"
            | "application/octet-stream"
            | "application/gzip"
            | "application/x-gzip" => None,
            other => {
                opened.diagnostics.push(Diagnostic::warning(
                    part.line,
                    format!("part of type {other} is not supported and skipped"),
                ));
                continue;
            }
        };
        match kind {
            Some(kind) => opened.parts.push(Part { kind, text }),
            None => {
                let mut inner = by_first_line(&text);
                opened.parts.append(&mut inner.parts);
                opened.diagnostics.append(&mut inner.diagnostics);
            }
        }
    }
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> (Vec<Kind>, Vec<usize>) {
        let opened = open(bytes);
        (
            opened.parts.iter().map(|p| p.kind).collect(),
            opened.diagnostics.iter().map(|d| d.line).collect(),
        )
    }

    #[test]
    fn the_first_line_decides() {
        assert_eq!(kinds(b""), (vec![], vec![]));
        assert_eq!(
            kinds(b"#cloud-config \t\r\na: b\n"),
            (vec![Kind::CloudConfig], vec![])
        );
        assert_eq!(kinds(b"#cloud-config"), (vec![Kind::CloudConfig], vec![]));
        assert_eq!(kinds(b"#!/bin/sh\n"), (vec![Kind::Script], vec![]));
        assert_eq!(
            kinds("\u{feff}#cloud-config\n".as_bytes()),
            (vec![Kind::CloudConfig], vec![1])
        );
        assert_eq!(
            kinds(b"\n \n#cloud-config\n"),
            (vec![Kind::CloudConfig], vec![1])
        );
        for wrong in [
            "#Cloud-Config\n",
            " #cloud-config\n",
            "#cloud-config # x\n",
            "   ",
            "hello",
            "- a",
        ] {
            assert_eq!(kinds(wrong.as_bytes()), (vec![], vec![1]), "{wrong:?}");
        }
    }

    #[test]
    fn hints_name_base64_and_ignition() {
        let hint = |bytes: &[u8]| open(bytes).diagnostics[0].message.clone();
        assert!(hint(b"I2Nsb3VkLWNvbmZpZwpob3N0bmFtZTogeAo=").contains("base64"));
        assert!(hint(br#"{"ignition":{"version":"2.0.0"}}"#).contains("Ignition"));
    }

    #[test]
    fn a_wrong_byte_is_named_with_line_and_offset() {
        let opened = open(b"#cloud-config\nhostname: \xe9\n");
        assert_eq!(opened.diagnostics[0].line, 2);
        assert!(opened.diagnostics[0].message.contains("offset 24"));
    }

    #[test]
    fn a_multipart_message_gives_its_parts_in_order() {
        let text = "Content-Type: multipart/mixed; boundary=\"==x==\"\nMIME-Version: 1.0\n\npre\n--==x==\nContent-Type: text/cloud-config\n\nhostname: m\n--==x==\nContent-Type: text/x-include-url\n\nhttp://x/\n--==x==\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nIyEvYmluL3NoCg==\n--==x==--\n";
        let opened = open(text.as_bytes());
        let kinds: Vec<_> = opened
            .parts
            .iter()
            .map(|p| (p.kind, p.text.trim()))
            .collect();
        assert_eq!(
            kinds,
            [
                (Kind::CloudConfig, "hostname: m"),
                (Kind::Script, "#!/bin/sh")
            ]
        );
        assert_eq!(opened.diagnostics.len(), 1);
    }
}
