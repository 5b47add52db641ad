//! The unit's own view of the file system: a mount namespace with parts read-only, hidden or replaced.

use std::ffi::CString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use init_sys::folders;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_move};
use rustix::thread::UnshareFlags;
use unit_file::{ExecConfig, MountPropagation, ProtectHome, ProtectSystem, SandboxPath};

use super::context::{Context, PrivateTmp};
use super::credentials::Who;
use super::directories::Made;
use super::{Failed, Step, code};

const EMPTY: &str = "/run/systemd/inaccessible";
/// What a service may touch in a private /dev.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Whether the unit asks for a mount namespace of its own.
fn wants(context: &Context) -> bool {
    let c = &context.exec;
    c.mount_flags.is_some()
        || c.private_mounts
        || context.private_tmp.is_some()
        || c.private_devices
        || c.protect_system != ProtectSystem::No
        || c.protect_home != ProtectHome::No
        || c.protect_kernel_tunables
        || c.protect_kernel_modules
        || c.protect_kernel_logs
        || c.protect_control_groups
        || !c.read_write_paths.is_empty()
        || !c.read_only_paths.is_empty()
        || !c.inaccessible_paths.is_empty()
        || !c.bind_paths.is_empty()
        || !c.bind_read_only_paths.is_empty()
        || !c.temporary_file_systems.is_empty()
}

/// Makes the namespace and everything in it.
pub(crate) fn enter(context: &Context, who: &Who, directories: &Made) -> Result<(), Failed> {
    if context.full_privileges || !wants(context) {
        return Ok(());
    }
    let config = &context.exec;
    init_sys::namespaces::unshare(UnshareFlags::NEWNS)
        .step(code::NAMESPACE, || "make a mount namespace".to_owned())?;
    // Mounts of the machine still arrive here, none of ours goes out.
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .step(code::NAMESPACE, || "separate the mounts".to_owned())?;
    binds(config)?;
    for tmp in &config.temporary_file_systems {
        let options = CString::new(tmp.options.as_str()).unwrap_or_default();
        mount(
            "tmpfs",
            tmp.path.as_str(),
            "tmpfs",
            MountFlags::NOSUID | MountFlags::NODEV,
            options.as_c_str(),
        )
        .step(code::NAMESPACE, || format!("mount a tmpfs on {}", tmp.path))?;
    }
    if let Some(own) = &context.private_tmp {
        private_tmp(own).step(code::NAMESPACE, || "make a private /tmp".to_owned())?;
    }
    if config.private_devices {
        private_devices().step(code::NAMESPACE, || "make a private /dev".to_owned())?;
    }
    protect(config, who, directories)?;
    if let Some(flags) = config.mount_flags {
        let flags = match flags {
            MountPropagation::Shared => MountPropagationFlags::SHARED,
            MountPropagation::Slave => MountPropagationFlags::DOWNSTREAM,
            MountPropagation::Private => MountPropagationFlags::PRIVATE,
        };
        mount_change("/", flags | MountPropagationFlags::REC)
            .step(code::NAMESPACE, || "set MountFlags=".to_owned())?;
    }
    Ok(())
}

fn bind(source: &Path, target: &Path, recursive: bool) -> io::Result<()> {
    libmount::BindMount::new(source, target)
        .recursive(recursive)
        .bare_mount()
        .map_err(|e| io::Error::other(e.to_string()))
}

fn binds(config: &ExecConfig) -> Result<(), Failed> {
    let all = config
        .bind_paths
        .iter()
        .map(|b| (b, false))
        .chain(config.bind_read_only_paths.iter().map(|b| (b, true)));
    for (wanted, read_only) in all {
        let (source, target) = (Path::new(&wanted.source), Path::new(&wanted.target));
        if !source.exists() && wanted.optional {
            continue;
        }
        let place = if source.is_dir() {
            fs::create_dir_all(target)
        } else if target.exists() {
            Ok(())
        } else {
            File::create(target).map(|_| ())
        };
        place
            .and_then(|()| bind(source, target, wanted.recursive))
            .and_then(|()| {
                if read_only {
                    init_sys::namespaces::set_read_only(target, true)
                } else {
                    Ok(())
                }
            })
            .step(code::NAMESPACE, || {
                format!("bind {} to {}", source.display(), target.display())
            })?;
    }
    Ok(())
}

