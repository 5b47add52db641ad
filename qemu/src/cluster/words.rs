//! The single words of a cluster file: each is taken as it is meant, or it is said what would be right.

use std::net::Ipv4Addr;

use crate::drive::DriveForm;

pub(super) fn number(word: &str, least: u16, most: u16) -> Result<u16, String> {
    let found = word
        .parse()
        .ok()
        .filter(|number| (least..=most).contains(number));
    found.ok_or_else(|| format!("{word:?} is no number from {least} to {most}"))
}

pub(super) fn memory(word: &str) -> Result<u32, String> {
    let found = word.parse().ok().filter(|mib| (64..=1 << 20).contains(mib));
    found.ok_or_else(|| format!("{word:?} is no memory in MiB (at least 64), as 768"))
}

pub(super) fn truth(word: &str) -> Result<bool, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is neither true nor false"))
}

pub(super) fn drive(word: &str) -> Result<Option<DriveForm>, String> {
    match word {
        "iso" => Ok(Some(DriveForm::Iso)),
        "vfat" => Ok(Some(DriveForm::Vfat)),
        "none" | "false" => Ok(None),
        _ => Err(format!(
            "{word:?} is no form of a config drive: iso, vfat or none"
        )),
    }
}

pub(super) fn host_name(word: &str) -> Result<String, String> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edge = word.starts_with('-') || word.ends_with('-');
    if word.is_empty() || word.len() > 40 || edge || !word.bytes().all(good) {
        return Err(format!(
            "{word:?} is no name: up to 40 of a-z, 0-9 and dashes between them"
        ));
    }
    Ok(word.to_owned())
}

pub(super) fn machine_id(word: &str) -> Result<String, String> {
    let digits: String = word
        .chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let empty = digits.bytes().all(|digit| digit == b'0');
    if digits.len() != 32 || empty || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!(
            "{word:?} is no machine id: 32 hex digits, dashes allowed, not all zero"
        ));
    }
    Ok(digits)
}

pub(super) fn hardware_address(word: &str) -> Result<String, String> {
    let bytes: Vec<Option<u8>> = word
        .split(':')
        .map(|two| u8::from_str_radix(two, 16).ok().filter(|_| two.len() == 2))
        .collect();
    match bytes.as_slice() {
        [Some(first), rest @ ..] if rest.len() == 5 && !rest.contains(&None) && first & 1 == 0 => {
            Ok(word.to_ascii_lowercase())
        }
        _ => Err(format!(
            "{word:?} is no hardware address of one card, as fa:16:3e:00:00:01 (quote it)"
        )),
    }
}

pub(super) fn address(word: &str) -> Result<Ipv4Addr, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is no IPv4 address"))
}

pub(super) fn lab_address(word: &str) -> Result<Ipv4Addr, String> {
    let found = address(word)?;
    match found.octets() {
        [192, 168, 50, 2..=254] => Ok(found),
        _ => Err(format!(
            "{word:?} is not in the machines' network: 192.168.50.2 to 192.168.50.254"
        )),
    }
}
