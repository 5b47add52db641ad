//! The guest that proves an accelerator: the project's own kernel with one program of 180 bytes, whose source is
//! `guest.s` beside this file. It prints the marker that the kernel's line ends with, and powers off.

/// The program's instructions.
#[rustfmt::skip]
const TEXT: [u8; 180] = [
    0x48, 0x8b, 0x1c, 0x24, 0x48, 0x83, 0xfb, 0x01, 0x0f, 0x84, 0x97, 0x00, 0x00, 0x00, 0x4c, 0x8b, 0x64, 0x24, 0x10, 0xb9,
    0x40, 0x4b, 0x4c, 0x00, 0xff, 0xc9, 0x75, 0xfc, 0x41, 0xbd, 0x03, 0x00, 0x00, 0x00, 0xb8, 0x39, 0x00, 0x00, 0x00, 0x0f,
    0x05, 0x85, 0xc0, 0x75, 0x18, 0x6a, 0x00, 0x48, 0x8d, 0x3d, 0x78, 0x00, 0x00, 0x00, 0x57, 0x48, 0x89, 0xe6, 0x31, 0xd2,
    0xb8, 0x3b, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0x59, 0xbf, 0xff, 0xff, 0xff, 0xff, 0x6a, 0x00, 0x48, 0x89, 0xe6, 0x31,
    0xd2, 0x45, 0x31, 0xd2, 0xb8, 0x3d, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x58, 0x85, 0xc0, 0x75, 0x3e, 0x41, 0xff, 0xcd, 0x75,
    0xbd, 0x31, 0xd2, 0x41, 0x80, 0x3c, 0x14, 0x00, 0x74, 0x04, 0xff, 0xc2, 0xeb, 0xf5, 0x41, 0xc6, 0x04, 0x14, 0x0a, 0xff,
    0xc2, 0x4c, 0x89, 0xe6, 0xbf, 0x01, 0x00, 0x00, 0x00, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xbf, 0xad, 0xde, 0xe1,
    0xfe, 0xbe, 0x69, 0x19, 0x12, 0x28, 0xba, 0xdc, 0xfe, 0x21, 0x43, 0xb8, 0xa9, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xbf, 0x01,
    0x00, 0x00, 0x00, 0xeb, 0x02, 0x31, 0xff, 0xb8, 0x3c, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x2f, 0x69, 0x6e, 0x69, 0x74, 0x00,
];

const BASE: u64 = 0x40_0000;

/// The program as a static ELF file.
fn program() -> Vec<u8> {
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
    let length = 120 + TEXT.len() as u64;
    elf.extend(1_u32.to_le_bytes());
    elf.extend(5_u32.to_le_bytes());
    for word in [0, BASE, BASE, length, length, 4096] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(TEXT);
    elf
}

/// An initramfs with that program as `/init`.
pub(crate) fn initramfs() -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, "dev", 0o040_755, (0, 0), &[]);
    entry(&mut archive, "dev/console", 0o020_600, (5, 1), &[]);
    entry(&mut archive, "init", 0o100_755, (0, 0), &program());
    entry(&mut archive, "TRAILER!!!", 0, (0, 0), &[]);
    archive
}

/// One entry of a newc archive.
fn entry(archive: &mut Vec<u8>, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
    let number = archive.len();
    let fields = [
        number,
        mode as usize,
        0,
        0,
        1,
        0,
        content.len(),
        0,
        0,
        device.0 as usize,
        device.1 as usize,
        name.len() + 1,
        0,
    ];
    archive.extend(b"070701");
    for field in fields {
        archive.extend(format!("{field:08x}").bytes());
    }
    archive.extend(name.bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_runs_on_this_machine_too_and_ends_with_0_when_it_has_no_marker() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("init");
        std::fs::write(&path, program()).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .expect("made executable");
        let status = std::process::Command::new(&path).status().expect("started");
        assert_eq!(status.code(), Some(0));
    }
}
