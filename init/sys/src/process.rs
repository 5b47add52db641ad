//! Children that ended, and what a process changes about itself.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It called exit with this code.
    Exited(i32),
    /// A signal ended it.
    Killed(i32),
    /// A signal ended it and it left a core.
    Dumped(i32),
}

/// A child that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedChild {
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub how: Ended,
}

/// The next child that has ended. It stays a zombie, so that /proc still tells its cgroup, until
/// [`reap`] takes it.
///
/// # Errors
/// What waitid reports, except that there is no child.
pub fn peek_ended() -> io::Result<Option<EndedChild>> {
    wait(
        libc::P_ALL,
        0,
        libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
    )
}

/// Takes an ended child away.
///
/// # Errors
/// What waitid reports, except that there is no such child.
pub fn reap(pid: i32) -> io::Result<Option<EndedChild>> {
    wait(libc::P_PID, pid, libc::WEXITED | libc::WNOHANG)
}

/// Waits for a child to end.
///
/// # Errors
/// What waitid reports, except that there is no such child.
pub fn wait_for(pid: i32) -> io::Result<Option<EndedChild>> {
    wait(libc::P_PID, pid, libc::WEXITED)
}

/// Whether the process is a thread of the kernel, which no program ever was.
#[must_use]
pub fn is_kernel_thread(pid: i32) -> bool {
    /// `PF_KTHREAD` of the kernel's `sched.h`.
    const KERNEL_THREAD: u32 = 0x0020_0000;
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the name, which may hold anything: state, four ids, tty, its group, flags.
    let after_name = text.rsplit(')').next().unwrap_or_default();
    let flags = after_name.split_whitespace().nth(6);
    flags
        .and_then(|flags| flags.parse::<u32>().ok())
        .is_some_and(|flags| flags & KERNEL_THREAD != 0)
}

/// Waits for a child until a time span is over, then kills it. Whether it ended by itself.
///
/// # Errors
/// What poll, kill and wait report.
pub fn wait_at_most(
    started: &crate::spawn::Started,
    limit: std::time::Duration,
) -> io::Result<bool> {
    let mut in_time = true;
    if let Some(pidfd) = &started.pidfd {
        let mut waiting = [rustix::event::PollFd::new(
            pidfd,
            rustix::event::PollFlags::IN,
        )];
        let limit = rustix::time::Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(limit.subsec_nanos()),
        };
        in_time = rustix::event::poll(&mut waiting, Some(&limit))? > 0;
    }
    if !in_time {
        crate::signals::kill(started.pid, libc::SIGKILL)?;
    }
    wait_for(started.pid)?;
    Ok(in_time)
}

fn wait(which: libc::idtype_t, pid: i32, options: i32) -> io::Result<Option<EndedChild>> {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: info is a buffer of the right type that outlives the call.
        let rc = unsafe { libc::waitid(which, pid.unsigned_abs(), info.as_mut_ptr(), options) };
        if rc == -1 {
            let e = io::Error::last_os_error();
            match e.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::ECHILD) => return Ok(None),
                _ => return Err(e),
            }
        }
        // SAFETY: all-zero is a valid siginfo and waitid filled it.
        let info = unsafe { info.assume_init() };
        // SAFETY: waitid fills the fields of SIGCHLD; zeroed ones read as zero.
        let pid = unsafe { info.si_pid() };
        if pid == 0 {
            return Ok(None);
        }
        // SAFETY: as above.
        let status = unsafe { info.si_status() };
        let how = match info.si_code {
            libc::CLD_EXITED => Ended::Exited(status),
            libc::CLD_DUMPED => Ended::Dumped(status),
            _ => Ended::Killed(status),
        };
        return Ok(Some(EndedChild { pid, how }));
    }
}

fn prctl(option: i32, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: the options used here take plain numbers.
    crate::check(unsafe { libc::prctl(option, argument, 0, 0, 0) })?;
    Ok(())
}

