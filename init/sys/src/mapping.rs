//! A file mapped into memory and shared with other processes, read and written by copying.
//!
//! Copies only: no reference into the mapping is ever handed out, so a writer in another process cannot
//! break Rust's rules about references. A file that is cut shorter while it is mapped ends its reader by
//! SIGBUS; the journal never shortens a file.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The first `len` bytes of a file, shared.
#[derive(Debug)]
pub struct SharedMapping {
    base: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: the mapping belongs to this value alone and is only reached through `&self` copies and
// `&mut self` writes, which is what moving it to another thread needs.
unsafe impl Send for SharedMapping {}

impl SharedMapping {
    /// Maps the first `len` bytes of `file` (more than zero; the file must be at least as long).
    ///
    /// # Errors
    /// What mmap(2) says; `InvalidInput` for a length of zero.
    pub fn open(file: BorrowedFd<'_>, len: usize, writable: bool) -> io::Result<Self> {
        if len == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "nothing to map in an empty file",
            ));
        }
        let protection = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: a null hint lets the kernel choose a free range; the descriptor is open for the call.
        let base = unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0) }?;
        let base = NonNull::new(base.cast())
            .ok_or_else(|| io::Error::other("mmap answered a null address"))?;
        Ok(Self {
            base,
            len,
            writable,
        })
    }

    /// How many bytes are mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is mapped; never true, as `open` refuses it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies bytes at `offset` into `into`; false when they do not lie inside the mapping.
    #[must_use]
    pub fn read(&self, offset: u64, into: &mut [u8]) -> bool {
        let Some(start) = self.range(offset, into.len()) else {
            return false;
        };
        // SAFETY: `range` proved that start..start+len lies inside the mapping, and `into` is our caller's own.
        unsafe {
            ptr::copy_nonoverlapping(start.as_ptr().cast_const(), into.as_mut_ptr(), into.len());
        };
        true
    }

    /// Copies `from` to `offset`; false when it does not fit or the mapping is read-only.
    #[must_use]
    pub fn write(&mut self, offset: u64, from: &[u8]) -> bool {
        if !self.writable {
            return false;
        }
        let Some(start) = self.range(offset, from.len()) else {
            return false;
        };
        // SAFETY: `range` proved that start..start+len lies inside the mapping, which is writable.
        unsafe { ptr::copy_nonoverlapping(from.as_ptr(), start.as_ptr(), from.len()) };
        true
    }

    fn range(&self, offset: u64, len: usize) -> Option<NonNull<u8>> {
        let offset = usize::try_from(offset).ok()?;
        if offset.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: offset is at most the mapping's length, so the address stays in or one past the mapping.
        Some(unsafe { self.base.add(offset) })
    }
}

impl Drop for SharedMapping {
    fn drop(&mut self) {
        // SAFETY: base and len are what mmap gave, and nothing can use them after this.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_is_written_through_one_mapping_is_read_through_another_and_bounds_hold() {
        let name = format!("mapping-test-{}", std::process::id());
        let file = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&file, 4096).unwrap();
        let mut writer = SharedMapping::open(file.as_fd(), 4096, true).unwrap();
        let reader = SharedMapping::open(file.as_fd(), 4096, false).unwrap();
        assert!(writer.write(4090, b"abcdef"));
        let mut got = [0; 6];
        assert!(reader.read(4090, &mut got));
        assert_eq!(&got, b"abcdef");
        assert!(!writer.write(4091, b"abcdef"));
        assert!(!reader.read(u64::MAX, &mut got));
    }
}
