//! Packages to one tree: merged `/usr`, what is dropped, and the package database.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::deb::{self, Deb};
use crate::fetch;
use crate::lock::Package;
use crate::manifest::Drop;
use crate::pattern;
use crate::tree::{Kind, Node, Tree};

/// Where the package database lies: in `/usr`, so that it never disagrees with the slot that runs.
pub const STATUS: &str = "usr/lib/garboard/dpkg/status";

/// Opens packages, two at a time or as many as there are processors.
///
/// # Errors
/// Names the package that is damaged.
pub fn open_all(cache: &Cache, packages: &[&Package]) -> Result<Vec<Deb>> {
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = Mutex::new(packages.iter().enumerate());
    let opened: Mutex<BTreeMap<usize, Result<Deb>>> = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some((index, package)) = next.lock().ok().and_then(|mut iter| iter.next())
                    else {
                        return;
                    };
                    let deb = fetch::read(cache, package).and_then(|bytes| {
                        deb::open(&bytes).with_context(|| {
                            format!("cannot unpack {} {}", package.name, package.version)
                        })
                    });
                    if let Ok(mut opened) = opened.lock() {
                        opened.insert(index, deb);
                    }
                }
            });
        }
    });
    let opened = opened
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    opened.into_values().collect()
}

/// Merges packages, less what is dropped, and writes the package database.
///
/// # Errors
/// When two packages hold different things at one path.
pub fn merge(packages: &[(&Package, Deb)], drop: &Drop) -> Result<Tree> {
    let mut tree = Tree::default();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut status = String::new();
    for (package, deb) in packages {
        if drop.packages.contains(&package.name) {
            continue;
        }
        write_status(&mut status, deb);
        for (path, node) in &deb.files {
            let path = merged_usr(path);
            if pattern::any(&drop.paths, &path) && !pattern::any(&drop.keep, &path) {
                continue;
            }
            add(&mut tree, &mut owners, &path, node, &package.name)?;
        }
    }
    tree.put(STATUS, Node::file(status.into_bytes(), 0o644));
    tree.put("usr/lib/garboard/dpkg/info", Node::folder(0o755));
    tree.put("var/lib/dpkg", Node::link("../../usr/lib/garboard/dpkg"));
    tree.check_hard_links()?;
    Ok(tree)
}

fn add(
    tree: &mut Tree,
    owners: &mut BTreeMap<String, String>,
    path: &str,
    node: &Node,
    package: &str,
) -> Result<()> {
    let mut node = node.clone();
    if let Kind::Hard(target) = &mut node.kind {
        *target = merged_usr(target);
    }
    let is_folder = |node: &Node| matches!(node.kind, Kind::Folder);
    match tree.get(path) {
        Some(there) if is_folder(there) && is_folder(&node) => return Ok(()),
        Some(there) if *there == node => return Ok(()),
        // A folder of one package where another has a link to a folder: the link serves both.
        Some(there) if matches!(there.kind, Kind::Link(_)) && is_folder(&node) => return Ok(()),
        Some(_) => {
            let other = owners.get(path).map_or("another package", String::as_str);
            bail!("{other} and {package} both hold {path}; drop one of the two in the manifest");
        }
        None => {}
    }
    if !is_folder(&node) {
        owners.insert(path.to_owned(), package.to_owned());
    }
    tree.put(path, node);
    Ok(())
}

/// `bin/x` is `usr/bin/x`; the links of that name that base-files ships stay.
fn merged_usr(path: &str) -> String {
    for old in ["bin/", "sbin/", "lib/", "lib64/"] {
        if path.starts_with(old) {
            return format!("usr/{path}");
        }
    }
    path.to_owned()
}

/// dpkg's record of an installed package: its control stanza with a status line after the first.
fn write_status(status: &mut String, deb: &Deb) {
    for line in deb.control.lines().filter(|line| !line.is_empty()) {
        let _ = writeln!(status, "{line}");
        if line.starts_with("Package:") {
            status.push_str("Status: install ok installed\n");
        }
    }
    status.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Package {
        Package {
            name: name.into(),
            version: "1".into(),
            arch: "all".into(),
            size: 0,
            sha256: String::new(),
            groups: vec![],
            path: String::new(),
        }
    }

    fn deb(name: &str, files: &[(&str, Node)]) -> Deb {
        Deb {
            control: format!("Package: {name}\nVersion: 1\n"),
            conffiles: String::new(),
            files: files
                .iter()
                .map(|(path, node)| ((*path).to_owned(), node.clone()))
                .collect(),
        }
    }

    fn nothing() -> Drop {
        Drop {
            packages: vec![],
            paths: vec![],
            keep: vec![],
        }
    }

    #[test]
    fn members_of_the_old_folders_move_below_usr() {
        let (a, one) = (
            package("a"),
            deb(
                "a",
                &[
                    ("lib64/ld.so", Node::file(*b"x", 0o755)),
                    ("bin", Node::link("usr/bin")),
                ],
            ),
        );
        let tree = merge(&[(&a, one)], &nothing()).unwrap();
        assert!(tree.get("usr/lib64/ld.so").is_some());
        assert_eq!(tree.get("bin"), Some(&Node::link("usr/bin")));
    }

    #[test]
    fn two_packages_with_one_path_are_named() {
        let (a, b) = (package("a"), package("b"));
        let one = deb("a", &[("etc/x", Node::file(*b"1", 0o644))]);
        let two = deb("b", &[("etc/x", Node::file(*b"2", 0o644))]);
        let error = merge(&[(&a, one), (&b, two)], &nothing())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("a and b both hold etc/x"), "{error}");
    }

    #[test]
    fn dropped_packages_are_not_in_the_database() {
        let (a, b) = (package("a"), package("b"));
        let drop = Drop {
            packages: vec!["b".into()],
            paths: vec!["usr/share/doc".into()],
            keep: vec!["usr/share/doc/*/copyright".into()],
        };
        let one = deb(
            "a",
            &[
                ("usr/share/doc/a/copyright", Node::file(*b"c", 0o644)),
                ("usr/share/doc/a/NEWS", Node::file(*b"n", 0o644)),
            ],
        );
        let tree = merge(
            &[(&a, one), (&b, deb("b", &[("x", Node::file(*b"", 0o644))]))],
            &drop,
        )
        .unwrap();
        assert_eq!(
            tree.text(STATUS).unwrap(),
            "Package: a\nStatus: install ok installed\nVersion: 1\n\n"
        );
        assert!(tree.get("x").is_none());
        assert!(tree.get("usr/share/doc/a/copyright").is_some());
        assert!(tree.get("usr/share/doc/a/NEWS").is_none());
    }
}
