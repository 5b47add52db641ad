//! Just enough of ELF to see that nothing in the image lacks a library, and that our programs do not
//! ask for a newer C library than the image has.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use crate::tree::{Kind, Tree};

const LIBRARY_FOLDERS: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib"];

/// The dynamic section of a 64-bit ELF file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dynamic {
    /// Libraries wanted.
    pub needed: Vec<String>,
    /// Further folders to look in.
    pub runpath: Vec<String>,
}

/// Reads it; `None` when the file is no dynamic 64-bit ELF file.
#[must_use]
pub fn dynamic(bytes: &[u8]) -> Option<Dynamic> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = at(bytes, 0x20, 8)?;
    let (entry, count) = (at(bytes, 0x36, 2)?, at(bytes, 0x38, 2)?);
    let headers: Vec<usize> = (0..count).map(|index| table + index * entry).collect();
    let segments: Vec<(usize, usize, usize)> = headers
        .iter()
        .filter(|header| at(bytes, **header, 4) == Some(1))
        .filter_map(|header| {
            Some((
                at(bytes, header + 16, 8)?,
                at(bytes, header + 8, 8)?,
                at(bytes, header + 32, 8)?,
            ))
        })
        .collect();
    let in_file = |address: usize| {
        segments
            .iter()
            .find(|(start, _, size)| (*start..start + size).contains(&address))
            .map(|(start, offset, _)| address - start + offset)
    };
    let section = headers
        .iter()
        .find(|header| at(bytes, **header, 4) == Some(2))?;
    let (start, size) = (at(bytes, section + 8, 8)?, at(bytes, section + 32, 8)?);
    let entries: Vec<(usize, usize)> = (start..start + size)
        .step_by(16)
        .map_while(|offset| Some((at(bytes, offset, 8)?, at(bytes, offset + 8, 8)?)))
        .take_while(|(tag, _)| *tag != 0)
        .collect();
    let strings = in_file(entries.iter().find(|(tag, _)| *tag == 5)?.1)?;
    let text = |offset: usize| {
        let rest = bytes.get(strings + offset..)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&rest[..end]).into_owned())
    };
    let mut found = Dynamic::default();
    for (tag, value) in entries {
        match tag {
            1 => found.needed.push(text(value)?),
            15 | 29 => found
                .runpath
                .extend(text(value)?.split(':').map(str::to_owned)),
            _ => {}
        }
    }
    Some(found)
}

fn at(bytes: &[u8], offset: usize, width: usize) -> Option<usize> {
    let field = bytes.get(offset..offset.checked_add(width)?)?;
    let mut wide = [0_u8; 8];
    wide[..width].copy_from_slice(field);
    usize::try_from(u64::from_le_bytes(wide)).ok()
}

/// Every library that a program or library of the tree wants is in the tree.
///
/// # Errors
/// Names what is missing and who wants it.
pub fn check(tree: &Tree) -> Result<()> {
    let mut missing = BTreeSet::new();
    for (path, node) in tree.iter() {
        let Kind::File(bytes) = &node.kind else {
            continue;
        };
        let Some(wants) = dynamic(bytes) else {
            continue;
        };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for library in &wants.needed {
            let here = |place: &str| {
                tree.resolves(&format!("{}/{library}", place.replace("$ORIGIN", folder)))
            };
            if !LIBRARY_FOLDERS.iter().any(|place| here(place))
                && !wants.runpath.iter().any(|place| here(place))
            {
                missing.insert(format!("{library} for {path}"));
            }
        }
    }
    if !missing.is_empty() {
        let list: Vec<String> = missing.into_iter().collect();
        bail!("libraries not in the image: {}", list.join(", "));
    }
    Ok(())
}

/// The newest version of the C library that a program asks for, as (major, minor).
#[must_use]
pub fn c_library_wanted(bytes: &[u8]) -> Option<(u32, u32)> {
    const MARK: &[u8] = b"GLIBC_";
    let mut newest = None;
    let mut rest = bytes;
    while let Some(start) = rest.windows(MARK.len()).position(|window| window == MARK) {
        rest = &rest[start + MARK.len()..];
        let end = rest
            .iter()
            .position(|byte| !(byte.is_ascii_digit() || *byte == b'.'))
            .unwrap_or(rest.len());
        let mut numbers = std::str::from_utf8(&rest[..end])
            .unwrap_or("")
            .split('.')
            .map(str::parse::<u32>);
        if let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) {
            newest = newest.max(Some((major, minor)));
        }
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;

    #[test]
    fn this_programs_own_libraries_are_found() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let found = dynamic(&bytes).unwrap();
        assert!(
            found.needed.iter().any(|name| name.starts_with("libc.so")),
            "{found:?}"
        );
        assert!(c_library_wanted(&bytes).unwrap() >= (2, 2));
        let mut tree = Tree::default();
        tree.put("usr/bin/x", Node::file(bytes, 0o755));
        assert!(
            check(&tree)
                .unwrap_err()
                .to_string()
                .contains("libc.so.6 for usr/bin/x")
        );
    }

    #[test]
    fn other_files_are_passed_over() {
        assert_eq!(dynamic(b"#!/bin/sh\n"), None);
        assert_eq!(dynamic(b"\x7fELF\x02\x01 cut"), None);
        assert_eq!(
            c_library_wanted(b"GLIBC_2.9 GLIBC_2.34\0GLIBC_2.4"),
            Some((2, 34))
        );
    }
}