/// The unit's own folders over /tmp and /var/tmp; all its processes share them. PID 1 made them under
/// names that nobody could foresee; one that is a link, or not root's, is not what PID 1 made.
fn private_tmp(own: &PrivateTmp) -> io::Result<()> {
    let open = |path: &str| -> io::Result<OwnedFd> {
        let folder = folders::open(Path::new(path))?;
        if rustix::fs::fstat(&folder)?.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::from(io::ErrorKind::PermissionDenied));
        }
        Ok(folder)
    };
    // Both before the first mount: it hides what lies below /tmp.
    for (folder, over) in [(open(&own.tmp)?, "/tmp"), (open(&own.var_tmp)?, "/var/tmp")] {
        let opened = format!("/proc/self/fd/{}", folder.as_raw_fd());
        bind(Path::new(&opened), Path::new(over), false)?;
    }
    Ok(())
}

fn private_devices() -> io::Result<()> {
    let new = PathBuf::from(format!("/run/systemd/dev-{}", std::process::id()));
    fs::create_dir_all(&new)?;
    mount(
        "tmpfs",
        &new,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NOEXEC,
        c"mode=755,size=4M",
    )?;
    for node in NODES {
        let old = Path::new("/dev").join(node);
        if old.exists() {
            File::create(new.join(node))?;
            bind(&old, &new.join(node), false)?;
        }
    }
    for folder in ["pts", "shm", "mqueue", "hugepages"] {
        let old = Path::new("/dev").join(folder);
        if old.is_dir() {
            fs::create_dir(new.join(folder))?;
            bind(&old, &new.join(folder), true)?;
        }
    }
    for (link, to) in [
        ("ptmx", "pts/ptmx"),
        ("log", "/run/systemd/journal/dev-log"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(to, new.join(link))?;
    }
    init_sys::namespaces::set_read_only(&new, false)?;
    mount_move(&new, "/dev")?;
    fs::remove_dir(&new)
}

/// What to do with a path; later rows of the plan win over earlier ones for the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
    Hidden,
    Empty,
}

