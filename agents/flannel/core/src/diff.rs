//! From what the kernel has to what it should have.
//!
//! Adding replaces: the kernel keeps one neighbour per address, and replaces the fdb entry of a
//! hardware address and the route to a destination. So a thing that only changed is never gone for a
//! moment, and what was replaced must not be removed afterwards. Where the kernel has several of one
//! key, which one a replacement hits is its own choice: the others are removed first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::{Entry, Mac, Subnet};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Add, or replace what has the same key.
    Add(Entry),
    /// Remove exactly this; it may be gone already.
    Remove(Entry),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Neighbour(Ipv4Addr),
    Fdb(Mac),
    Route(Subnet),
}

fn key(entry: &Entry) -> Key {
    match entry {
        Entry::Neighbour { address, .. } => Key::Neighbour(*address),
        Entry::Fdb { mac, .. } => Key::Fdb(*mac),
        Entry::Route(route) => Key::Route(route.destination),
    }
}

/// The steps, in their order.
#[must_use]
pub fn diff(current: &BTreeSet<Entry>, wanted: &BTreeSet<Entry>) -> Vec<Operation> {
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    for entry in current {
        *counts.entry(key(entry)).or_default() += 1;
    }
    let count = |entry: &Entry| counts.get(&key(entry)).copied().unwrap_or(0);
    let wanted_keys: BTreeSet<Key> = wanted.iter().map(key).collect();
    let surplus = || current.difference(wanted);
    let first = surplus().filter(|entry| wanted_keys.contains(&key(entry)) && count(entry) > 1);
    let added = wanted.difference(current);
    let last: Vec<Entry> = surplus()
        .filter(|entry| !wanted_keys.contains(&key(entry)))
        .copied()
        .collect();
    let mut steps: Vec<Operation> = first.copied().map(Operation::Remove).collect();
    steps.extend(added.copied().map(Operation::Add));
    steps.extend(last.into_iter().rev().map(Operation::Remove));
    steps
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    use super::{Operation, diff, key};
    use crate::{Entry, Mac, Route, Subnet};

    fn neighbour(mac: u8) -> Entry {
        Entry::Neighbour {
            address: [10, 1, 2, 0].into(),
            mac: Mac([2, 0, 0, 0, 0, mac]),
        }
    }

    fn fdb(mac: u8, last: u8) -> Entry {
        Entry::Fdb {
            mac: Mac([2, 0, 0, 0, 0, mac]),
            destination: [192, 0, 2, last].into(),
        }
    }

    fn route(third: u8, device: u32) -> Entry {
        let destination = Subnet::new([10, 1, third, 0].into(), 24).unwrap();
        Entry::Route(Route {
            destination,
            gateway: None,
            device,
            onlink: false,
        })
    }

    #[test]
    fn routes_come_last_and_go_first() {
        let all = BTreeSet::from([route(1, 1), fdb(1, 1), neighbour(1)]);
        let none = BTreeSet::new();
        assert_eq!(
            diff(&none, &all),
            [
                Operation::Add(neighbour(1)),
                Operation::Add(fdb(1, 1)),
                Operation::Add(route(1, 1))
            ]
        );
        assert_eq!(
            diff(&all, &none),
            [
                Operation::Remove(route(1, 1)),
                Operation::Remove(fdb(1, 1)),
                Operation::Remove(neighbour(1))
            ]
        );
        assert!(diff(&all, &all).is_empty());
    }

    #[test]
    fn a_new_hardware_address_replaces_the_neighbour_and_the_old_fdb_entry_goes() {
        let old = BTreeSet::from([neighbour(1), fdb(1, 9)]);
        let new = BTreeSet::from([neighbour(2), fdb(2, 9)]);
        assert_eq!(
            diff(&old, &new),
            [
                Operation::Add(neighbour(2)),
                Operation::Add(fdb(2, 9)),
                Operation::Remove(fdb(1, 9))
            ]
        );
    }

    #[test]
    fn of_two_routes_to_one_place_the_wrong_one_goes_before_the_right_one_is_written() {
        let old = BTreeSet::from([route(1, 1), route(1, 2)]);
        let new = BTreeSet::from([route(1, 3)]);
        assert_eq!(
            diff(&old, &new),
            [
                Operation::Remove(route(1, 1)),
                Operation::Remove(route(1, 2)),
                Operation::Add(route(1, 3))
            ]
        );
    }

    /// The kernel as far as this matters: replaces the first entry of a key.
    fn apply(state: &mut Vec<Entry>, step: Operation) {
        match step {
            Operation::Add(entry) => match state.iter_mut().find(|other| key(other) == key(&entry))
            {
                Some(place) => *place = entry,
                None => state.push(entry),
            },
            Operation::Remove(entry) => state.retain(|other| *other != entry),
        }
    }

    fn entries() -> impl Strategy<Value = Entry> {
        prop_oneof![
            (0_u8..3).prop_map(neighbour),
            (0_u8..4, 0_u8..3).prop_map(|(mac, last)| fdb(mac, last)),
            (0_u8..4, 0_u32..3).prop_map(|(third, device)| route(third, device)),
            Just(route(9, 9)),
        ]
    }

    proptest! {
        #[test]
        fn the_steps_lead_from_any_state_to_the_wanted_one(current in proptest::collection::btree_set(entries(), 0..12), wanted in proptest::collection::btree_set(entries(), 0..12), shuffle in any::<bool>()) {
            // What is wanted has each key once.
            let mut keys = BTreeSet::new();
            let wanted: BTreeSet<Entry> = wanted.into_iter().filter(|entry| keys.insert(key(entry))).collect();
            let mut state: Vec<Entry> = current.iter().copied().collect();
            if shuffle {
                state.reverse();
            }
            for step in diff(&current, &wanted) {
                apply(&mut state, step);
            }
            proptest::prop_assert_eq!(state.into_iter().collect::<BTreeSet<_>>(), wanted);
        }
    }
}
