//! What units may ask about this machine: specifiers and conditions.

use std::fs;
use std::path::Path;

use init_sys::machine;
use unit_file::{ConditionHost, ConditionKind, Facts};

use crate::boot::Place;
use crate::cmdline::Cmdline;

/// The machine as conditions see it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) place: Place,
    pub(crate) facts: Facts,
    pub(crate) first_boot: bool,
    /// Id of the virtualization, and whether it is a container.
    pub(crate) virtualization: Option<(String, bool)>,
    cmdline: String,
}

/// What runs this machine, by what its firmware and kernel say.
fn virtual_machine() -> Option<String> {
    let dmi = |name: &str| {
        fs::read_to_string(Path::new("/sys/class/dmi/id").join(name)).unwrap_or_default()
    };
    let clocks =
        fs::read_to_string("/sys/devices/system/clocksource/clocksource0/available_clocksource");
    if clocks.is_ok_and(|text| text.contains("kvm-clock")) {
        return Some("kvm".to_owned());
    }
    if Path::new("/proc/xen").exists() || Path::new("/sys/hypervisor/type").exists() {
        return Some("xen".to_owned());
    }
    let text = format!(
        "{} {} {}",
        dmi("sys_vendor"),
        dmi("product_name"),
        dmi("bios_vendor")
    );
    let known = [
        ("QEMU", "qemu"),
        ("OpenStack", "qemu"),
        ("VMware", "vmware"),
        ("VirtualBox", "oracle"),
        ("innotek", "oracle"),
        ("Microsoft", "microsoft"),
        ("Bochs", "bochs"),
        ("Xen", "xen"),
        ("Amazon EC2", "amazon"),
        ("Google", "google"),
    ];
    let named = known
        .iter()
        .find(|(word, _)| text.contains(word))
        .map(|(_, id)| (*id).to_owned());
    let hypervisor =
        fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    named.or_else(|| hypervisor.then(|| "vm-other".to_owned()))
}

impl Machine {
    pub(crate) fn read(place: Place, machine_id: String, first_boot: bool) -> Machine {
        let facts = Facts {
            machine_id: Some(machine_id),
            ..machine::facts(Path::new("/"))
        };
        let virtualization = match place {
            Place::Container => {
                let id = std::env::var("container").unwrap_or_default();
                Some((
                    if id.is_empty() {
                        "container-other".to_owned()
                    } else {
                        id
                    },
                    true,
                ))
            }
            Place::Machine => virtual_machine().map(|id| (id, false)),
        };
        let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
        Machine {
            place,
            facts,
            first_boot,
            virtualization,
            cmdline,
        }
    }

    /// The host name may be set while the machine runs.
    pub(crate) fn refresh(&mut self) {
        self.facts.host_name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
    }

    pub(crate) fn cmdline(&self) -> Cmdline {
        Cmdline::parse(&self.cmdline)
    }
}

/// Whether a path matches a glob of files.
pub(crate) fn glob_exists(pattern: &str) -> bool {
    !glob(pattern).is_empty()
}

/// Paths that match, sorted.
pub(crate) fn glob(pattern: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for folder in &found {
            if unit_file::is_glob(part) {
                let Ok(entries) = fs::read_dir(format!("{folder}/")) else {
                    continue;
                };
                let names = entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok());
                let hidden = part.starts_with('.');
                next.extend(
                    names
                        .filter(|name| {
                            name.starts_with('.') == hidden && unit_file::glob_matches(part, name)
                        })
                        .map(|name| format!("{folder}/{name}")),
                );
            } else {
                let path = format!("{folder}/{part}");
                if fs::symlink_metadata(&path).is_ok() {
                    next.push(path);
                }
            }
        }
        found = next;
    }
    found.sort();
    found
}

