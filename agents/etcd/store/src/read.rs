//! Reading keys and listing directories.

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
        let depth = if recursive { u32::MAX } else { 1 };
        write_node(&mut out, &mut path, &node, depth, now);
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

fn write_node(out: &mut Vec<u8>, path: &mut Vec<u8>, node: &Node, depth: u32, now: u64) {
    let key = path.clone();
    let fields = NodeFields {
        key: &key,
        value: node.value().map(|value| &**value),
        dir: node.is_dir(),
        expiration: node.expires,
        ttl: node.expires.map_or(0, |expires| ttl_seconds(expires, now)),
        modified: node.modified,
        created: node.created,
    };
    json::node(out, &fields, |out| {
        let Some(children) = node.children().filter(|_| depth > 0) else {
            return false;
        };
        let mut any = false;
        for (name, child) in children.iter().filter(|(name, _)| !is_hidden(name)) {
            if any {
                out.push(b',');
            }
            any = true;
            let length = path.len();
            path.push(b'/');
            path.extend_from_slice(name);
            write_node(out, path, child, depth - 1, now);
            path.truncate(length);
        }
        any
    });
}
