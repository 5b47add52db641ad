//! The store against a naive model: a flat map from key to entry, written from the table of
//! outcomes in the API's documentation and sharing no code with the store.

use std::collections::BTreeMap;

use crate::{Command, Event, Operation, Outcome, Store, Write, WriteKind};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    value: Option<String>,
    created: u64,
    modified: u64,
    expires: Option<u64>,
}

#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<String, Entry>,
    index: u64,
}

#[derive(Debug, Clone)]
enum Step {
    Put {
        kind: Kind,
        key: String,
        value: String,
        dir: bool,
        ttl: Option<u64>,
    },
    Delete {
        key: String,
        dir: bool,
        recursive: bool,
    },
    DeleteIf {
        key: String,
        value: String,
        index: u64,
    },
    Expire,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Set,
    Create,
    Update,
    SwapValue,
    SwapIndex,
    InOrder,
}

/// What a step did: the event's word, key, indexes and previous value; or the code and cause.
type Did = Result<(String, String, u64, u64, Option<String>), (u16, String)>;

fn parents(key: &str) -> Vec<String> {
    key.match_indices('/')
        .skip(1)
        .map(|(at, _)| key[..at].to_owned())
        .collect()
}

impl Model {
    fn missing(&self, key: &str) -> (u16, String) {
        for above in parents(key) {
            match self.entries.get(&above) {
                None => return (100, above),
                Some(entry) if entry.value.is_some() => return (104, above),
                Some(_) => {}
            }
        }
        (100, key.to_owned())
    }

    fn find(&self, key: &str) -> Result<Entry, (u16, String)> {
        self.entries
            .get(key)
            .cloned()
            .ok_or_else(|| self.missing(key))
    }

    fn take(&mut self, key: &str) {
        let below = format!("{key}/");
        self.entries
            .retain(|other, _| other != key && !other.starts_with(&below));
    }

    fn has_children(&self, key: &str) -> bool {
        let below = format!("{key}/");
        self.entries.keys().any(|other| other.starts_with(&below))
    }

    fn compare(entry: &Entry, key: &str, value: &str, index: u64) -> Result<(), (u16, String)> {
        let Some(actual) = &entry.value else {
            return Err((102, key.to_owned()));
        };
        let mut causes = Vec::new();
        if !value.is_empty() && value != actual {
            causes.push(format!("[{value} != {actual}]"));
        }
        if index != 0 && index != entry.modified {
            causes.push(format!("[{index} != {}]", entry.modified));
        }
        if causes.is_empty() {
            Ok(())
        } else {
            Err((101, causes.join(" ")))
        }
    }

    fn step(&mut self, step: &Step, now: u64) -> Did {
        match step {
            Step::Put {
                kind,
                key,
                value,
                dir,
                ttl,
            } => {
                let expires = ttl.map(|ttl| now + ttl);
                let value = if *dir { String::new() } else { value.clone() };
                match kind {
                    Kind::Update | Kind::SwapValue | Kind::SwapIndex => {
                        let old = self.find(key)?;
                        let action = match kind {
                            Kind::Update => {
                                if old.value.is_none() && !value.is_empty() {
                                    return Err((102, key.clone()));
                                }
                                "update"
                            }
                            Kind::SwapValue => {
                                Model::compare(&old, key, "a", 0)?;
                                "compareAndSwap"
                            }
                            _ => {
                                Model::compare(&old, key, "", 5)?;
                                "compareAndSwap"
                            }
                        };
                        self.index += 1;
                        let index = self.index;
                        let entry = self.entries.get_mut(key).unwrap();
                        entry.expires = expires;
                        if entry.value.is_some() {
                            entry.value = Some(value);
                            entry.modified = index;
                        }
                        Ok((action.into(), key.clone(), index, old.created, old.value))
                    }
                    Kind::Set | Kind::Create | Kind::InOrder => {
                        let key = match kind {
                            Kind::InOrder => format!("{key}/{:020}", self.index + 1),
                            _ => key.clone(),
                        };
                        for above in parents(&key) {
                            if self
                                .entries
                                .get(&above)
                                .is_some_and(|entry| entry.value.is_some())
                            {
                                return Err((104, above));
                            }
                        }
                        let old = self.entries.get(&key).cloned();
                        if let Some(old) = &old {
                            if *kind != Kind::Set {
                                return Err((105, key));
                            }
                            if old.value.is_none() {
                                return Err((102, key));
                            }
                        }
                        self.index += 1;
                        let index = self.index;
                        for above in parents(&key) {
                            let made = Entry {
                                value: None,
                                created: index,
                                modified: index,
                                expires: None,
                            };
                            self.entries.entry(above).or_insert(made);
                        }
                        let value = (!dir).then_some(value);
                        self.entries.insert(
                            key.clone(),
                            Entry {
                                value,
                                created: index,
                                modified: index,
                                expires,
                            },
                        );
                        let action = if *kind == Kind::Set { "set" } else { "create" };
                        Ok((
                            action.into(),
                            key,
                            index,
                            index,
                            old.and_then(|old| old.value),
                        ))
                    }
                }
            }
            Step::Delete {
                key,
                dir,
                recursive,
            } => {
                let old = self.find(key)?;
                if old.value.is_none() {
                    if !dir && !recursive {
                        return Err((102, key.clone()));
                    }
                    if !recursive && self.has_children(key) {
                        return Err((108, key.clone()));
                    }
                }
                self.take(key);
                self.index += 1;
                Ok((
                    "delete".into(),
                    key.clone(),
                    self.index,
                    old.created,
                    old.value,
                ))
            }
            Step::DeleteIf { key, value, index } => {
                let old = self.find(key)?;
                Model::compare(&old, key, value, *index)?;
                self.take(key);
                self.index += 1;
                Ok((
                    "compareAndDelete".into(),
                    key.clone(),
                    self.index,
                    old.created,
                    old.value,
                ))
            }
            Step::Expire => {
                while let Some((_, key)) = self
                    .entries
                    .iter()
                    .filter_map(|(key, entry)| {
                        Some((entry.expires.filter(|at| *at <= now)?, key.clone()))
                    })
                    .min()
                {
                    self.take(&key);
                    self.index += 1;
                }
                Err((0, String::new()))
            }
        }
    }
}

