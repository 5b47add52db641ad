//! YAML text as a tree that keeps raw text, style and position of everything.
//!
//! Events come from saphyr-parser; this file adds what it does not do: aliases (shared, never
//! expanded), limits on size and depth, the check for tabs as indentation, one document only.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::diagnostic::Diagnostic;

/// Deepest nesting, aliases included.
const DEEPEST: usize = 64;
/// Most nodes in a document.
const MOST_NODES: usize = 100_000;
/// Longest single scalar.
const LONGEST_SCALAR: usize = 4 << 20;

/// A node of the document.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The part of a `!!tag` after the marks: `binary`, `str`, `int`, …
    pub(crate) tag: Option<String>,
    depth: usize,
}

#[derive(Debug)]
pub(crate) enum Value {
    Scalar { text: String, plain: bool },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

impl Node {
    /// A node made of others: the merge of duplicate keys.
    pub(crate) fn made(value: Value, like: &Self) -> Rc<Self> {
        Rc::new(Self {
            value,
            line: like.line,
            column: like.column,
            tag: None,
            depth: like.depth,
        })
    }
}

/// The first document of a text; `None` when there is nothing in it.
pub(crate) struct Document {
    pub(crate) root: Option<Rc<Node>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

struct Open {
    node: Node,
    anchor: usize,
    /// A mapping's key that waits for its value.
    key: Option<Rc<Node>>,
}

struct Builder<'t> {
    /// Per line: the blanks before its first other character, if there is a tab among them.
    tabbed: Vec<Option<&'t str>>,
    stack: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    nodes: usize,
}

/// Reads the first document. The error is the fault that makes the text no YAML.
pub(crate) fn parse(text: &str) -> Result<Document, Diagnostic> {
    let mut builder = Builder {
        tabbed: text.lines().map(tabbed).collect(),
        stack: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        nodes: 0,
    };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    let mut diagnostics = Vec::new();
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(found) => found,
            // What follows the first document is not read: its faults do not matter.
            Err(_) if documents > 0 && builder.stack.is_empty() && builder.root.is_some() => {
                diagnostics.push(more_documents(text, 0));
                break;
            }
            Err(error) => {
                let (line, column) = (error.marker().line(), error.marker().col() + 1);
                return Err(
                    Diagnostic::error(line, format!("YAML: {}", error.info())).at_column(column)
                );
            }
        };
        let (line, column) = (span.start.line(), span.start.col() + 1);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    diagnostics.push(more_documents(text, line));
                    break;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            event => builder.event(event, line, column)?,
        }
    }
    Ok(Document {
        root: builder.root,
        diagnostics,
    })
}

