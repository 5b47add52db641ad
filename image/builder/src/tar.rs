//! tar archives: reads ustar, GNU long names and pax; writes ustar with pax records where a name is
//! too long. Written archives hold no clock, no user names and nothing of the machine.

use anyhow::{Context, Result, bail};

use crate::tree::{Kind, Node, Tree};

const BLOCK: usize = 512;

/// Calls a function with each member: its cleaned path (no `./`, no trailing `/`) and entry.
///
/// # Errors
/// On a damaged archive, a member kind that no package holds, or the function's own error.
pub fn read(archive: &[u8], mut each: impl FnMut(String, Node) -> Result<()>) -> Result<()> {
    let mut rest = archive;
    let (mut long_path, mut long_link) = (None::<String>, None::<String>);
    while rest.len() >= BLOCK && rest[..BLOCK].iter().any(|byte| *byte != 0) {
        let (header, after) = rest.split_at(BLOCK);
        check_sum(header)?;
        let size = usize::try_from(number(&header[124..136])?)?;
        let padded = size.div_ceil(BLOCK) * BLOCK;
        let body = after.get(..size).context("archive ends inside a member")?;
        rest = after.get(padded..).unwrap_or(&[]);
        match header[156] {
            b'L' => long_path = Some(text(body)),
            b'K' => long_link = Some(text(body)),
            b'x' => {
                for (key, value) in pax_records(body)? {
                    match key {
                        "path" => long_path = Some(value.to_owned()),
                        "linkpath" => long_link = Some(value.to_owned()),
                        "size" => bail!("members above 8 GiB are not supported"),
                        _ => {}
                    }
                }
            }
            b'g' => {}
            kind => {
                let path = clean(&long_path.take().unwrap_or_else(|| ustar_name(header)));
                let link = long_link.take().unwrap_or_else(|| text(&header[157..257]));
                let kind = match kind {
                    b'0' | 0 | b'7' => Kind::File(body.into()),
                    b'1' => Kind::Hard(clean(&link)),
                    b'2' => Kind::Link(link),
                    b'5' => Kind::Folder,
                    other => bail!(
                        "{path}: member kind {:?} is not supported",
                        char::from(other)
                    ),
                };
                let node = Node {
                    kind,
                    mode: u32::try_from(number(&header[100..108])?)? & 0o7777,
                    uid: u32::try_from(number(&header[108..116])?)?,
                    gid: u32::try_from(number(&header[116..124])?)?,
                };
                if !path.is_empty() {
                    each(path, node)?;
                }
            }
        }
    }
    Ok(())
}

/// Writes a tree: the root folder, then entries by path, hard links last, one clock value for all.
///
/// # Errors
/// When a name or a size does not fit the format.
pub fn write(tree: &Tree, mtime: u64) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    entry(&mut out, "./", &Node::folder(0o755), mtime)?;
    let (hard, other): (Vec<_>, Vec<_>) = tree
        .iter()
        .partition(|(_, node)| matches!(node.kind, Kind::Hard(_)));
    for (path, node) in other.into_iter().chain(hard) {
        let name = if matches!(node.kind, Kind::Folder) {
            format!("{path}/")
        } else {
            path.to_owned()
        };
        entry(&mut out, &name, node, mtime).with_context(|| format!("cannot archive {path}"))?;
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    Ok(out)
}

fn entry(out: &mut Vec<u8>, name: &str, node: &Node, mtime: u64) -> Result<()> {
    let (flag, link, body): (u8, &str, &[u8]) = match &node.kind {
        Kind::File(bytes) => (b'0', "", bytes),
        Kind::Hard(target) => (b'1', target, &[]),
        Kind::Link(target) => (b'2', target, &[]),
        Kind::Folder => (b'5', "", &[]),
    };
    let mut records = String::new();
    if name.len() > 100 {
        records.push_str(&pax_record("path", name));
    }
    if link.len() > 100 {
        records.push_str(&pax_record("linkpath", link));
    }
    if !records.is_empty() {
        header(
            out,
            "pax",
            &Node::file(Vec::new(), 0o644),
            b'x',
            "",
            records.len(),
            mtime,
        )?;
        padded(out, records.as_bytes());
    }
    header(out, name, node, flag, link, body.len(), mtime)?;
    padded(out, body);
    Ok(())
}

