//! Signals of a process that takes all of them by signalfd, and what a child does to be normal again.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    /// Number of the signal.
    pub signal: i32,
    /// Who sent it.
    pub sender: u32,
}

/// Blocks every signal that can be blocked, except the ones that a crash raises.
///
/// # Errors
/// What sigprocmask reports.
pub fn block_all() -> io::Result<()> {
    let mut set = crate::spawn::empty_set();
    // SAFETY: fills an initialised set.
    unsafe { libc::sigfillset(&raw mut set) };
    for signal in [
        libc::SIGSEGV,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGBUS,
        libc::SIGABRT,
        libc::SIGQUIT,
    ] {
        // SAFETY: removes a valid signal number from an initialised set.
        unsafe { libc::sigdelset(&raw mut set, signal) };
    }
    // SAFETY: the set is initialised; the old mask is not asked for.
    crate::check(unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    })?;
    Ok(())
}

/// Unblocks every signal.
///
/// # Errors
/// What sigprocmask reports.
pub fn unblock_all() -> io::Result<()> {
    let set = crate::spawn::empty_set();
    // SAFETY: the set is initialised; the old mask is not asked for.
    crate::check(unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut())
    })?;
    Ok(())
}

/// A descriptor that becomes readable for every blocked signal.
///
/// # Errors
/// What signalfd reports.
pub fn open_signalfd() -> io::Result<OwnedFd> {
    let mut set = crate::spawn::empty_set();
    // SAFETY: fills an initialised set.
    unsafe { libc::sigfillset(&raw mut set) };
    // SAFETY: the set is initialised and -1 asks for a new descriptor.
    let fd = crate::check(unsafe {
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    })?;
    // SAFETY: a fresh descriptor that is ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Takes one signal from the descriptor, if there is one.
///
/// # Errors
/// What read reports, except that nothing is there.
pub fn read_signal(fd: BorrowedFd<'_>) -> io::Result<Option<Arrived>> {
    let mut info = MaybeUninit::<libc::signalfd_siginfo>::zeroed();
    let size = std::mem::size_of::<libc::signalfd_siginfo>();
    // SAFETY: the buffer has the size given.
    let got = unsafe { libc::read(fd.as_raw_fd(), info.as_mut_ptr().cast(), size) };
    if got < 0 {
        let e = io::Error::last_os_error();
        return if e.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(e)
        };
    }
    if usize::try_from(got).ok() != Some(size) {
        return Ok(None);
    }
    // SAFETY: all-zero is a valid signalfd_siginfo and the kernel has filled it.
    let info = unsafe { info.assume_init() };
    Ok(Some(Arrived {
        signal: i32::try_from(info.ssi_signo).unwrap_or(0),
        sender: info.ssi_pid,
    }))
}

/// Ignores a signal (SIGPIPE for services) or gives it its default action back.
///
/// # Errors
/// What sigaction reports.
pub fn set_ignored(signal: i32, ignored: bool) -> io::Result<()> {
    let action = if ignored {
        libc::SIG_IGN
    } else {
        libc::SIG_DFL
    };
    // SAFETY: installs no handler of ours, only a constant disposition.
    if unsafe { libc::signal(signal, action) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// What the kernel takes for `rt_sigaction`: all zero is the default action.
#[repr(C)]
#[derive(Default)]
struct KernelAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

/// Gives every signal its default action back, also the two that the C library keeps to itself
/// and refuses to touch: a child must not inherit them ignored from whoever started us.
pub fn default_all() {
    let action = KernelAction::default();
    for signal in 1..=64 {
        // SAFETY: installs no handler; a signal that cannot be changed reports EINVAL.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                std::ptr::from_ref(&action),
                std::ptr::null::<KernelAction>(),
                std::mem::size_of::<u64>(),
            )
        };
    }
}

/// Number of the real-time signal `SIGRTMIN+n` as the kernel and systemd count it.
#[must_use]
pub fn realtime_signal(n: i32) -> i32 {
    libc::SIGRTMIN() + n
}

/// Sends a signal to a process; 0 only asks whether it exists.
///
/// # Errors
/// What kill reports.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is involved.
    crate::check(unsafe { libc::kill(pid, signal) })?;
    Ok(())
}

/// Sends a signal to the process that a pidfd names.
///
/// # Errors
/// What `pidfd_send_signal` reports.
pub fn kill_pidfd(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: pidfd is open for the whole call; a null siginfo asks the kernel to fill in its own.
    crate::check(unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    })?;
    Ok(())
}
