//! Giving saved randomness back to the kernel.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `RNDADDENTROPY`: mixes bytes into the pool and credits them.
///
/// # Errors
/// What the ioctl reports.
pub fn add_entropy(urandom: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    const RNDADDENTROPY: libc::c_ulong = 0x4008_5203;
    let length =
        i32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // struct rand_pool_info: entropy in bits, size in bytes, then the bytes.
    let mut info = Vec::with_capacity(8 + bytes.len());
    info.extend_from_slice(&length.saturating_mul(8).to_ne_bytes());
    info.extend_from_slice(&length.to_ne_bytes());
    info.extend_from_slice(bytes);
    // SAFETY: the buffer is a rand_pool_info with the length that it states; the kernel copies it.
    crate::check(unsafe { libc::ioctl(urandom.as_raw_fd(), RNDADDENTROPY, info.as_ptr()) })?;
    Ok(())
}
