//! The arrows of `docs/architecture.md` hold, and the pure rows stay pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What rows L0 and L1 must never link: they decide, and leave acting to the rows above.
const ACTING: [&str; 8] = [
    "tokio",
    "hyper",
    "nix",
    "rustix",
    "libc",
    "openraft",
    "rtnetlink",
    "smoltcp",
];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(super) fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".into(), "--locked".into()])
        .exec()
        .expect("cargo metadata of this workspace")
}

pub(super) fn architecture() -> String {
    std::fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md")
}

/// The row (L0 to L5) of each crate, from the lines `| L0 | crate, crate |` of the page.
fn rows() -> BTreeMap<String, u8> {
    let mut rows = BTreeMap::new();
    for line in architecture().lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let Some(level) = cells
            .first()
            .and_then(|c| c.strip_prefix('L'))
            .and_then(|n| n.parse().ok())
        else {
            continue;
        };
        for name in cells.get(1).into_iter().flat_map(|c| c.split(',')) {
            rows.insert(name.trim().trim_matches('`').to_owned(), level);
        }
    }
    rows
}

fn needs(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|d| d.kind != DependencyKind::Development)
        .map(|d| d.name.as_str())
}

#[test]
fn every_crate_stands_in_a_row_and_every_row_names_real_crates() {
    let named: BTreeSet<String> = rows().into_keys().collect();
    let real: BTreeSet<String> = metadata()
        .packages
        .iter()
        .map(|p| p.name.to_string())
        .collect();
    assert_eq!(
        named, real,
        "left: docs/architecture.md, right: the workspace"
    );
}

#[test]
fn arrows_go_down_or_sideways_and_no_program_is_a_dependency() {
    let rows = rows();
    let mut wrong = Vec::new();
    for package in metadata().packages {
        let from = rows[package.name.as_str()];
        for name in needs(&package) {
            let Some(&to) = rows.get(name) else { continue };
            let library_of_tests = from == 5 && name == "qemu-harness";
            if to > from || (to >= 3 && !library_of_tests) {
                wrong.push(format!("{} (L{from}) needs {name} (L{to})", package.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_that_decide_link_nothing_that_acts_and_forbid_unsafe_code() {
    let rows = rows();
    let mut wrong = Vec::new();
    for package in metadata()
        .packages
        .iter()
        .filter(|p| rows[p.name.as_str()] <= 1)
    {
        wrong.extend(
            needs(package)
                .filter(|n| ACTING.contains(n))
                .map(|n| format!("{} links {n}", package.name)),
        );
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        let source = std::fs::read_to_string(folder.join("src/lib.rs")).expect("src/lib.rs");
        if !source.contains("#![forbid(unsafe_code)]") {
            wrong.push(format!("{} does not forbid unsafe code", package.name));
        }
        if !folder.join(".clippy.toml").as_std_path().exists() {
            wrong.push(format!(
                "{} lacks the lints of pure crates (.clippy.toml)",
                package.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_allowed_in_init_sys_only() {
    let mut wrong = Vec::new();
    for package in metadata()
        .packages
        .iter()
        .filter(|p| p.name.as_str() != "init-sys")
    {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        for file in rust_files(folder.as_std_path()) {
            if file.ends_with("repo/architecture.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a source file");
            if text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code") {
                wrong.push(file.display().to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe allowed in {wrong:?}");
}

#[test]
fn every_dependency_is_used_and_every_crate_takes_the_workspaces_lints() {
    let mut wrong = Vec::new();
    for package in metadata().packages {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        let sources: String = rust_files(folder.as_std_path())
            .iter()
            .map(|file| std::fs::read_to_string(file).expect("a source file"))
            .collect();
        for dependency in &package.dependencies {
            let name = dependency.rename.as_deref().unwrap_or(&dependency.name);
            let used = format!(r"\b{}(::|!|;)", name.replace('-', "_"));
            let used = regex::Regex::new(&used).expect("a crate's name");
            if !used.is_match(&sources) {
                wrong.push(format!("{} does not use {name}", package.name));
            }
        }
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        if !manifest.contains("[lints]\nworkspace = true") {
            wrong.push(format!("{} has lints of its own", package.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_none_or(|n| n != "target") {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}
