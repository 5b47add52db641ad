//! /proc/self/mountinfo as records (pure text work beside the file that it comes from).

use std::io;
use std::path::PathBuf;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Id of the mount.
    pub id: u32,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Options of the mount point (`rw,nosuid`).
    pub options: String,
    /// File system type.
    pub fs_type: String,
    /// What is mounted.
    pub source: String,
    /// Options of the file system (`rw,errors=…`).
    pub super_options: String,
}

/// All mounts of this namespace, in the kernel's order (later ones cover earlier ones).
///
/// # Errors
/// What reading /proc/self/mountinfo reports.
pub fn mounts() -> io::Result<Vec<Mount>> {
    Ok(parse(&std::fs::read_to_string("/proc/self/mountinfo")?))
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut left = before.split(' ');
    let id = left.next()?.parse().ok()?;
    let mut left = left.skip(3);
    let point = unescape(left.next()?);
    let options = left.next()?.to_owned();
    let mut right = after.splitn(3, ' ');
    Some(Mount {
        id,
        point: PathBuf::from(point),
        options,
        fs_type: right.next()?.to_owned(),
        source: unescape(right.next()?),
        super_options: right.next().unwrap_or_default().to_owned(),
    })
}

/// The kernel writes blank, tab, newline and backslash as `\ooo`.
fn unescape(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((plain, tail)) = rest.split_once('\\') {
        out.push_str(plain);
        match tail
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            Some(byte) => {
                out.push(char::from(byte));
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push('\\');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_line_with_optional_fields_and_an_escaped_blank_is_read() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext4 /dev/root rw,errors=continue\n";
        let mounts = parse(text);
        let mount = mounts.first().unwrap();
        assert_eq!(mount.point.to_str(), Some("/mnt 2"));
        assert_eq!(
            (mount.fs_type.as_str(), mount.source.as_str()),
            ("ext4", "/dev/root")
        );
        assert_eq!(mount.options, "rw,noatime");
    }
}
