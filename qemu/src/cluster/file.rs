//! The cluster file: YAML that says what a cluster is to be. Reading goes on after a mistake, so that a file with five
//! of them gets five messages, each with its line and column.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::spec::{ClusterSpec, NodeSpec};
use super::words::{
    address, drive, hardware_address, host_name, lab_address, machine_id, memory, number, truth,
};

/// Something in the file that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line, from 1; 0 when it is about the whole file.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.text),
            line => write!(f, "{line}:{}: {}", self.column, self.text),
        }
    }
}

const KEYS: [&str; 10] = [
    "image",
    "user-data",
    "etcd2",
    "memory",
    "uefi",
    "config-drive",
    "mtu",
    "icount",
    "own-disks",
    "nodes",
];
const NODE_KEYS: [&str; 8] = [
    "name",
    "hostname",
    "id",
    "mac",
    "address",
    "public-address",
    "memory",
    "user-data",
];
const MOST_NODES: usize = 100;

/// Reads a cluster file into a spec that has the defaults. Paths in it are relative to `folder`.
///
/// # Errors
/// Every mistake, in the order of the file.
pub fn read(text: &str, folder: &Path, spec: &mut ClusterSpec) -> Result<(), Vec<Mistake>> {
    let reader = Reader {
        folder,
        mistakes: RefCell::default(),
        taken: RefCell::default(),
    };
    let root = Root {
        reader: &reader,
        spec,
    };
    reader.keep(root.deserialize(serde_yaml::Deserializer::from_str(text)));
    let mistakes = reader.mistakes.into_inner();
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(mistakes)
    }
}

struct Reader<'a> {
    folder: &'a Path,
    mistakes: RefCell<Vec<Mistake>>,
    /// Names, ids and addresses that a node has already.
    taken: RefCell<BTreeSet<(&'static str, String)>>,
}

impl Reader<'_> {
    /// The place stands at the end of the error's text, and nowhere else.
    fn note(&self, error: &impl fmt::Display, otherwise: (usize, usize)) {
        let whole = error.to_string();
        let place = whole.rsplit_once(" at line ").and_then(|(text, place)| {
            let (line, column) = place.split_once(" column ")?;
            Some((text, line.parse().ok()?, column.parse().ok()?))
        });
        let (text, line, column) = place.unwrap_or((&whole, otherwise.0, otherwise.1));
        let mistake = Mistake {
            line,
            column,
            text: text.to_owned(),
        };
        self.mistakes.borrow_mut().push(mistake);
    }

    fn once(&self, what: &'static str, value: &str) -> Result<(), String> {
        if self.taken.borrow_mut().insert((what, value.to_owned())) {
            return Ok(());
        }
        Err(format!("another node has the {what} {value} already"))
    }

    fn file(&self, path: &str) -> Result<std::path::PathBuf, String> {
        let path = self.folder.join(path);
        if path.is_file() {
            return Ok(path);
        }
        Err(format!("there is no file {}", path.display()))
    }

    fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let path = self.file(path)?;
        std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    /// Walks over a mapping: notes unknown and repeated keys, and what `take` finds wrong with a value.
    fn pairs<'de, A: MapAccess<'de>>(
        &self,
        map: &mut A,
        known: &[&'static str],
        mut take: impl FnMut(&'static str, &mut A) -> Result<Option<String>, A::Error>,
    ) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        loop {
            let mut key = None;
            let found = map.next_key_seed(Text(&mut |word| {
                let name = known.iter().find(|name| **name == word).copied();
                key = name.filter(|name| seen.insert(*name));
                match (name, key) {
                    (_, Some(_)) => Ok(()),
                    (Some(name), None) => Err(format!("{name} is given twice")),
                    (None, _) => Err(format!("no key {word:?} here, only: {}", known.join(", "))),
                }
            }));
            let found = match found {
                Ok(None) => return Ok(()),
                Ok(Some(found)) => Ok(found),
                Err(error) => Err(error),
            };
            self.keep(found);
            match key {
                Some(key) => self.keep(take(key, map)),
                None => drop(map.next_value::<IgnoredAny>().map(drop)?),
            }
        }
    }

    /// Notes what was wrong, whether the value could be passed over in order or not.
    fn keep<E: fmt::Display>(&self, found: Result<Option<String>, E>) {
        match found {
            Ok(None) => {}
            Ok(Some(mistake)) => self.note(&mistake, (0, 0)),
            // What has no place in its text is at the very first character.
            Err(error) => self.note(&error, (1, 1)),
        }
    }
}

