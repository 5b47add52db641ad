//! Descriptors that the engine knows by handle: sockets, connections, the fd store.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use unit_engine::FdHandle;

/// Handle to descriptor.
#[derive(Debug, Default)]
pub(crate) struct Fds {
    all: BTreeMap<FdHandle, OwnedFd>,
    last: u64,
}

impl Fds {
    /// Takes a descriptor in.
    pub(crate) fn add(&mut self, fd: OwnedFd) -> FdHandle {
        self.last += 1;
        let handle = FdHandle(self.last);
        self.all.insert(handle, fd);
        handle
    }

    /// Puts one back under the handle that it had before re-execution.
    pub(crate) fn restore(&mut self, handle: FdHandle, fd: OwnedFd) {
        self.last = self.last.max(handle.0);
        self.all.insert(handle, fd);
    }

    pub(crate) fn get(&self, handle: FdHandle) -> Option<BorrowedFd<'_>> {
        self.all.get(&handle).map(AsFd::as_fd)
    }

    /// Gives it up; dropping the result closes it.
    pub(crate) fn remove(&mut self, handle: FdHandle) -> Option<OwnedFd> {
        self.all.remove(&handle)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (FdHandle, BorrowedFd<'_>)> {
        self.all.iter().map(|(handle, fd)| (*handle, fd.as_fd()))
    }
}
