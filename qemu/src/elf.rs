//! Programs of a few instructions as static ELF files, for guests whose whole software the harness brings: no compiler
//! for the guest is needed, and the bytes are the same everywhere.

const BASE: u64 = 0x40_0000;

/// A static x86-64 program whose only segment is these instructions; it starts at the first.
#[must_use]
pub fn program(text: &[u8]) -> Vec<u8> {
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend(2_u16.to_le_bytes());
    elf.extend(62_u16.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    elf.extend((BASE + 120).to_le_bytes());
    elf.extend(64_u64.to_le_bytes());
    elf.extend(0_u64.to_le_bytes());
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    let length = 120 + text.len() as u64;
    elf.extend(1_u32.to_le_bytes());
    elf.extend(5_u32.to_le_bytes());
    for word in [0, BASE, BASE, length, length, 4096] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(text);
    elf
}
