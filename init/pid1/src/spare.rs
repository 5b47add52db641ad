//! A descriptor in reserve. When there is none left to take a connection with, the connection stays in
//! the queue and its listener stays readable: the loop would turn without end. With the reserve given
//! up for a moment it is taken and closed, so that the client learns and the queue gets shorter.

use std::fs::File;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::net::SocketFlags;

/// The reserve.
#[derive(Debug)]
pub(crate) struct Spare(Option<File>);

impl Spare {
    pub(crate) fn new() -> Spare {
        Spare(File::open("/dev/null").ok())
    }

    /// Whether a connection could not be taken for want of descriptors; then it is refused.
    pub(crate) fn refuse(&mut self, listener: impl AsFd, error: &std::io::Error) -> bool {
        let code = error.raw_os_error().unwrap_or(0);
        if ![Errno::MFILE, Errno::NFILE]
            .map(Errno::raw_os_error)
            .contains(&code)
        {
            return false;
        }
        drop(self.0.take());
        let _ = rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        *self = Spare::new();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_connection_that_cannot_be_taken_is_closed_and_leaves_the_queue() {
        let folder = std::env::temp_dir().join(format!("spare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = UnixListener::bind(folder.join("s")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut client = UnixStream::connect(folder.join("s")).unwrap();
        let mut spare = Spare::new();
        let full = std::io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
        assert!(spare.refuse(&listener, &full));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        listener.accept().unwrap_err();
        let other = std::io::Error::from_raw_os_error(Errno::AGAIN.raw_os_error());
        assert!(!spare.refuse(&listener, &other));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
