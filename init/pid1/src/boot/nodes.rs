//! What /dev has besides what devtmpfs makes: links, and the groups and modes that udev would set.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use init_sys::accounts::Accounts;

/// Links, then group and mode of well-known nodes.
pub(crate) fn make() {
    for (link, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/core", "/proc/kcore"),
        ("/dev/log", "/run/systemd/journal/dev-log"),
    ] {
        if fs::symlink_metadata(link).is_err() {
            let _ = symlink(to, link);
        }
    }
    if fs::symlink_metadata("/dev/ptmx").is_err() {
        let _ = symlink("pts/ptmx", "/dev/ptmx");
    }
    let _ = fs::create_dir_all("/dev/net");
    let accounts = Accounts::read(Path::new("/")).unwrap_or_default();
    if let Ok(entries) = fs::read_dir("/dev") {
        for entry in entries.flatten() {
            if let Some(name) = entry.file_name().to_str() {
                set_mode(name, &accounts);
            }
        }
    }
    set_mode("net/tun", &accounts);
}

/// Group and mode of one node, by its name below /dev.
pub(crate) fn set_mode(name: &str, accounts: &Accounts) {
    let Some((group, mode)) = rule(name) else {
        return;
    };
    let path = Path::new("/dev").join(name);
    if let Some(gid) = accounts.group(group) {
        let _ = std::os::unix::fs::chown(&path, None, Some(gid));
    }
    let _ = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
}

/// udev's defaults for the nodes of a cloud machine.
fn rule(name: &str) -> Option<(&'static str, u32)> {
    let numbered = |prefix: &str| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match name {
        "null" | "zero" | "full" | "random" | "urandom" | "fuse" | "net/tun" => {
            Some(("root", 0o666))
        }
        "tty" | "ptmx" => Some(("tty", 0o666)),
        "kvm" => Some(("kvm", 0o660)),
        "console" => Some(("root", 0o600)),
        _ if numbered("tty") || name.starts_with("ttyS") || name.starts_with("hvc") => {
            Some(("tty", 0o620))
        }
        _ if name.starts_with("vcs") => Some(("tty", 0o660)),
        _ if ["vd", "sd", "xvd", "nvme", "dm-", "loop"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            && name != "loop-control" =>
        {
            Some(("disk", 0o660))
        }
        _ if numbered("sr") => Some(("cdrom", 0o660)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::rule;

    #[test]
    fn disks_belong_to_disk_and_terminals_to_tty() {
        assert_eq!(rule("vda5"), Some(("disk", 0o660)));
        assert_eq!(rule("ttyS0"), Some(("tty", 0o620)));
        assert_eq!(rule("tty1"), Some(("tty", 0o620)));
        assert_eq!(rule("net/tun"), Some(("root", 0o666)));
        assert_eq!(rule("vga_arbiter"), None);
    }
}
