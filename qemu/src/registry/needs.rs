//! What a program needs to be loaded: the loader and the libraries that its ELF file names.

/// The loader's path and the names of libraries, as they stand in a 64-bit little-endian ELF file; `None` for anything
/// else. A static program needs nothing.
pub(super) fn needs(file: &[u8]) -> Option<(Option<String>, Vec<String>)> {
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (table, count) = (long(file, 32)?, short(file, 56)?);
    let mut segments = Vec::new();
    for number in 0..count {
        let at = table.checked_add(usize::from(number) * 56)?;
        let kind = u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?);
        segments.push((
            kind,
            long(file, at + 8)?,
            long(file, at + 16)?,
            long(file, at + 32)?,
        ));
    }
    let piece = |wanted: u32| {
        let (_, offset, _, size) = segments.iter().find(|(kind, ..)| *kind == wanted)?;
        file.get(*offset..offset.checked_add(*size)?)
    };
    let loader = piece(3).map(text);
    let Some(dynamic) = piece(2) else {
        return Some((loader, Vec::new()));
    };
    let entries: Vec<(usize, usize)> = dynamic
        .chunks_exact(16)
        .filter_map(|entry| Some((long(entry, 0)?, long(entry, 8)?)))
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let strings = entries.iter().find(|(tag, _)| *tag == 5)?.1;
    let strings = segments.iter().find_map(|(kind, offset, address, size)| {
        (*kind == 1 && (*address..address + size).contains(&strings))
            .then(|| offset + strings - address)
    })?;
    let names = entries
        .iter()
        .filter(|(tag, _)| *tag == 1)
        .filter_map(|(_, at)| file.get(strings + at..).map(text));
    Some((loader, names.collect()))
}

fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let eight = bytes.get(at..at + 8)?.try_into().ok()?;
    usize::try_from(u64::from_le_bytes(eight)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_needs_a_loader_and_the_c_library() {
        let own = std::fs::read(std::env::current_exe().expect("this program")).expect("read");
        let (loader, names) = needs(&own).expect("an ELF file");
        assert!(loader.expect("a loader").contains("ld-linux"));
        assert!(names.iter().any(|name| name == "libc.so.6"), "{names:?}");
    }

    #[test]
    fn a_script_needs_nothing_known_and_a_static_program_nothing_at_all() {
        assert_eq!(needs(b"#!/bin/sh\n"), None);
        assert_eq!(
            needs(&crate::elf::program(&[0x90])),
            Some((None, Vec::new()))
        );
    }
}
