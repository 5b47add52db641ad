//! Where PID 1 listens and what its objects are called.

/// PID 1's own socket: peer to peer, no bus.
pub const PRIVATE_SOCKET: &str = "/run/systemd/private";
/// The bus socket, served by PID 1 itself when no dbus-daemon is installed.
pub const BUS_SOCKET: &str = "/run/dbus/system_bus_socket";
/// The bus name of PID 1.
pub const SERVICE: &str = "org.freedesktop.systemd1";
/// The manager's object.
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
/// The manager's interface.
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The interface that all units have.
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// The standard properties interface.
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// The object path of a unit: bytes other than letters and digits (and a leading digit) become
/// `_xx`.
#[must_use]
pub fn unit_path(name: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::from("/org/freedesktop/systemd1/unit/");
    if name.is_empty() {
        out.push('_');
    }
    for (at, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "_{byte:02x}");
        }
    }
    out
}

/// The unit's name from its object path.
#[must_use]
pub fn unit_of_path(path: &str) -> Option<String> {
    let escaped = path.strip_prefix("/org/freedesktop/systemd1/unit/")?;
    if escaped == "_" {
        return Some(String::new());
    }
    let mut bytes = escaped.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'_' {
            out.push(byte);
            continue;
        }
        let mut digit = || {
            char::from(bytes.next()?)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        out.push(digit()? << 4 | digit()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_paths_round_trip() {
        assert_eq!(
            unit_path("a-1.service"),
            "/org/freedesktop/systemd1/unit/a_2d1_2eservice"
        );
        assert_eq!(
            unit_path("1.mount"),
            "/org/freedesktop/systemd1/unit/_31_2emount"
        );
        for name in [
            "",
            "-.mount",
            "system-c\\x2dy.slice",
            "apache@1.service",
            "9",
        ] {
            assert_eq!(unit_of_path(&unit_path(name)).as_deref(), Some(name));
        }
        assert_eq!(unit_of_path("/org/freedesktop/systemd1/unit/a_2"), None);
        assert_eq!(unit_of_path("/org/freedesktop/systemd1"), None);
    }
}