fn is_executable(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

fn is_writable_place(path: &str) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|found| !found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// A folder with at least one entry.
pub(crate) fn directory_not_empty(path: &str) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

impl ConditionHost for Machine {
    fn path(&self, kind: ConditionKind, parameter: &str) -> bool {
        use std::os::unix::fs::FileTypeExt;
        match kind {
            ConditionKind::PathExists => Path::new(parameter).exists(),
            ConditionKind::PathExistsGlob => glob_exists(parameter),
            ConditionKind::PathIsDirectory => Path::new(parameter).is_dir(),
            ConditionKind::PathIsSymbolicLink => {
                fs::symlink_metadata(parameter).is_ok_and(|m| m.is_symlink())
            }
            ConditionKind::PathIsMountPoint => crate::boot::mounts::is_mounted(parameter),
            ConditionKind::PathIsReadWrite => is_writable_place(parameter),
            ConditionKind::PathIsSocket => {
                fs::metadata(parameter).is_ok_and(|m| m.file_type().is_socket())
            }
            ConditionKind::DirectoryNotEmpty => directory_not_empty(parameter),
            ConditionKind::FileNotEmpty => {
                fs::metadata(parameter).is_ok_and(|m| m.is_file() && m.len() > 0)
            }
            ConditionKind::FileIsExecutable => is_executable(parameter),
            ConditionKind::FirstBoot => self.first_boot,
            _ => false,
        }
    }

    fn kernel_command_line(&self) -> String {
        self.cmdline.clone()
    }

    fn kernel_release(&self) -> String {
        self.facts.kernel_release.clone()
    }

    fn virtualization(&self) -> Option<(String, bool)> {
        self.virtualization.clone()
    }

    fn architecture(&self) -> String {
        self.facts.architecture.clone()
    }

    fn host_name(&self) -> String {
        rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned()
    }

    fn machine_id(&self) -> String {
        self.facts.machine_id.clone().unwrap_or_default()
    }

    fn security(&self, technology: &str) -> bool {
        match technology {
            "uefi" => Path::new("/sys/firmware/efi").exists(),
            "apparmor" => fs::read_to_string("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|t| t.starts_with('Y')),
            "selinux" => Path::new("/sys/fs/selinux/enforce").exists(),
            "audit" => Path::new("/proc/self/loginuid").exists(),
            "tpm2" => Path::new("/sys/class/tpmrm/tpmrm0").exists(),
            _ => false,
        }
    }

    fn capability(&self, name: &str) -> bool {
        let wanted = caps::to_canonical(name).parse::<caps::Capability>();
        wanted.is_ok_and(|cap| caps::has_cap(None, caps::CapSet::Bounding, cap).unwrap_or(false))
    }

    fn ac_power(&self) -> bool {
        let Ok(entries) = fs::read_dir("/sys/class/power_supply") else {
            return true;
        };
        let mains: Vec<bool> = entries
            .flatten()
            .filter(|entry| {
                fs::read_to_string(entry.path().join("type")).is_ok_and(|t| t.trim() == "Mains")
            })
            .map(|entry| {
                fs::read_to_string(entry.path().join("online")).is_ok_and(|t| t.trim() == "1")
            })
            .collect();
        mains.is_empty() || mains.contains(&true)
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn os_release(&self, field: &str) -> Option<String> {
        machine::os_release(Path::new("/"), field)
    }

    fn memory(&self) -> u64 {
        super::cgroups::total_memory()
    }

    fn cpus(&self) -> u64 {
        std::thread::available_parallelism().map_or(1, |n| u64::try_from(n.get()).unwrap_or(1))
    }

    fn controller(&self, name: &str) -> bool {
        let Some(tree) = init_sys::cgroup::Cgroups::find() else {
            return false;
        };
        name == "v2" || tree.controllers("/").iter().any(|found| found == name)
    }

    fn kernel_module(&self, name: &str) -> bool {
        Path::new("/sys/module")
            .join(name.replace('-', "_"))
            .is_dir()
    }

    fn credential(&self, _name: &str) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{glob, is_executable};

    #[test]
    fn globs_give_sorted_paths_without_hidden_files() {
        let folder = std::env::temp_dir().join(format!("garboard-glob-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["b.env", "a.env", ".c.env", "d.txt"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let found = glob(&format!("{}/*.env", folder.display()));
        std::fs::remove_dir_all(&folder).unwrap();
        let names: Vec<&str> = found
            .iter()
            .filter_map(|path| path.rsplit('/').next())
            .collect();
        assert_eq!(names, vec!["a.env", "b.env"]);
    }

    #[test]
    fn a_shell_is_executable_and_a_folder_is_not() {
        assert!(is_executable("/bin/sh"));
        assert!(!is_executable("/"));
    }
}
