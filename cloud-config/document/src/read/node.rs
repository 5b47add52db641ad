//! Taking typed values out of YAML nodes, with the rules of YAML 1.1 and a warning for each misfit.

use std::collections::HashMap;
use std::rc::Rc;

use crate::diagnostic::Diagnostic;
use crate::encoding;
use crate::nearest::nearest;
use crate::scalar;
use crate::schema::Type;
use crate::yaml::{Node, Value};

/// Most nodes that known keys may reach, aliases counted each time.
const MOST_VISITS: usize = 100_000;

/// A key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// With underscores.
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) node: Rc<Node>,
}

/// Entries in their order, found again by key in constant time: large documents must stay cheap.
#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    positions: HashMap<String, usize>,
}

impl Found {
    fn position(&self, key: &str) -> Option<usize> {
        self.positions.get(key).copied()
    }

    fn push(&mut self, entry: Entry) {
        self.positions.insert(entry.key.clone(), self.entries.len());
        self.entries.push(entry);
    }
}

/// Collects diagnostics on the way.
pub(crate) struct Reader {
    diagnostics: Vec<Diagnostic>,
    visits: usize,
}

impl Reader {
    pub(crate) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        Self {
            diagnostics,
            visits: 0,
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        crate::diagnostic::sort(&mut self.diagnostics);
        self.diagnostics
    }

    pub(crate) fn over_budget(&self) -> Option<Diagnostic> {
        (self.visits > MOST_VISITS).then(|| {
            Diagnostic::error(
                1,
                format!("more than {MOST_VISITS} values with all aliases expanded"),
            )
        })
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn error(&mut self, entry: &Entry, message: impl Into<String>) {
        self.push(
            Diagnostic::error(entry.line, message)
                .at_column(entry.column)
                .about(&entry.key),
        );
    }

    pub(crate) fn warning(&mut self, entry: &Entry, message: impl Into<String>) {
        self.push(
            Diagnostic::warning(entry.line, message)
                .at_column(entry.column)
                .about(&entry.key),
        );
    }

    fn misfit(&mut self, entry: &Entry, want: &str) {
        self.warning(
            entry,
            format!("incorrect type for {:?} (want {want})", entry.key),
        );
    }

    /// The entries of a mapping: keys with underscores, merges and duplicates resolved; unknown keys
    /// are warned about and still given.
    pub(crate) fn entries(&mut self, mapping: &Rc<Node>, known: &[&str]) -> Vec<Entry> {
        let mut found = Found::default();
        let mut merges = Vec::new();
        self.own_entries(mapping, &mut found, &mut merges, true);
        // Own keys win over merged ones, earlier merges over later ones.
        let mut rounds = 0;
        while let Some(source) = (!merges.is_empty()).then(|| merges.remove(0)) {
            rounds += 1;
            if rounds > 1_000 || self.visits > MOST_VISITS {
                self.visits = MOST_VISITS + 1;
                break;
            }
            let mut theirs = Found::default();
            self.own_entries(&source, &mut theirs, &mut merges, false);
            for entry in theirs.entries {
                if found.position(&entry.key).is_none() {
                    found.push(entry);
                }
            }
        }
        let found = found.entries;
        for entry in &found {
            if !known.contains(&entry.key.as_str()) {
                let hint = nearest(&entry.key, known.iter().copied())
                    .map(|word| format!(" (nearest known key: {word:?})"))
                    .unwrap_or_default();
                self.warning(entry, format!("unrecognized key {:?}{hint}", entry.key));
            }
        }
        found
    }

    fn own_entries(
        &mut self,
        mapping: &Rc<Node>,
        found: &mut Found,
        merges: &mut Vec<Rc<Node>>,
        warn: bool,
    ) {
        let Value::Mapping(pairs) = &mapping.value else {
            return;
        };
        for (key, node) in pairs {
            self.visits += 1;
            if self.visits > MOST_VISITS {
                return;
            }
            let Value::Scalar { text, plain } = &key.value else {
                self.push(Diagnostic::warning(
                    key.line,
                    "a key that is no text is ignored",
                ));
                continue;
            };
            if *plain && text == "<<" {
                match &node.value {
                    Value::Mapping(_) => merges.push(Rc::clone(node)),
                    Value::Sequence(list) => merges.extend(list.iter().cloned()),
                    Value::Scalar { .. } => {
                        self.push(Diagnostic::warning(
                            key.line,
                            "<< wants a mapping or a list of them",
                        ));
                    }
                }
                continue;
            }
            if *plain && scalar::is_null(text) {
                self.push(Diagnostic::warning(key.line, "an empty key is ignored"));
                continue;
            }
            let entry = Entry {
                key: text.replace('-', "_"),
                line: key.line,
                column: key.column,
                node: Rc::clone(node),
            };
            match found.position(&entry.key) {
                None => found.push(entry),
                Some(n) => {
                    if let Some(earlier) = found.entries.get_mut(n) {
                        earlier.node = joined(&earlier.node, &entry.node);
                    }
                    if warn {
                        self.warning(&entry, format!("duplicate key {:?}", entry.key));
                    }
                }
            }
        }
    }

    /// The mapping in an entry; null is nothing.
    pub(crate) fn mapping(&mut self, entry: &Entry) -> Option<Rc<Node>> {
        self.visits += 1;
        match &entry.node.value {
            Value::Mapping(_) => Some(Rc::clone(&entry.node)),
            _ if is_null(&entry.node) => None,
            _ => {
                self.misfit(entry, "struct");
                None
            }
        }
    }

    /// The mappings of a list; other items are dropped with a warning.
    pub(crate) fn mappings(&mut self, entry: &Entry) -> Vec<Rc<Node>> {
        let Some(items) = self.list(entry, "[]struct") else {
            return vec![];
        };
        let mut found = Vec::new();
        for (n, item) in items.iter().enumerate() {
            match &item.value {
                Value::Mapping(_) => found.push(Rc::clone(item)),
                _ if is_null(item) => {}
                _ => self.misfit(&item_entry(entry, n, item), "struct"),
            }
        }
        found
    }

    fn list(&mut self, entry: &Entry, want: &str) -> Option<Vec<Rc<Node>>> {
        match &entry.node.value {
            Value::Sequence(items) => {
                self.visits += items.len() + 1;
                (self.visits <= MOST_VISITS).then(|| items.clone())
            }
            _ if is_null(&entry.node) => None,
            _ => {
                self.misfit(entry, want);
                None
            }
        }
    }

    /// A list of texts; a lone text is split by `split`, with a warning.
    pub(crate) fn texts(&mut self, entry: &Entry, split: fn(&str) -> Vec<String>) -> Vec<String> {
        if let Value::Scalar { .. } = &entry.node.value {
            let Some(text) = self.text(entry) else {
                return vec![];
            };
            self.warning(
                entry,
                format!(
                    "incorrect type for {:?} (want []string), taken as a list",
                    entry.key
                ),
            );
            return split(&text);
        }
        let Some(items) = self.list(entry, "[]string") else {
            return vec![];
        };
        let mut found = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let item = item_entry(entry, n, item);
            found.extend(self.text(&item).filter(|text| !text.is_empty()));
        }
        found
    }

