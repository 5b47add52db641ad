//! Telling the service manager about readiness and state (`sd_notify(3)`).

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};

/// Sends lines such as `READY=1` to the manager; `false` when there is none that listens.
///
/// # Errors
/// When the manager named a socket and it cannot be reached.
pub fn notify(state: &str) -> io::Result<bool> {
    notify_with_fds(state, &[])
}

/// [`notify`] with descriptors, for `FDSTORE=1`.
///
/// # Errors
/// As [`notify`].
pub fn notify_with_fds(state: &str, fds: &[BorrowedFd<'_>]) -> io::Result<bool> {
    match std::env::var("NOTIFY_SOCKET") {
        Ok(path) if !path.is_empty() => send(&path, state, fds).map(|()| true),
        _ => Ok(false),
    }
}

/// Tells the manager that the service is ready.
///
/// # Errors
/// As [`notify`].
pub fn ready(status: &str) -> io::Result<bool> {
    notify(&format!("READY=1\nSTATUS={status}"))
}

/// [`notify`] in the name of another process, as root may: a helper speaks for the script that
/// called it. Without that right it speaks for itself.
///
/// # Errors
/// As [`notify`].
pub fn notify_as(pid: i32, state: &str) -> io::Result<bool> {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else {
        return Ok(false);
    };
    if path.is_empty() {
        return Ok(false);
    }
    let datagram = connected(&path)?;
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let sender = rustix::net::UCred {
            pid,
            uid: rustix::process::getuid(),
            gid: rustix::process::getgid(),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmCredentials(sender));
        let parts = [IoSlice::new(state.as_bytes())];
        if fits
            && rustix::net::sendmsg(&datagram, &parts, &mut control, SendFlags::NOSIGNAL).is_ok()
        {
            return Ok(true);
        }
    }
    send(&path, state, &[]).map(|()| true)
}

/// Sends to one socket: a path, or `@name` in the abstract name space.
///
/// # Errors
/// When it cannot be reached.
pub fn send(socket: &str, state: &str, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let datagram = connected(socket)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    rustix::net::sendmsg(
        datagram.as_fd(),
        &[IoSlice::new(state.as_bytes())],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn connected(socket: &str) -> io::Result<UnixDatagram> {
    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.connect_addr(&address)?;
    Ok(datagram)
}

/// Waits until the manager has read everything sent before (`BARRIER=1`): it closes our pipe.
///
/// # Errors
/// When the manager cannot be reached.
pub fn barrier(patience: std::time::Duration) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    if !notify_with_fds("BARRIER=1", &[write.as_fd()])? {
        return Ok(false);
    }
    drop(write);
    let wait = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    Ok(poll(&mut [PollFd::new(&read, PollFlags::HUP)], Some(&wait))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_at_a_path_socket() {
        let folder = std::env::temp_dir().join(format!("notify-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("s");
        let server = UnixDatagram::bind(&path).unwrap();
        send(path.to_str().unwrap(), "READY=1", &[]).unwrap();
        let mut buffer = [0; 32];
        let n = server.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"READY=1");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
