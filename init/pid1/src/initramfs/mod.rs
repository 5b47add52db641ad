//! `/init` of the initramfs: find the two partitions, grow the last one, mount, hand over.
//!
//! Whatever goes wrong here ends in a clear message on
//! every console and then in what the kernel's `panic=` says, never in silence.

mod gpt;
mod grow;

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_move};

use crate::cmdline::Cmdline;
use crate::devices::modules::Modules;
use crate::devices::probe;
use crate::devices::sysfs::{self, Block};
use crate::say::{self, Level};

const MODULES: &str = "/m";
const ROOT: &str = "/sysroot";
/// Disks that answer at once; what costs a second to load (libata) comes only when these do not help.
const FAST: [&str; 5] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "xen_blkfront",
];
/// Disks on slow buses, and volumes attached late, get this long.
const PATIENCE: Duration = Duration::from_secs(30);
const NEXT: &str = "/usr/lib/garboard/init";

/// Why the machine cannot start.
#[derive(Debug, thiserror::Error)]
enum BootError {
    #[error(
        "no partition labelled {label} appeared within {} s on any of these disks: {disks}; \
         attach the disk that holds the image, or choose the slot with gb.usr=",
        PATIENCE.as_secs()
    )]
    NoPartition { label: String, disks: String },
    #[error("cannot mount {} on {}", what.display(), on.display())]
    Mount {
        what: PathBuf,
        on: PathBuf,
        source: io::Error,
    },
    #[error("{} holds no file system that is known here", .0.display())]
    NoFileSystem(PathBuf),
    #[error("cannot change to the new root")]
    Switch(#[source] io::Error),
    #[error("cannot execute {NEXT} of the chosen /usr slot")]
    Next(#[source] io::Error),
}

/// Runs as `/init`; never returns to a caller that could go on.
pub(crate) fn run() {
    // The first line goes straight to the console that the kernel opened for us.
    say::console(&format!(
        "garboard: init {} in the initramfs",
        env!("CARGO_PKG_VERSION")
    ));
    let started = Instant::now();
    kernel_file_systems();
    say::open_kmsg();
    let cmdline = Cmdline::read();
    say::log(Level::Info, "looking for the disk");
    if let Err(e) = boot(&cmdline, started) {
        fail(&cmdline, &e);
    }
}

fn kernel_file_systems() {
    for (kind, at) in [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")] {
        let _ = fs::create_dir_all(at);
        let flags = if at == "/dev" {
            MountFlags::NOSUID
        } else {
            MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
        };
        if let Err(e) = mount(kind, at, kind, flags, None) {
            say::console(&format!("garboard: cannot mount {kind} on {at}: {e}"));
        }
    }
}

fn boot(cmdline: &Cmdline, started: Instant) -> Result<(), BootError> {
    let usr_label = cmdline.value("gb.usr").unwrap_or("USR-A").to_owned();
    let root_label = cmdline.value("gb.root").unwrap_or("ROOT").to_owned();
    let mut modules = Modules::read(Path::new(MODULES));
    let usr = find(&mut modules, &usr_label, |block| {
        block.label.as_deref() == Some(&usr_label)
    })?;
    // A second disk may carry the same labels (a snapshot, a rescue volume): ROOT is on USR's disk.
    let root = find(&mut modules, &root_label, |block| {
        block.disk == usr.disk && block.label.as_deref() == Some(&root_label)
    })?;
    match grow::grow(&root) {
        Ok(true) => say::log(
            Level::Info,
            &format!("{} grew to the end of its disk", root.name),
        ),
        Ok(false) => {}
        Err(e) => say::log(Level::Warning, &init_api::chain(&e)),
    }
    mount_root(&mut modules, &root)?;
    mount_on(&mut modules, &usr, &Path::new(ROOT).join("usr"), true)?;
    say::log(
        Level::Info,
        &format!(
            "{} and {} mounted after {} ms",
            root.name,
            usr.name,
            started.elapsed().as_millis()
        ),
    );
    hand_over()
}

/// Loads modules in passes until the partition is there.
fn find(
    modules: &mut Modules,
    label: &str,
    wanted: impl Fn(&Block) -> bool,
) -> Result<Block, BootError> {
    let started = Instant::now();
    for pass in 0_u32.. {
        let blocks = sysfs::blocks();
        if let Some(found) = blocks
            .iter()
            .find(|block| block.partition.is_some() && wanted(block))
        {
            return Ok(found.clone());
        }
        let aliases = sysfs::modaliases();
        let loaded = if pass < 3 {
            modules.load_for(&aliases, |name| FAST.contains(&name))
        } else {
            modules.load_for(&aliases, |_| true)
        };
        if started.elapsed() > PATIENCE {
            let disks: Vec<&str> = blocks
                .iter()
                .filter(|b| b.partition.is_none() && b.sectors > 0)
                .map(|b| b.name.as_str())
                .collect();
            let disks = if disks.is_empty() {
                "none was found".to_owned()
            } else {
                disks.join(", ")
            };
            return Err(BootError::NoPartition {
                label: label.to_owned(),
                disks,
            });
        }
        if loaded == 0 {
            pause(Duration::from_millis(10));
        }
    }
    Err(BootError::NoPartition {
        label: label.to_owned(),
        disks: String::new(),
    })
}

fn pause(time: Duration) {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let spec = rustix::time::Timespec {
        tv_sec: seconds,
        tv_nsec: time.subsec_nanos().into(),
    };
    let _ = rustix::event::poll(&mut [], Some(&spec));
}

fn look_at(device: &Path) -> Result<probe::Found, BootError> {
    let mut start = vec![0u8; probe::WANTED];
    let file = fs::File::open(device).map_err(|source| BootError::Mount {
        what: device.to_owned(),
        on: PathBuf::from(ROOT),
        source,
    })?;
    let got = file.read_at(&mut start, 0).unwrap_or(0);
    start.truncate(got);
    probe::recognise(&start).ok_or_else(|| BootError::NoFileSystem(device.to_owned()))
}

/// ROOT read-write, which replays its journal; read-only when it is marked as damaged, so that
/// PID 1 can check it with the tools of /usr first.
fn mount_root(modules: &mut Modules, root: &Block) -> Result<(), BootError> {
    let device = Path::new("/dev").join(&root.name);
    let damaged = look_at(&device)?.errors;
    if damaged {
        say::log(
            Level::Warning,
            &format!(
                "{} is marked as damaged and stays read-only until it is checked",
                root.name
            ),
        );
    }
    mount_on(modules, root, Path::new(ROOT), damaged)
}

fn mount_on(
    modules: &mut Modules,
    block: &Block,
    on: &Path,
    read_only: bool,
) -> Result<(), BootError> {
    let what = Path::new("/dev").join(&block.name);
    let found = look_at(&what)?;
    if let Err(e) = modules.load(found.fs_type) {
        say::log(Level::Warning, &format!("module {}: {e}", found.fs_type));
    }
    let _ = fs::create_dir_all(on);
    let mut flags = MountFlags::empty();
    if read_only {
        flags |= MountFlags::RDONLY;
    }
    if on != Path::new(ROOT) {
        flags |= MountFlags::NODEV;
    }
    mount(&what, on, found.fs_type, flags, None).map_err(|source| BootError::Mount {
        what,
        on: on.to_owned(),
        source: source.into(),
    })
}

/// Moves the kernel's file systems over, empties the initramfs, makes the new root `/` and executes
/// PID 1 of the image.
fn hand_over() -> Result<(), BootError> {
    let switch = |e: rustix::io::Errno| BootError::Switch(e.into());
    for at in ["dev", "proc", "sys"] {
        let to = Path::new(ROOT).join(at);
        let _ = fs::create_dir_all(&to);
        mount_move(Path::new("/").join(at), &to).map_err(switch)?;
    }
    free_memory();
    rustix::process::chdir(ROOT).map_err(switch)?;
    mount_move(".", "/").map_err(switch)?;
    rustix::process::chroot(".").map_err(switch)?;
    rustix::process::chdir("/").map_err(switch)?;
    let program = init_sys::spawn::c_string(NEXT).map_err(BootError::Next)?;
    let env: Vec<_> = [
        "TERM=linux",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    ]
    .into_iter()
    .filter_map(|word| init_sys::spawn::c_string(word).ok())
    .collect();
    Err(BootError::Next(init_sys::exec::execute(
        &program,
        std::slice::from_ref(&program),
        &env,
    )))
}

/// Unlinks what the initramfs holds: its memory is not needed any more.
fn free_memory() {
    for folder in [MODULES, "/dev"] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_file("/init");
    let _ = rustix::mount::unmount("/m", UnmountFlags::DETACH);
}

fn fail(cmdline: &Cmdline, error: &BootError) {
    let text = init_api::chain(error);
    say::log(Level::Emergency, &format!("cannot start: {text}"));
    say::console(&format!("garboard: cannot start: {text}"));
    let wait: i64 = cmdline
        .value("panic")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0);
    if wait == 0 {
        say::log(
            Level::Emergency,
            "waiting for a person, because the kernel parameter panic= is not set",
        );
        loop {
            pause(Duration::from_secs(3600));
        }
    }
    let seconds = u64::try_from(wait).unwrap_or(0);
    say::log(Level::Emergency, &format!("restarting in {seconds} s"));
    pause(Duration::from_secs(seconds));
    let _ = rustix::system::reboot(rustix::system::RebootCommand::Restart);
}
