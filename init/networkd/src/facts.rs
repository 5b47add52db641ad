//! What the machine says about itself: drivers, the hypervisor, the host name, dice.

use std::fs;
use std::path::Path;

use crate::kernel::LinkInfo;
use crate::log;
use crate::network_file::Facts;

/// What `[Match]` may ask about an interface.
#[must_use]
pub fn of_link(root: &Path, info: &LinkInfo, virtualization: Option<&str>) -> Facts {
    let driver = fs::read_link(root.join(format!("sys/class/net/{}/device/driver", info.name)))
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    Facts {
        name: info.name.clone(),
        mac: info.mac,
        driver,
        kind: info.kind.clone(),
        virtualization: virtualization.map(str::to_owned),
    }
}

/// The hypervisor by its DMI texts, in the words of systemd-detect-virt(1).
#[must_use]
pub fn virtualization(root: &Path) -> Option<String> {
    const TABLE: [(&str, &str); 9] = [
        ("KVM", "kvm"),
        ("OpenStack", "kvm"),
        ("Amazon EC2", "amazon"),
        ("QEMU", "qemu"),
        ("VMware", "vmware"),
        ("VMW", "vmware"),
        ("innotek GmbH", "oracle"),
        ("Xen", "xen"),
        ("Microsoft Corporation", "microsoft"),
    ];
    let texts: String = ["product_name", "sys_vendor", "board_vendor", "bios_vendor"]
        .iter()
        .filter_map(|name| fs::read_to_string(root.join("sys/class/dmi/id").join(name)).ok())
        .collect();
    TABLE
        .iter()
        .find(|(word, _)| texts.contains(word))
        .map(|(_, name)| (*name).to_owned())
}

/// The kernel's host name, unless nobody has given one yet.
#[must_use]
pub fn own_host_name() -> Option<String> {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    (!nameless(&name)).then_some(name)
}

fn nameless(name: &str) -> bool {
    matches!(name, "" | "(none)" | "localhost")
}

/// Sets the kernel's host name to what the DHCP server calls us, if nothing else named the machine.
pub fn take_host_name(root: &Path, name: &str) {
    let fixed = fs::read_to_string(root.join("etc/hostname")).unwrap_or_default();
    if own_host_name().is_some() || !nameless(fixed.trim()) {
        return;
    }
    let short = name.split('.').next().unwrap_or(name);
    match rustix::system::sethostname(short.as_bytes()) {
        Ok(()) => log::info(&format!("host name {short} from the DHCP server")),
        Err(error) => log::warning(&format!("cannot set the host name {short}: {error}")),
    }
}

/// A random number for transaction ids and pauses.
#[must_use]
pub fn dice() -> u32 {
    let mut bytes = [0; 4];
    let filled = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::INSECURE);
    if filled.is_err() {
        bytes = std::process::id().to_be_bytes();
    }
    u32::from_be_bytes(bytes)
}
