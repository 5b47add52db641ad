//! The files that unit files live among, as this crate sees them: a trait and a tree in memory.
//!
//! The real one (`RealTree`, below a root folder) is in `init-sys`. Paths are absolute UTF-8
//! texts; an entry whose name is not UTF-8 is no unit file and is left out of listings.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link (only from [`Tree::link_metadata`]).
    Link,
    /// A character device: `/dev/null` in particular.
    Device,
    /// Anything else.
    Other,
}

/// What is known of a path without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Bytes, for files.
    pub len: u64,
    /// Time of last change in microseconds since 1970.
    pub modified: u64,
}

/// Read access to files.
pub trait Tree {
    /// Names of the entries of a folder, sorted.
    ///
    /// # Errors
    /// `NotFound` when there is no such folder.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// The bytes of a file; links are followed.
    ///
    /// # Errors
    /// As reading a file fails.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// Where a symbolic link points, as written in it.
    ///
    /// # Errors
    /// `InvalidInput` when the path is no link.
    fn read_link(&self, path: &str) -> io::Result<String>;

    /// What the path itself is, a link being a link.
    ///
    /// # Errors
    /// `NotFound` when there is nothing.
    fn link_metadata(&self, path: &str) -> io::Result<Metadata>;

    /// What the path is after following links.
    ///
    /// # Errors
    /// `NotFound` when there is nothing, or a link points nowhere.
    fn metadata(&self, path: &str) -> io::Result<Metadata>;

    /// Whether there is anything at the path, be it a link to nowhere.
    fn has_entry(&self, path: &str) -> bool {
        self.link_metadata(path).is_ok()
    }
}

/// Write access, for install plans and tools that write unit files.
pub trait TreeMut: Tree {
    /// Makes a symbolic link and the folders above it.
    ///
    /// # Errors
    /// `AlreadyExists` when something is there.
    fn make_link(&mut self, path: &str, target: &str) -> io::Result<()>;

    /// Removes a file or link, and then its folder if `prune` and the folder is empty.
    ///
    /// # Errors
    /// `NotFound` when there is nothing.
    fn remove(&mut self, path: &str, prune: bool) -> io::Result<()>;

    /// Writes a file whole (atomically), and makes the folders above it.
    ///
    /// # Errors
    /// As writing fails.
    fn write(&mut self, path: &str, text: &str) -> io::Result<()>;

    /// Removes a folder with all that is in it.
    ///
    /// # Errors
    /// `NotFound` when there is nothing.
    fn remove_all(&mut self, path: &str) -> io::Result<()>;
}

#[derive(Clone, Debug)]
enum Node {
    File { bytes: Vec<u8>, modified: u64 },
    Link { target: String },
    Directory { modified: u64 },
}

/// A tree in memory: for tests, and for planning against files that do not exist yet.
///
/// ```
/// use unit_file::{MemoryTree, Tree};
/// let tree = MemoryTree::new().file("/etc/a.service", "[Unit]\n").link("/etc/b.service", "a.service");
/// assert_eq!(tree.read("/etc/b.service")?, b"[Unit]\n");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    nodes: BTreeMap<String, Node>,
    changes: u64,
}

/// Links followed before a loop is assumed, as Linux does.
const MAX_LINKS: usize = 40;

impl MemoryTree {
    /// An empty tree (with `/dev/null`).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With this file, and the folders above it.
    #[must_use]
    pub fn file(mut self, path: &str, text: &str) -> Self {
        self.put(
            path,
            Node::File {
                bytes: text.as_bytes().to_vec(),
                modified: self.changes + 1,
            },
        );
        self
    }

    /// With this symbolic link, and the folders above it.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.put(
            path,
            Node::Link {
                target: target.to_owned(),
            },
        );
        self
    }

    /// With this folder, and those above it.
    #[must_use]
    pub fn directory(mut self, path: &str) -> Self {
        self.put(
            path,
            Node::Directory {
                modified: self.changes + 1,
            },
        );
        self
    }

    fn put(&mut self, path: &str, node: Node) {
        self.changes += 1;
        let path = normalize(path);
        for parent in ancestors(&path) {
            let touched = Node::Directory {
                modified: self.changes,
            };
            let entry = self
                .nodes
                .entry(parent.to_owned())
                .or_insert_with(|| touched.clone());
            if matches!(entry, Node::Directory { .. }) && Some(parent) == parent_of(&path) {
                *entry = touched;
            }
        }
        self.nodes.insert(path, node);
    }

    /// The path with every link on it followed.
    fn resolve(&self, path: &str, last: bool) -> io::Result<String> {
        let mut todo: Vec<String> = components(path).rev().map(str::to_owned).collect();
        let mut done = String::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                done.truncate(done.rfind('/').unwrap_or(0));
                continue;
            }
            let here = format!("{done}/{part}");
            match self.nodes.get(&here) {
                Some(Node::Link { target }) if last || !todo.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(io::Error::other("too many levels of symbolic links"));
                    }
                    if target.starts_with('/') {
                        done.clear();
                    }
                    todo.extend(components(target).rev().map(str::to_owned));
                }
                _ => done = here,
            }
        }
        Ok(if done.is_empty() {
            "/".to_owned()
        } else {
            done
        })
    }

    fn node(&self, path: &str, follow: bool) -> io::Result<(String, Option<&Node>)> {
        let path = self.resolve(path, follow)?;
        let node = self.nodes.get(&path);
        Ok((path, node))
    }
}

