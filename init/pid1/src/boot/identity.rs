//! Who this machine is: host name and machine id.

use std::fs;
use std::io;
use std::path::Path;

use crate::cmdline::Cmdline;
use crate::say::{self, Level};

/// Sets the host name: kernel parameter, /etc/hostname, else `localhost` if the kernel has none.
pub(crate) fn set_hostname(cmdline: &Cmdline) -> String {
    let file = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let from_file = file
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    let wanted = cmdline.value("systemd.hostname").or(from_file);
    let name = match wanted {
        Some(name) => name.to_owned(),
        None => {
            let now = rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned();
            if now.is_empty() || now == "(none)" {
                "localhost".to_owned()
            } else {
                now
            }
        }
    };
    super::note(
        "cannot set the host name",
        rustix::system::sethostname(name.as_bytes()).map_err(io::Error::from),
    );
    name
}

/// 32 lower hex digits that are not all zero, with or without dashes.
pub(crate) fn valid_id(text: &str) -> Option<String> {
    let id: String = text
        .trim()
        .chars()
        .filter(|c| *c != '-')
        .collect::<String>()
        .to_ascii_lowercase();
    let good =
        id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()) && id.chars().any(|c| c != '0');
    good.then_some(id)
}

/// Where a new id comes from (machine-id(5)): the kernel parameter, then what the virtual machine's
/// firmware says, then chance.
fn new_id(parameter: Option<&str>, firmware: Option<&str>, random: u128) -> String {
    parameter
        .and_then(valid_id)
        .or_else(|| firmware.and_then(valid_id))
        .unwrap_or_else(|| format!("{random:032x}"))
}

/// The SMBIOS UUID, if this is a virtual machine: only there is it made for this very machine.
fn firmware_id() -> Option<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let dmi = |name: &str| {
        fs::read_to_string(Path::new("/sys/class/dmi/id").join(name)).unwrap_or_default()
    };
    let vendor = dmi("sys_vendor");
    let known = [
        "QEMU",
        "OpenStack",
        "KVM",
        "Bochs",
        "Xen",
        "VMware",
        "innotek",
        "Red Hat",
        "Microsoft",
        "Amazon",
        "Google",
    ];
    let virtual_machine = cpu
        .lines()
        .any(|line| line.starts_with("flags") && line.contains(" hypervisor"))
        || known.iter().any(|name| vendor.contains(name));
    if !virtual_machine {
        return None;
    }
    Some(dmi("product_uuid"))
}

/// Reads /etc/machine-id, or makes it: on the disk if it can be written, else below /run with the
/// file of /run laid over it.
pub(crate) fn machine_id(cmdline: &Cmdline, firmware: bool) -> String {
    let old = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let stored = valid_id(&old);
    let parameter = cmdline
        .value("systemd.machine_id")
        .filter(|value| *value != "firmware");
    if let Some(id) = stored {
        // A given parameter wins on the first boot only: an id never changes later.
        return id;
    }
    let firmware = if firmware { firmware_id() } else { None };
    let id = new_id(parameter, firmware.as_deref(), random());
    if let Err(e) = store(&id) {
        say::log(
            Level::Warning,
            &format!("machine id {id} is for this boot only: {e}"),
        );
        if let Err(e) = lay_over(&id) {
            say::log(
                Level::Warning,
                &format!("cannot put /run/machine-id over /etc/machine-id: {e}"),
            );
        }
    }
    id
}

/// 128 random bits.
pub(crate) fn random() -> u128 {
    let mut bytes = [0u8; 16];
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u128::from_ne_bytes(bytes)
}

fn store(id: &str) -> io::Result<()> {
    // In place, not by rename: the file may be a mount point in a container.
    fs::write("/etc/machine-id", format!("{id}\n"))
}

fn lay_over(id: &str) -> io::Result<()> {
    fs::write("/run/machine-id", format!("{id}\n"))?;
    rustix::mount::mount_bind("/run/machine-id", "/etc/machine-id").map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::{new_id, valid_id};

    #[test]
    fn an_id_is_32_hex_digits_that_are_not_all_zero() {
        assert_eq!(
            valid_id("72BDA158-90C1-4EE8-9B15-214C1B87D71F\n").as_deref(),
            Some("72bda15890c14ee89b15214c1b87d71f")
        );
        assert_eq!(valid_id(""), None);
        assert_eq!(valid_id("uninitialized"), None);
        assert_eq!(valid_id("00000000000000000000000000000000"), None);
    }

    #[test]
    fn the_parameter_wins_over_the_firmware_and_the_firmware_over_chance() {
        let (a, b) = (
            "0682a8f2000000000000000000000001",
            "72bda15890c14ee89b15214c1b87d71f",
        );
        assert_eq!(new_id(Some(a), Some(b), 5), a);
        assert_eq!(new_id(None, Some(b), 5), b);
        assert_eq!(new_id(None, Some("Not Settable"), 5), format!("{:032x}", 5));
    }
}
