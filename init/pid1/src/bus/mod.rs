//! The control side of PID 1: connections of systemctl and others, on an epoll set of their own.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::manager::{Manager, Outgoing};

/// All connections.
pub(crate) struct Bus {
    epoll: OwnedFd,
}

impl Bus {
    /// Listens, on sockets from before re-execution where there are any.
    pub(crate) fn open(_inherited: Vec<(String, OwnedFd)>) -> io::Result<Bus> {
        Ok(Bus {
            epoll: rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// The descriptor that is readable when there is something to do.
    pub(crate) fn poll_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Handles what is there, never waiting.
    pub(crate) fn dispatch(&mut self, _manager: &mut Manager) {}

    /// Tells clients what happened.
    pub(crate) fn deliver(&mut self, _manager: &mut Manager, _what: &Outgoing) {}

    /// Listening sockets, for re-execution.
    pub(crate) fn listeners(&self) -> Vec<(String, BorrowedFd<'_>)> {
        Vec::new()
    }
}
