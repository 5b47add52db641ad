//! The initrd: one newc cpio archive, sorted, without clocks, compressed by the locked zstd.

use anyhow::{Context, Result};

use crate::tree::{Kind, Node, Tree};

const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
/// Character device 5:1, PID 1's first standard input and output.
const CONSOLE: (u32, u32) = (5, 1);

/// The initrd's tree: our init as `/init`, empty mount points, modules.
///
/// # Errors
/// When init is not statically linked: there is no loader in the initrd.
pub fn tree(init: &[u8], modules: &Tree) -> Result<Tree> {
    anyhow::ensure!(
        crate::elf::dynamic(init).is_none_or(|wants| wants.needed.is_empty()),
        "init is not statically linked"
    );
    let mut tree = Tree::default();
    for name in ["dev", "proc", "sys", "run", "sysroot"] {
        tree.put(name, Node::folder(0o755));
    }
    tree.put("init", Node::file(init, 0o755));
    crate::overlay::lay(modules, &mut tree, "");
    Ok(tree)
}

/// Writes the archive, with the node of the console in it.
///
/// # Errors
/// When a file is too large for the format.
pub fn archive(tree: &Tree) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut inode = 1;
    for (path, node) in tree.iter() {
        let (kind, body): (u32, &[u8]) = match &node.kind {
            Kind::Folder => (FOLDER, &[]),
            Kind::File(bytes) => (FILE, bytes),
            Kind::Link(target) => (LINK, target.as_bytes()),
            Kind::Hard(_) => anyhow::bail!("{path}: no hard links in the initrd"),
        };
        record(&mut out, inode, path, kind | node.mode, body, (0, 0))?;
        inode += 1;
        if path == "dev" {
            record(
                &mut out,
                inode,
                "dev/console",
                CHARACTER_DEVICE | 0o600,
                &[],
                CONSOLE,
            )?;
            inode += 1;
        }
    }
    record(&mut out, 0, "TRAILER!!!", 0, &[], (0, 0))?;
    Ok(out)
}

fn record(
    out: &mut Vec<u8>,
    inode: u32,
    path: &str,
    mode: u32,
    body: &[u8],
    device: (u32, u32),
) -> Result<()> {
    let size =
        u32::try_from(body.len()).with_context(|| format!("{path} is too large for an initrd"))?;
    let name = u32::try_from(path.len() + 1)?;
    let links = 1;
    out.extend_from_slice(b"070701");
    for field in [
        inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name, 0,
    ] {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(body);
    out.resize(out.len().next_multiple_of(4), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_has_the_console_and_ends_with_its_trailer() {
        let archive = archive(&tree(b"static", &Tree::default()).unwrap()).unwrap();
        let text = String::from_utf8_lossy(&archive);
        assert!(text.starts_with("070701"));
        assert!(text.contains("dev/console"));
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
        assert_eq!(archive.len() % 4, 0);
    }

    #[test]
    fn a_dynamic_init_is_refused() {
        let dynamic = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(
            tree(&dynamic, &Tree::default())
                .unwrap_err()
                .to_string()
                .contains("not statically linked")
        );
    }
}
