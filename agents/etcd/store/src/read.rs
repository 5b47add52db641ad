//! Reading keys and listing directories.

use std::collections::btree_map::Iter;
use std::sync::Arc;

use etcd_api::json::{self, NodeFields};
use etcd_api::{Code, EtcdError, ttl_seconds};

use crate::node::{Node, components, is_hidden};
use crate::store::Store;

impl Store {
    /// The answer to a GET, with its newline.
    ///
    /// # Errors
    /// Code 100 or 104.
    pub fn get(&mut self, key: &[u8], recursive: bool, now: u64) -> Result<Vec<u8>, EtcdError> {
        let node = match self.find(key) {
            Ok(node) => node,
            Err(error) => {
                self.stats.gets_fail += 1;
                return Err(error);
            }
        };
        self.stats.gets_success += 1;
        let mut out = Vec::with_capacity(192 + node.value().map_or(0, |value| value.len()));
        out.extend_from_slice(b"{\"action\":\"get\",\"node\":");
        let mut path = if key == b"/" {
            Vec::new()
        } else {
            key.to_vec()
        };
        write_tree(&mut out, &mut path, &node, recursive, now);
        out.extend_from_slice(b"}\n");
        Ok(out)
    }

    /// The node of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Result<Arc<Node>, EtcdError> {
        let mut at = &self.root;
        let mut path = Vec::new();
        for name in components(key) {
            let Some(children) = at.children() else {
                return Err(self.error(Code::NotADirectory, &path));
            };
            path.push(b'/');
            path.extend_from_slice(name);
            at = children
                .get(name)
                .ok_or_else(|| self.error(Code::KeyNotFound, &path))?;
        }
        Ok(Arc::clone(at))
    }

    pub(crate) fn lookup(&self, key: &[u8]) -> Option<Arc<Node>> {
        let mut at = &self.root;
        for name in components(key) {
            at = at.children()?.get(name)?;
        }
        Some(Arc::clone(at))
    }
}

/// A node that is being written.
struct Open<'a> {
    node: &'a Node,
    begin: usize,
    /// Whether its listing has elements so far.
    filled: bool,
    rest: Option<Iter<'a, Box<[u8]>, Arc<Node>>>,
}

impl<'a> Open<'a> {
    fn begin(out: &mut Vec<u8>, key: &[u8], node: &'a Node, list: bool, now: u64) -> Open<'a> {
        let fields = NodeFields {
            key,
            value: node.value().map(|value| &**value),
            dir: node.is_dir(),
            expiration: node.expires,
            ttl: node.expires.map_or(0, |expires| ttl_seconds(expires, now)),
            modified: node.modified,
            created: node.created,
        };
        let begin = json::begin_node(out, &fields);
        Open {
            node,
            begin,
            filled: false,
            rest: node
                .children()
                .filter(|_| list)
                .map(|children| children.iter()),
        }
    }

    /// The next child that is listed.
    fn next(&mut self) -> Option<(&'a [u8], &'a Node)> {
        let (name, child) = self.rest.as_mut()?.find(|(name, _)| !is_hidden(name))?;
        Some((name, child))
    }
}

/// Writes a node with what is in it, or all that is below it. Keeps its own stack: what a key may
/// be is decided elsewhere, and an old log may hold deeper ones.
fn write_tree(out: &mut Vec<u8>, path: &mut Vec<u8>, root: &Node, recursive: bool, now: u64) {
    let mut open = vec![Open::begin(out, path, root, true, now)];
    while let Some(top) = open.last_mut() {
        if let Some((name, child)) = top.next() {
            out.extend_from_slice(if top.filled {
                &b","[..]
            } else {
                b",\"nodes\":["
            });
            top.filled = true;
            path.push(b'/');
            path.extend_from_slice(name);
            open.push(Open::begin(out, path, child, recursive, now));
            continue;
        }
        if top.filled {
            out.push(b']');
        }
        json::end_node(out, top.begin, top.node.modified, top.node.created);
        open.pop();
        if !open.is_empty() {
            // Names have no slashes.
            let parent = path.iter().rposition(|byte| *byte == b'/');
            path.truncate(parent.unwrap_or_default());
        }
    }
}
