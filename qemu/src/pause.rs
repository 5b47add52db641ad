//! The one place where the harness sleeps: between two looks at something that the host cannot announce (a file that
//! QEMU writes, a process that may end). Every loop around it has a limit of its own.

use std::time::Duration;

/// Waits before looking again.
#[expect(
    clippy::disallowed_methods,
    reason = "the waiting loops of the harness, each with its own limit"
)]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