fn more_documents(text: &str, line: usize) -> Diagnostic {
    let marker = text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, l)| l.trim_end() == "---" || l.starts_with("--- "))
        .map(|(n, _)| n + 1)
        .last();
    let line = if line > 0 { line } else { marker.unwrap_or(1) };
    Diagnostic::warning(
        line,
        "only the first document counts; another one begins here",
    )
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, line: usize, column: usize) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Diagnostic::error(
                line,
                format!("more than {MOST_NODES} values in one document"),
            ));
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tab(line, column)?;
                if text.len() > LONGEST_SCALAR {
                    return Err(Diagnostic::error(
                        line,
                        "a single value is longer than 4 MiB",
                    ));
                }
                // An empty value arrives as `~` or as nothing; both mean null when plain.
                let plain = style == ScalarStyle::Plain;
                let node = Node {
                    value: Value::Scalar {
                        text: text.into_owned(),
                        plain,
                    },
                    line,
                    column,
                    tag: tag_name(tag.as_deref()),
                    depth: 1,
                };
                self.add(Rc::new(node), anchor)
            }
            Event::SequenceStart(anchor, tag) => self.open(
                Value::Sequence(vec![]),
                anchor,
                tag.as_deref(),
                line,
                column,
            ),
            Event::MappingStart(anchor, tag) => {
                self.open(Value::Mapping(vec![]), anchor, tag.as_deref(), line, column)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(open) => self.add(Rc::new(open.node), open.anchor),
                None => Ok(()),
            },
            Event::Alias(id) => {
                match self.anchors.get(&id) {
                    Some(node) => {
                        let node = Rc::clone(node);
                        self.add(node, 0)
                    }
                    None => Err(Diagnostic::error(line, "alias of a value that contains it")
                        .at_column(column)),
                }
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        value: Value,
        anchor: usize,
        tag: Option<&Tag>,
        line: usize,
        column: usize,
    ) -> Result<(), Diagnostic> {
        self.no_tab(line, column)?;
        if self.stack.len() >= DEEPEST {
            return Err(too_deep(line));
        }
        let node = Node {
            value,
            line,
            column,
            tag: tag_name(tag),
            depth: 1,
        };
        self.stack.push(Open {
            node,
            anchor,
            key: None,
        });
        Ok(())
    }

    fn add(&mut self, node: Rc<Node>, anchor: usize) -> Result<(), Diagnostic> {
        if node.depth > DEEPEST {
            return Err(too_deep(node.line));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(parent) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.node.depth = parent.node.depth.max(node.depth + 1);
        match (&mut parent.node.value, parent.key.take()) {
            (Value::Sequence(items), _) => items.push(node),
            (Value::Mapping(_), None) => parent.key = Some(node),
            (Value::Mapping(pairs), Some(key)) => pairs.push((key, node)),
            (Value::Scalar { .. }, _) => {}
        }
        Ok(())
    }

    /// YAML allows no tab in indentation; the parser lets some through.
    fn no_tab(&self, line: usize, column: usize) -> Result<(), Diagnostic> {
        let lead = self.tabbed.get(line.saturating_sub(1)).copied().flatten();
        let before = lead.and_then(|lead| lead.get(..column.saturating_sub(1)));
        if let Some(at) = before.and_then(|before| before.find('\t')) {
            let text = "YAML: a tab where indentation is expected; use blanks";
            return Err(Diagnostic::error(line, text).at_column(at + 1));
        }
        Ok(())
    }
}

/// The blanks at the beginning of a line, if there is a tab among them.
fn tabbed(line: &str) -> Option<&str> {
    let lead = line.len() - line.trim_start_matches([' ', '\t']).len();
    line.get(..lead).filter(|lead| lead.contains('\t'))
}

fn too_deep(line: usize) -> Diagnostic {
    Diagnostic::error(line, format!("more than {DEEPEST} levels of nesting"))
}

fn tag_name(tag: Option<&Tag>) -> Option<String> {
    let tag = tag?;
    if tag.is_yaml_core_schema() || tag.handle == "!!" {
        return Some(tag.suffix.clone());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> (usize, usize) {
        let error = parse(text)
            .err()
            .unwrap_or_else(|| panic!("accepted: {text:?}"));
        (error.line, error.column)
    }

    #[test]
    fn lines_and_columns_are_physical_and_count_from_one() {
        let document = parse("#x\na: 1\nb:\n  - c\n").unwrap();
        let root = document.root.unwrap();
        let Value::Mapping(pairs) = &root.value else {
            panic!()
        };
        assert_eq!((pairs[1].0.line, pairs[1].0.column), (3, 1));
        let Value::Sequence(items) = &pairs[1].1.value else {
            panic!()
        };
        assert_eq!((items[0].line, items[0].column), (4, 5));
    }

    #[test]
    fn tabs_are_refused_as_indentation_and_kept_as_content() {
        assert_eq!(fault("a:\n\tb: c\n").0, 2);
        assert_eq!(fault("\ta: b\n").0, 1);
        parse("a: |\n  \techo\nb:\t x\n\t\n").map(|_| ()).unwrap();
    }

    #[test]
    fn aliases_are_shared_and_loops_refused() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
        parse(bomb).map(|_| ()).unwrap();
        assert_eq!(fault("coreos: &a {units: [*a]}\n").0, 1);
        assert_eq!(fault("a: *nope\n").0, 1);
    }

    #[test]
    fn depth_counts_through_aliases() {
        let mut chain = String::from("a0: &a0 [x]\n");
        for n in 1..200 {
            chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        assert!(parse(&chain).is_err());
        assert!(parse(&"[".repeat(20_000)).is_err());
    }

    #[test]
    fn only_the_first_document_counts() {
        let document = parse("a: b\n---\nc: [\n").unwrap();
        assert_eq!(document.diagnostics[0].line, 2);
        assert!(parse("").unwrap().root.is_none());
    }
}
