//! A section that many units have word for word: held once, copied when one of them is written to.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that may be held by several units at once. Reading is free; the first write to a value
/// that is held elsewhere too makes a copy.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    /// A value that nobody shares yet.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }

    /// Whether both are one value in memory.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T: Serialize> Serialize for Shared<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Shared<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::new)
    }
}

/// The sections of the units that were loaded last, to be shared by those that say the same.
///
/// Few: most units have the defaults or what their neighbours have, and looking must stay cheap
/// however many units there are.
#[derive(Debug)]
pub struct Shelf<T> {
    recent: Vec<Shared<T>>,
}

/// Sections remembered.
const RECENT: usize = 12;

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { recent: Vec::new() }
    }
}

impl<T: PartialEq> Shelf<T> {
    /// Makes this the same as an equal one of before, if there is one on the shelf.
    pub fn share(&mut self, section: &mut Shared<T>) {
        match self.recent.iter().position(|known| known == section) {
            Some(at) => {
                let known = self.recent.remove(at);
                *section = known.clone();
                self.recent.push(known);
            }
            None => {
                if self.recent.len() >= RECENT {
                    self.recent.remove(0);
                }
                self.recent.push(section.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sections_become_one_and_part_at_the_first_write() {
        let mut shelf = Shelf::default();
        let (mut one, mut two) = (Shared::new(vec![1]), Shared::new(vec![1]));
        shelf.share(&mut one);
        shelf.share(&mut two);
        assert!(one.same(&two));
        two.push(2);
        assert_eq!((&*one, &*two), (&vec![1], &vec![1, 2]));
    }

    #[test]
    fn the_shelf_keeps_what_was_asked_for_last() {
        let mut shelf = Shelf::default();
        let mut first = Shared::new(0);
        shelf.share(&mut first);
        for other in 1..100 {
            shelf.share(&mut Shared::new(other));
            let mut again = Shared::new(0);
            shelf.share(&mut again);
            assert!(again.same(&first));
        }
        assert!(shelf.recent.len() <= RECENT);
    }
}
