//! Namespaces and what is done inside a fresh one.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::thread::UnshareFlags;

/// Leaves namespaces for fresh ones. Descriptors stay separate from other processes anyway, so the
/// flags that share a descriptor table are refused.
///
/// # Errors
/// What unshare reports.
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    if flags.contains(UnshareFlags::FILES) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: without FILES the descriptor table stays as it is, which is what makes it unsafe.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

#[repr(C)]
#[derive(Default)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

const MOUNT_ATTR_RDONLY: u64 = 1;

fn change(path: &Path, attr: &MountAttr, recursive: bool) -> io::Result<()> {
    const AT_RECURSIVE: libc::c_uint = 0x8000;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    let flags = if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: path is NUL-terminated, attr has the size given, both live for the call.
    crate::check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            std::ptr::from_ref(attr),
            std::mem::size_of::<MountAttr>(),
        )
    })?;
    Ok(())
}

/// Makes a mount read-only, with all mounts below it if asked.
///
/// # Errors
/// What `mount_setattr` reports.
pub fn set_read_only(path: &Path, recursive: bool) -> io::Result<()> {
    change(
        path,
        &MountAttr {
            attr_set: MOUNT_ATTR_RDONLY,
            ..MountAttr::default()
        },
        recursive,
    )
}

/// Takes the read-only flag off a mount.
///
/// # Errors
/// What `mount_setattr` reports.
pub fn set_writable(path: &Path) -> io::Result<()> {
    change(
        path,
        &MountAttr {
            attr_clr: MOUNT_ATTR_RDONLY,
            ..MountAttr::default()
        },
        false,
    )
}

/// Brings up the loopback interface of this network namespace.
///
/// # Errors
/// What the ioctls report.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    let up = i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(1);
    request.ifr_ifru.ifru_flags = up;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: request is an ifreq that lives for the call.
    crate::check(unsafe { libc::ioctl(fd, libc::SIOCSIFFLAGS, &raw const request) })?;
    Ok(())
}