/// Keeps (or not) permitted capabilities when the uid changes.
///
/// # Errors
/// What prctl reports.
pub fn keep_capabilities(keep: bool) -> io::Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, libc::c_ulong::from(keep))
}

/// Sets `no_new_privs`: execve gives no more rights than this process has.
///
/// # Errors
/// What prctl reports.
pub fn forbid_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Sets the securebits.
///
/// # Errors
/// What prctl reports.
pub fn set_securebits(bits: u32) -> io::Result<()> {
    prctl(libc::PR_SET_SECUREBITS, libc::c_ulong::from(bits))
}

/// Asks for a signal when the parent ends.
///
/// # Errors
/// What prctl reports.
pub fn die_with_parent(signal: i32) -> io::Result<()> {
    prctl(
        libc::PR_SET_PDEATHSIG,
        libc::c_ulong::from(signal.unsigned_abs()),
    )
}

/// The name that ps shows (at most 15 bytes).
///
/// # Errors
/// What prctl reports.
pub fn set_name(name: &CStr) -> io::Result<()> {
    // SAFETY: name is NUL-terminated and lives for the call.
    crate::check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) })?;
    Ok(())
}

/// Becomes the given user and groups. Single-threaded callers only.
///
/// # Errors
/// What setgroups, setresgid or setresuid report.
pub fn set_groups(gid: u32, supplementary: &[u32]) -> io::Result<()> {
    // SAFETY: the list is valid for its length.
    crate::check(unsafe { libc::setgroups(supplementary.len(), supplementary.as_ptr()) })?;
    // SAFETY: plain numbers.
    crate::check(unsafe { libc::setresgid(gid, gid, gid) })?;
    Ok(())
}

/// Becomes the given user. Single-threaded callers only.
///
/// # Errors
/// What setresuid reports.
pub fn set_user(uid: u32) -> io::Result<()> {
    // SAFETY: plain numbers.
    crate::check(unsafe { libc::setresuid(uid, uid, uid) })?;
    Ok(())
}

/// Sets class and level of the I/O scheduler for this process.
///
/// # Errors
/// What `ioprio_set` reports.
pub fn set_io_priority(class: u32, level: u32) -> io::Result<()> {
    let value = (class << 13) | level;
    // SAFETY: plain numbers; 1 is IOPRIO_WHO_PROCESS, 0 is this process.
    crate::check(unsafe { libc::syscall(libc::SYS_ioprio_set, 1, 0, value) })?;
    Ok(())
}

/// Sets the CPU scheduling policy and priority of this process.
///
/// # Errors
/// What `sched_setscheduler` reports.
pub fn set_scheduler(policy: i32, priority: i32, reset_on_fork: bool) -> io::Result<()> {
    let policy = if reset_on_fork {
        policy | libc::SCHED_RESET_ON_FORK
    } else {
        policy
    };
    let parameter = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: parameter lives for the call; 0 is this process.
    crate::check(unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) })?;
    Ok(())
}

/// Sets the nice level of this process.
///
/// # Errors
/// What setpriority reports.
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: plain numbers; 0 is this process.
    crate::check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })?;
    Ok(())
}

/// Sets a resource limit by its number (`libc::RLIMIT_*`).
///
/// # Errors
/// What setrlimit reports.
pub fn set_limit(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: limit lives for the call.
    crate::check(unsafe { libc::setrlimit(resource, &raw const limit) })?;
    Ok(())
}

/// Gets a resource limit (soft, hard) by its number.
///
/// # Errors
/// What getrlimit reports.
pub fn limit(resource: u32) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: limit lives for the call.
    crate::check(unsafe { libc::getrlimit(resource, &raw mut limit) })?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// A fresh session keyring, so that keys of the manager are not inherited.
///
/// # Errors
/// What keyctl reports; ENOSYS and EPERM are common in containers.
pub fn new_session_keyring() -> io::Result<()> {
    // SAFETY: 1 is KEYCTL_JOIN_SESSION_KEYRING; a null name asks for an anonymous one.
    crate::check(unsafe { libc::syscall(libc::SYS_keyctl, 1, 0, 0, 0, 0) })?;
    Ok(())
}

