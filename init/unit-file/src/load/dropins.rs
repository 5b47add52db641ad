//! Which drop-ins a unit has, and in which order they apply.

use std::collections::BTreeMap;

use super::Index;
use crate::{Kind, Tree, UnitName};

/// The drop-ins of a unit with all its names, sorted by file name over all folders and levels. Of
/// equal file names the one in the earlier folder of the search path counts, in one folder that of
/// the more specific level, and those for a whole kind of unit come last; one that is empty or a
/// link to `/dev/null` hides and is not read.
pub(super) fn find(tree: &dyn Tree, index: &Index, names: &[UnitName]) -> Vec<String> {
    let mut chosen: BTreeMap<String, String> = BTreeMap::new();
    for folder in index.folders_of(&levels(names), "d") {
        for entry in tree.list(&folder).unwrap_or_default() {
            if entry.ends_with(".conf") && !entry.starts_with('.') {
                let path = format!("{folder}/{entry}");
                chosen.entry(entry).or_insert(path);
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

/// The stems of a unit's folders.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Levels {
    /// Of its names, the most specific first: `a-b@x.service`, `a-b@.service`, `a-@x.service`,
    /// `a-@.service`, `a-.service`.
    pub(super) named: Vec<String>,
    /// Of its kind: `service`.
    pub(super) kind: String,
}

pub(super) fn levels(names: &[UnitName]) -> Levels {
    let mut named = Vec::new();
    let mut add = |level: String| {
        if !named.contains(&level) {
            named.push(level);
        }
    };
    for name in names {
        add(name.as_str().to_owned());
    }
    for name in names {
        let kind = name.kind();
        if let Some(template) = name.template() {
            add(template.into());
        }
        let mut prefix = name.prefix().trim_end_matches('-');
        while let Some((shorter, _)) = prefix.rsplit_once('-').filter(|(rest, _)| !rest.is_empty())
        {
            if let Some(instance) = name.instance() {
                add(format!("{shorter}-@{instance}.{kind}"));
                add(format!("{shorter}-@.{kind}"));
            }
            add(format!("{shorter}-.{kind}"));
            prefix = shorter;
        }
    }
    let kind = names
        .first()
        .map_or("", |name| name.kind().as_str())
        .to_owned();
    Levels { named, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_from_the_instance_to_the_kind() {
        let of = |name: &str| levels(&[name.parse().unwrap()]).named;
        assert_eq!(
            of("a-b-c@x.service"),
            [
                "a-b-c@x.service",
                "a-b-c@.service",
                "a-b-@x.service",
                "a-b-@.service",
                "a-b-.service",
                "a-@x.service",
                "a-@.service",
                "a-.service",
            ]
        );
        assert_eq!(of("docker.service"), ["docker.service"]);
        assert_eq!(of("-.mount"), ["-.mount"]);
        assert_eq!(levels(&["-.mount".parse().unwrap()]).kind, "mount");
    }
}
