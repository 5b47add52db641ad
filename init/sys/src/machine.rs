//! What unit files may ask about this machine by `%m`, `%b`, `%H` and the like.

use std::fs;
use std::path::Path;

use unit_file::Facts;

/// A field of the os-release file below a root folder.
#[must_use]
pub fn os_release(root: &Path, field: &str) -> Option<String> {
    let text = fs::read_to_string(root.join("etc/os-release"))
        .or_else(|_| fs::read_to_string(root.join("usr/lib/os-release")))
        .ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix('='))?;
    Some(value.trim_matches(['"', '\'']).to_owned())
}

/// The kernel's id of this boot, without dashes.
#[must_use]
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .replace('-', "")
}

/// The kernel's architecture in systemd's words.
#[must_use]
pub fn architecture() -> String {
    match rustix::system::uname().machine().to_string_lossy().as_ref() {
        "x86_64" => "x86-64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    }
}

/// Everything, with the files below a root folder and the running kernel's names. A machine id that
/// is not set yet stays unknown.
#[must_use]
pub fn facts(root: &Path) -> Facts {
    let name = rustix::system::uname();
    let release = |field: &str| os_release(root, field).unwrap_or_default();
    let id = fs::read_to_string(root.join("etc/machine-id")).unwrap_or_default();
    let id = id.trim();
    let is_id = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    Facts {
        machine_id: is_id.then(|| id.to_owned()),
        boot_id: Some(boot_id()),
        host_name: name.nodename().to_string_lossy().into_owned(),
        kernel_release: name.release().to_string_lossy().into_owned(),
        architecture: architecture(),
        os_id: os_release(root, "ID").unwrap_or_else(|| "linux".to_owned()),
        os_version_id: release("VERSION_ID"),
        os_build_id: release("BUILD_ID"),
        os_variant_id: release("VARIANT_ID"),
        os_image_id: release("IMAGE_ID"),
        os_image_version: release("IMAGE_VERSION"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_a_root_are_those_of_its_files() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        assert_eq!(facts(root.path()).machine_id, None);
        let id = "0123456789abcdef0123456789abcdef";
        fs::write(root.path().join("etc/machine-id"), format!("{id}\n")).unwrap();
        fs::write(
            root.path().join("etc/os-release"),
            "ID=garboard\nVERSION_ID=\"1\"\n",
        )
        .unwrap();
        let found = facts(root.path());
        assert_eq!(found.machine_id.as_deref(), Some(id));
        assert_eq!(
            (found.os_id.as_str(), found.os_version_id.as_str()),
            ("garboard", "1")
        );
    }
}
