//! How the allocator of the C library treats memory that is not in use: PID 1 lives as long as the
//! machine, and its boot needs more than its life.

use std::io;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// From this size on an allocation has pages of its own, which go back when it is freed. The C
/// library would raise the limit at each such free.
const LARGE: libc::c_int = 64 * 1024;

/// Keeps the heap from growing by buffers that are needed once. To be called before the first of
/// them.
pub fn keep_heap_small() {
    #[cfg(target_env = "gnu")]
    for (what, value) in [
        (libc::M_MMAP_THRESHOLD, LARGE),
        (libc::M_TRIM_THRESHOLD, LARGE),
        (libc::M_TOP_PAD, 0),
    ] {
        // SAFETY: sets a number of the allocator; one that it does not take changes nothing.
        unsafe { libc::mallopt(what, value) };
    }
}

/// Gives the pages of the heap that hold nothing back to the kernel.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: looks only at memory that the allocator knows to be free.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Memory for ever that costs nothing until it is written to.
pub(crate) fn for_ever(len: usize) -> io::Result<*mut libc::c_void> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a null hint lets the kernel choose a free range; nothing else refers to it.
    let base = unsafe { mmap_anonymous(ptr::null_mut(), len, protection, MapFlags::PRIVATE) }?;
    Ok(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resident kilobytes of this process.
    fn resident() -> usize {
        let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
        let line = text.lines().find(|line| line.starts_with("Rss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn memory_below_what_is_still_in_use_goes_back_too() {
        keep_heap_small();
        let many: Vec<Vec<u8>> = (0..4096).map(|_| vec![1; 4096]).collect();
        let last = vec![1u8; 4096];
        let full = resident();
        drop(many);
        give_back();
        assert!(resident() + 8192 < full, "{} of {full}", resident());
        drop(last);
    }
}
