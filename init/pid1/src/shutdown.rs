//! The last program: PID 1 becomes this when all units are stopped, so that nothing of the manager
//! holds the root file system any more.
//!
//! SIGTERM to everybody, a while, SIGKILL, then unmount in a loop for as long as something changes,
//! the root read-only, sync, and what was asked for.

use std::fs;
use std::path::Path;

use init_sys::{mountinfo, process, signals};
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::system::{RebootCommand, reboot};

use crate::say::{self, Level};

/// What the machine does at the very end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    PowerOff,
    Reboot,
    Halt,
    Kexec,
    /// A container ends with this code.
    Exit(u8),
}

impl Ending {
    /// The word on the command line of the shutdown program.
    pub(crate) fn word(self) -> String {
        match self {
            Ending::PowerOff => "poweroff".to_owned(),
            Ending::Reboot => "reboot".to_owned(),
            Ending::Halt => "halt".to_owned(),
            Ending::Kexec => "kexec".to_owned(),
            Ending::Exit(code) => format!("exit={code}"),
        }
    }

    fn parse(word: &str) -> Ending {
        match word {
            "reboot" => Ending::Reboot,
            "halt" => Ending::Halt,
            "kexec" => Ending::Kexec,
            other => match other
                .strip_prefix("exit=")
                .and_then(|code| code.parse().ok())
            {
                Some(code) => Ending::Exit(code),
                None => Ending::PowerOff,
            },
        }
    }
}

/// Time that processes get between SIGTERM and SIGKILL. Units were stopped before with their own
/// times; what is left now was never a unit's, or was left alone on purpose.
const PATIENCE_MS: u64 = 10_000;

/// Runs as the last program. Its one argument says how it ends.
pub(crate) fn run(word: &str, container: bool) -> u8 {
    say::open_kmsg();
    let _ = signals::block_all();
    let ending = Ending::parse(word);
    let _ = process::lock_memory();
    if rustix::process::getpid().as_raw_nonzero().get() != 1 {
        say::log(Level::Error, "the shutdown program is only for PID 1");
        return 1;
    }
    say::log(Level::Info, "stopping what is left");
    end_processes(15, PATIENCE_MS);
    end_processes(9, 5_000);
    if !container {
        rustix::fs::sync();
        unmount_all();
        run_hooks(&ending.word());
        rustix::fs::sync();
    }
    finish(ending, container)
}

fn others() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid > 1 && !is_spared(*pid))
        .collect()
}

/// Kernel threads cannot be ended; root's programs that keep a file system going begin with `@`
/// (systemd's "Root Storage Daemons"). Anybody else may call a program what they like.
fn is_spared(pid: i32) -> bool {
    use std::os::unix::fs::MetadataExt;
    let process = format!("/proc/{pid}");
    let Ok(owner) = fs::metadata(&process).map(|about| about.uid()) else {
        // It has ended meanwhile.
        return true;
    };
    let command = fs::read(format!("{process}/cmdline")).unwrap_or_default();
    process::is_kernel_thread(pid) || keeps_a_file_system(owner, &command)
}

fn keeps_a_file_system(owner: u32, command: &[u8]) -> bool {
    owner == 0 && command.starts_with(b"@")
}

fn end_processes(signal: i32, patience_ms: u64) {
    for pid in others() {
        let _ = signals::kill(pid, signal);
        if signal == 15 {
            let _ = signals::kill(pid, 18);
        }
    }
    let end = init_sys::clock::monotonic() + patience_ms * 1000;
    while init_sys::clock::monotonic() < end {
        while let Ok(Some(child)) = process::peek_ended() {
            let _ = process::reap(child.pid);
        }
        if others().is_empty() {
            return;
        }
        pause_ms(20);
    }
    let left = others();
    if !left.is_empty() {
        say::log(
            Level::Warning,
            &format!(
                "{} processes did not end by signal {signal}: {left:?}",
                left.len()
            ),
        );
    }
}

fn pause_ms(ms: i64) {
    let spec = rustix::time::Timespec {
        tv_sec: ms / 1000,
        tv_nsec: (ms % 1000) * 1_000_000,
    };
    let _ = rustix::event::poll(&mut [], Some(&spec));
}

