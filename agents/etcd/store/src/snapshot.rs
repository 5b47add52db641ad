//! The whole store as bytes. Taking a snapshot is cheap: the tree is shared until it changes.
//!
//! Trees are walked without recursion, so that no key and no forged snapshot exhausts the stack.

use std::sync::Arc;

use crate::codec::{Decoder, Encoder, Malformed};
use crate::event::{Event, Text};
use crate::expiry::Expiry;
use crate::node::{Children, Kind, Node};
use crate::store::Store;

/// The state at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    root: Arc<Node>,
    index: u64,
    floor: u64,
    events: Vec<Arc<Event>>,
}

impl Store {
    /// The state now, with the last 1000 events.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let events = self.history.tail();
        let floor = match events.first() {
            Some(first) if first.index() > self.history.floor() && self.history.floor() > 0 => {
                first.index()
            }
            Some(first) if events.len() >= 1000 => first.index(),
            _ => self.history.floor(),
        };
        Snapshot {
            root: Arc::clone(&self.root),
            index: self.index,
            floor,
            events,
        }
    }

    /// Takes over the state of a snapshot. All watches end: they may have missed events.
    ///
    /// # Errors
    /// When the bytes are no snapshot; then nothing has changed.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut from = Decoder::new(bytes);
        let index = from.u64()?;
        let floor = from.u64()?;
        let mut events = Vec::new();
        for _ in 0..from.count()? {
            events.push(Arc::new(Event::decode(&mut from)?));
        }
        let mut expiry = Expiry::default();
        let root = decode_tree(&mut from, &mut expiry)?;
        from.end()?;
        self.root = Arc::new(root);
        self.index = index;
        self.expiry = expiry;
        self.history.restore(events, floor);
        self.hub.clear();
        Ok(())
    }
}

impl Snapshot {
    /// Encodes; this is the expensive part and needs no lock on the store.
    pub fn encode(&self, to: &mut Encoder) {
        to.u64(self.index);
        to.u64(self.floor);
        to.count(self.events.len());
        for event in &self.events {
            event.encode(to);
        }
        encode_tree(to, &self.root);
    }
}

fn encode_tree(to: &mut Encoder, root: &Node) {
    encode_node(to, root);
    let mut open: Vec<_> = root.children().map(Children::iter).into_iter().collect();
    while let Some(top) = open.last_mut() {
        let Some((name, child)) = top.next() else {
            open.pop();
            continue;
        };
        to.bytes(name);
        encode_node(to, child);
        open.extend(child.children().map(Children::iter));
    }
}

/// A node up to its first child.
fn encode_node(to: &mut Encoder, node: &Node) {
    to.u64(node.modified);
    to.u64(node.created);
    to.option_u64(node.expires);
    match &node.kind {
        Kind::File(value) => {
            to.u8(0);
            to.bytes(value);
        }
        Kind::Dir(children) => {
            to.u8(1);
            to.count(children.len());
        }
    }
}

/// A directory of which children are still to come.
struct Open<'a> {
    name: &'a [u8],
    node: Node,
    children: Children,
    missing: usize,
}

fn decode_tree(from: &mut Decoder<'_>, expiry: &mut Expiry) -> Result<Node, Malformed> {
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut path = Vec::new();
    let mut name: &[u8] = b"";
    loop {
        let (mut node, missing) = decode_node(from)?;
        if node.expires.is_some() {
            let key: Text = path.as_slice().into();
            expiry.add(node.expires, &key);
        }
        if missing > 0 {
            let children = Children::new();
            open.push(Open {
                name,
                node,
                children,
                missing,
            });
        } else {
            // What is complete goes into the directory above, which may be complete then.
            loop {
                let Some(top) = open.last_mut() else {
                    return Ok(node);
                };
                top.children.insert(name.into(), Arc::new(node));
                top.missing -= 1;
                path.truncate(path.len() - name.len() - 1);
                if top.missing > 0 {
                    break;
                }
                let Some(done) = open.pop() else {
                    return Err(from.malformed("a directory"));
                };
                (name, node) = (done.name, done.node);
                node.kind = Kind::Dir(done.children);
            }
        }
        name = from.bytes()?;
        path.push(b'/');
        path.extend_from_slice(name);
    }
}

/// A node, and how many children follow.
fn decode_node(from: &mut Decoder<'_>) -> Result<(Node, usize), Malformed> {
    let (modified, created, expires) = (from.u64()?, from.u64()?, from.option_u64()?);
    let (kind, missing) = match from.u8()? {
        0 => (Kind::File(from.text()?), 0),
        1 => (Kind::Dir(Children::new()), from.count()?),
        _ => return Err(from.malformed("a file or a directory")),
    };
    let node = Node {
        modified,
        created,
        expires,
        kind,
    };
    Ok((node, missing))
}