/// The plan, as (path, access), most general paths first (pure).
fn plan(config: &ExecConfig, own: &[PathBuf]) -> Vec<(PathBuf, Access, bool)> {
    let mut plan: Vec<(PathBuf, Access, bool)> = Vec::new();
    let mut add = |paths: &[&str], access| {
        plan.extend(paths.iter().map(|path| (PathBuf::from(path), access, true)));
    };
    match config.protect_system {
        ProtectSystem::No => {}
        ProtectSystem::Yes => add(&["/usr", "/boot", "/efi"], Access::ReadOnly),
        ProtectSystem::Full => add(&["/usr", "/boot", "/efi", "/etc"], Access::ReadOnly),
        ProtectSystem::Strict => {
            add(&["/"], Access::ReadOnly);
            add(&["/dev", "/proc", "/sys"], Access::ReadWrite);
        }
    }
    let homes = ["/home", "/root", "/run/user"];
    match config.protect_home {
        ProtectHome::No => {}
        ProtectHome::Yes => add(&homes, Access::Hidden),
        ProtectHome::ReadOnly => add(&homes, Access::ReadOnly),
        ProtectHome::Tmpfs => add(&homes, Access::Empty),
    }
    if config.protect_kernel_tunables {
        add(
            &[
                "/proc/sys",
                "/proc/sysrq-trigger",
                "/proc/irq",
                "/proc/bus",
                "/proc/fs",
                "/proc/acpi",
                "/proc/latency_stats",
                "/proc/mtrr",
                "/proc/scsi",
                "/proc/timer_stats",
                "/proc/apm",
                "/proc/asound",
                "/sys",
            ],
            Access::ReadOnly,
        );
        add(&["/proc/kallsyms", "/proc/kcore"], Access::Hidden);
        if !config.protect_control_groups {
            add(&["/sys/fs/cgroup"], Access::ReadWrite);
        }
    }
    if config.protect_kernel_modules {
        add(&["/usr/lib/modules"], Access::Hidden);
    }
    if config.protect_kernel_logs {
        add(&["/proc/kmsg", "/dev/kmsg"], Access::Hidden);
    }
    if config.protect_control_groups {
        add(&["/sys/fs/cgroup"], Access::ReadOnly);
    }
    let listed = |paths: &[SandboxPath], access: Access| -> Vec<(PathBuf, Access, bool)> {
        paths
            .iter()
            .map(|p| (PathBuf::from(&p.path), access, p.optional))
            .collect()
    };
    plan.extend(listed(&config.read_only_paths, Access::ReadOnly));
    plan.extend(listed(&config.read_write_paths, Access::ReadWrite));
    plan.extend(listed(&config.inaccessible_paths, Access::Hidden));
    if config.protect_system == ProtectSystem::Strict {
        plan.extend(
            own.iter()
                .map(|path| (path.clone(), Access::ReadWrite, true)),
        );
        if config.private_tmp {
            plan.extend(
                ["/tmp", "/var/tmp"].map(|path| (PathBuf::from(path), Access::ReadWrite, true)),
            );
        }
    }
    plan.sort_by_key(|(path, _, _)| path.components().count());
    plan
}

fn protect(config: &ExecConfig, _who: &Who, directories: &Made) -> Result<(), Failed> {
    let own: Vec<PathBuf> = directories
        .sets
        .iter()
        .flat_map(|(_, folders)| folders.clone())
        .collect();
    let plan = plan(config, &own);
    // Every path becomes a mount of its own first, while all of them can still be written.
    for (path, access, optional) in &plan {
        if !path.exists() {
            if *optional {
                continue;
            }
            let missing: io::Result<()> = Err(io::Error::from(io::ErrorKind::NotFound));
            missing.step(code::NAMESPACE, || format!("find {}", path.display()))?;
        }
        let made = match access {
            Access::ReadOnly | Access::ReadWrite if path == Path::new("/") => Ok(()),
            Access::ReadOnly | Access::ReadWrite => bind(path, path, true),
            Access::Hidden => hide(path),
            Access::Empty => mount(
                "tmpfs",
                path,
                "tmpfs",
                MountFlags::NOSUID | MountFlags::NODEV,
                c"mode=755",
            )
            .map_err(io::Error::from),
        };
        made.step(code::NAMESPACE, || format!("protect {}", path.display()))?;
    }
    for (path, access, _) in plan.iter().filter(|(path, _, _)| path.exists()) {
        let set = match access {
            Access::ReadOnly => init_sys::namespaces::set_read_only(path, true),
            Access::ReadWrite => init_sys::namespaces::set_writable(path),
            Access::Hidden | Access::Empty => Ok(()),
        };
        set.step(code::NAMESPACE, || format!("protect {}", path.display()))?;
    }
    Ok(())
}

/// Puts something empty that nobody may open over a path.
fn hide(path: &Path) -> io::Result<()> {
    let (folder, file) = (Path::new(EMPTY).join("dir"), Path::new(EMPTY).join("file"));
    if !folder.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(EMPTY)?;
        let _ = DirBuilder::new().mode(0o000).create(&folder);
    }
    if !file.exists() {
        let _ = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o000)
            .open(&file);
    }
    bind(if path.is_dir() { &folder } else { &file }, path, false)
}