/// Makes a terminal the controlling one of this session, taking it from another if asked.
///
/// # Errors
/// What the ioctl reports.
pub fn take_terminal(tty: BorrowedFd<'_>, force: bool) -> io::Result<()> {
    // SAFETY: the argument of TIOCSCTTY is a number.
    crate::check(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCSCTTY, i32::from(force)) })?;
    Ok(())
}

/// Gives up the controlling terminal.
///
/// # Errors
/// What the ioctl reports.
pub fn drop_terminal(tty: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: TIOCNOTTY takes no argument.
    crate::check(unsafe { libc::ioctl(tty.as_raw_fd(), libc::TIOCNOTTY) })?;
    Ok(())
}

/// Hangs up the terminal: everybody who has it open loses it (TIOCVHANGUP).
///
/// # Errors
/// What the ioctl reports.
pub fn hang_up(tty: BorrowedFd<'_>) -> io::Result<()> {
    const TIOCVHANGUP: libc::c_ulong = 0x5437;
    // SAFETY: TIOCVHANGUP takes no argument.
    crate::check(unsafe { libc::ioctl(tty.as_raw_fd(), TIOCVHANGUP) })?;
    Ok(())
}

/// Clears the close-on-exec flag, so that the descriptor survives execve.
///
/// # Errors
/// What fcntl reports.
pub fn keep_across_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).map_err(io::Error::from)
}

/// Locks all memory of this process, so that it runs when its file system is gone.
///
/// # Errors
/// What mlockall reports.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: plain numbers.
    crate::check(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) })?;
    Ok(())
}

/// Stops using a swap device or file.
///
/// # Errors
/// What swapoff reports, or a NUL in the path.
pub fn swap_off(device: &str) -> io::Result<()> {
    let path = crate::spawn::c_string(device)?;
    // SAFETY: path is NUL-terminated and lives for the call.
    crate::check(unsafe { libc::swapoff(path.as_ptr()) })?;
    Ok(())
}

/// Restarts the machine with an argument for the firmware (`LINUX_REBOOT_CMD_RESTART2`).
///
/// # Errors
/// What reboot reports, or a NUL in the argument.
pub fn reboot_with(argument: &str) -> io::Result<()> {
    let argument = crate::spawn::c_string(argument)?;
    // SAFETY: the magic numbers and the command are the kernel's; the argument is NUL-terminated.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_reboot,
            libc::LINUX_REBOOT_MAGIC1,
            libc::LINUX_REBOOT_MAGIC2,
            libc::LINUX_REBOOT_CMD_RESTART2,
            argument.as_ptr(),
        )
    };
    crate::check(rc)?;
    Ok(())
}

/// Ctrl-Alt-Del sends SIGINT to PID 1 instead of restarting at once.
///
/// # Errors
/// What reboot reports.
pub fn catch_ctrl_alt_del() -> io::Result<()> {
    rustix::system::reboot(rustix::system::RebootCommand::CadOff).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::spawn::{Spawn, c_string, spawn};

    fn sleep(seconds: &str) -> crate::spawn::Started {
        let what = Spawn {
            program: c_string("/bin/sleep").unwrap(),
            argv: vec![c_string("sleep").unwrap(), c_string(seconds).unwrap()],
            env: Vec::new(),
            fds: Vec::new(),
            cgroup: None,
        };
        spawn(&what).unwrap()
    }

    #[test]
    fn a_child_that_does_not_end_in_time_is_killed_and_waited_for() {
        let began = Instant::now();
        assert!(!wait_at_most(&sleep("600"), Duration::from_millis(50)).unwrap());
        assert!(wait_at_most(&sleep("0"), Duration::from_secs(60)).unwrap());
        assert!(began.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn we_are_no_thread_of_the_kernel() {
        assert!(!is_kernel_thread(
            rustix::process::getpid().as_raw_nonzero().get()
        ));
        assert!(!is_kernel_thread(i32::MAX));
    }
}
