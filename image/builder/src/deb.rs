//! A .deb: an ar archive of `debian-binary`, `control.tar.*` and `data.tar.*`.

use std::io::Read;

use anyhow::{Context, Result, bail};

use crate::tar;
use crate::tree::{Kind, Node};

/// What a package holds.
#[derive(Debug)]
pub struct Deb {
    /// The `control` stanza.
    pub control: String,
    /// The `conffiles` list, empty when the package has none.
    pub conffiles: String,
    /// Members of the data archive in their order.
    pub files: Vec<(String, Node)>,
}

/// Opens a package.
///
/// # Errors
/// When it is damaged or uses a compression that Debian's archive does not.
pub fn open(bytes: &[u8]) -> Result<Deb> {
    let (mut control, mut conffiles, mut files) = (None, String::new(), None);
    for (name, body) in ar_members(bytes)? {
        if let Some(kind) = name.strip_prefix("control.tar") {
            tar::read(&unpack(kind, body)?, |path, node| {
                if let Kind::File(bytes) = &node.kind {
                    match path.as_str() {
                        "control" => {
                            let text = String::from_utf8(bytes.to_vec());
                            control = Some(text.context("control is no UTF-8")?);
                        }
                        "conffiles" => conffiles = String::from_utf8_lossy(bytes).into_owned(),
                        _ => {}
                    }
                }
                Ok(())
            })?;
        } else if let Some(kind) = name.strip_prefix("data.tar") {
            let mut members = Vec::new();
            tar::read(&unpack(kind, body)?, |path, node| {
                if path != "." {
                    members.push((path, node));
                }
                Ok(())
            })?;
            files = Some(members);
        }
    }
    Ok(Deb {
        control: control.context("no control file in the package")?,
        conffiles,
        files: files.context("no data archive in the package")?,
    })
}

fn ar_members(bytes: &[u8]) -> Result<Vec<(String, &[u8])>> {
    let mut rest = bytes.strip_prefix(b"!<arch>\n").context("no ar archive")?;
    let mut members = Vec::new();
    while rest.len() >= 60 {
        let (header, after) = rest.split_at(60);
        let name = String::from_utf8_lossy(&header[..16])
            .trim_end()
            .trim_end_matches('/')
            .to_owned();
        let size: usize = std::str::from_utf8(&header[48..58])?
            .trim()
            .parse()
            .context("ar member size")?;
        members.push((
            name,
            after
                .get(..size)
                .context("ar archive ends inside a member")?,
        ));
        rest = after.get(size + size % 2..).unwrap_or(&[]);
    }
    Ok(members)
}

fn unpack(kind: &str, body: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    match kind {
        "" => out.extend_from_slice(body),
        ".xz" => {
            liblzma::read::XzDecoder::new_multi_decoder(body)
                .read_to_end(&mut out)
                .context("xz data is damaged")?;
        }
        ".gz" => {
            flate2::read::MultiGzDecoder::new(body)
                .read_to_end(&mut out)
                .context("gzip data is damaged")?;
        }
        other => bail!("archive member compressed as {other:?}; Debian's are .xz or .gz"),
    }
    Ok(out)
}

/// A field of a control stanza, with its continuation lines.
#[must_use]
pub fn field<'a>(control: &'a str, name: &str) -> Option<&'a str> {
    control
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, body) in members {
            out.extend_from_slice(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    "100644",
                    body.len()
                )
                .as_bytes(),
            );
            out.extend_from_slice(body);
            out.resize(out.len().next_multiple_of(2), b'\n');
        }
        out
    }

    #[test]
    fn a_package_gives_its_control_stanza_and_files() {
        let mut control = Tree::default();
        control.put(
            "control",
            Node::file(*b"Package: hello\nVersion: 1:2-3\n", 0o644),
        );
        let mut data = Tree::default();
        data.put("usr/bin/hello", Node::file(*b"x", 0o755));
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &tar::write(&control, 0).unwrap()),
            ("data.tar", &tar::write(&data, 0).unwrap()),
        ]);
        let deb = open(&bytes).unwrap();
        assert_eq!(field(&deb.control, "Version"), Some("1:2-3"));
        assert_eq!(
            deb.files
                .iter()
                .map(|(path, _)| path.as_str())
                .collect::<Vec<_>>(),
            ["usr", "usr/bin", "usr/bin/hello"]
        );
    }

    #[test]
    fn a_truncated_package_is_an_error() {
        open(b"!<arch>\ndata.tar        ").unwrap_err();
        open(b"not a package").unwrap_err();
    }
}
