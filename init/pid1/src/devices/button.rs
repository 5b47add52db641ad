//! The power button: `OpenStack`'s soft stop and QEMU's `system_powerdown` press it.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
const KEY_RESTART: u16 = 0x198;
/// struct `input_event` on 64-bit machines: time (16 bytes), type, code, value.
const EVENT: usize = 24;

/// What was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressed {
    Power,
    Restart,
}

/// Opens the input device `eventN` if it has a power key.
pub(crate) fn open(name: &str) -> Option<File> {
    if !name.starts_with("event") || !has_power_key(name) {
        return None;
    }
    let flags =
        i32::try_from((rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC).bits()).ok()?;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(Path::new("/dev/input").join(name))
        .ok()
}

/// Opens every input device that has one.
pub(crate) fn open_all() -> Vec<File> {
    let Ok(entries) = fs::read_dir("/dev/input") else {
        return Vec::new();
    };
    let names = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| open(&name)).collect()
}

/// The kernel lists the keys of a device as hexadecimal words, the highest first.
fn has_power_key(name: &str) -> bool {
    let path = format!("/sys/class/input/{name}/device/capabilities/key");
    fs::read_to_string(path).is_ok_and(|text| has_key(&text, KEY_POWER))
}

fn has_key(words: &str, key: u16) -> bool {
    let words: Vec<u64> = words
        .split_whitespace()
        .filter_map(|w| u64::from_str_radix(w, 16).ok())
        .collect();
    let (word, bit) = (usize::from(key / 64), u32::from(key % 64));
    words
        .iter()
        .rev()
        .nth(word)
        .is_some_and(|w| w >> bit & 1 == 1)
}

/// Reads what happened; None when no power key was pressed.
pub(crate) fn read(device: &mut File) -> Option<Pressed> {
    let mut buffer = [0u8; EVENT * 32];
    let got = device.read(&mut buffer).ok()?;
    buffer.get(..got)?.chunks_exact(EVENT).find_map(pressed)
}

fn pressed(event: &[u8]) -> Option<Pressed> {
    let word = |at: usize| Some(u16::from_ne_bytes(event.get(at..at + 2)?.try_into().ok()?));
    let value = i32::from_ne_bytes(event.get(20..24)?.try_into().ok()?);
    match (word(16)?, word(18)?, value) {
        (EV_KEY, KEY_POWER, 1) => Some(Pressed::Power),
        (EV_KEY, KEY_RESTART, 1) => Some(Pressed::Restart),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{KEY_POWER, Pressed, has_key, pressed};

    #[test]
    fn the_acpi_button_has_the_power_key() {
        assert!(has_key("10000000000000 0", KEY_POWER));
        assert!(!has_key("1f 0", KEY_POWER));
    }

    #[test]
    fn only_the_press_counts_not_the_release() {
        let event = |value: i32| {
            let mut bytes = vec![0u8; 16];
            bytes.extend(1u16.to_ne_bytes());
            bytes.extend(KEY_POWER.to_ne_bytes());
            bytes.extend(value.to_ne_bytes());
            bytes
        };
        assert_eq!(pressed(&event(1)), Some(Pressed::Power));
        assert_eq!(pressed(&event(0)), None);
    }
}
