//! The image's root as a sorted map from path to entry. Paths are relative, without `./`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file with its bytes.
    File(Arc<[u8]>),
    /// A symbolic link with its target as written.
    Link(String),
    /// One more name of the file at this path of the tree.
    Hard(String),
}

/// An entry: what it is, its permission bits (07777) and numeric owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Node {
    /// A folder of root's.
    #[must_use]
    pub fn folder(mode: u32) -> Self {
        Self {
            kind: Kind::Folder,
            mode,
            uid: 0,
            gid: 0,
        }
    }

    /// A file of root's.
    #[must_use]
    pub fn file(bytes: impl Into<Arc<[u8]>>, mode: u32) -> Self {
        Self {
            kind: Kind::File(bytes.into()),
            mode,
            uid: 0,
            gid: 0,
        }
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(target: impl Into<String>) -> Self {
        Self {
            kind: Kind::Link(target.into()),
            mode: 0o777,
            uid: 0,
            gid: 0,
        }
    }

    /// The same entry with another owner.
    #[must_use]
    pub fn owned(self, uid: u32, gid: u32) -> Self {
        Self { uid, gid, ..self }
    }
}

/// Every entry of a file tree by its path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<String, Node>,
}

impl Tree {
    /// Puts an entry, in place of what was there, and makes the folders above it.
    pub fn put(&mut self, path: &str, node: Node) {
        debug_assert!(
            !path.starts_with(['/', '.']) && !path.ends_with('/'),
            "relative path: {path}"
        );
        for (at, _) in path.match_indices('/') {
            self.entries
                .entry(path[..at].to_owned())
                .or_insert_with(|| Node::folder(0o755));
        }
        self.entries.insert(path.to_owned(), node);
    }

    /// The entry at a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.entries.get(path)
    }

    /// The entry at a path, to change it.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.entries.get_mut(path)
    }

    /// The bytes of the file at a path, through hard links.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<&Arc<[u8]>> {
        match &self.get(path)?.kind {
            Kind::File(bytes) => Some(bytes),
            Kind::Hard(other) => self.bytes(other),
            Kind::Folder | Kind::Link(_) => None,
        }
    }

    /// The text of the file at a path.
    ///
    /// # Errors
    /// When there is no such file or it is no UTF-8.
    pub fn text(&self, path: &str) -> Result<&str> {
        let bytes = self
            .bytes(path)
            .with_context(|| format!("the tree has no file {path}"))?;
        std::str::from_utf8(bytes).with_context(|| format!("{path} is no UTF-8 text"))
    }

    /// Whether a path exists when symbolic links are followed inside the tree.
    #[must_use]
    pub fn resolves(&self, path: &str) -> bool {
        self.resolve(path).is_some()
    }

    /// The path without symbolic links, when it exists in the tree.
    #[must_use]
    pub fn resolve(&self, path: &str) -> Option<String> {
        let mut wanted: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut found: Vec<String> = Vec::new();
        let mut hops = 0;
        while let Some(part) = wanted.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    found.pop();
                    continue;
                }
                _ => found.push(part),
            }
            if let Kind::Link(target) = &self.get(&found.join("/"))?.kind {
                hops += 1;
                if hops > 40 {
                    return None;
                }
                found.pop();
                if target.starts_with('/') {
                    found.clear();
                }
                wanted.extend(target.split('/').rev().map(str::to_owned));
            }
        }
        Some(found.join("/"))
    }

    /// Removes an entry and all below it; whether there was anything.
    pub fn remove(&mut self, path: &str) -> bool {
        let before = self.entries.len();
        let below = format!("{path}/");
        self.entries
            .retain(|name, _| name != path && !name.starts_with(&below));
        self.entries.len() != before
    }

    /// Keeps the entries that a question says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Node) -> bool) {
        self.entries.retain(|name, node| keep(name, node));
    }

    /// All entries in the order of their paths: a folder before what is in it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries
            .iter()
            .map(|(path, node)| (path.as_str(), node))
    }

    /// The entries below a folder, by their paths inside it.
    pub fn below<'a>(
        &'a self,
        folder: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        let prefix = format!("{folder}/");
        let length = prefix.len();
        let upper = format!("{folder}0"); // '0' follows '/'
        self.entries
            .range(prefix..upper)
            .map(move |(path, node)| (&path[length..], node))
    }

    /// Takes a folder out: what is in it becomes a tree of its own, the empty folder stays.
    #[must_use]
    pub fn split_off(&mut self, folder: &str) -> Self {
        let entries = self
            .below(folder)
            .map(|(path, node)| (path.to_owned(), node.clone()))
            .collect();
        let node = self.get(folder).cloned();
        self.remove(folder);
        if let Some(node) = node {
            self.put(folder, node);
        }
        Self { entries }
    }

    /// Turns folders that only packages' remains filled into nothing: removes empty folders below one.
    pub fn prune_empty(&mut self, folder: &str) {
        let mut used: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
        for (path, node) in self.below(folder) {
            if !matches!(node.kind, Kind::Folder) {
                for (at, _) in path.match_indices('/') {
                    used.insert(format!("{folder}/{}", &path[..at]));
                }
            }
        }
        let prefix = format!("{folder}/");
        self.entries.retain(|path, node| {
            !path.starts_with(&prefix) || !matches!(node.kind, Kind::Folder) || used.contains(path)
        });
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sum of the files' sizes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.entries
            .values()
            .map(|node| {
                if let Kind::File(bytes) = &node.kind {
                    bytes.len() as u64
                } else {
                    0
                }
            })
            .sum()
    }

    /// Hard links whose file has gone become an error: the merge dropped one name of two.
    ///
    /// # Errors
    /// Names the link.
    pub fn check_hard_links(&self) -> Result<()> {
        for (path, node) in self.iter() {
            if let Kind::Hard(target) = &node.kind
                && self.bytes(target).is_none()
            {
                bail!(
                    "{path} is a hard link to {target}, which is not in the image; drop both or neither"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_inside_the_tree() {
        let mut tree = Tree::default();
        tree.put("usr/lib/systemd/system/x.service", Node::file(*b"x", 0o644));
        tree.put("usr/lib64/systemd", Node::link("../lib/systemd"));
        tree.put("etc/absolute", Node::link("/usr/lib64"));
        tree.put("loop", Node::link("loop"));
        assert_eq!(
            tree.resolve("etc/absolute/systemd/system/x.service")
                .as_deref(),
            Some("usr/lib/systemd/system/x.service")
        );
        assert!(!tree.resolves("usr/lib/nothing"));
        assert!(!tree.resolves("loop"));
    }

    #[test]
    fn a_folder_taken_out_leaves_its_empty_place() {
        let mut tree = Tree::default();
        tree.put("usr/bin/a", Node::file(*b"a", 0o755));
        tree.put("usr-not", Node::file(*b"", 0o644));
        let usr = tree.split_off("usr");
        assert_eq!(
            usr.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            ["bin", "bin/a"]
        );
        assert_eq!(
            tree.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            ["usr", "usr-not"]
        );
    }

    #[test]
    fn empty_folders_are_pruned_and_used_ones_stay() {
        let mut tree = Tree::default();
        tree.put("usr/share/empty/deep", Node::folder(0o755));
        tree.put("usr/share/full/file", Node::file(*b"", 0o644));
        tree.prune_empty("usr");
        assert_eq!(
            tree.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            ["usr", "usr/share", "usr/share/full", "usr/share/full/file"]
        );
    }
}
