//! The whole store as bytes. Taking a snapshot is cheap: the tree is shared until it changes.

use std::sync::Arc;

use crate::codec::{Decoder, Encoder, Malformed};
use crate::event::{Event, Text};
use crate::expiry::Expiry;
use crate::node::{Children, DEPTH, Kind, Node};
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
        let root = decode_node(&mut from, &mut Vec::new(), &mut expiry, 0)?;
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
        encode_node(to, &self.root);
    }
}

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
            for (name, child) in children {
                to.bytes(name);
                encode_node(to, child);
            }
        }
    }
}

fn decode_node(
    from: &mut Decoder<'_>,
    path: &mut Vec<u8>,
    expiry: &mut Expiry,
    depth: usize,
) -> Result<Node, Malformed> {
    if depth > DEPTH {
        return Err(from.malformed("a shallower tree"));
    }
    let (modified, created, expires) = (from.u64()?, from.u64()?, from.option_u64()?);
    if expires.is_some() {
        let key: Text = path.as_slice().into();
        expiry.add(expires, &key);
    }
    let kind = match from.u8()? {
        0 => Kind::File(from.text()?),
        1 => {
            let mut children = Children::new();
            for _ in 0..from.count()? {
                let name = from.bytes()?;
                let length = path.len();
                path.push(b'/');
                path.extend_from_slice(name);
                let child = decode_node(from, path, expiry, depth + 1)?;
                path.truncate(length);
                children.insert(name.into(), Arc::new(child));
            }
            Kind::Dir(children)
        }
        _ => return Err(from.malformed("a file or a directory")),
    };
    Ok(Node {
        modified,
        created,
        expires,
        kind,
    })
}
