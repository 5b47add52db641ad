//! Replacing this process by a program, and descriptors by number in the moment before it.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Executes a program in place of this one; returns only on failure.
#[must_use]
pub fn execute(program: &CString, argv: &[CString], env: &[CString]) -> io::Error {
    let argv = nul_ended(argv);
    let env = nul_ended(env);
    // SAFETY: all strings are NUL-terminated, both arrays end with a null pointer, and all of them
    // live for the call.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

fn nul_ended(words: &[CString]) -> Vec<*const libc::c_char> {
    words
        .iter()
        .map(|word| word.as_ptr())
        .chain(std::iter::once(std::ptr::null()))
        .collect()
}

/// A copy, closed on exec, of a descriptor of this process that is known by its number only.
///
/// # Errors
/// When no such descriptor is open.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: a number that is not open is refused; the original stays with whoever has it.
    let copy = crate::check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the copy was made by this call and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Takes ownership of a descriptor that another program left to this one at a known number.
/// None if nothing is open there.
#[must_use]
pub fn inherited(number: RawFd) -> Option<OwnedFd> {
    if number < 0 {
        return None;
    }
    // SAFETY: only asks for flags.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return None;
    }
    // SAFETY: the descriptor is open; by the convention of the caller (a number agreed between two
    // of our programs) nobody else in this process owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Puts copies of descriptors at fixed numbers, surviving exec: `(copy of, at)`.
///
/// # Errors
/// What dup reports.
pub fn place(pairs: &[(RawFd, RawFd)]) -> io::Result<()> {
    let mut parked = Vec::new();
    // Just above all targets: the limit of descriptors may be low.
    let above = pairs.iter().map(|(_, to)| *to + 1).max().unwrap_or(0);
    for &(from, to) in pairs {
        // SAFETY: duplicates to a number above all targets.
        let high = crate::check(unsafe { libc::fcntl(from, libc::F_DUPFD, above) })?;
        parked.push((high, to));
    }
    for (high, to) in parked {
        // SAFETY: replaces whatever was at the target, as asked.
        crate::check(unsafe { libc::dup2(high, to) })?;
        // SAFETY: the parked copy is ours.
        unsafe { libc::close(high) };
    }
    Ok(())
}

/// Closes every descriptor from `first` up, except those in `keep`.
pub fn close_from(first: RawFd, keep: &[RawFd]) {
    let mut keep: Vec<RawFd> = keep.iter().copied().filter(|fd| *fd >= first).collect();
    keep.sort_unstable();
    let mut low = first;
    for fd in keep {
        if fd > low {
            close_range(low, fd - 1);
        }
        low = low.max(fd + 1);
    }
    close_range(low, RawFd::MAX);
}

fn close_range(low: RawFd, high: RawFd) {
    // SAFETY: the caller gives the range up; nothing of ours that is still used lies in it.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            low.unsigned_abs(),
            high.unsigned_abs(),
            0,
        )
    };
}

/// Marks every descriptor from `first` up close-on-exec.
pub fn cloexec_from(first: RawFd) {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: only sets a flag on descriptors.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first.unsigned_abs(),
            RawFd::MAX.unsigned_abs(),
            CLOSE_RANGE_CLOEXEC,
        )
    };
}