/// A scalar of any kind, as text, for a function that says what is wrong with it. Lists and mappings have to be read
/// to their end before anything may be said about them: what is found inside is the value.
struct Text<'a>(&'a mut dyn FnMut(&str) -> Result<(), String>);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one word or number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<String>, E> {
        (self.0)(text).map(|()| None).map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<String>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<String>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<String>, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Option<String>, E> {
        Err(E::custom(format!(
            "{value} is read as a fraction: put it in quotes"
        )))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<String>, E> {
        Err(E::custom("there is no value"))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<String>, A::Error> {
        refuse_map(map, "a mapping where one word or number belongs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<String>, A::Error> {
        refuse_seq(seq, "a list where one word or number belongs")
    }
}

/// Reads a mapping to its end; the mistake has the place of its first key.
fn refuse_map<'de, A: MapAccess<'de>>(mut map: A, why: &str) -> Result<Option<String>, A::Error> {
    let first = map.next_key_seed(Text(&mut |_| Err(why.to_owned())));
    if !matches!(first, Ok(None)) {
        map.next_value::<IgnoredAny>()?;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    }
    Ok(Some(placed(first, why)))
}

/// Reads a list to its end; the mistake has the place of its first item.
fn refuse_seq<'de, A: SeqAccess<'de>>(mut seq: A, why: &str) -> Result<Option<String>, A::Error> {
    let first = seq.next_element_seed(Text(&mut |_| Err(why.to_owned())));
    while seq.next_element::<IgnoredAny>()?.is_some() {}
    Ok(Some(placed(first, why)))
}

fn placed<E: fmt::Display>(first: Result<Option<Option<String>>, E>, why: &str) -> String {
    match first {
        Err(error) => error.to_string(),
        Ok(Some(Some(inner))) => inner,
        Ok(_) => why.to_owned(),
    }
}

struct Root<'a> {
    reader: &'a Reader<'a>,
    spec: &'a mut ClusterSpec,
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a mapping with the keys {}", KEYS.join(", "))
    }

    /// An empty file is a cluster with the defaults.
    fn visit_unit<E: Error>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let Root { reader, spec } = self;
        reader.pairs(&mut map, &KEYS, |key, map| match key {
            "nodes" => map.next_value_seed(Nodes {
                reader,
                nodes: &mut spec.nodes,
            }),
            _ => map.next_value_seed(Text(&mut |word| setting(reader, spec, key, word))),
        })?;
        Ok(None)
    }
}

fn setting(
    reader: &Reader<'_>,
    spec: &mut ClusterSpec,
    key: &str,
    word: &str,
) -> Result<(), String> {
    match key {
        "image" => spec.image = reader.file(word)?,
        "user-data" => spec.user_data = Some(reader.bytes(word)?),
        "etcd2" => spec.etcd2 = Some(reader.file(word)?),
        "memory" => spec.memory = memory(word)?,
        "uefi" => spec.uefi = truth(word)?,
        "config-drive" => spec.config_drive = drive(word)?,
        "mtu" => spec.mtu = number(word, 576, 9000)?,
        "own-disks" => spec.own_disks = truth(word)?,
        _ => spec.icount = truth(word)?,
    }
    Ok(())
}

/// Either how many nodes, or each of them.
struct Nodes<'a> {
    reader: &'a Reader<'a>,
    nodes: &'a mut Vec<NodeSpec>,
}

impl<'de> DeserializeSeed<'de> for Nodes<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nodes<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of nodes or a list of them")
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Option<String>, E> {
        match usize::try_from(count) {
            Ok(count) if (1..=MOST_NODES).contains(&count) => {
                *self.nodes = (1..=count).map(NodeSpec::numbered).collect();
                Ok(None)
            }
            _ => Err(E::custom(format!(
                "{count} nodes: from 1 to {MOST_NODES} are possible"
            ))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<String>, A::Error> {
        refuse_map(
            map,
            "a mapping where a number of nodes or a list of them (- name: …) belongs",
        )
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<String>, A::Error> {
        self.nodes.clear();
        while self.nodes.len() <= MOST_NODES {
            let mut node = NodeSpec::numbered(self.nodes.len() + 1);
            let reader = self.reader;
            let found = seq.next_element_seed(Node {
                reader,
                node: &mut node,
            });
            if matches!(found, Ok(None)) {
                let empty = self
                    .nodes
                    .is_empty()
                    .then(|| "nodes: a cluster without nodes".to_owned());
                return Ok(empty);
            }
            reader.keep(found.map(Option::flatten));
            self.nodes.push(node);
        }
        refuse_seq(seq, &format!("more than {MOST_NODES} nodes"))
    }
}

struct Node<'a> {
    reader: &'a Reader<'a>,
    node: &'a mut NodeSpec,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a node with the keys {}", NODE_KEYS.join(", "))
    }

    /// `-` alone is a node like any other.
    fn visit_unit<E: Error>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Option<String>, A::Error> {
        refuse_seq(seq, "a list where a node (- name: …) belongs")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let Node { reader, node } = self;
        reader.pairs(&mut map, &NODE_KEYS, |key, map| {
            map.next_value_seed(Text(&mut |word| of_node(reader, node, key, word)))
        })?;
        Ok(None)
    }
}

fn of_node(reader: &Reader<'_>, node: &mut NodeSpec, key: &str, word: &str) -> Result<(), String> {
    match key {
        "name" => {
            node.name = host_name(word)?;
            reader.once("name", word)?;
        }
        "hostname" => node.hostname = Some(host_name(word)?),
        "id" => {
            let id = machine_id(word)?;
            reader.once("id", &id)?;
            node.id = Some(id);
        }
        "mac" => {
            let mac = hardware_address(word)?;
            reader.once("mac", &mac)?;
            node.mac = Some(mac);
        }
        "address" => {
            let address = lab_address(word)?;
            reader.once("address", word)?;
            node.address = Some(address);
        }
        "public-address" => node.public_address = Some(address(word)?),
        "memory" => node.memory = Some(memory(word)?),
        _ => node.user_data = Some(reader.bytes(word)?),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
