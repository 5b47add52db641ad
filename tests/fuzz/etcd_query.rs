//! etcd: requests on the keys API, and the store under a script of operations that its invariants survive.
#![no_main]

use std::sync::{Arc, Mutex};

use etcd_api::{
    CleanPath, Form, Method, Request, clean, decode_path, encode_form_value, encode_path,
};
use etcd_store::{
    Command, Decoder, Delivery, Encoder, Event, Operation, Outcome, Sink, Store, Text, Watch,
    Write, WriteKind,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((kind, rest)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => request(rest),
        1 => forged(rest),
        _ => Script::new(rest).run(),
    }
});

/// The first byte is the method; then path, query and body, with newlines between.
fn request(bytes: &[u8]) {
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let method = match next().first().map(|byte| byte % 5) {
        Some(0) => Method::Get,
        Some(1) => Method::Head,
        Some(2) => Method::Put,
        Some(3) => Method::Post,
        _ => Method::Delete,
    };
    if let Ok(path) = decode_path(&String::from_utf8_lossy(next())) {
        assert_eq!(decode_path(&encode_path(&path)).as_ref(), Ok(&path));
        let (CleanPath::Clean(cleaned) | CleanPath::Moved(cleaned)) = clean(path);
        assert!(cleaned.starts_with(b"/"));
        assert_eq!(clean(cleaned.clone()), CleanPath::Clean(cleaned));
    }
    let (query, body) = (next(), next());
    let encoded = format!("value={}", encode_form_value(body));
    let form = Form::parse(encoded.as_bytes(), query);
    if let Ok(form) = form {
        assert_eq!(form.get("value"), Some(body));
        let _ = Request::parse(method, &form);
    }
    match Form::parse(body, query).and_then(|form| Request::parse(method, &form)) {
        Ok(_) => {}
        Err(error) => {
            serde_json::from_slice::<serde_json::Value>(&error.to_json()).expect("JSON");
        }
    }
}

/// Bytes of the log and of snapshots come from other members.
fn forged(bytes: &[u8]) {
    let mut from = Decoder::new(bytes);
    if let Ok(command) = Command::decode(&mut from) {
        let mut encoder = Encoder::new();
        command.encode(&mut encoder);
        assert!(bytes.starts_with(&encoder.out));
        let _ = command.to_string();
    }
    let mut store = Store::new(10);
    if store.restore(bytes).is_ok() {
        // Names may be none that a request can have; it must still answer.
        let _ = store.get(b"/", true, 5);
        let _ = snapshot(&store);
    }
}

fn snapshot(store: &Store) -> Vec<u8> {
    let mut encoder = Encoder::new();
    store.snapshot().encode(&mut encoder);
    encoder.out
}

/// What a watcher saw, and from which index on it may see.
struct Seen {
    since: u64,
    stream: bool,
    indexes: Arc<Mutex<Vec<u64>>>,
}

impl Sink for Seen {
    fn deliver(&mut self, event: &Arc<Event>) -> Delivery {
        let mut indexes = self.indexes.lock().expect("one thread");
        assert!(
            event.index() >= self.since,
            "an event from before the watch"
        );
        assert!(
            indexes.last().is_none_or(|last| *last < event.index()),
            "out of order"
        );
        assert!(!event.refresh, "a refresh is unseen");
        indexes.push(event.index());
        if self.stream {
            Delivery::More
        } else {
            Delivery::Done
        }
    }
}

/// Bytes read as operations on a few keys.
struct Script<'a> {
    rest: &'a [u8],
    store: Store,
    now: u64,
}

