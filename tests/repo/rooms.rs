//! Everyone finds the room for a change: each crate is in the room table and says what it is.

use crate::architecture::{architecture, metadata, root};

#[test]
fn every_crate_is_in_the_room_table() {
    let page = architecture();
    let rooms = page.split("## Rooms").nth(1).expect("a section Rooms");
    let root = root().canonicalize().expect("the root");
    let missing: Vec<String> = metadata()
        .packages
        .iter()
        .map(|p| {
            p.manifest_path
                .parent()
                .expect("a folder")
                .as_std_path()
                .to_owned()
        })
        .map(|folder| {
            folder
                .strip_prefix(&root)
                .expect("below the root")
                .display()
                .to_string()
        })
        .filter(|folder| !rooms.contains(&format!("`{folder}/")))
        .collect();
    assert!(
        missing.is_empty(),
        "not in the room table of docs/architecture.md: {missing:?}"
    );
}

#[test]
fn every_crate_says_in_its_first_line_what_it_is() {
    let mut wrong = Vec::new();
    for package in metadata().packages {
        for target in &package.targets {
            let is_root = target
                .kind
                .iter()
                .any(|k| matches!(k.to_string().as_str(), "lib" | "bin"));
            let text = std::fs::read_to_string(&target.src_path).expect("a crate root");
            if is_root && !text.starts_with("//! ") {
                wrong.push(target.src_path.to_string());
            }
        }
    }
    assert!(wrong.is_empty(), "no //! in {wrong:?}");
}

#[test]
fn decision_records_have_their_four_parts() {
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("docs/decisions"))
        .expect("docs/decisions")
        .flatten()
    {
        let text = std::fs::read_to_string(entry.path()).expect("a record");
        for part in [
            "## Context",
            "## Decision",
            "## Consequences",
            "## How we would notice it was wrong",
        ] {
            if !text.contains(part) {
                wrong.push(format!("{}: no {part:?}", entry.path().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
