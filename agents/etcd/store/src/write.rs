//! Writing and deleting: the table of outcomes by what the key is.

use std::sync::Arc;

use etcd_api::{Code, EtcdError, ttl_seconds};

use crate::command::{Write, WriteKind};
use crate::event::{Action, Event, EventNode, Text};
use crate::node::{Children, Kind, Node, components, split};
use crate::store::Store;

impl Store {
    pub(crate) fn write(&mut self, write: &Write, now: u64) -> Result<Arc<Event>, EtcdError> {
        match &write.kind {
            WriteKind::InOrder => {
                let key: Text = format!("{:020}", self.index + 1).into_bytes().into();
                let mut path = if &*write.key == b"/" {
                    Vec::new()
                } else {
                    write.key.to_vec()
                };
                path.push(b'/');
                path.extend_from_slice(&key);
                self.put(Action::Create, &path.into(), write, false, now)
            }
            _ if &*write.key == b"/" => Err(self.error(Code::RootReadOnly, "/")),
            WriteKind::Set => self.put(Action::Set, &write.key, write, true, now),
            WriteKind::Create => self.put(Action::Create, &write.key, write, false, now),
            WriteKind::Update => self.update(write, now),
            WriteKind::CompareAndSwap {
                prev_value,
                prev_index,
            } => {
                let node = self.find(&write.key)?;
                self.compare(&node, &write.key, prev_value, *prev_index)?;
                self.rewrite(Action::CompareAndSwap, &node, write, now)
            }
        }
    }

    /// Puts a new node where `key` is, with the directories above it.
    fn put(
        &mut self,
        action: Action,
        key: &Text,
        write: &Write,
        replace: bool,
        now: u64,
    ) -> Result<Arc<Event>, EtcdError> {
        let mut value = write.value.clone();
        if write.refresh {
            let old = self.find(key)?;
            value = old.value().cloned().unwrap_or(value);
        }
        let (folder, name) = split(key);
        self.check_directories(folder)?;
        let old = self.lookup(key);
        if let Some(old) = &old {
            if !replace {
                return Err(self.error(Code::KeyExists, key));
            }
            if old.is_dir() {
                return Err(self.error(Code::NotAFile, key));
            }
        }
        self.index += 1;
        let index = self.index;
        let kind = if write.dir {
            Kind::Dir(Children::new())
        } else {
            Kind::File(value)
        };
        let node = Node {
            modified: index,
            created: index,
            expires: write.expires,
            kind,
        };
        let shown = node.show(key.clone(), now);
        if let Some(old) = &old {
            self.expiry.remove(old.expires, key);
        }
        self.expiry.add(write.expires, key);
        if let Some(children) = self.make_directories(folder, index) {
            children.insert(name.into(), Arc::new(node));
        }
        let prev = old.map(|old| old.show(key.clone(), now));
        let event = Arc::new(Event {
            action,
            node: shown,
            prev,
            refresh: write.refresh,
        });
        self.record(&event);
        Ok(event)
    }

    fn update(&mut self, write: &Write, now: u64) -> Result<Arc<Event>, EtcdError> {
        let node = self.find(&write.key)?;
        if node.is_dir() && !write.value.is_empty() {
            return Err(self.error(Code::NotAFile, &write.key));
        }
        self.rewrite(Action::Update, &node, write, now)
    }

    /// Changes a node in place. A directory changes only its time to live, and keeps its
    /// modifiedIndex although the event reports a new one, as on the original.
    fn rewrite(
        &mut self,
        action: Action,
        old: &Arc<Node>,
        write: &Write,
        now: u64,
    ) -> Result<Arc<Event>, EtcdError> {
        let key = &write.key;
        self.index += 1;
        let index = self.index;
        let value = match old.value() {
            Some(kept) if write.refresh => Some(kept.clone()),
            Some(_) => Some(write.value.clone()),
            None => None,
        };
        let prev = old.show(key.clone(), now);
        self.expiry.remove(old.expires, key);
        self.expiry.add(write.expires, key);
        if let Some(node) = self.at_mut(key) {
            node.expires = write.expires;
            if let Some(value) = &value {
                node.modified = index;
                node.kind = Kind::File(value.clone());
            }
        }
        let node = EventNode {
            key: key.clone(),
            dir: value.is_none(),
            value,
            expires: write.expires,
            ttl: write.expires.map_or(0, |expires| ttl_seconds(expires, now)),
            modified: index,
            created: prev.created,
        };
        let event = Arc::new(Event {
            action,
            node,
            prev: Some(prev),
            refresh: write.refresh,
        });
        self.record(&event);
        Ok(event)
    }