/// File systems that live in memory or belong to the kernel: nothing is lost with them.
fn is_kernel_own(kind: &str) -> bool {
    [
        "proc",
        "sysfs",
        "devtmpfs",
        "devpts",
        "cgroup2",
        "cgroup",
        "mqueue",
        "securityfs",
        "bpf",
        "tracefs",
        "debugfs",
        "pstore",
        "tmpfs",
        "ramfs",
        "rootfs",
    ]
    .contains(&kind)
}

fn unmount_all() {
    let _ = rustix::process::chdir("/");
    swaps_off();
    for _ in 0..8 {
        let mut mounts = mountinfo::mounts().unwrap_or_default();
        mounts.reverse();
        let mut changed = false;
        for mount in &mounts {
            let point = mount.point.as_path();
            // The program that runs is in /usr, and PID 1 keeps /dev, /proc and /sys to the end.
            if point == Path::new("/")
                || point == Path::new("/usr")
                || is_kernel_own(&mount.fs_type)
                    && !point.starts_with("/var")
                    && !point.starts_with("/mnt")
            {
                continue;
            }
            if unmount(point, UnmountFlags::empty()).is_ok() {
                changed = true;
            } else {
                let _ = mount_remount(point, MountFlags::RDONLY, "");
            }
        }
        if !changed {
            break;
        }
    }
    if let Err(e) = mount_remount("/", MountFlags::RDONLY, "") {
        say::log(Level::Warning, &format!("the root stays writable: {e}"));
    }
}

fn swaps_off() {
    let text = fs::read_to_string("/proc/swaps").unwrap_or_default();
    for line in text.lines().skip(1) {
        if let Some(device) = line.split_whitespace().next() {
            let _ = init_sys::process::swap_off(device);
        }
    }
}

/// Time for each hook: what a service gets to stop.
const HOOK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// Programs in /usr/lib/systemd/system-shutdown, each with the word as its argument.
fn run_hooks(word: &str) {
    let Ok(entries) = fs::read_dir("/usr/lib/systemd/system-shutdown") else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let (Ok(program), Ok(argument)) = (
            init_sys::spawn::c_string(&path),
            init_sys::spawn::c_string(word),
        ) else {
            continue;
        };
        let what = init_sys::spawn::Spawn {
            program: program.clone(),
            argv: vec![program, argument],
            env: Vec::new(),
            fds: Vec::new(),
            cgroup: None,
        };
        if let Ok(started) = init_sys::spawn::spawn(&what)
            && !process::wait_at_most(&started, HOOK_PATIENCE).unwrap_or(true)
        {
            say::log(
                Level::Warning,
                &format!("{} did not end in time and was killed", path.display()),
            );
        }
    }
}

fn finish(ending: Ending, container: bool) -> u8 {
    if let Ending::Exit(code) = ending {
        return code;
    }
    if container {
        return 0;
    }
    let command = match ending {
        Ending::Reboot => RebootCommand::Restart,
        Ending::Halt => RebootCommand::Halt,
        Ending::Kexec => RebootCommand::Kexec,
        Ending::PowerOff | Ending::Exit(_) => RebootCommand::PowerOff,
    };
    if let Ok(argument) = fs::read_to_string("/run/systemd/reboot-param")
        && ending == Ending::Reboot
        && !argument.trim().is_empty()
    {
        let _ = init_sys::process::reboot_with(argument.trim());
    }
    let e = reboot(command).err();
    say::log(
        Level::Emergency,
        &format!("the kernel refuses to {}: {e:?}", ending.word()),
    );
    let _ = reboot(RebootCommand::PowerOff);
    loop {
        pause_ms(1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, keeps_a_file_system};

    #[test]
    fn only_roots_programs_are_spared_for_their_name() {
        assert!(keeps_a_file_system(0, b"@storage\0-x"));
        assert!(!keeps_a_file_system(500, b"@sleep\0inf"));
        assert!(!keeps_a_file_system(0, b"sleep\0inf"));
    }

    #[test]
    fn the_word_on_the_command_line_says_how_it_ends() {
        for ending in [
            Ending::PowerOff,
            Ending::Reboot,
            Ending::Halt,
            Ending::Kexec,
            Ending::Exit(3),
        ] {
            assert_eq!(Ending::parse(&ending.word()), ending);
        }
    }
}
