//! MIME messages as cloud tools build them: `multipart/mixed`, or a single part with headers.

use crate::diagnostic::Diagnostic;
use crate::encoding;

/// Parts of parts are not what user-data needs; more than this many parts is no user-data.
const MOST_PARTS: usize = 256;

pub(crate) struct Part {
    pub(crate) content_type: String,
    pub(crate) body: Vec<u8>,
    /// The line of the message where the part begins.
    pub(crate) line: usize,
}

pub(crate) struct Message {
    pub(crate) parts: Vec<Part>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Name in lower case, and value.
type Header = (String, String);

/// A header block as (lower-case name, value), and what follows it.
fn headers(text: &str) -> Option<(Vec<Header>, &str, usize)> {
    let mut found: Vec<Header> = Vec::new();
    let (mut rest, mut lines) = (text, 0);
    loop {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        lines += 1;
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return (!found.is_empty() || lines == 1).then_some((found, after, lines));
        }
        if line.starts_with([' ', '\t']) {
            let (_, value) = found.last_mut()?;
            value.push(' ');
            value.push_str(line.trim());
        } else {
            let (name, value) = line.split_once(':')?;
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
                return None;
            }
            found.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if after.is_empty() && !rest.contains('\n') {
            return None;
        }
        rest = after;
    }
}

fn get<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    headers
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, value)| value.as_str())
}

/// `type/subtype` in lower case, and a parameter.
fn type_and(value: &str, parameter: &str) -> (String, Option<String>) {
    let mut pieces = value.split(';');
    let kind = pieces.next().unwrap_or("").trim().to_ascii_lowercase();
    let found = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        (name.trim().eq_ignore_ascii_case(parameter))
            .then(|| value.trim().trim_matches('"').to_owned())
    });
    (kind, found)
}

/// A message with a Content-Type header; `None` for what is no such message.
pub(crate) fn parse(text: &str) -> Option<Message> {
    let (head, body, used) = headers(text)?;
    let content_type = get(&head, "content-type")?;
    let (kind, boundary) = type_and(content_type, "boundary");
    let mut message = Message {
        parts: vec![],
        diagnostics: vec![],
    };
    match boundary.filter(|b| kind.starts_with("multipart/") && !b.is_empty()) {
        Some(boundary) => split(body, &boundary, used, &mut message),
        None if kind.starts_with("multipart/") => {
            message
                .diagnostics
                .push(Diagnostic::error(1, "multipart message without a boundary"));
        }
        None => add(&head, body, used + 1, &mut message),
    }
    Some(message)
}

fn split(body: &str, boundary: &str, before: usize, message: &mut Message) {
    let marker = format!("--{boundary}");
    let mut current: Option<(usize, String)> = None;
    let finish = |part: Option<(usize, String)>, message: &mut Message| {
        if let Some((line, text)) = part {
            match headers(&text) {
                Some((head, body, used)) => add(&head, body, line + used, message),
                None => message
                    .diagnostics
                    .push(Diagnostic::error(line, "part without a header block")),
            }
        }
    };
    for (number, line) in body.split_inclusive('\n').enumerate() {
        let bare = line.trim_end();
        if bare == marker || bare == format!("{marker}--") {
            finish(current.take(), message);
            if bare != marker {
                return;
            }
            if message.parts.len() >= MOST_PARTS {
                message
                    .diagnostics
                    .push(Diagnostic::error(before + number + 1, "too many parts"));
                return;
            }
            current = Some((before + number + 2, String::new()));
        } else if let Some((_, text)) = &mut current {
            text.push_str(line);
        }
    }
    finish(current, message);
}

fn add(head: &[Header], body: &str, line: usize, message: &mut Message) {
    let (content_type, _) = type_and(get(head, "content-type").unwrap_or("text/plain"), "charset");
    let transfer = get(head, "content-transfer-encoding")
        .unwrap_or("7bit")
        .to_ascii_lowercase();
    let body = match transfer.as_str() {
        "7bit" | "8bit" | "binary" | "" => Ok(body.as_bytes().to_vec()),
        "base64" => encoding::base64(body.as_bytes()).map_err(|e| e.to_string()),
        "quoted-printable" => Ok(quoted_printable(body)),
        other => Err(format!("unknown transfer encoding {other}")),
    };
    match body {
        Ok(body) => message.parts.push(Part {
            content_type,
            body,
            line,
        }),
        Err(wrong) => message
            .diagnostics
            .push(Diagnostic::error(line, format!("part: {wrong}"))),
    }
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut bytes = line.as_bytes();
        while let [first, rest @ ..] = bytes {
            bytes = rest;
            if *first != b'=' {
                out.push(*first);
                continue;
            }
            let hex = rest.get(..2).and_then(|two| std::str::from_utf8(two).ok());
            match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    bytes = rest.get(2..).unwrap_or(&[]);
                }
                None if rest.iter().all(u8::is_ascii_whitespace) => bytes = &[],
                None => out.push(b'='),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_printable_joins_soft_breaks() {
        assert_eq!(quoted_printable("a=3Db=\nc=\n"), b"a=bc");
    }

    #[test]
    fn plain_text_is_no_message() {
        assert!(parse("hello: x\nworld").is_none());
        assert!(parse("hello\n\nContent-Type: a").is_none());
        assert!(parse("").is_none());
    }
}