fn header(
    out: &mut Vec<u8>,
    name: &str,
    node: &Node,
    flag: u8,
    link: &str,
    size: usize,
    mtime: u64,
) -> Result<()> {
    let mut block = [0_u8; BLOCK];
    let cut = |value: &str| value.as_bytes()[..value.len().min(100)].to_vec();
    block[..cut(name).len()].copy_from_slice(&cut(name));
    block[157..157 + cut(link).len()].copy_from_slice(&cut(link));
    for (at, digits, value) in [
        (100, 7, u64::from(node.mode)),
        (108, 7, u64::from(node.uid)),
        (116, 7, u64::from(node.gid)),
        (124, 11, size as u64),
        (136, 11, mtime),
    ] {
        let octal = format!("{value:0digits$o}");
        if octal.len() > digits {
            bail!("{value} does not fit into {digits} octal digits");
        }
        block[at..at + digits].copy_from_slice(octal.as_bytes());
    }
    block[156] = flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    out.extend_from_slice(&block);
    Ok(())
}

fn padded(out: &mut Vec<u8>, body: &[u8]) {
    out.extend_from_slice(body);
    out.resize(out.len().div_ceil(BLOCK) * BLOCK, 0);
}

fn check_sum(header: &[u8]) -> Result<()> {
    let plain: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            u64::from(if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            })
        })
        .sum();
    let stored = number(&header[148..156])?;
    if plain != stored {
        bail!("archive is damaged: header sum {stored}, counted {plain}");
    }
    Ok(())
}

/// An octal number, or GNU's base-256 form.
fn number(field: &[u8]) -> Result<u64> {
    if let [first @ 0x80..=0xff, rest @ ..] = field {
        return Ok(rest.iter().fold(u64::from(first & 0x7f), |sum, byte| {
            (sum << 8) | u64::from(*byte)
        }));
    }
    let digits = text(field);
    let digits = digits.trim();
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8)
        .with_context(|| format!("archive is damaged: {digits:?} is no octal number"))
}

fn text(field: &[u8]) -> String {
    let end = field
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn ustar_name(header: &[u8]) -> String {
    let (name, prefix) = (text(&header[..100]), text(&header[345..500]));
    // GNU's own format ("ustar  ") has other fields in the place of the prefix.
    if &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        format!("{prefix}/{name}")
    } else {
        name
    }
}

fn clean(path: &str) -> String {
    path.trim_start_matches("./")
        .trim_start_matches('/')
        .trim_end_matches('/')
        .trim_end_matches("/.")
        .replace("/./", "/")
}

fn pax_records(mut body: &[u8]) -> Result<Vec<(&str, &str)>> {
    let mut records = Vec::new();
    while !body.is_empty() {
        let blank = body
            .iter()
            .position(|byte| *byte == b' ')
            .context("archive is damaged: pax record")?;
        let length: usize = std::str::from_utf8(&body[..blank])?
            .parse()
            .context("archive is damaged: pax length")?;
        let record = body
            .get(blank + 1..length.max(1) - 1)
            .context("archive is damaged: pax record")?;
        records.push(
            std::str::from_utf8(record)?
                .split_once('=')
                .context("archive is damaged: pax record")?,
        );
        body = &body[length..];
    }
    Ok(records)
}

fn pax_record(key: &str, value: &str) -> String {
    let bare = key.len() + value.len() + 3; // blank, '=', line end
    let mut length = bare + 1;
    while length != bare + length.to_string().len() {
        length = bare + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Tree {
        let mut tree = Tree::default();
        tree.put("bin/b", Node::file(*b"binary", 0o4755));
        tree.put(
            "bin/a",
            Node {
                kind: Kind::Hard("bin/b".into()),
                ..Node::file(Vec::new(), 0o4755)
            },
        );
        tree.put("etc/shadow", Node::file(*b"root:*", 0o640).owned(0, 42));
        tree.put("etc/link", Node::link("a/".repeat(70) + "target"));
        tree.put(
            &("d".repeat(90) + "/" + &"n".repeat(90)),
            Node::file(vec![7; 1000], 0o644),
        );
        tree
    }

    #[test]
    fn what_is_written_is_read_back() {
        let archive = write(&sample(), 1_700_000_000).unwrap();
        let mut back = Tree::default();
        read(&archive, |path, node| {
            if path != "." {
                back.put(&path, node);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(back, sample());
    }

    #[test]
    fn equal_trees_give_equal_bytes() {
        assert_eq!(write(&sample(), 5).unwrap(), write(&sample(), 5).unwrap());
    }

    #[test]
    fn a_flipped_header_byte_is_noticed() {
        let mut archive = write(&sample(), 5).unwrap();
        archive[BLOCK] ^= 1;
        assert!(
            read(&archive, |_, _| Ok(()))
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
    }

    #[test]
    fn a_pax_record_counts_its_own_length() {
        assert_eq!(pax_record("path", "ab"), "11 path=ab\n");
        assert_eq!(pax_record("path", &"x".repeat(90)).len(), 99);
        assert_eq!(pax_record("path", &"x".repeat(91)).len(), 101);
    }
}
