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

/// A comment must lead somewhere: to a manual, the original's source, or a record of ours.
#[test]
fn no_source_cites_a_paper_that_is_not_in_the_repository() {
    let papers =
        regex::Regex::new(r"\b(init|image|harness|etcd|fleet|cloud-config|flannel-docker)\.md \d|\(contract|\(rule [A-J]-\d")
            .expect("a pattern");
    let mut wrong = Vec::new();
    for (name, text) in tracked() {
        if !name.ends_with("repo/text.rs") && name.ends_with(".rs") && papers.is_match(&text) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names and texts of all tracked files that are text.
fn tracked() -> Vec<(String, String)> {
    let listing = std::process::Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z"])
        .output()
        .expect("git ls-files");
    listing
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let name = String::from_utf8_lossy(name).into_owned();
            let text = std::fs::read_to_string(root().join(&name)).ok()?;
            Some((name, text))
        })
        .collect()
}

#[test]
fn no_tracked_text_names_a_mirror_or_a_folder_of_one_machine() {
    let mut wrong = Vec::new();
    for (name, text) in tracked() {
        if name.ends_with("repo/text.rs") || name == "Cargo.lock" {
            continue;
        }
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
