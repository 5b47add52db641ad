//! A tun device: what the kernel routes into it is read here, what is written here it receives.
//!
//! The device lives as long as its descriptor.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// The device and the name that the kernel gave it.
#[derive(Debug)]
pub struct Tun {
    /// Reads and writes bare IP packets, one per call, and does not wait.
    pub fd: OwnedFd,
    /// `flannel0`, for the pattern `flannel%d`.
    pub name: String,
}

/// Makes a device by a name or a pattern with `%d`, of 15 bytes at most. Needs `CAP_NET_ADMIN`.
///
/// # Errors
/// What opening `/dev/net/tun` or the ioctl reports; `InvalidInput` for a name that is too long.
pub fn create(pattern: &str) -> io::Result<Tun> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")?;
    let fd = OwnedFd::from(file);
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru {
            ifru_flags: i16::try_from(libc::IFF_TUN | libc::IFF_NO_PI).unwrap_or(0),
        },
    };
    if pattern.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(pattern.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    // SAFETY: request is a whole ifreq whose name ends with a zero; the kernel reads and writes it.
    crate::check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    let name: Vec<u8> = request
        .ifr_name
        .iter()
        .flat_map(|letter| letter.to_ne_bytes())
        .take_while(|byte| *byte != 0)
        .collect();
    let name = String::from_utf8_lossy(&name).into_owned();
    Ok(Tun { fd, name })
}
