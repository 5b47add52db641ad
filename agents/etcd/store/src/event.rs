//! Events: what a command did, as answers, watchers and the history show it.

use std::sync::Arc;

use etcd_api::json::{self, NodeFields};

use crate::codec::{Decoder, Encoder, Malformed};

/// Shared bytes: keys and values need not be UTF-8.
pub type Text = Arc<[u8]>;

macro_rules! actions {
    ($($name:ident = $tag:literal, $text:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are the API's words")]
        pub enum Action { $($name,)* }

        impl Action {
            /// The word in the answer.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Action::$name => $text,)* }
            }

            fn tag(self) -> u8 {
                match self { $(Action::$name => $tag,)* }
            }

            fn from_tag(tag: u8) -> Option<Action> {
                match tag { $($tag => Some(Action::$name),)* _ => None }
            }
        }
    };
}

actions! {
    Set = 1, "set";
    Create = 2, "create";
    Update = 3, "update";
    CompareAndSwap = 4, "compareAndSwap";
    Delete = 5, "delete";
    CompareAndDelete = 6, "compareAndDelete";
    Expire = 7, "expire";
}

/// A node at the time of an event, without children.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventNode {
    /// Key.
    pub key: Text,
    /// Value of a file; absent in the node of a delete.
    pub value: Option<Text>,
    /// Whether it is a directory.
    pub dir: bool,
    /// When it expires.
    pub expires: Option<u64>,
    /// Seconds left then.
    pub ttl: i64,
    /// Index of the last change.
    pub modified: u64,
    /// Index of the creation.
    pub created: u64,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The word for it.
    pub action: Action,
    /// The node after it; its `modified` is the index of the event.
    pub node: EventNode,
    /// The node before it.
    pub prev: Option<EventNode>,
    /// Whether watchers do not see it.
    pub refresh: bool,
}

impl EventNode {
    fn write_json(&self, out: &mut Vec<u8>) {
        let fields = NodeFields {
            key: &self.key,
            value: self.value.as_deref(),
            dir: self.dir,
            expiration: self.expires,
            ttl: self.ttl,
            modified: self.modified,
            created: self.created,
        };
        json::node(out, &fields);
    }

    fn encode(&self, to: &mut Encoder) {
        to.bytes(&self.key);
        to.bool(self.value.is_some());
        if let Some(value) = &self.value {
            to.bytes(value);
        }
        to.bool(self.dir);
        to.option_u64(self.expires);
        to.u64(self.ttl.unsigned_abs());
        to.u64(self.modified);
        to.u64(self.created);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<EventNode, Malformed> {
        Ok(EventNode {
            key: from.text()?,
            value: from.bool()?.then(|| from.text()).transpose()?,
            dir: from.bool()?,
            expires: from.option_u64()?,
            ttl: i64::try_from(from.u64()?).map_err(|_| from.malformed("a time to live"))?,
            modified: from.u64()?,
            created: from.u64()?,
        })
    }

    fn size(&self) -> usize {
        size_of::<EventNode>() + self.key.len() + self.value.as_ref().map_or(0, |value| value.len())
    }
}

impl Event {
    /// The index of the event.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.node.modified
    }

    /// The body of the answer, with its newline.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(192 + self.node.value.as_ref().map_or(0, |value| value.len()));
        out.extend_from_slice(b"{\"action\":\"");
        out.extend_from_slice(self.action.as_str().as_bytes());
        out.extend_from_slice(b"\",\"node\":");
        self.node.write_json(&mut out);
        if let Some(prev) = &self.prev {
            out.extend_from_slice(b",\"prevNode\":");
            prev.write_json(&mut out);
        }
        out.extend_from_slice(b"}\n");
        out
    }

    /// Whether the answer is 201: something was created.
    #[must_use]
    pub fn is_creation(&self) -> bool {
        self.action == Action::Create || (self.action == Action::Set && self.prev.is_none())
    }

    /// Bytes of memory, about.
    pub(crate) fn size(&self) -> usize {
        self.node.size() + self.prev.as_ref().map_or(0, EventNode::size)
    }

    pub(crate) fn encode(&self, to: &mut Encoder) {
        to.u8(self.action.tag());
        self.node.encode(to);
        to.bool(self.prev.is_some());
        if let Some(prev) = &self.prev {
            prev.encode(to);
        }
        to.bool(self.refresh);
    }

    pub(crate) fn decode(from: &mut Decoder<'_>) -> Result<Event, Malformed> {
        Ok(Event {
            action: Action::from_tag(from.u8()?).ok_or_else(|| from.malformed("an action"))?,
            node: EventNode::decode(from)?,
            prev: from.bool()?.then(|| EventNode::decode(from)).transpose()?,
            refresh: from.bool()?,
        })
    }
}
