//! All loaded units: a slab with stable ids, and every name that leads to one.

use std::{
    collections::BTreeMap,
    ops::{Index, IndexMut},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    deps::{Dep, Edge},
    unit::Unit,
};

/// A loaded unit. Valid as long as the unit is loaded; the engine drops every id it holds when it
/// forgets the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitId(u32);

/// The units in memory.
#[derive(Debug, Default)]
pub(crate) struct Units {
    slots: Vec<Option<Box<Unit>>>,
    free: Vec<u32>,
    names: BTreeMap<Arc<str>, UnitId>,
}

fn position(id: UnitId) -> usize {
    usize::try_from(id.0).unwrap_or(usize::MAX)
}

impl Units {
    pub(crate) fn find(&self, name: &str) -> Option<UnitId> {
        self.names.get(name).copied()
    }

    pub(crate) fn get(&self, id: UnitId) -> Option<&Unit> {
        self.slots.get(position(id))?.as_deref()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = UnitId> + '_ {
        (0u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.is_some())
            .map(|(index, _)| UnitId(index))
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a unit in under its id name.
    pub(crate) fn insert(&mut self, unit: Unit) -> UnitId {
        let name = Arc::clone(&unit.name);
        let id = match self.free.pop() {
            Some(index) => UnitId(index),
            None => {
                self.slots.push(None);
                UnitId(u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX))
            }
        };
        self.put(id, unit);
        self.names.insert(name, id);
        id
    }

    /// Puts a unit back where a snapshot had it.
    pub(crate) fn insert_at(&mut self, id: UnitId, unit: Unit) {
        while self.slots.len() <= position(id) {
            self.free
                .push(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
            self.slots.push(None);
        }
        self.free.retain(|index| *index != id.0);
        for name in std::iter::once(&unit.name).chain(&unit.aliases) {
            self.names.insert(Arc::clone(name), id);
        }
        self.put(id, unit);
    }

    fn put(&mut self, id: UnitId, unit: Unit) {
        if let Some(slot) = self.slots.get_mut(position(id)) {
            *slot = Some(Box::new(unit));
        }
    }

    /// Adds a further name. A name that leads elsewhere already is left alone.
    pub(crate) fn add_name(&mut self, id: UnitId, name: &str) {
        if self.names.contains_key(name) {
            return;
        }
        let name: Arc<str> = Arc::from(name);
        self.names.insert(Arc::clone(&name), id);
        self[id].aliases.push(name);
    }

    /// Lets go of all aliases (before a reload looks for them again).
    pub(crate) fn drop_aliases(&mut self, id: UnitId) {
        for alias in std::mem::take(&mut self[id].aliases) {
            self.names.remove(&alias);
        }
    }

    /// Notes an edge at both ends. `declared` says whether `from`'s own settings ask for it.
    pub(crate) fn connect(&mut self, from: UnitId, kind: Dep, to: UnitId, declared: bool) {
        if from == to {
            return;
        }
        let edges = &mut self[from].edges;
        if let Some(edge) = edges
            .iter_mut()
            .find(|edge| edge.other == to && edge.kind == kind)
        {
            edge.declared |= declared;
            return;
        }
        edges.push(Edge {
            other: to,
            kind,
            declared,
        });
        self[to].edges.push(Edge {
            other: from,
            kind: kind.inverse(),
            declared: false,
        });
    }

    /// Removes every edge of every unit (before a reload computes them again).
    pub(crate) fn disconnect_all(&mut self) {
        for slot in self.slots.iter_mut().flatten() {
            slot.edges = Vec::new();
        }
    }

    /// Removes the edges that this unit's own settings ask for.
    pub(crate) fn disconnect_declared(&mut self, id: UnitId) {
        let (gone, kept): (Vec<Edge>, Vec<Edge>) = std::mem::take(&mut self[id].edges)
            .into_iter()
            .partition(|edge| edge.declared);
        self[id].edges = kept;
        for edge in gone {
            let inverse = edge.kind.inverse();
            let theirs = &mut self[edge.other].edges;
            // The other end may ask for the same edge itself; then it stays on both.
            if theirs
                .iter()
                .any(|back| back.other == id && back.kind == inverse && back.declared)
            {
                self[id].edges.push(Edge {
                    declared: false,
                    ..edge
                });
            } else {
                theirs.retain(|back| !(back.other == id && back.kind == inverse));
            }
        }
    }

    /// Forgets a unit with all its names and edges.
    pub(crate) fn remove(&mut self, id: UnitId) -> Option<Box<Unit>> {
        let unit = self.slots.get_mut(position(id))?.take()?;
        self.free.push(id.0);
        self.names.remove(&unit.name);
        for alias in &unit.aliases {
            self.names.remove(alias);
        }
        let mut others: Vec<UnitId> = unit.edges.iter().map(|edge| edge.other).collect();
        others.sort_unstable();
        others.dedup();
        for other in others {
            if let Some(other) = self.slots.get_mut(position(other)).and_then(Option::as_mut) {
                other.edges.retain(|edge| edge.other != id);
            }
        }
        Some(unit)
    }
}

impl Index<UnitId> for Units {
    type Output = Unit;

    fn index(&self, id: UnitId) -> &Unit {
        self.get(id)
            .expect("a unit's id is held only while the unit is loaded")
    }
}

impl IndexMut<UnitId> for Units {
    fn index_mut(&mut self, id: UnitId) -> &mut Unit {
        self.slots
            .get_mut(position(id))
            .and_then(Option::as_deref_mut)
            .expect("a unit's id is held only while the unit is loaded")
    }
}
