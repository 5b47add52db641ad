//! Starting a process straight inside its cgroup, with a pidfd.
//!
//! `clone3(CLONE_INTO_CGROUP | CLONE_PIDFD)`: no fork ever runs outside the cgroup that accounts
//! for it. The child does nothing but move descriptors, reset signals and exec; all it needs is
//! prepared before the clone, so it neither allocates nor locks.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;

/// What to start.
#[derive(Debug)]
pub struct Spawn<'a> {
    /// Program to execute.
    pub program: CString,
    /// Words, `argv[0]` included.
    pub argv: Vec<CString>,
    /// `NAME=value` assignments.
    pub env: Vec<CString>,
    /// Descriptors that the child gets as 3, 4, … in this order. 0, 1 and 2 are the parent's.
    pub fds: Vec<BorrowedFd<'a>>,
    /// Folder of the cgroup to start in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// A started process.
#[derive(Debug)]
pub struct Started {
    /// Its process id.
    pub pid: i32,
    /// A descriptor that names exactly this process, if the kernel gave one.
    pub pidfd: Option<OwnedFd>,
    /// Whether the kernel put it into the cgroup at birth; if not, the caller moves it.
    pub in_cgroup: bool,
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a C string of a word; a NUL inside is an error.
///
/// # Errors
/// `InvalidInput` when the word holds a NUL byte.
pub fn c_string(word: impl AsRef<OsStr>) -> io::Result<CString> {
    CString::new(word.as_ref().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a word holds a NUL byte"))
}

fn pointers(words: &[CString]) -> Vec<*const libc::c_char> {
    words
        .iter()
        .map(|word| word.as_ptr())
        .chain(std::iter::once(std::ptr::null()))
        .collect()
}

/// Starts a process.
///
/// # Errors
/// What clone3 reports. That the program cannot be executed shows as exit code 203 of the child.
pub fn spawn(what: &Spawn<'_>) -> io::Result<Started> {
    let argv = pointers(&what.argv);
    let env = pointers(&what.env);
    let mut fds: Vec<RawFd> = what.fds.iter().map(AsRawFd::as_raw_fd).collect();
    let cgroup = what.cgroup.map(|fd| fd.as_raw_fd());
    let mut child = || become_program(&what.program, &argv, &env, &mut fds);
    match clone3(cgroup, &mut child) {
        Ok(started) => Ok(started),
        // Kernels before 5.7, and cgroup trees that do not take it (a v1 folder, a threaded one).
        Err(e) if cgroup.is_some() && wants_fallback(&e) => clone3(None, &mut child),
        Err(e) => Err(e),
    }
}

fn wants_fallback(e: &io::Error) -> bool {
    matches!(
        e.raw_os_error(),
        Some(libc::EINVAL | libc::E2BIG | libc::EBADF | libc::EOPNOTSUPP | libc::EBUSY)
    )
}

fn clone3(cgroup: Option<RawFd>, child: &mut dyn FnMut()) -> io::Result<Started> {
    let mut pidfd: RawFd = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD,
        pidfd: std::ptr::from_mut(&mut pidfd).addr() as u64,
        exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
        ..CloneArgs::default()
    };
    if let Some(fd) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(fd.unsigned_abs());
    }
    // SAFETY: args is a valid clone_args of the size given and outlives the call; no CLONE_VM, so
    // the child has its own copy of memory and returns here on its own copy of the stack.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            std::ptr::from_mut(&mut args),
            std::mem::size_of::<CloneArgs>(),
        )
    };
    if pid == 0 {
        child();
        // SAFETY: ends the child without running any destructor of the parent's copy.
        unsafe { libc::_exit(203) }
    }
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: with CLONE_PIDFD a successful clone3 stored a fresh descriptor that is ours alone.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok(Started {
        pid: i32::try_from(pid).unwrap_or(-1),
        pidfd,
        in_cgroup: cgroup.is_some(),
    })
}

/// Runs in the child: raw system calls only.
fn become_program(
    program: &CString,
    argv: &[*const libc::c_char],
    env: &[*const libc::c_char],
    fds: &mut [RawFd],
) {
    // First all of them above every target, then down into place: a target may be the source of another.
    let above = fds.iter().fold(3, |next, _| next + 1);
    for fd in fds.iter_mut() {
        // SAFETY: plain descriptor duplication; a failure leaves the slot closed, which exec shows.
        *fd = unsafe { libc::fcntl(*fd, libc::F_DUPFD_CLOEXEC, above) };
    }
    for (target, fd) in (3..).zip(fds.iter()) {
        // SAFETY: moves the parked descriptor to its place, without the close-on-exec flag.
        unsafe { libc::dup2(*fd, target) };
    }
    crate::signals::default_all();
    let empty = empty_set();
    // SAFETY: the set is initialised; the old mask is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut()) };
    // SAFETY: program, argv and env are NUL-terminated and null-terminated arrays that live in the
    // child's copy of the parent's memory.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
}

pub(crate) fn empty_set() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: initialised just above.
    unsafe { set.assume_init() }
}

/// Forks the caller itself; the child runs `work` and exits with its result. For single-threaded
/// programs only (PID 1's background work, the parent that waits in a PID namespace).
///
/// # Errors
/// What fork reports.
pub fn fork_work(work: impl FnOnce() -> i32) -> io::Result<i32> {
    // SAFETY: callers are single-threaded (documented), so no lock can be held by a lost thread.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        _ => Ok(pid),
    }
}
