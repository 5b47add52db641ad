//! Watches, history, expiry and snapshots; the outcomes of writes are the model's (model.rs).

use std::sync::{Arc, Mutex};

use crate::{
    Command, Delivery, Encoder, Event, Operation, Outcome, Sink, Store, Text, Watch, Write,
    WriteKind,
};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

struct SeenSink(Seen, bool);

impl Sink for SeenSink {
    fn deliver(&mut self, event: &Arc<Event>) -> Delivery {
        let text = format!(
            "{} {}",
            event.action.as_str(),
            String::from_utf8_lossy(&event.node.key)
        );
        self.0.0.lock().unwrap().push(text);
        if self.1 {
            Delivery::More
        } else {
            Delivery::Done
        }
    }
}

impl Seen {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn text(of: &str) -> Text {
    of.as_bytes().into()
}

fn watch(store: &mut Store, key: &str, recursive: bool, index: u64, stream: bool) -> Seen {
    let seen = Seen::default();
    let watch = Watch {
        key: text(key),
        recursive,
        index,
        stream,
    };
    store
        .watch(&watch, Box::new(SeenSink(seen.clone(), stream)))
        .unwrap();
    seen
}

fn set(store: &mut Store, key: &str, value: &str) -> u64 {
    put(
        store,
        Write {
            key: text(key),
            value: text(value),
            ..Write::default()
        },
        0,
    )
}

fn put(store: &mut Store, write: Write, now: u64) -> u64 {
    match store.apply(&Command::write(write, now)).unwrap() {
        Outcome::Event(event) => event.index(),
        Outcome::Expired(_) => panic!("not a write"),
    }
}

fn delete(store: &mut Store, key: &str) {
    let operation = Operation::Delete {
        key: text(key),
        dir: true,
        recursive: true,
    };
    store.apply(&Command { now: 0, operation }).unwrap();
}

fn get(store: &mut Store, key: &str) -> String {
    match store.get(key.as_bytes(), true, 0) {
        Ok(body) => String::from_utf8(body).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_plain_watch_sees_its_own_key_and_a_recursive_one_all_below() {
    let mut store = Store::new(10);
    let plain = watch(&mut store, "/d", false, 0, true);
    let below = watch(&mut store, "/d", true, 0, true);
    let root = watch(&mut store, "/", true, 0, true);
    set(&mut store, "/d/x/y", "1");
    assert_eq!(plain.take(), [""; 0]);
    assert_eq!(below.take(), ["set /d/x/y"]);
    assert_eq!(root.take(), ["set /d/x/y"]);
}

#[test]
fn a_watch_without_stream_ends_after_one_event() {
    let mut store = Store::new(10);
    let seen = watch(&mut store, "/a", false, 0, false);
    set(&mut store, "/a", "1");
    set(&mut store, "/a", "2");
    assert_eq!(seen.take(), ["set /a"]);
    assert_eq!(store.stats().watchers, 0);
}

#[test]
fn hidden_children_are_seen_neither_live_nor_in_the_history_from_above() {
    let mut store = Store::new(10);
    let first = store.index() + 1;
    let live = watch(&mut store, "/", true, 0, true);
    let at_hidden = watch(&mut store, "/_h", true, 0, true);
    set(&mut store, "/_h/x", "1");
    set(&mut store, "/a/_h", "1");
    assert_eq!(live.take(), [""; 0]);
    assert_eq!(at_hidden.take(), ["set /_h/x"]);
    assert_eq!(watch(&mut store, "/", true, first, true).take(), [""; 0]);
    assert_eq!(
        watch(&mut store, "/_h", true, first, true).take(),
        ["set /_h/x"]
    );
}

#[test]
fn removing_a_directory_wakes_the_watchers_of_what_was_below_with_its_event() {
    let mut store = Store::new(10);
    set(&mut store, "/d/e/f", "1");
    let there = watch(&mut store, "/d/e/f", false, 0, true);
    let absent = watch(&mut store, "/d/e/g", false, 0, true);
    let beside = watch(&mut store, "/de", false, 0, true);
    delete(&mut store, "/d");
    assert_eq!(there.take(), ["delete /d"]);
    assert_eq!(absent.take(), [""; 0]);
    assert_eq!(beside.take(), [""; 0]);
}

#[test]
fn the_history_does_not_take_a_neighbour_for_a_child() {
    let mut store = Store::new(10);
    set(&mut store, "/de/x", "1");
    delete(&mut store, "/de");
    let index = store.index();
    assert_eq!(
        watch(&mut store, "/desomething", false, index, true).take(),
        [""; 0]
    );
    assert_eq!(
        watch(&mut store, "/de/x", false, index, true).take(),
        ["delete /de"]
    );
}

#[test]
fn a_stream_from_the_past_replays_and_then_goes_on_live() {
    let mut store = Store::new(10);
    let first = set(&mut store, "/a", "1");
    set(&mut store, "/a", "2");
    let seen = watch(&mut store, "/a", false, first, true);
    set(&mut store, "/a", "3");
    assert_eq!(seen.take().len(), 3);
}

#[test]
fn an_index_in_the_future_waits_for_it() {
    let mut store = Store::new(10);
    let future = store.index() + 2;
    let seen = watch(&mut store, "/a", false, future, false);
    set(&mut store, "/a", "1");
    assert_eq!(seen.take(), [""; 0]);
    set(&mut store, "/a", "2");
    assert_eq!(seen.take(), ["set /a"]);
}

#[test]
fn an_index_before_the_history_is_refused_with_the_oldest_one() {
    let mut store = Store::new(2);
    let first = set(&mut store, "/a", "1");
    for _ in 0..2 {
        set(&mut store, "/a", "2");
    }
    let watch = Watch {
        key: text("/a"),
        recursive: false,
        index: first,
        stream: false,
    };
    let error = store
        .watch(&watch, Box::new(SeenSink(Seen::default(), false)))
        .unwrap_err();
    assert_eq!(
        error.cause,
        format!(
            "the requested history has been cleared [{}/{first}]",
            first + 1
        )
    );
    assert_eq!(error.index, first + 2);
}

#[test]
fn keys_expire_in_order_and_a_directory_takes_its_children_in_one_event() {
    let mut store = Store::new(10);
    let write = |key: &str, dir, expires| Write {
        key: text(key),
        dir,
        expires: Some(expires),
        ..Write::default()
    };
    put(&mut store, write("/d", true, 20), 0);
    put(&mut store, write("/d/x", false, 30), 0);
    put(&mut store, write("/a", false, 10), 0);
    set(&mut store, "/d/y", "1");
    let seen = watch(&mut store, "/", true, 0, true);
    let before = store.index();
    assert_eq!(store.next_expiry(), Some(10));
    let expire = |store: &mut Store, now| {
        store
            .apply(&Command {
                now,
                operation: Operation::Expire,
            })
            .unwrap()
    };
    assert_eq!(expire(&mut store, 9), Outcome::Expired(0));
    assert_eq!(expire(&mut store, 40), Outcome::Expired(2));
    assert_eq!(seen.take(), ["expire /a", "expire /d"]);
    assert_eq!(store.index(), before + 2);
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn a_write_without_ttl_makes_a_key_permanent() {
    let mut store = Store::new(10);
    put(
        &mut store,
        Write {
            key: text("/a"),
            expires: Some(10),
            ..Write::default()
        },
        0,
    );
    set(&mut store, "/a", "1");
    assert_eq!(store.next_expiry(), None);
}

#[test]
fn a_refresh_keeps_the_value_and_is_seen_by_no_watcher() {
    let mut store = Store::new(10);
    let first = set(&mut store, "/a", "v");
    let seen = watch(&mut store, "/a", false, 0, true);
    let refresh = Write {
        key: text("/a"),
        kind: WriteKind::Update,
        expires: Some(99),
        refresh: true,
        ..Write::default()
    };
    assert_eq!(put(&mut store, refresh, 0), first + 1);
    assert_eq!(seen.take(), [""; 0]);
    assert_eq!(
        watch(&mut store, "/a", false, first + 1, true).take(),
        [""; 0]
    );
    assert!(get(&mut store, "/a").contains("\"value\":\"v\",\"expiration\""));
}

#[test]
fn a_snapshot_is_not_changed_by_later_writes_and_restores_everything() {
    let mut store = Store::new(10);
    set(&mut store, "/d/a", "1");
    put(
        &mut store,
        Write {
            key: text("/d/t"),
            expires: Some(50),
            ..Write::default()
        },
        0,
    );
    let body = get(&mut store, "/");
    let snapshot = store.snapshot();
    set(&mut store, "/d/a", "2");
    let mut encoder = crate::Encoder::new();
    snapshot.encode(&mut encoder);
    let mut other = Store::new(10);
    other.restore(&encoder.out).unwrap();
    assert_eq!(get(&mut other, "/"), body);
    assert_eq!(
        (other.index(), other.next_expiry()),
        (store.index() - 1, Some(50))
    );
    assert_eq!(watch(&mut other, "/d", true, 1, true).take().len(), 2);
    for cut in 0..encoder.out.len() {
        other.restore(&encoder.out[..cut]).unwrap_err();
    }
}

#[test]
fn a_snapshot_of_a_long_history_says_from_where_it_reaches() {
    let mut store = Store::new(5000);
    for _ in 0..1500 {
        set(&mut store, "/a", "1");
    }
    let mut encoder = crate::Encoder::new();
    store.snapshot().encode(&mut encoder);
    let mut other = Store::new(5000);
    other.restore(&encoder.out).unwrap();
    let oldest = store.index() - 999;
    let ask = |index| Watch {
        key: text("/a"),
        recursive: false,
        index,
        stream: true,
    };
    other
        .watch(&ask(oldest - 1), Box::new(SeenSink(Seen::default(), true)))
        .unwrap_err();
    other
        .watch(&ask(oldest), Box::new(SeenSink(Seen::default(), true)))
        .unwrap();
}

#[test]
fn every_command_is_decoded_as_it_was_encoded() {
    let cas = WriteKind::CompareAndSwap {
        prev_value: text("p"),
        prev_index: 7,
    };
    for operation in [
        Operation::Write(Write {
            kind: cas,
            key: text("/k"),
            expires: Some(1),
            refresh: true,
            ..Write::default()
        }),
        Operation::Write(Write {
            kind: WriteKind::InOrder,
            dir: true,
            ..Write::default()
        }),
        Operation::Delete {
            key: text("/k"),
            dir: true,
            recursive: false,
        },
        Operation::CompareAndDelete {
            key: text("/k"),
            prev_value: text("v"),
            prev_index: 0,
        },
        Operation::Expire,
    ] {
        let command = Command { now: 5, operation };
        let mut encoder = crate::Encoder::new();
        command.encode(&mut encoder);
        let mut decoder = crate::Decoder::new(&encoder.out);
        assert_eq!(Command::decode(&mut decoder).unwrap(), command);
        decoder.end().unwrap();
    }
}

/// Deeper than requests may be, as an old log can have it, on a small stack.
#[test]
fn a_very_deep_key_is_written_read_saved_restored_and_removed_without_recursion() {
    const DEPTH: usize = 4000;
    let work = || {
        let mut store = Store::new(10);
        let key = "/b".repeat(DEPTH);
        store
            .apply(&Command {
                now: 1,
                operation: Operation::Write(Write {
                    kind: WriteKind::Set,
                    key: key.as_bytes().into(),
                    value: b"v"[..].into(),
                    dir: false,
                    expires: Some(2_000_000_000),
                    refresh: false,
                }),
            })
            .unwrap();
        let mut bytes = Encoder::new();
        store.snapshot().encode(&mut bytes);
        let mut other = Store::new(10);
        other.restore(&bytes.out).unwrap();
        assert_eq!(other.next_expiry(), Some(2_000_000_000));
        let all = other.get(b"/", true, 1).unwrap();
        assert_eq!(all, store.get(b"/", true, 1).unwrap());
        assert_eq!(
            all.iter().filter(|byte| **byte == b'{').count(),
            DEPTH + 2,
            "every level is listed"
        );
        delete(&mut other, "/b");
        assert_eq!(other.next_expiry(), None);
        drop(store);
        // Cut off in the middle of the tree.
        let half = &bytes.out[..bytes.out.len() - 40];
        other.restore(half).unwrap_err();
    };
    let small = std::thread::Builder::new().stack_size(64 << 10);
    small.spawn(work).unwrap().join().unwrap();
}
