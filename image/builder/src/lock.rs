//! `packages.lock`: which packages, in which exact files. One line a package, sorted by name:
//! `name version arch size sha256 groups pool-path`. It names no mirror: that is the machine's matter.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

/// One locked package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, epoch included.
    pub version: String,
    /// `amd64` or `all`.
    pub arch: String,
    /// Size of the .deb.
    pub size: u64,
    /// SHA-256 of the .deb, in hexadecimal.
    pub sha256: String,
    /// The groups of the manifest that need it.
    pub groups: Vec<String>,
    /// Path below the archive's root; `pool/updates/…` lies in the security archive.
    pub path: String,
}

impl Package {
    /// Whether the file lies in the security archive.
    #[must_use]
    pub fn is_security(&self) -> bool {
        self.path.starts_with("pool/updates/")
    }

    /// Whether one of these groups needs it.
    #[must_use]
    pub fn in_any(&self, groups: &[String]) -> bool {
        self.groups.iter().any(|group| groups.contains(group))
    }
}

/// Reads a lock file.
///
/// # Errors
/// Names the line and what is wrong with it.
pub fn parse(name: &str, text: &str) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = || format!("{name}:{}", index + 1);
        let fields: Vec<&str> = line.split_whitespace().collect();
        let &[package, version, arch, size, sha256, groups, path] = fields.as_slice() else {
            bail!(
                "{}: wants 7 fields (name version arch size sha256 groups path), got {}",
                at(),
                fields.len()
            );
        };
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            bail!("{}: {sha256:?} is no SHA-256", at());
        }
        if !path.starts_with("pool/") || path.split('/').any(|part| part == "..") {
            bail!("{}: {path:?} is no path below pool/", at());
        }
        packages.push(Package {
            name: package.to_owned(),
            version: version.to_owned(),
            arch: arch.to_owned(),
            size: size
                .parse()
                .with_context(|| format!("{}: size {size:?}", at()))?,
            sha256: sha256.to_owned(),
            groups: groups.split(',').map(str::to_owned).collect(),
            path: path.to_owned(),
        });
    }
    Ok(packages)
}

/// Writes a lock file.
#[must_use]
pub fn print(packages: &[Package]) -> String {
    let mut sorted: Vec<&Package> = packages.iter().collect();
    sorted.sort_by(|left, right| left.name.cmp(&right.name));
    let mut text = String::from(
        "# Made by `image-builder lock`: name version arch size sha256 groups path. Review its differences.\n",
    );
    for package in sorted {
        let Package {
            name,
            version,
            arch,
            size,
            sha256,
            groups,
            path,
        } = package;
        let _ = writeln!(
            text,
            "{name} {version} {arch} {size} {sha256} {} {path}",
            groups.join(",")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Package {
        Package {
            name: "bash".into(),
            version: "5.2.37-2+b10".into(),
            arch: "amd64".into(),
            size: 7,
            sha256: "ab".repeat(32),
            groups: vec!["base".into(), "tools".into()],
            path: "pool/main/b/bash/bash.deb".into(),
        }
    }

    #[test]
    fn what_is_printed_is_parsed_back() {
        let packages = vec![
            sample(),
            Package {
                name: "zlib1g".into(),
                ..sample()
            },
        ];
        assert_eq!(parse("lock", &print(&packages)).unwrap(), packages);
    }

    #[test]
    fn a_broken_line_is_named() {
        let text = print(&[sample()]) + "curl 8\n";
        assert!(
            parse("packages.lock", &text)
                .unwrap_err()
                .to_string()
                .starts_with("packages.lock:3: wants 7 fields")
        );
        let text = print(&[Package {
            path: "http://x/pool".into(),
            ..sample()
        }]);
        assert!(
            parse("packages.lock", &text)
                .unwrap_err()
                .to_string()
                .contains("no path below pool/")
        );
    }
}
