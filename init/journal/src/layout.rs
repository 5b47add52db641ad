//! Where things stand in a journal file: the header and the seven kinds of objects, byte by byte.
//!
//! The facts are those of systemd's `JOURNAL_FILE_FORMAT`. A file of ours has no flag set: uncompressed, with the
//! plain hash, with 64-bit offsets; such
//! files are read by every version of systemd, and are the only ones that we read. All numbers are little endian,
//! all objects begin at a multiple of eight.

/// The first eight bytes of every journal file.
pub(crate) const SIGNATURE: [u8; 8] = *b"LPKSHHRH";
/// Length of the header that we write; readers accept a longer one.
pub(crate) const HEADER_SIZE: u64 = 272;
/// The shortest header that has all that we read (up to the number of entries' times).
pub(crate) const HEADER_SIZE_MIN: u64 = 208;

/// `state`: closed cleanly, being written, closed for good.
pub(crate) const STATE_OFFLINE: u8 = 0;
pub(crate) const STATE_ONLINE: u8 = 1;
pub(crate) const STATE_ARCHIVED: u8 = 2;

/// Offsets of the header's fields.
pub(crate) mod header {
    pub(crate) const COMPATIBLE_FLAGS: u64 = 8;
    pub(crate) const INCOMPATIBLE_FLAGS: u64 = 12;
    pub(crate) const STATE: u64 = 16;
    pub(crate) const FILE_ID: u64 = 24;
    pub(crate) const MACHINE_ID: u64 = 40;
    pub(crate) const TAIL_BOOT_ID: u64 = 56;
    pub(crate) const SEQNUM_ID: u64 = 72;
    pub(crate) const HEADER_SIZE: u64 = 88;
    pub(crate) const ARENA_SIZE: u64 = 96;
    pub(crate) const DATA_TABLE: u64 = 104;
    pub(crate) const DATA_TABLE_SIZE: u64 = 112;
    pub(crate) const FIELD_TABLE: u64 = 120;
    pub(crate) const FIELD_TABLE_SIZE: u64 = 128;
    pub(crate) const TAIL_OBJECT: u64 = 136;
    pub(crate) const N_OBJECTS: u64 = 144;
    pub(crate) const N_ENTRIES: u64 = 152;
    pub(crate) const TAIL_SEQNUM: u64 = 160;
    pub(crate) const HEAD_SEQNUM: u64 = 168;
    pub(crate) const ENTRY_ARRAY: u64 = 176;
    pub(crate) const HEAD_REALTIME: u64 = 184;
    pub(crate) const TAIL_REALTIME: u64 = 192;
    pub(crate) const TAIL_MONOTONIC: u64 = 200;
    pub(crate) const N_DATA: u64 = 208;
    pub(crate) const N_FIELDS: u64 = 216;
    pub(crate) const N_ENTRY_ARRAYS: u64 = 232;
    pub(crate) const DATA_CHAIN_DEPTH: u64 = 240;
    pub(crate) const FIELD_CHAIN_DEPTH: u64 = 248;
    pub(crate) const TAIL_ENTRY_ARRAY: u64 = 256;
    pub(crate) const TAIL_ENTRY_ARRAY_USED: u64 = 260;
    pub(crate) const TAIL_ENTRY: u64 = 264;
}

/// Kinds of objects, the first byte of each.
pub(crate) const DATA: u8 = 1;
pub(crate) const FIELD: u8 = 2;
pub(crate) const ENTRY: u8 = 3;
pub(crate) const DATA_HASH_TABLE: u8 = 4;
pub(crate) const FIELD_HASH_TABLE: u8 = 5;
pub(crate) const ENTRY_ARRAY: u8 = 6;

/// Head of every object: kind, flags, six reserved bytes, size with this head.
pub(crate) const OBJECT_HEAD: u64 = 16;

/// Offsets inside a DATA object.
pub(crate) mod data {
    pub(crate) const HASH: u64 = 16;
    pub(crate) const NEXT_HASH: u64 = 24;
    pub(crate) const NEXT_FIELD: u64 = 32;
    pub(crate) const ENTRY: u64 = 40;
    pub(crate) const ENTRY_ARRAY: u64 = 48;
    pub(crate) const N_ENTRIES: u64 = 56;
    pub(crate) const PAYLOAD: u64 = 64;
}

/// Offsets inside a FIELD object.
pub(crate) mod field {
    pub(crate) const HASH: u64 = 16;
    pub(crate) const NEXT_HASH: u64 = 24;
    pub(crate) const HEAD_DATA: u64 = 32;
    pub(crate) const PAYLOAD: u64 = 40;
}

/// Offsets inside an ENTRY object.
pub(crate) mod entry {
    pub(crate) const SEQNUM: u64 = 16;
    pub(crate) const REALTIME: u64 = 24;
    pub(crate) const MONOTONIC: u64 = 32;
    pub(crate) const BOOT_ID: u64 = 40;
    pub(crate) const XOR_HASH: u64 = 56;
    pub(crate) const ITEMS: u64 = 64;
    pub(crate) const ITEM: u64 = 16;
}

/// Offsets inside an `ENTRY_ARRAY` object.
pub(crate) mod array {
    pub(crate) const NEXT: u64 = 16;
    pub(crate) const ITEMS: u64 = 24;
}

/// The next multiple of eight.
pub(crate) const fn align(offset: u64) -> u64 {
    offset.next_multiple_of(8)
}
