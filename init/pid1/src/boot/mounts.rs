//! The kernel's file systems, each with the options that programs expect.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::Place;
use crate::say::{self, Level};

struct Wanted {
    kind: &'static str,
    at: &'static str,
    flags: MountFlags,
    options: &'static str,
    /// Only on a machine: a container's manager has decided already.
    machine_only: bool,
    /// Not there in every kernel.
    optional: bool,
}

const NSND: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const NSNDNX: MountFlags = NSND.union(MountFlags::NOEXEC);

const TABLE: &[Wanted] = &[
    Wanted {
        kind: "proc",
        at: "/proc",
        flags: NSNDNX,
        options: "",
        machine_only: false,
        optional: false,
    },
    Wanted {
        kind: "sysfs",
        at: "/sys",
        flags: NSNDNX,
        options: "",
        machine_only: true,
        optional: false,
    },
    Wanted {
        kind: "devtmpfs",
        at: "/dev",
        flags: MountFlags::NOSUID,
        options: "mode=755",
        machine_only: true,
        optional: false,
    },
    Wanted {
        kind: "devpts",
        at: "/dev/pts",
        flags: MountFlags::NOSUID.union(MountFlags::NOEXEC),
        options: "mode=620,gid=5,ptmxmode=666",
        machine_only: false,
        optional: false,
    },
    Wanted {
        kind: "tmpfs",
        at: "/dev/shm",
        flags: NSND,
        options: "mode=1777",
        machine_only: false,
        optional: false,
    },
    Wanted {
        kind: "mqueue",
        at: "/dev/mqueue",
        flags: NSNDNX,
        options: "",
        machine_only: false,
        optional: true,
    },
    Wanted {
        kind: "tmpfs",
        at: "/run",
        flags: NSND,
        options: "mode=755,size=20%",
        machine_only: false,
        optional: false,
    },
    Wanted {
        kind: "tmpfs",
        at: "/run/lock",
        flags: NSNDNX,
        options: "mode=1777,size=5M",
        machine_only: false,
        optional: false,
    },
    Wanted {
        kind: "cgroup2",
        at: "/sys/fs/cgroup",
        flags: NSNDNX,
        options: "nsdelegate,memory_recursiveprot",
        machine_only: true,
        optional: false,
    },
    Wanted {
        kind: "bpf",
        at: "/sys/fs/bpf",
        flags: NSNDNX,
        options: "mode=700",
        machine_only: true,
        optional: true,
    },
    Wanted {
        kind: "securityfs",
        at: "/sys/kernel/security",
        flags: NSNDNX,
        options: "",
        machine_only: true,
        optional: true,
    },
    Wanted {
        kind: "tracefs",
        at: "/sys/kernel/tracing",
        flags: NSNDNX,
        options: "",
        machine_only: true,
        optional: true,
    },
];

/// Mounts what is not mounted yet, and makes all mounts shared.
pub(crate) fn mount_all(place: Place) {
    let _ = rustix::process::umask(rustix::fs::Mode::empty());
    for wanted in TABLE {
        if wanted.machine_only && place == Place::Container {
            continue;
        }
        if !is_mounted(wanted.at) {
            mount_one(wanted);
        }
    }
    for (folder, mode) in [
        ("/run/systemd", 0o755),
        ("/run/systemd/system", 0o755),
        ("/run/user", 0o755),
        ("/run/log", 0o755),
        ("/run/systemd/journal", 0o755),
    ] {
        make_folder(folder, mode);
    }
    // Docker and others expect shared mounts; systemd makes them so too.
    if let Err(e) = mount_change(
        "/",
        MountPropagationFlags::SHARED | MountPropagationFlags::REC,
    ) {
        say::log(Level::Warning, &format!("cannot make mounts shared: {e}"));
    }
}

fn mount_one(wanted: &Wanted) {
    make_folder(wanted.at, 0o755);
    let options = CString::new(wanted.options).unwrap_or_default();
    let tried = mount(
        wanted.kind,
        wanted.at,
        wanted.kind,
        wanted.flags,
        options.as_c_str(),
    );
    let tried = match tried {
        // An older kernel does not know one of the options.
        Err(rustix::io::Errno::INVAL) => {
            mount(wanted.kind, wanted.at, wanted.kind, wanted.flags, None)
        }
        other => other,
    };
    if let (Err(e), false) = (tried, wanted.optional) {
        say::log(
            Level::Error,
            &format!("cannot mount {} on {}: {e}", wanted.kind, wanted.at),
        );
    }
}

fn make_folder(path: &str, mode: u32) {
    if !Path::new(path).is_dir() {
        let _ = DirBuilder::new().recursive(true).mode(mode).create(path);
    }
}

/// Whether a mount belongs to PID 1 itself: such mounts are no units, because nobody may start or
/// stop them.
pub(crate) fn is_own(point: &Path) -> bool {
    TABLE.iter().any(|wanted| Path::new(wanted.at) == point)
}

/// Whether a folder is where a file system begins.
pub(crate) fn is_mounted(path: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(here), Ok(above)) = (fs::metadata(path), fs::metadata(Path::new(path).join("..")))
    else {
        return false;
    };
    here.dev() != above.dev() || here.ino() == above.ino()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_own;

    #[test]
    fn run_and_what_the_kernel_shows_are_no_units() {
        assert!(is_own(Path::new("/run")) && is_own(Path::new("/sys/fs/cgroup")));
        assert!(
            !is_own(Path::new("/"))
                && !is_own(Path::new("/run/user/500"))
                && !is_own(Path::new("/tmp"))
        );
    }
}
