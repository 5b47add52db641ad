//! `X.wants/`, `X.requires/`, `X.upholds/`: dependencies by the names of a folder's entries.

use super::{Index, dropins::levels};
use crate::{
    Dependency, DependencyKind, DependencyOrigin, Kind, Tree, UnitConfig, UnitName,
    value::instance_for,
};

const FOLDERS: [(&str, DependencyKind); 3] = [
    ("wants", DependencyKind::Wants),
    ("requires", DependencyKind::Requires),
    ("upholds", DependencyKind::Upholds),
];

/// Adds the dependencies that the links in folders name. What one points to does not matter, unless that is
/// `/dev/null`, which hides an entry of the same name in a later folder.
pub(super) fn add(tree: &dyn Tree, index: &Index, names: &[UnitName], config: &mut UnitConfig) {
    for (suffix, kind) in FOLDERS {
        let mut seen = std::collections::BTreeSet::new();
        for folder in index.folders_of(&levels(names), suffix) {
            for entry in tree.list(&folder).unwrap_or_default() {
                let path = format!("{folder}/{entry}");
                if seen.insert(entry.clone())
                    && tree.read_link(&path).is_ok()
                    && !is_masked(tree, &path)
                    && let Ok(other) = UnitName::new(entry)
                {
                    push(config, kind, other);
                }
            }
        }
    }
}

fn is_masked(tree: &dyn Tree, path: &str) -> bool {
    tree.metadata(path).is_ok_and(|metadata| {
        metadata.kind == Kind::Device || (metadata.kind == Kind::File && metadata.len == 0)
    })
}

fn push(config: &mut UnitConfig, kind: DependencyKind, other: UnitName) {
    let other = instance_for(other, &config.name);
    let dependencies = &mut config.unit.dependencies;
    if !dependencies
        .iter()
        .any(|known| known.kind == kind && known.other == other)
    {
        dependencies.push(Dependency {
            kind,
            other,
            origin: DependencyOrigin::Folder,
        });
    }
}