fn command(step: &Step, now: u64) -> Command {
    let text = |text: &str| text.as_bytes().into();
    let operation = match step {
        Step::Put {
            kind,
            key,
            value,
            dir,
            ttl,
        } => Operation::Write(Write {
            kind: match kind {
                Kind::Set => WriteKind::Set,
                Kind::Create => WriteKind::Create,
                Kind::Update => WriteKind::Update,
                Kind::SwapValue => WriteKind::CompareAndSwap {
                    prev_value: text("a"),
                    prev_index: 0,
                },
                Kind::SwapIndex => WriteKind::CompareAndSwap {
                    prev_value: text(""),
                    prev_index: 5,
                },
                Kind::InOrder => WriteKind::InOrder,
            },
            key: text(key),
            value: text(if *dir { "" } else { value }),
            dir: *dir,
            expires: ttl.map(|ttl| now + ttl),
            refresh: false,
        }),
        Step::Delete {
            key,
            dir,
            recursive,
        } => Operation::Delete {
            key: text(key),
            dir: *dir,
            recursive: *recursive,
        },
        Step::DeleteIf { key, value, index } => Operation::CompareAndDelete {
            key: text(key),
            prev_value: text(value),
            prev_index: *index,
        },
        Step::Expire => Operation::Expire,
    };
    Command { now, operation }
}

fn did(event: &Event) -> Did {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let prev = event
        .prev
        .as_ref()
        .and_then(|prev| prev.value.as_ref())
        .map(|value| text(value));
    Ok((
        event.action.as_str().into(),
        text(&event.node.key),
        event.node.modified,
        event.node.created,
        prev,
    ))
}

/// All keys of a recursive listing.
fn list(node: &serde_json::Value, into: &mut BTreeMap<String, Entry>) {
    for child in node["nodes"].as_array().into_iter().flatten() {
        let entry = Entry {
            value: child["value"].as_str().map(str::to_owned),
            created: child["createdIndex"].as_u64().unwrap(),
            modified: child["modifiedIndex"].as_u64().unwrap(),
            expires: None,
        };
        into.insert(child["key"].as_str().unwrap().to_owned(), entry);
        list(child, into);
    }
}

fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|parts| format!("/{}", parts.join("/")))
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(vec![
        Kind::Set,
        Kind::Create,
        Kind::Update,
        Kind::SwapValue,
        Kind::SwapIndex,
        Kind::InOrder,
    ]);
    let value = || prop::sample::select(vec!["", "a", "b"]).prop_map(str::to_owned);
    prop_oneof![
        6 => (kind, key(), value(), prop::bool::weighted(0.2), prop::option::weighted(0.3, 1..20_u64))
            .prop_map(|(kind, key, value, dir, ttl)| Step::Put { kind, key, value, dir, ttl }),
        2 => (key(), any::<bool>(), any::<bool>())
            .prop_map(|(key, dir, recursive)| Step::Delete { key, dir: dir || recursive, recursive }),
        1 => (key(), value(), prop::sample::select(vec![0, 5, 6]))
            .prop_map(|(key, value, index)| Step::DeleteIf { key, value, index }),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        let mut store = Store::new(1000);
        let mut model = Model { index: store.index(), ..Model::default() };
        for (now, step) in (0..).map(|now| now * 3).zip(&steps) {
            let want = model.step(step, now);
            let got = match store.apply(&command(step, now)) {
                Ok(Outcome::Event(event)) => did(&event),
                Ok(Outcome::Expired(_)) => Err((0, String::new())),
                Err(error) => Err((error.code.number(), error.cause)),
            };
            prop_assert_eq!(got, want, "{:?}", step);
            prop_assert_eq!(store.index(), model.index);
        }
        let body = store.get(b"/", true, 0).unwrap();
        let mut listed = BTreeMap::new();
        list(&serde_json::from_slice::<serde_json::Value>(&body).unwrap()["node"], &mut listed);
        let next = model.entries.values().filter_map(|entry| entry.expires).min();
        prop_assert_eq!(store.next_expiry(), next);
        model.entries.values_mut().for_each(|entry| entry.expires = None);
        prop_assert_eq!(listed, model.entries);
    }
}
