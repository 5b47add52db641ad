//! The socket on which services say what they are at (`sd_notify(3)`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with, sockopt,
};

/// Where it is.
pub(crate) const PATH: &str = "/run/systemd/notify";
/// Longer messages are refused, as systemd does.
const LONGEST: usize = 4096;

/// The socket.
#[derive(Debug)]
pub(crate) struct Notify(OwnedFd);

/// One message with its sender.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) text: String,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Notify {
    /// Opens it, or takes over the one from before re-execution.
    pub(crate) fn open(inherited: Option<OwnedFd>) -> io::Result<Notify> {
        if let Some(fd) = inherited {
            return Ok(Notify(fd));
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        let _ = std::fs::remove_file(PATH);
        let old = rustix::process::umask(rustix::fs::Mode::empty());
        let bound = bind(&fd, &SocketAddrUnix::new(PATH)?);
        let _ = rustix::process::umask(old);
        bound?;
        let _ = sockopt::set_socket_recv_buffer_size_force(&fd, 8 << 20);
        init_sys::message::want_credentials(fd.as_fd())?;
        Ok(Notify(fd))
    }

    /// The next message. Messages without credentials, too long or empty are dropped.
    pub(crate) fn next(&self) -> io::Result<Option<Received>> {
        while let Some(message) = init_sys::message::receive(self.0.as_fd(), LONGEST)? {
            let (Some(pid), Some(uid)) = (message.pid, message.uid) else {
                continue;
            };
            if message.truncated || message.bytes.is_empty() {
                continue;
            }
            let text = String::from_utf8_lossy(&message.bytes).into_owned();
            return Ok(Some(Received {
                pid,
                uid,
                text,
                fds: message.fds,
            }));
        }
        Ok(None)
    }
}

impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