fn missing() -> io::Error {
    ErrorKind::NotFound.into()
}

fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

/// The path without doubled slashes and dots, always absolute.
fn normalize(path: &str) -> String {
    components(path).fold(String::new(), |path, part| path + "/" + part)
}

fn parent_of(path: &str) -> Option<&str> {
    path.rfind('/')
        .map(|end| &path[..end])
        .filter(|parent| !parent.is_empty())
}

fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(parent_of(path), |path| parent_of(path))
}

impl Tree for MemoryTree {
    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let (path, node) = self.node(directory, true)?;
        match node {
            Some(Node::Directory { .. }) => {}
            None if path == "/" => {}
            Some(_) => return Err(ErrorKind::NotADirectory.into()),
            None => return Err(missing()),
        }
        let prefix = if path == "/" { path } else { path + "/" };
        Ok(self
            .nodes
            .range(prefix.clone()..)
            .map_while(|(path, _)| path.strip_prefix(&prefix))
            .filter(|name| !name.contains('/'))
            .map(str::to_owned)
            .collect())
    }

    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.node(path, true)? {
            (_, Some(Node::File { bytes, .. })) => Ok(bytes.clone()),
            (path, None) if path == "/dev/null" => Ok(Vec::new()),
            (_, Some(Node::Directory { .. })) => Err(ErrorKind::IsADirectory.into()),
            _ => Err(missing()),
        }
    }

    fn read_link(&self, path: &str) -> io::Result<String> {
        match self.node(path, false)? {
            (_, Some(Node::Link { target })) => Ok(target.clone()),
            (_, Some(_)) => Err(ErrorKind::InvalidInput.into()),
            (_, None) => Err(missing()),
        }
    }

    fn link_metadata(&self, path: &str) -> io::Result<Metadata> {
        let (path, node) = self.node(path, false)?;
        metadata(&path, node)
    }

    fn metadata(&self, path: &str) -> io::Result<Metadata> {
        let (path, node) = self.node(path, true)?;
        metadata(&path, node)
    }
}

fn metadata(path: &str, node: Option<&Node>) -> io::Result<Metadata> {
    Ok(match node {
        Some(Node::File { bytes, modified }) => Metadata {
            kind: Kind::File,
            len: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            modified: *modified,
        },
        Some(Node::Link { .. }) => Metadata {
            kind: Kind::Link,
            len: 0,
            modified: 1,
        },
        Some(Node::Directory { modified }) => Metadata {
            kind: Kind::Directory,
            len: 0,
            modified: *modified,
        },
        None if path == "/dev/null" => Metadata {
            kind: Kind::Device,
            len: 0,
            modified: 0,
        },
        None => return Err(missing()),
    })
}

impl TreeMut for MemoryTree {
    fn make_link(&mut self, path: &str, target: &str) -> io::Result<()> {
        if self.has_entry(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.put(
            path,
            Node::Link {
                target: target.to_owned(),
            },
        );
        Ok(())
    }

    fn remove(&mut self, path: &str, prune: bool) -> io::Result<()> {
        let path = self.resolve(path, false)?;
        self.nodes.remove(&path).ok_or_else(missing)?;
        self.changes += 1;
        if let Some(parent) = parent_of(&path).map(str::to_owned) {
            if prune && self.list(&parent).is_ok_and(|names| names.is_empty()) {
                self.nodes.remove(&parent);
            } else if let Some(Node::Directory { modified }) = self.nodes.get_mut(&parent) {
                *modified = self.changes;
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &str, text: &str) -> io::Result<()> {
        let path = self.resolve(path, true)?;
        let modified = self.changes + 1;
        self.put(
            &path,
            Node::File {
                bytes: text.as_bytes().to_vec(),
                modified,
            },
        );
        Ok(())
    }

    fn remove_all(&mut self, path: &str) -> io::Result<()> {
        let path = self.resolve(path, false)?;
        let below = format!("{path}/");
        let before = self.nodes.len();
        self.nodes
            .retain(|name, _| *name != path && !name.starts_with(&below));
        self.changes += 1;
        if self.nodes.len() == before {
            Err(missing())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_through_folders_and_loops_end() {
        let tree = MemoryTree::new()
            .file("/usr/lib/systemd/system/a.service", "text")
            .link("/usr/lib64/systemd", "../lib/systemd")
            .link("/x", "/y")
            .link("/y", "x");
        assert_eq!(
            tree.read("/usr/lib64/systemd/system/a.service").unwrap(),
            b"text"
        );
        assert_eq!(
            tree.list("/usr/lib64/systemd/system").unwrap(),
            ["a.service"]
        );
        tree.read("/x").unwrap_err();
        assert_eq!(tree.read_link("/x").unwrap(), "/y");
        assert_eq!(tree.metadata("/dev/null").unwrap().kind, Kind::Device);
    }

    #[test]
    fn removing_the_last_link_prunes_its_folder() {
        let mut tree = MemoryTree::new();
        tree.make_link("/etc/m.target.wants/a.service", "/a.service")
            .unwrap();
        tree.remove("/etc/m.target.wants/a.service", true).unwrap();
        assert!(!tree.has_entry("/etc/m.target.wants"));
    }
}