    /// A text as written; null and empty are nothing.
    pub(crate) fn text(&mut self, entry: &Entry) -> Option<String> {
        let bytes = self.bytes(entry)?;
        match String::from_utf8(bytes) {
            Ok(text) => Some(text).filter(|text| !text.is_empty()),
            Err(_) => {
                self.misfit(entry, "string");
                None
            }
        }
    }

    /// As [`Self::text`], with `!!binary` decoded to any bytes.
    pub(crate) fn bytes(&mut self, entry: &Entry) -> Option<Vec<u8>> {
        let Value::Scalar { text, plain } = &entry.node.value else {
            self.misfit(entry, "string");
            return None;
        };
        let fits = match entry.node.tag.as_deref() {
            Some("binary") => {
                return match encoding::base64(text.as_bytes()) {
                    Ok(bytes) => Some(bytes),
                    Err(error) => {
                        self.error(entry, format!("!!binary: {error}"));
                        None
                    }
                };
            }
            Some("int") => scalar::integer(text).is_some(),
            Some("bool") => scalar::boolean(text).is_some(),
            Some("float") => scalar::float(text).is_some(),
            _ => true,
        };
        if !fits {
            self.error(
                entry,
                format!(
                    "{text:?} does not fit its tag !!{}",
                    entry.node.tag.as_deref().unwrap_or("")
                ),
            );
            return None;
        }
        let null = *plain && entry.node.tag.is_none() && scalar::is_null(text);
        (!null).then(|| text.clone().into_bytes())
    }

    /// A boolean; what is none is false, with a warning.
    pub(crate) fn boolean(&mut self, entry: &Entry) -> bool {
        self.typed(entry, Type::Bool).is_some()
    }

    /// True if the text was written without quotes.
    pub(crate) fn is_plain(entry: &Entry) -> bool {
        matches!(entry.node.value, Value::Scalar { plain: true, .. })
    }

    /// A value of a type as it is written into a variable; a type's zero is nothing.
    pub(crate) fn typed(&mut self, entry: &Entry, kind: Type) -> Option<String> {
        if kind == Type::Text {
            return self.text(entry);
        }
        let Value::Scalar { text, plain } = &entry.node.value else {
            self.misfit(entry, kind.word());
            return None;
        };
        let (text, plain) = (text.clone(), *plain);
        if plain && scalar::is_null(&text) {
            return None;
        }
        let value = match kind {
            Type::Bool => {
                scalar::boolean(&text).map(|b| if b { "true".into() } else { String::new() })
            }
            Type::Int => {
                scalar::integer(&text).map(|n| if n == 0 { String::new() } else { n.to_string() })
            }
            Type::Float | Type::Text => scalar::float(&text)
                .or_else(|| scalar::integer(&text).and_then(|n| n.to_string().parse().ok()))
                .map(|f| {
                    if f == 0.0 {
                        String::new()
                    } else {
                        scalar::show_float(f)
                    }
                }),
        };
        match value {
            None => self.misfit(entry, kind.word()),
            Some(_) if !plain => {
                self.warning(
                    entry,
                    format!("quoted value for {:?} taken as {}", entry.key, kind.word()),
                );
            }
            Some(_) => {}
        }
        value.filter(|value| !value.is_empty())
    }
}

fn item_entry(entry: &Entry, n: usize, item: &Rc<Node>) -> Entry {
    Entry {
        key: format!("{}[{n}]", entry.key),
        line: item.line,
        column: item.column,
        node: Rc::clone(item),
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain: true } if scalar::is_null(text))
}

/// What two values of one key make: mappings merge, lists follow each other, else the last counts.
fn joined(earlier: &Rc<Node>, later: &Rc<Node>) -> Rc<Node> {
    match (&earlier.value, &later.value) {
        (Value::Mapping(a), Value::Mapping(b)) => Node::made(
            Value::Mapping(a.iter().chain(b).cloned().collect()),
            earlier,
        ),
        (Value::Sequence(a), Value::Sequence(b)) => Node::made(
            Value::Sequence(a.iter().chain(b).cloned().collect()),
            earlier,
        ),
        _ => Rc::clone(later),
    }
}
