//! A node of the tree. Nodes are shared with snapshots and copied when one of them changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::event::{EventNode, Text};
use etcd_api::ttl_seconds;

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) modified: u64,
    pub(crate) created: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    File(Text),
    Dir(Children),
}

pub(crate) type Children = BTreeMap<Box<[u8]>, Arc<Node>>;

/// Takes the tree apart without recursion, however deep it is.
impl Drop for Node {
    fn drop(&mut self) {
        let Kind::Dir(children) = &mut self.kind else {
            return;
        };
        let mut below: Vec<Arc<Node>> = std::mem::take(children).into_values().collect();
        while let Some(child) = below.pop() {
            // Whoever shares it goes on to use it.
            if let Some(mut child) = Arc::into_inner(child)
                && let Kind::Dir(children) = &mut child.kind
            {
                below.extend(std::mem::take(children).into_values());
            }
        }
    }
}

impl Node {
    pub(crate) fn root() -> Node {
        Node {
            modified: 0,
            created: 0,
            expires: None,
            kind: Kind::Dir(Children::new()),
        }
    }

    pub(crate) fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir(_))
    }

    pub(crate) fn children(&self) -> Option<&Children> {
        match &self.kind {
            Kind::Dir(children) => Some(children),
            Kind::File(_) => None,
        }
    }

    pub(crate) fn value(&self) -> Option<&Text> {
        match &self.kind {
            Kind::File(value) => Some(value),
            Kind::Dir(_) => None,
        }
    }

    /// The node as an event shows it: with its value, without its children.
    pub(crate) fn show(&self, key: Text, now: u64) -> EventNode {
        EventNode {
            key,
            value: self.value().cloned(),
            dir: self.is_dir(),
            expires: self.expires,
            ttl: self.expires.map_or(0, |expires| ttl_seconds(expires, now)),
            modified: self.modified,
            created: self.created,
        }
    }
}

/// The components of a clean key; none for the root.
pub(crate) fn components(key: &[u8]) -> impl Iterator<Item = &[u8]> {
    key.split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
}

/// Directory and last component of a clean key that is not the root.
pub(crate) fn split(key: &[u8]) -> (&[u8], &[u8]) {
    let at = key
        .iter()
        .rposition(|byte| *byte == b'/')
        .unwrap_or_default();
    (&key[..at], key.get(at + 1..).unwrap_or_default())
}

/// Whether a component is left out of listings.
pub(crate) fn is_hidden(component: &[u8]) -> bool {
    component.first() == Some(&b'_')
}
