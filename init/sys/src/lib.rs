//! The only unsafe code of the workspace: system calls behind safe functions, one file per topic.
//!
//! Decides nothing: every function does one thing to the kernel and reports `io::Error` as the
//! kernel gave it. Whoever needs a new call adds a safe function here; what rustix or nix already
//! offer safely is called there directly and is not wrapped again.
#![allow(
    unsafe_code,
    reason = "this crate is the one place for system calls that no safe crate offers"
)]

pub mod accounts;
pub mod block;
pub mod cgroup;
pub mod clock;
pub mod configuration;
pub mod crash;
pub mod exec;
pub mod files;
pub mod folders;
pub mod machine;
pub mod mapping;
pub mod memory;
pub mod message;
pub mod mountinfo;
pub mod namespaces;
pub mod packet;
pub mod process;
pub mod random;
pub mod signals;
pub mod spawn;
pub mod tree;
pub mod tun;
pub mod uevent;

use std::io;

/// `-1 means errno`, in one place.
pub(crate) fn check<T: PartialEq + From<i8>>(result: T) -> io::Result<T> {
    if result == T::from(-1) {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
