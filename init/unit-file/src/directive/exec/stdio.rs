//! `StandardInput=`, `StandardOutput=`, `StandardError=` and the data for the first.

use crate::{
    command::simplify,
    config::{StandardInput, StandardOutput},
    value::{Input, Outcome, Refusal},
    words::c_escape,
};

pub(super) fn standard_input(field: &mut StandardInput, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "null" => StandardInput::Null,
        "tty" => StandardInput::Tty,
        "tty-force" => StandardInput::TtyForce,
        "tty-fail" => StandardInput::TtyFail,
        "data" => StandardInput::Data,
        "socket" => StandardInput::Socket,
        "fd" => StandardInput::Fd(String::new()),
        text => match text.split_once(':') {
            Some(("fd", name)) => StandardInput::Fd(descriptor(input, name)?),
            Some(("file", path)) => StandardInput::File(file(input, path)?),
            _ => {
                return Err(input
                    .wants("null, tty, tty-force, tty-fail, data, socket, fd:NAME or file:PATH"));
            }
        },
    };
    Ok(())
}

/// `syslog` is the journal: so it has been read since 246.
pub(super) fn standard_output(field: &mut StandardOutput, input: &mut Input<'_>) -> Outcome {
    *field = match input.text {
        "inherit" => StandardOutput::Inherit,
        "null" => StandardOutput::Null,
        "tty" => StandardOutput::Tty,
        "journal" | "syslog" => StandardOutput::Journal,
        "journal+console" | "syslog+console" => StandardOutput::JournalAndConsole,
        "kmsg" => StandardOutput::Kmsg,
        "kmsg+console" => StandardOutput::KmsgAndConsole,
        "socket" => StandardOutput::Socket,
        "fd" => StandardOutput::Fd(String::new()),
        text => match text.split_once(':') {
            Some(("fd", name)) => StandardOutput::Fd(descriptor(input, name)?),
            Some(("file", path)) => StandardOutput::File(file(input, path)?),
            Some(("append", path)) => StandardOutput::Append(file(input, path)?),
            Some(("truncate", path)) => StandardOutput::Truncate(file(input, path)?),
            _ => {
                return Err(input.wants(
                    "inherit, null, tty, journal, kmsg, journal+console, kmsg+console, socket, \
                     fd:NAME, file:PATH, append:PATH or truncate:PATH",
                ));
            }
        },
    };
    Ok(())
}

fn descriptor(input: &Input<'_>, name: &str) -> Result<String, Refusal> {
    let name = input.expand(name)?;
    if init_api::notify::is_fd_name(&name) {
        Ok(name)
    } else {
        Err(input.wants("a descriptor's name"))
    }
}

fn file(input: &Input<'_>, path: &str) -> Result<String, Refusal> {
    let path = input.expand(path)?;
    if path.starts_with('/') {
        Ok(simplify(&path))
    } else {
        Err(input.wants("an absolute path"))
    }
}

/// `StandardInputText=`: each line adds its text and a newline.
pub(super) fn stdin_text(field: &mut Vec<u8>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let text = input.expand(input.text)?;
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        field.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        match c_escape(rest) {
            Some((length, bytes)) => {
                field.extend_from_slice(&bytes);
                rest = &rest[length..];
            }
            None => field.push(b'\\'),
        }
    }
    field.extend_from_slice(rest.as_bytes());
    field.push(b'\n');
    Ok(())
}

/// `StandardInputData=`: base64, blanks ignored.
pub(super) fn stdin_base64(field: &mut Vec<u8>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let bytes = base64(input.text).ok_or_else(|| input.wants("base64"))?;
    field.extend_from_slice(&bytes);
    Ok(())
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let padding = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'=')
        .count();
    if !digits.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    for group in digits[..digits.len() - padding].chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            let value = match digit {
                b'A'..=b'Z' => digit - b'A',
                b'a'..=b'z' => digit - b'a' + 26,
                b'0'..=b'9' => digit - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_decodes_with_any_padding() {
        for (text, wanted) in [
            ("SGVsbG8=", Some(&b"Hello"[..])),
            ("SGVs bG8h", Some(b"Hello!")),
            ("SA==", Some(b"H")),
            ("", Some(b"")),
            ("SGV", None),
            ("S===", None),
            ("S!==", None),
        ] {
            assert_eq!(base64(text).as_deref(), wanted, "{text}");
        }
    }
}
