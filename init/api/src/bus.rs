//! Names and object paths of `org.freedesktop.systemd1`.

/// The bus name of the manager.
pub const NAME: &str = "org.freedesktop.systemd1";
/// The manager's object.
pub const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
/// The manager's interface.
pub const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// The interface of every unit.
pub const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// The interface of every job.
pub const JOB: &str = "org.freedesktop.systemd1.Job";
/// Where units' objects are.
pub const UNIT_PREFIX: &str = "/org/freedesktop/systemd1/unit/";
/// Where jobs' objects are.
pub const JOB_PREFIX: &str = "/org/freedesktop/systemd1/job/";
/// The standard properties interface.
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The standard introspection interface.
pub const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
/// The standard peer interface.
pub const PEER: &str = "org.freedesktop.DBus.Peer";
/// The private socket of PID 1.
pub const PRIVATE_SOCKET: &str = "/run/systemd/private";
/// The system bus, or our shim in its place.
pub const SYSTEM_BUS_SOCKET: &str = "/run/dbus/system_bus_socket";

/// The object of a unit.
#[must_use]
pub fn unit_path(name: &str) -> String {
    format!("{UNIT_PREFIX}{}", escape_label(name))
}

/// The unit whose object this is.
#[must_use]
pub fn unit_from_path(path: &str) -> Option<String> {
    unescape_label(path.strip_prefix(UNIT_PREFIX)?)
}

/// The object of a job.
#[must_use]
pub fn job_path(id: u32) -> String {
    format!("{JOB_PREFIX}{id}")
}

/// The job whose object this is.
#[must_use]
pub fn job_from_path(path: &str) -> Option<u32> {
    path.strip_prefix(JOB_PREFIX)?.parse().ok()
}

/// A name as one element of an object path: whatever is no ASCII letter or digit (or a digit in
/// front) becomes `_` and two hex digits; an empty name is `_`.
#[must_use]
pub fn escape_label(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let mut label = String::with_capacity(name.len() + 8);
    for (index, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (index > 0 && byte.is_ascii_digit()) {
            label.push(char::from(byte));
        } else {
            label.push_str(&format!("_{byte:02x}"));
        }
    }
    label
}

/// The name that an element of an object path stands for; `None` when it stands for none.
#[must_use]
pub fn unescape_label(label: &str) -> Option<String> {
    if label == "_" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(label.len());
    let mut rest = label.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'_' {
            let (hex, after) = rest.split_at_checked(2)?;
            rest = after;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_paths_escape_and_unescape() {
        let path = unit_path("my-web@1.service");
        assert_eq!(
            path,
            "/org/freedesktop/systemd1/unit/my_2dweb_401_2eservice"
        );
        assert_eq!(unit_from_path(&path).as_deref(), Some("my-web@1.service"));
        assert_eq!(escape_label("1a"), "_31a");
        assert_eq!(unescape_label("a_"), None);
        assert_eq!(unescape_label("a_zz"), None);
        assert_eq!(job_from_path(&job_path(7)), Some(7));
    }
}
