//! The sections whose keys become variables, and `oem`.

use crate::config::Variable;
use crate::patterns;
use crate::read::node::{Entry, Reader};
use crate::schema::{self, Section};

/// Reads a section: variables in the table's order.
pub(crate) fn read(reader: &mut Reader, entry: &Entry, section: &Section) -> Vec<Variable> {
    let Some(node) = reader.mapping(entry) else {
        return vec![];
    };
    if let Some(reason) = section.deprecated {
        reader.warning(entry, format!("deprecated key {:?} ({reason})", entry.key));
    }
    let known: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
    let entries = reader.entries(&node, &known);
    let mut variables = Vec::new();
    for key in section.keys {
        let Some(entry) = entries.iter().find(|entry| entry.key == key.name) else {
            continue;
        };
        if let Some(reason) = key.deprecated {
            reader.warning(entry, format!("deprecated key {:?} ({reason})", entry.key));
        }
        let Some(value) = reader.typed(entry, key.kind) else {
            continue;
        };
        if value.contains(['\n', '\r', '\0']) {
            reader.error(
                entry,
                format!("invalid value {value:?}: a line break cannot stand in a variable"),
            );
            continue;
        }
        if key.accepts.is_some_and(|accepts| !accepts(&value)) {
            if key.name == "discovery" {
                reader.warning(entry, "discovery URL is not valid");
            } else {
                reader.error(entry, format!("invalid value {value}"));
            }
        }
        variables.push(Variable {
            name: section.variable(key),
            value,
            line: entry.line,
        });
    }
    variables
}

/// `update`: a bad strategy costs the whole section.
pub(crate) fn update(reader: &mut Reader, entry: &Entry) -> Vec<Variable> {
    let variables = read(reader, entry, &schema::UPDATE);
    let strategy = variables.iter().find(|v| v.name == "REBOOT_STRATEGY");
    match strategy.map(|v| (v.value.as_str(), v.line)) {
        Some(("best-effort", _)) => {
            reader.warning(
                entry,
                "reboot strategy best-effort is of older releases; it is passed on",
            );
            variables
        }
        Some((value, _)) if !patterns::reboot_strategy(value) => vec![],
        _ => variables,
    }
}

/// `oem`: nothing without an id.
pub(crate) fn oem(reader: &mut Reader, entry: &Entry) -> Vec<(String, String)> {
    let Some(node) = reader.mapping(entry) else {
        return vec![];
    };
    let entries = reader.entries(&node, &schema::OEM);
    let values: Vec<(String, String)> = schema::OEM
        .iter()
        .map(|key| {
            let value = entries
                .iter()
                .find(|e| e.key == *key)
                .and_then(|e| reader.text(e));
            (
                (*key).to_owned(),
                value.unwrap_or_default().replace(['\n', '\r'], " "),
            )
        })
        .collect();
    let identified = values.first().is_some_and(|(_, id)| !id.is_empty());
    if identified { values } else { vec![] }
}
