//! Which keys expire when.

use std::collections::BTreeSet;

use crate::event::Text;

#[derive(Debug, Default)]
pub(crate) struct Expiry {
    order: BTreeSet<(u64, Text)>,
}

impl Expiry {
    pub(crate) fn add(&mut self, expires: Option<u64>, key: &Text) {
        if let Some(expires) = expires {
            self.order.insert((expires, key.clone()));
        }
    }

    pub(crate) fn remove(&mut self, expires: Option<u64>, key: &Text) {
        if let Some(expires) = expires {
            self.order.remove(&(expires, key.clone()));
        }
    }

    /// The key that expires first, if it does by `now`.
    pub(crate) fn due(&self, now: u64) -> Option<Text> {
        self.order
            .first()
            .filter(|(expires, _)| *expires <= now)
            .map(|(_, key)| key.clone())
    }

    /// Forgets the entry that [`Self::due`] looks at.
    pub(crate) fn drop_first(&mut self) {
        self.order.pop_first();
    }

    /// When the next key expires.
    pub(crate) fn next(&self) -> Option<u64> {
        self.order.first().map(|(expires, _)| *expires)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}
