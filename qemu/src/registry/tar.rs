//! Tar files, written so that the same tree gives the same bytes: sorted, owned by root, made at the beginning of time.

use std::collections::BTreeMap;

const BLOCK: usize = 512;

/// Something in a tree, by its path without a leading slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Folder,
    File { mode: u32, bytes: Vec<u8> },
    Link(String),
}

/// A tree of files.
pub(super) type Tree = BTreeMap<String, Entry>;

/// Adds something, and the folders above it.
pub(super) fn add(tree: &mut Tree, path: &str, entry: Entry) {
    let path = path.trim_matches('/');
    for (at, _) in path.match_indices('/') {
        tree.entry(path[..at].to_owned()).or_insert(Entry::Folder);
    }
    tree.insert(path.to_owned(), entry);
}

/// The tree as a tar file; fails for a path that its form has no room for.
pub(super) fn write(tree: &Tree) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for (path, entry) in tree {
        let (kind, mode, bytes, link) = match entry {
            Entry::Folder => (b'5', 0o755, &[][..], ""),
            Entry::File { mode, bytes } => (b'0', *mode, bytes.as_slice(), ""),
            Entry::Link(to) => (b'2', 0o777, &[][..], to.as_str()),
        };
        let path = if kind == b'5' {
            format!("{path}/")
        } else {
            path.clone()
        };
        if path.len() > 100 || link.len() > 100 {
            return Err(format!("{path} is too long for a tar file"));
        }
        let mut head = [0; BLOCK];
        put(&mut head, 0, path.as_bytes());
        put(
            &mut head,
            100,
            format!("{mode:07o}\0{:07o}\0{:07o}\0", 0, 0).as_bytes(),
        );
        put(
            &mut head,
            124,
            format!("{:011o}\0{:011o}\0", bytes.len(), 0).as_bytes(),
        );
        put(&mut head, 148, b"        ");
        head[156] = kind;
        put(&mut head, 157, link.as_bytes());
        put(&mut head, 257, b"ustar\x0000root");
        put(&mut head, 297, b"root");
        let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
        put(&mut head, 148, format!("{sum:06o}\0 ").as_bytes());
        out.extend(head);
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}

/// The files of a tar file, by path.
pub(super) fn read(mut bytes: &[u8]) -> Result<BTreeMap<String, &[u8]>, String> {
    let mut files = BTreeMap::new();
    let mut long = None;
    while let Some(head) = bytes.get(..BLOCK) {
        if head.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let text = |at: usize, length: usize| {
            let field = &head[at..at + length];
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let size = text(124, 12);
        let size = usize::from_str_radix(size.trim(), 8)
            .map_err(|_| format!("{size:?} is no size in a tar file"))?;
        let content = bytes
            .get(BLOCK..BLOCK + size)
            .ok_or("a tar file that is cut short")?;
        let prefix = if &head[257..263] == b"ustar\0" {
            text(345, 155)
        } else {
            String::new()
        };
        let name = match long.take() {
            Some(name) => name,
            None if prefix.is_empty() => text(0, 100),
            None => format!("{prefix}/{}", text(0, 100)),
        };
        match head[156] {
            // GNU's long name for the entry that follows.
            b'L' => {
                long = Some(
                    String::from_utf8_lossy(content)
                        .trim_end_matches('\0')
                        .to_owned(),
                );
            }
            b'0' | 0 => drop(files.insert(name.trim_start_matches("./").to_owned(), content)),
            _ => {}
        }
        bytes = bytes
            .get(BLOCK + size.next_multiple_of(BLOCK)..)
            .unwrap_or_default();
    }
    Ok(files)
}

fn put(head: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    head[at..at + bytes.len()].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_back_and_the_same_tree_gives_the_same_bytes() {
        let mut tree = Tree::new();
        add(
            &mut tree,
            "/usr/bin/x",
            Entry::File {
                mode: 0o755,
                bytes: vec![7; 700],
            },
        );
        add(&mut tree, "bin", Entry::Link("usr/bin".into()));
        let bytes = write(&tree).expect("written");
        assert_eq!(bytes, write(&tree).expect("written"));
        let files = read(&bytes).expect("read");
        assert_eq!(files.keys().collect::<Vec<_>>(), ["usr/bin/x"]);
        assert_eq!(files["usr/bin/x"], [7; 700]);
        assert!(bytes.windows(8).any(|part| part == b"usr/bin/"));
        assert!(read(&bytes[..bytes.len() - 1600]).is_err(), "cut short");
    }
}
