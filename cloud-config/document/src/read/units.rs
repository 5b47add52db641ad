//! `coreos.units`.

use std::rc::Rc;

use crate::config::{DropIn, Spanned, Unit};
use crate::diagnostic::{Diagnostic, Severity};
use crate::patterns;
use crate::read::node::{Entry, Reader};
use crate::schema;
use crate::yaml::Node;

pub(crate) fn read(reader: &mut Reader, entry: &Entry) -> Vec<Unit> {
    let nodes = reader.mappings(entry);
    nodes.iter().filter_map(|node| unit(reader, node)).collect()
}

fn unit(reader: &mut Reader, node: &Rc<Node>) -> Option<Unit> {
    let mut unit = Unit {
        line: node.line,
        ..Unit::default()
    };
    let mut bad_name = None;
    for entry in reader.entries(node, &schema::UNIT) {
        match entry.key.as_str() {
            "name" => {
                unit.name = reader.text(&entry).unwrap_or_default();
                if !unit.name.is_empty() && !patterns::unit_name(&unit.name) {
                    bad_name = Some(entry);
                }
            }
            "content" => {
                unit.content = reader.text(&entry).map(|value| Spanned {
                    value,
                    line: entry.line,
                });
            }
            "drop_ins" => {
                for node in reader.mappings(&entry) {
                    drop_in(reader, &node, &mut unit);
                }
            }
            "mask" => unit.mask = reader.boolean(&entry),
            "runtime" => unit.runtime = reader.boolean(&entry),
            "enable" => unit.enable = reader.boolean(&entry),
            "command" => unit.command = command(reader, &entry),
            _ => {}
        }
    }
    if let Some(entry) = bad_name {
        reader.error(
            &entry,
            format!(
                "invalid value {:?}: no unit name; the whole entry is left out",
                unit.name
            ),
        );
        return None;
    }
    if unit.name.is_empty() {
        reader.push(Diagnostic::warning(
            unit.line,
            "unit without a name is skipped",
        ));
        return None;
    }
    Some(unit)
}

fn command(reader: &mut Reader, entry: &Entry) -> Option<Spanned<String>> {
    let value = reader.text(entry)?;
    if !patterns::COMMANDS.contains(&value.as_str()) {
        reader.error(
            entry,
            format!(
                "invalid value {value}: command is one of {}",
                patterns::COMMANDS.join(", ")
            ),
        );
        return None;
    }
    Some(Spanned {
        value,
        line: entry.line,
    })
}

fn drop_in(reader: &mut Reader, node: &Rc<Node>, unit: &mut Unit) {
    let (mut name, mut content) = (None, None);
    for entry in reader.entries(node, &schema::DROP_IN) {
        match entry.key.as_str() {
            "name" => name = reader.text(&entry).map(|text| (text, entry)),
            "content" => content = reader.text(&entry),
            _ => {}
        }
    }
    let Some((name, entry)) = name else {
        reader.push(Diagnostic::warning(
            node.line,
            "drop-in without a name is skipped",
        ));
        return;
    };
    if name.contains(['/', '\0']) || name == "." || name == ".." || name.len() > 255 {
        reader.error(
            &entry,
            format!("invalid value {name:?}: no name for a drop-in"),
        );
        unit.spoiled = true;
        return;
    }
    let Some(content) = content else {
        reader.push(Diagnostic::new(
            Severity::Info,
            node.line,
            format!("drop-in {name} without content is skipped"),
        ));
        return;
    };
    if !name.ends_with(".conf") {
        reader.warning(
            &entry,
            format!("drop-in {name:?} does not end in .conf: it will not be read"),
        );
    }
    unit.drop_ins.push(DropIn {
        name,
        content,
        line: node.line,
    });
}