impl<'a> Script<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Script {
            rest,
            store: Store::new(20),
            now: 1_000_000_000,
        }
    }

    fn byte(&mut self) -> u8 {
        let (first, rest) = self.rest.split_first().unwrap_or((&0, &[]));
        self.rest = rest;
        *first
    }

    fn key(&mut self) -> Text {
        let shape = self.byte();
        let mut key = Vec::new();
        for bits in [shape, shape >> 2, shape >> 4] {
            key.extend_from_slice([&b"/a"[..], b"/b", b"/_h", b""][usize::from(bits & 3)]);
        }
        if shape == 0xd5 {
            // Deeper than a key may be, up to what a request line has room for.
            key.extend(b"/d".repeat(usize::from(self.byte()) * 120));
        }
        if key.is_empty() {
            key.push(b'/');
        }
        key.into()
    }

    fn operation(&mut self, kind: u8) -> Operation {
        let key = self.key();
        let flags = self.byte();
        let prev_value: Text = if flags & 1 == 0 {
            b""[..].into()
        } else {
            b"x"[..].into()
        };
        let prev_index = u64::from(flags >> 4);
        match kind % 8 {
            6 => Operation::Delete {
                key,
                dir: flags & 2 != 0,
                recursive: flags & 4 != 0,
            },
            7 if flags & 8 != 0 => Operation::Expire,
            7 => Operation::CompareAndDelete {
                key,
                prev_value,
                prev_index,
            },
            kind => {
                let kind = match kind {
                    0 | 5 => WriteKind::Set,
                    1 => WriteKind::Create,
                    2 => WriteKind::Update,
                    3 => WriteKind::CompareAndSwap {
                        prev_value,
                        prev_index,
                    },
                    _ => WriteKind::InOrder,
                };
                let (dir, refresh, expires) = (flags & 2 != 0, flags & 4 != 0, flags & 8 != 0);
                Operation::Write(Write {
                    kind,
                    key,
                    value: if dir || refresh {
                        b""[..].into()
                    } else {
                        b"x"[..].into()
                    },
                    dir,
                    expires: expires.then(|| self.now + u64::from(self.byte()) * 100_000_000),
                    refresh,
                })
            }
        }
    }

    fn run(mut self) {
        let mut watches = Vec::new();
        while let Some(kind) = self.rest.first().copied() {
            self.rest = &self.rest[1..];
            self.now += u64::from(kind >> 4) * 10_000_000;
            if kind & 15 == 15 {
                watches.extend(self.watch());
            } else if kind & 15 == 14 {
                if let Some((key, id)) = watches.pop() {
                    self.store.unwatch(&key, id);
                }
            } else {
                let operation = self.operation(kind);
                self.apply(operation);
            }
        }
        self.end();
    }

    fn watch(&mut self) -> Option<(Text, etcd_store::WatchId)> {
        let key = self.key();
        let flags = self.byte();
        let watch = Watch {
            key: key.clone(),
            recursive: flags & 1 != 0,
            index: u64::from(flags >> 2),
            stream: flags & 2 != 0,
        };
        let sink = Seen {
            since: if watch.index == 0 {
                self.store.index() + 1
            } else {
                watch.index
            },
            stream: watch.stream,
            indexes: Arc::default(),
        };
        let start = self.store.watch(&watch, Box::new(sink)).ok()?;
        Some((key, start.id?))
    }

    fn apply(&mut self, operation: Operation) {
        let command = Command {
            now: self.now,
            operation,
        };
        let mut encoder = Encoder::new();
        command.encode(&mut encoder);
        assert_eq!(
            Command::decode(&mut Decoder::new(&encoder.out)).as_ref(),
            Ok(&command)
        );
        let before = self.store.index();
        let untouched = snapshot(&self.store);
        match self.store.apply(&command) {
            Ok(Outcome::Event(event)) => {
                assert_eq!(self.store.index(), before + 1);
                assert_eq!(event.index(), before + 1);
                serde_json::from_slice::<serde_json::Value>(&event.to_json()).expect("JSON");
            }
            Ok(Outcome::Expired(count)) => {
                assert_eq!(self.store.index(), before + count as u64);
                assert!(self.store.next_expiry().is_none_or(|next| next > self.now));
            }
            Err(error) => {
                assert_eq!((self.store.index(), error.index), (before, before));
                assert!(
                    untouched == snapshot(&self.store),
                    "a refusal has changed something: {error}"
                );
            }
        }
    }

    /// A member that starts from the snapshot is the same, and forgets nothing that expires.
    fn end(mut self) {
        let bytes = snapshot(&self.store);
        let mut other = Store::new(20);
        other.restore(&bytes).expect("our own snapshot");
        assert_eq!(snapshot(&other), bytes);
        assert_eq!(other.next_expiry(), self.store.next_expiry());
        let listing = self.store.get(b"/", true, self.now).expect("the root");
        assert_eq!(other.get(b"/", true, self.now).as_ref(), Ok(&listing));
        for store in [&mut self.store, &mut other] {
            let expire = Command {
                now: u64::MAX,
                operation: Operation::Expire,
            };
            store.apply(&expire).expect("expiry is never refused");
            assert_eq!(store.next_expiry(), None);
        }
        assert_eq!(snapshot(&other), snapshot(&self.store));
    }
}