    pub(crate) fn delete(
        &mut self,
        key: &Text,
        dir: bool,
        recursive: bool,
        now: u64,
    ) -> Result<Arc<Event>, EtcdError> {
        if &**key == b"/" {
            return Err(self.error(Code::RootReadOnly, "/"));
        }
        let node = self.find(key)?;
        if let Some(children) = node.children() {
            if !dir && !recursive {
                return Err(self.error(Code::NotAFile, key));
            }
            if !children.is_empty() && !recursive {
                return Err(self.error(Code::DirectoryNotEmpty, key));
            }
        }
        Ok(self.take_away(Action::Delete, key, &node, now))
    }

    pub(crate) fn compare_and_delete(
        &mut self,
        key: &Text,
        prev_value: &[u8],
        prev_index: u64,
        now: u64,
    ) -> Result<Arc<Event>, EtcdError> {
        if &**key == b"/" {
            return Err(self.error(Code::RootReadOnly, "/"));
        }
        let node = self.find(key)?;
        self.compare(&node, key, prev_value, prev_index)?;
        Ok(self.take_away(Action::CompareAndDelete, key, &node, now))
    }

    fn take_away(&mut self, action: Action, key: &Text, node: &Arc<Node>, now: u64) -> Arc<Event> {
        self.remove(key);
        self.index += 1;
        self.finish_removal(action, key, node, now)
    }

    fn compare(
        &self,
        node: &Node,
        key: &[u8],
        prev_value: &[u8],
        prev_index: u64,
    ) -> Result<(), EtcdError> {
        let Some(value) = node.value() else {
            return Err(self.error(Code::NotAFile, key));
        };
        let value_differs = !prev_value.is_empty() && &**value != prev_value;
        let index_differs = prev_index != 0 && node.modified != prev_index;
        let text = String::from_utf8_lossy;
        let of_value = || format!("[{} != {}]", text(prev_value), text(value));
        let of_index = || format!("[{prev_index} != {}]", node.modified);
        let cause = match (value_differs, index_differs) {
            (false, false) => return Ok(()),
            (true, false) => of_value(),
            (false, true) => of_index(),
            (true, true) => format!("{} {}", of_value(), of_index()),
        };
        Err(EtcdError::new(Code::CompareFailed, cause, self.index))
    }

    /// Takes a node out of the tree, and all below it out of the expiry index.
    pub(crate) fn remove(&mut self, key: &Text) -> Option<Arc<Node>> {
        let (folder, name) = split(key);
        let removed = match &mut self.at_mut(folder)?.kind {
            Kind::Dir(children) => children.remove(name)?,
            Kind::File(_) => return None,
        };
        if !self.expiry.is_empty() {
            self.forget_expiry(key, &removed);
        }
        Some(removed)
    }

    fn forget_expiry(&mut self, key: &Text, node: &Node) {
        self.expiry.remove(node.expires, key);
        let mut folders = vec![(Arc::clone(key), node)];
        while let Some((folder, node)) = folders.pop() {
            for (name, child) in node.children().into_iter().flatten() {
                let below: Text = [&folder, &b"/"[..], name].concat().into();
                self.expiry.remove(child.expires, &below);
                if child.is_dir() {
                    folders.push((below, child));
                }
            }
        }
    }

    /// That no file is in the way to a directory.
    fn check_directories(&self, folder: &[u8]) -> Result<(), EtcdError> {
        let mut at = &self.root;
        let mut path = Vec::new();
        for name in components(folder) {
            path.push(b'/');
            path.extend_from_slice(name);
            match at.children().and_then(|children| children.get(name)) {
                None => break,
                Some(child) if child.is_dir() => at = child,
                Some(_) => return Err(self.error(Code::NotADirectory, &path)),
            }
        }
        Ok(())
    }

    /// The children of a directory, which is made, as are those above it, with this index.
    fn make_directories(&mut self, folder: &[u8], index: u64) -> Option<&mut Children> {
        let mut at = Arc::make_mut(&mut self.root);
        for name in components(folder) {
            let Kind::Dir(children) = &mut at.kind else {
                return None;
            };
            if !children.contains_key(name) {
                let made = Node {
                    modified: index,
                    created: index,
                    expires: None,
                    kind: Kind::Dir(Children::new()),
                };
                children.insert(name.into(), Arc::new(made));
            }
            at = Arc::make_mut(children.get_mut(name)?);
        }
        match &mut at.kind {
            Kind::Dir(children) => Some(children),
            Kind::File(_) => None,
        }
    }

    fn at_mut(&mut self, key: &[u8]) -> Option<&mut Node> {
        let mut at = Arc::make_mut(&mut self.root);
        for name in components(key) {
            let Kind::Dir(children) = &mut at.kind else {
                return None;
            };
            at = Arc::make_mut(children.get_mut(name)?);
        }
        Some(at)
    }

    pub(crate) fn error(&self, code: Code, key: impl AsRef<[u8]>) -> EtcdError {
        EtcdError::new(code, String::from_utf8_lossy(key.as_ref()), self.index)
    }
}
