//! One datagram with what the kernel says about its sender: credentials, descriptors, a pidfd.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// A received message.
#[derive(Debug, Default)]
pub struct Message {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Process id of the sender, by the kernel.
    pub pid: Option<i32>,
    /// User id of the sender, by the kernel.
    pub uid: Option<u32>,
    /// Group id of the sender, by the kernel.
    pub gid: Option<u32>,
    /// Descriptors that came with it.
    pub fds: Vec<OwnedFd>,
    /// The sender as a pidfd (kernels from 6.5 on, when asked for).
    pub pidfd: Option<OwnedFd>,
    /// Time of arrival in microseconds since 1970, when asked for.
    pub realtime: Option<u64>,
    /// More bytes came than the buffer holds.
    pub truncated: bool,
}

const SCM_CREDENTIALS: i32 = 2;
const SCM_PIDFD: i32 = 4;
const SO_PASSPIDFD: i32 = 76;

fn switch_on(socket: BorrowedFd<'_>, option: i32) -> io::Result<()> {
    let on: i32 = 1;
    let size = libc::socklen_t::try_from(std::mem::size_of::<i32>()).unwrap_or(4);
    // SAFETY: the option value is an int that lives for the call.
    crate::check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const on).cast(),
            size,
        )
    })?;
    Ok(())
}

/// Asks the kernel to send credentials with each message, and a pidfd where it can.
///
/// # Errors
/// What setsockopt reports for credentials.
pub fn want_credentials(socket: BorrowedFd<'_>) -> io::Result<()> {
    switch_on(socket, libc::SO_PASSCRED)?;
    // Older kernels do not know it; the pid of the credentials is used then.
    let _ = switch_on(socket, SO_PASSPIDFD);
    Ok(())
}

/// Asks the kernel to send the time of arrival with each message.
///
/// # Errors
/// What setsockopt reports.
pub fn want_timestamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    switch_on(socket, libc::SO_TIMESTAMP)
}

/// Receives one message without waiting; None when nothing is there.
///
/// # Errors
/// What recvmsg reports.
pub fn receive(socket: BorrowedFd<'_>, limit: usize) -> io::Result<Option<Message>> {
    let mut bytes = vec![0u8; limit];
    let mut control = [0u64; 512];
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all-zero is a valid msghdr.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = std::mem::size_of_val(&control);
    // SAFETY: header points to one buffer and one control buffer, both of the sizes given.
    let got = unsafe {
        libc::recvmsg(
            socket.as_raw_fd(),
            &raw mut header,
            libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC,
        )
    };
    if got < 0 {
        let e = io::Error::last_os_error();
        return match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
            _ => Err(e),
        };
    }
    bytes.truncate(usize::try_from(got).unwrap_or(0));
    let mut message = Message {
        bytes,
        truncated: header.msg_flags & libc::MSG_TRUNC != 0,
        ..Message::default()
    };
    take_control(&header, &mut message);
    Ok(Some(message))
}

fn take_control(header: &libc::msghdr, message: &mut Message) {
    // SAFETY: header was filled by recvmsg and its control buffer is alive in the caller.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR only give headers inside the control buffer.
        let item = unsafe { &*next };
        // SAFETY: the data follows its header.
        let data = unsafe { libc::CMSG_DATA(next) };
        // SAFETY: computes a length only.
        let empty = usize::try_from(unsafe { libc::CMSG_LEN(0) }).unwrap_or(0);
        let length = item.cmsg_len.saturating_sub(empty);
        take_item((item.cmsg_level, item.cmsg_type), data, length, message);
        // SAFETY: as for CMSG_FIRSTHDR.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
}

fn take_item(kind: (i32, i32), data: *const u8, length: usize, message: &mut Message) {
    match kind {
        (libc::SOL_SOCKET, SCM_CREDENTIALS) if length >= std::mem::size_of::<libc::ucred>() => {
            // SAFETY: the kernel stores a ucred here; its alignment is not promised.
            let who = unsafe { data.cast::<libc::ucred>().read_unaligned() };
            message.pid = Some(who.pid);
            message.uid = Some(who.uid);
            message.gid = Some(who.gid);
        }
        (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
            for index in 0..length / std::mem::size_of::<RawFd>() {
                // SAFETY: index is within the length that the kernel states.
                let place = unsafe { data.cast::<RawFd>().add(index) };
                // SAFETY: as above; alignment is not promised.
                let fd = unsafe { place.read_unaligned() };
                // SAFETY: the kernel gave this process a fresh descriptor.
                message.fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        (libc::SOL_SOCKET, SCM_PIDFD) if length >= std::mem::size_of::<RawFd>() => {
            // SAFETY: the kernel stores one descriptor here.
            let fd = unsafe { data.cast::<RawFd>().read_unaligned() };
            if fd >= 0 {
                // SAFETY: the kernel gave this process a fresh descriptor.
                message.pidfd = Some(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMP)
            if length >= std::mem::size_of::<libc::timeval>() =>
        {
            // SAFETY: the kernel stores a timeval here.
            let at = unsafe { data.cast::<libc::timeval>().read_unaligned() };
            let seconds = u64::try_from(at.tv_sec).unwrap_or(0);
            let micros = u64::try_from(at.tv_usec).unwrap_or(0);
            message.realtime = Some(seconds.saturating_mul(1_000_000).saturating_add(micros));
        }
        _ => {}
    }
}

/// Who is at the other end of a unix stream: (pid, uid, gid) at connect time.
///
/// # Errors
/// What getsockopt reports.
pub fn peer(socket: BorrowedFd<'_>) -> io::Result<(i32, u32, u32)> {
    let mut who = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut size = libc::socklen_t::try_from(std::mem::size_of::<libc::ucred>()).unwrap_or(12);
    // SAFETY: who is a ucred of the size given.
    crate::check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &raw mut size,
        )
    })?;
    Ok((who.pid, who.uid, who.gid))
}
