//! What the tracked texts must say, and must not.

use crate::architecture::root;

#[test]
fn the_changelog_begins_with_what_is_not_released() {
    let text = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("CHANGELOG.md");
    let first = text
        .lines()
        .find(|l| l.starts_with("## "))
        .expect("a heading");
    assert_eq!(first, "## Unreleased");
}

#[test]
fn no_tracked_text_names_a_mirror_or_a_folder_of_one_machine() {
    let listing = std::process::Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z"])
        .output();
    let listing = listing.expect("git ls-files");
    let mut wrong = Vec::new();
    for name in listing.stdout.split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let name = String::from_utf8_lossy(name).into_owned();
        if name.ends_with("repo/text.rs") || name == "Cargo.lock" {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root().join(&name)) else {
            continue;
        };
        for forbidden in [
            "deb.debian.org",
            "snapshot.debian.org",
            "static.crates.io",
            "/work/",
            "/tmp/bash_jobs",
        ] {
            if text.contains(forbidden) {
                wrong.push(format!("{name}: {forbidden}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
