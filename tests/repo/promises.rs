//! What the documents promise is shown by tests that exist.

use std::collections::BTreeSet;

use crate::architecture::{root, rust_files};

/// Every test of the tree, by name: functions below a line `#[test]` (or `#[tokio::test]`) and its other
/// attributes. Those that a table of tests makes stand as `name "file";`.
fn tests() -> BTreeSet<String> {
    let word = |line: &str| {
        let line = line.trim_start();
        if let Some((name, _)) = line
            .strip_suffix("\";")
            .and_then(|row| row.split_once(" \""))
        {
            return Some(name.to_owned());
        }
        let after = line.strip_prefix("pub ").unwrap_or(line);
        let after = after
            .strip_prefix("async ")
            .unwrap_or(after)
            .strip_prefix("fn ")?;
        Some(after.split(['(', '<']).next()?.to_owned())
    };
    rust_files(&root())
        .iter()
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .flat_map(|text| {
            let mut marked = false;
            let mut found = Vec::new();
            for line in text.lines() {
                let line = line.trim_start();
                let row = line.ends_with("\";");
                if marked || row {
                    found.extend(word(line));
                }
                marked = line.starts_with("#[test]")
                    || line.starts_with("#[tokio::test")
                    || (marked && (line.starts_with("#[") || line.starts_with("//")));
            }
            found
        })
        .collect()
}

/// Names in backticks in the last cell of each row of a page's tables, without their module.
fn tests_named_in(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(page)).expect("a page of docs");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| feature"));
    rows.flat_map(|row| {
        let cell = row
            .trim_end_matches([' ', '|'])
            .rsplit(" | ")
            .next()
            .unwrap_or_default();
        let names = cell.split('`').skip(1).step_by(2);
        let named: Vec<_> = names
            .map(|name| name.rsplit("::").next().unwrap_or(name).to_owned())
            .collect();
        let first = row.split(" | ").next().unwrap_or_default().to_owned();
        let named = if named.is_empty() {
            vec![String::new()]
        } else {
            named
        };
        named.into_iter().map(move |name| (first.clone(), name))
    })
    .collect()
}

#[test]
fn every_row_of_compatibility_and_specification_names_a_test_that_exists() {
    let known = tests();
    let mut wrong = Vec::new();
    for page in ["docs/compatibility.md", "docs/specification.md"] {
        for (row, name) in tests_named_in(page) {
            if !known.contains(&name) {
                wrong.push(format!("{page}: {row}: no test {name:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
