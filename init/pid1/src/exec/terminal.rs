//! The terminal of a unit: hung up, reset, and opened as its controlling one.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex,
    tcgetattr, tcsetattr,
};
use unit_file::{ExecConfig, StandardInput};

/// Path of the terminal: `TTYPath=`, else the console.
pub(crate) fn path(config: &ExecConfig) -> &str {
    config.tty_path.as_deref().unwrap_or("/dev/console")
}

fn open_with(path: &str, extra: OFlags) -> io::Result<File> {
    let flags = i32::try_from((OFlags::NOCTTY | OFlags::CLOEXEC | extra).bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
}

/// `TTYVHangup=`, `TTYReset=`, `TTYVTDisallocate=`; failures are no reason not to start.
pub(crate) fn prepare(config: &ExecConfig) {
    let path = path(config);
    // Without waiting for a carrier: a serial line without one would block here.
    if config.tty_vhangup
        && let Ok(tty) = open_with(path, OFlags::NONBLOCK)
    {
        let _ = init_sys::process::hang_up(tty.as_fd());
    }
    if config.tty_reset
        && let Ok(tty) = open_with(path, OFlags::NONBLOCK)
    {
        let _ = reset(&tty);
    }
    if config.tty_vt_disallocate
        && let Ok(mut tty) = open_with(path, OFlags::NONBLOCK)
    {
        let _ = tty.write_all(b"\x1b[r\x1b[H\x1b[2J\x1b[3J");
    }
}

/// Sane settings, as after boot.
fn reset(tty: &File) -> io::Result<()> {
    let mut mode = tcgetattr(tty)?;
    mode.input_modes |=
        InputModes::ICRNL | InputModes::IMAXBEL | InputModes::IUTF8 | InputModes::BRKINT;
    mode.input_modes &= !(InputModes::IGNBRK | InputModes::INLCR | InputModes::IGNCR);
    mode.output_modes |= OutputModes::ONLCR | OutputModes::OPOST;
    mode.control_modes |= ControlModes::CREAD;
    mode.local_modes |= LocalModes::ISIG
        | LocalModes::ICANON
        | LocalModes::IEXTEN
        | LocalModes::ECHO
        | LocalModes::ECHOE
        | LocalModes::ECHOK
        | LocalModes::ECHOCTL
        | LocalModes::ECHOKE;
    for (index, value) in [
        (SpecialCodeIndex::VINTR, 3),
        (SpecialCodeIndex::VQUIT, 28),
        (SpecialCodeIndex::VERASE, 127),
        (SpecialCodeIndex::VKILL, 21),
        (SpecialCodeIndex::VEOF, 4),
        (SpecialCodeIndex::VSTART, 17),
        (SpecialCodeIndex::VSTOP, 19),
        (SpecialCodeIndex::VSUSP, 26),
        (SpecialCodeIndex::VTIME, 0),
        (SpecialCodeIndex::VMIN, 1),
    ] {
        mode.special_codes[index] = value;
    }
    tcsetattr(tty, OptionalActions::Now, &mode)?;
    Ok(())
}

/// Opens the terminal as the controlling one of the session.
pub(crate) fn acquire(config: &ExecConfig) -> io::Result<OwnedFd> {
    let tty = open_with(path(config), OFlags::empty())?;
    let force = matches!(config.standard_input, StandardInput::TtyForce);
    let taken = init_sys::process::take_terminal(tty.as_fd(), force);
    if let Err(e) = taken {
        if matches!(config.standard_input, StandardInput::TtyFail) {
            return Err(e);
        }
        // Somebody's session still holds it; the login of this terminal is ours.
        init_sys::process::take_terminal(tty.as_fd(), true)?;
    }
    Ok(tty.into())
}

/// Opens the terminal for writing only.
pub(crate) fn for_output(config: &ExecConfig) -> io::Result<OwnedFd> {
    Ok(open_with(path(config), OFlags::empty())?.into())
}

/// `TERM` for a terminal: virtual consoles are `linux`, serial lines `vt220`.
pub(crate) fn term(path: &str) -> &'static str {
    let name = path.trim_start_matches("/dev/");
    let screen = name
        .strip_prefix("tty")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
    if screen || name == "console" {
        "linux"
    } else {
        "vt220"
    }
}
