//! Numbers and objects of a mapped journal file, read with every bound checked.

use init_sys::mapping::SharedMapping;

use crate::layout::{OBJECT_HEAD, align, header};

/// An object's head: what kind, and how many bytes with the head itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) kind: u8,
    pub(crate) size: u64,
}

/// Reads of a journal file that can fail only by lying outside of it.
pub(crate) trait Window {
    /// Copies bytes at `offset`, or `None` outside of the file.
    fn bytes(&self, offset: u64, into: &mut [u8]) -> Option<()>;

    fn u32(&self, offset: u64) -> Option<u32> {
        let mut word = [0; 4];
        self.bytes(offset, &mut word)?;
        Some(u32::from_le_bytes(word))
    }

    fn u64(&self, offset: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.bytes(offset, &mut word)?;
        Some(u64::from_le_bytes(word))
    }

    fn id(&self, offset: u64) -> Option<[u8; 16]> {
        let mut id = [0; 16];
        self.bytes(offset, &mut id)?;
        Some(id)
    }

    /// The head of the object at `offset`; `None` if no whole object can stand there.
    fn head(&self, offset: u64) -> Option<Head> {
        let mut head = [0; 16];
        if offset == 0 || !offset.is_multiple_of(8) {
            return None;
        }
        self.bytes(offset, &mut head)?;
        let [kind, ..] = head;
        let size = self.u64(offset.checked_add(8)?)?;
        if size < OBJECT_HEAD {
            return None;
        }
        self.bytes(offset.checked_add(size)?.checked_sub(1)?, &mut [0])?;
        Some(Head { kind, size })
    }

    /// The head of the object at `offset`, if it is of that kind.
    fn object(&self, offset: u64, kind: u8) -> Option<Head> {
        self.head(offset).filter(|head| head.kind == kind)
    }

    /// Where the first byte after the last object stands.
    fn end_of_objects(&self) -> Option<u64> {
        let tail = self.u64(header::TAIL_OBJECT)?;
        let size = self.head(tail)?.size;
        Some(align(tail.checked_add(size)?))
    }
}

impl Window for SharedMapping {
    fn bytes(&self, offset: u64, into: &mut [u8]) -> Option<()> {
        self.read(offset, into).then_some(())
    }
}
