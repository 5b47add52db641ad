//! What PID 1 does when the processor says that it is wrong: write one line, then stay alive as a
//! reaper, because the end of PID 1 is the end of the kernel.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// Descriptor of /dev/kmsg (or stderr) that the handler writes to.
static LOG: AtomicI32 = AtomicI32::new(2);

const TEXT: &[u8] =
    b"<0>garboard: init crashed; services keep running, nothing is managed any more\n";
const STACK: usize = 64 * 1024;

extern "C" fn crashed(signal: libc::c_int) {
    let log = LOG.load(Ordering::Relaxed);
    // SAFETY: write is async-signal-safe and TEXT is static.
    unsafe { libc::write(log, TEXT.as_ptr().cast(), TEXT.len()) };
    // SAFETY: getpid is async-signal-safe.
    if unsafe { libc::getpid() } != 1 {
        // SAFETY: gives the signal its default action back, then raises it again.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SAFETY: raise is async-signal-safe.
        unsafe { libc::raise(signal) };
        return;
    }
    loop {
        // SAFETY: waits for any child, storing nothing.
        let pid = unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) };
        if pid < 0 {
            // SAFETY: no descriptors; a plain sleep of one second.
            unsafe { libc::poll(std::ptr::null_mut(), 0, 1000) };
        }
    }
}

/// Where the line goes: the number of a descriptor that stays open for ever.
pub fn log_to(log: i32) {
    LOG.store(log, Ordering::Relaxed);
}

/// Installs the handlers for SEGV, ILL, FPE, BUS, QUIT and ABRT on a stack of their own.
///
/// # Errors
/// What sigaltstack or sigaction report.
pub fn install() -> io::Result<()> {
    let alternate = libc::stack_t {
        ss_sp: crate::memory::for_ever(STACK)?,
        ss_flags: 0,
        ss_size: STACK,
    };
    // SAFETY: the stack is never unmapped.
    crate::check(unsafe { libc::sigaltstack(&raw const alternate, std::ptr::null_mut()) })?;
    for signal in [
        libc::SIGSEGV,
        libc::SIGILL,
        libc::SIGFPE,
        libc::SIGBUS,
        libc::SIGQUIT,
        libc::SIGABRT,
    ] {
        let handler: extern "C" fn(libc::c_int) = crashed;
        let action = libc::sigaction {
            sa_sigaction: handler as usize,
            sa_mask: crate::spawn::empty_set(),
            sa_flags: libc::SA_ONSTACK | libc::SA_NODEFER,
            sa_restorer: None,
        };
        // SAFETY: the handler only calls async-signal-safe functions.
        crate::check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    }
    Ok(())
}
