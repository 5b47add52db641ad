//! Which drop-ins a unit has, and in which order they apply.

use std::collections::BTreeMap;

use super::Index;
use crate::{Kind, Tree, UnitName};

/// The drop-ins of a unit with all its names, sorted by file name over all folders and levels. Of
/// equal file names the more specific level counts, within a level the earlier folder; one that is
/// empty or a link to `/dev/null` hides and is not read.
pub(super) fn find(tree: &dyn Tree, index: &Index, names: &[UnitName]) -> Vec<String> {
    let mut chosen: BTreeMap<String, String> = BTreeMap::new();
    for level in levels(names) {
        for folder in index.entries(&format!("{level}.d")) {
            for entry in tree.list(&folder).unwrap_or_default() {
                if entry.ends_with(".conf") && !entry.starts_with('.') {
                    let path = format!("{folder}/{entry}");
                    chosen.entry(entry).or_insert(path);
                }
            }
        }
    }
    chosen
        .into_values()
        .filter(|path| has_text(tree, path))
        .collect()
}

fn has_text(tree: &dyn Tree, path: &str) -> bool {
    tree.metadata(path)
        .is_ok_and(|metadata| metadata.kind == Kind::File && metadata.len > 0)
}

/// The stems of folders for all names, the most specific first: `a-b@x.service`, `a-b@.service`,
/// `a-.service`, `service`.
pub(super) fn levels(names: &[UnitName]) -> Vec<String> {
    let mut levels: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
    levels.extend(
        names
            .iter()
            .filter_map(UnitName::template)
            .map(String::from),
    );
    let mut prefixes: Vec<String> = Vec::new();
    for name in names {
        let mut prefix = name.prefix().trim_end_matches('-');
        while let Some((shorter, _)) = prefix.rsplit_once('-') {
            if shorter.is_empty() {
                break;
            }
            prefixes.push(format!("{shorter}-.{}", name.kind()));
            prefix = shorter;
        }
    }
    prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
    levels.extend(prefixes);
    levels.extend(names.first().map(|name| name.kind().as_str().to_owned()));
    let mut seen = std::collections::BTreeSet::new();
    levels.retain(|level| seen.insert(level.clone()));
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_from_the_instance_to_the_kind() {
        let name: UnitName = "a-b-c@x.service".parse().unwrap();
        assert_eq!(
            levels(&[name]),
            [
                "a-b-c@x.service",
                "a-b-c@.service",
                "a-b-.service",
                "a-.service",
                "service"
            ]
        );
        let plain: UnitName = "docker.service".parse().unwrap();
        assert_eq!(levels(&[plain]), ["docker.service", "service"]);
        let root: UnitName = "-.mount".parse().unwrap();
        assert_eq!(levels(&[root]), ["-.mount", "mount"]);
    }
}
