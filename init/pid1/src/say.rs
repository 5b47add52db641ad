//! The words that this program says itself: to the kernel log, which reaches every console, and to
//! /dev/console. Never panics, never waits for a slow terminal longer than a write.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Mutex;

/// Importance of a kernel log line (syslog numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Emergency = 0,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
    Debug = 7,
}

static KMSG: Mutex<Option<File>> = Mutex::new(None);

/// Opens /dev/kmsg, once; before that, [`log`] and the crash handler write to standard error.
pub(crate) fn open_kmsg() {
    let Ok(mut slot) = KMSG.lock() else { return };
    if slot.is_none()
        && let Ok(file) = OpenOptions::new().write(true).open("/dev/kmsg")
    {
        init_sys::crash::log_to(file.as_raw_fd());
        *slot = Some(file);
    }
}

/// One line into the kernel log as `garboard`.
pub(crate) fn log(level: Level, text: &str) {
    log_as(level, "garboard", text);
}

/// One line into the kernel log under a name (`systemd[1]` for the manager's own messages).
pub(crate) fn log_as(level: Level, name: &str, text: &str) {
    // Facility 3 (daemon), so that readers can tell these lines from the kernel's own.
    let line = format!("<{}>{name}: {text}\n", 24 + level as u8);
    let Ok(mut slot) = KMSG.lock() else { return };
    let written = slot
        .as_mut()
        .is_some_and(|file| file.write_all(line.as_bytes()).is_ok());
    if !written {
        let _ = writeln!(std::io::stderr(), "{name}: {text}");
    }
}

/// One line to /dev/console only (boot status lines).
pub(crate) fn console(line: &str) {
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(libc_noctty())
        .open("/dev/console");
    if let Ok(mut file) = opened {
        let _ = file.write_all(format!("{line}\r\n").as_bytes());
    }
}

fn libc_noctty() -> i32 {
    i32::try_from(rustix::fs::OFlags::NOCTTY.bits() | rustix::fs::OFlags::NONBLOCK.bits())
        .unwrap_or(0)
}

/// The panic hook: one line in the kernel log, nothing else (the loop catches and carries on).
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        log(
            Level::Error,
            &format!("init caught a mistake of its own and carries on: {info}"),
        );
    }));
}
