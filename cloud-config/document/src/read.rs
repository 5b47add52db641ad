//! From resolved text to a [`CloudConfig`] with every mistake named.
//!
//! One mistake costs one item: the rest of the document counts. Only text that is no YAML mapping is
//! given up as a whole. The validator is this same reader.

mod files;
mod node;
mod sections;
mod units;
mod users;

use crate::config::{CloudConfig, Spanned};
use crate::diagnostic::{Diagnostic, Severity};
use crate::variables::ResolvedText;
use crate::yaml::{self, Value};
use crate::{patterns, schema};
use node::{Entry, Reader};

/// Reads a document.
///
/// # Errors
/// The diagnostics of a text that is no YAML, no mapping, or over a limit.
pub fn read(text: &ResolvedText) -> Result<(CloudConfig, Vec<Diagnostic>), Vec<Diagnostic>> {
    let unix = text.as_str().replace("\r\n", "\n");
    let document = yaml::parse(&unix).map_err(|error| vec![error])?;
    let mut reader = Reader::new(document.diagnostics);
    let mut config = CloudConfig::default();
    let Some(root) = document.root else {
        return Ok((config, reader.finish()));
    };
    match &root.value {
        Value::Mapping(_) => {}
        Value::Scalar { text, plain: true } if crate::scalar::is_null(text) => {
            return Ok((config, reader.finish()));
        }
        _ => {
            let error = Diagnostic::error(
                root.line,
                "the document must be a mapping of keys to values",
            );
            return Err(vec![error.at_column(root.column)]);
        }
    }
    for entry in reader.entries(&root, &schema::TOP) {
        match entry.key.as_str() {
            "hostname" => config.hostname = hostname(&mut reader, &entry),
            "ssh_authorized_keys" => config.keys = reader.texts(&entry, lines),
            "users" => config.users = users::read(&mut reader, &entry),
            "write_files" => config.files = files::read(&mut reader, &entry),
            "manage_etc_hosts" => config.manage_hosts = manage_hosts(&mut reader, &entry),
            "coreos" => coreos(&mut reader, &entry, &mut config),
            _ => {}
        }
    }
    match reader.over_budget() {
        Some(error) => Err(vec![error]),
        None => Ok((config, reader.finish())),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

fn hostname(reader: &mut Reader, entry: &Entry) -> Option<Spanned<String>> {
    let value = reader.text(entry)?;
    if !patterns::host_name(&value) {
        let message = format!(
            "invalid value {value:?}: a host name has labels of letters, digits and -, at most 64 bytes"
        );
        reader.error(entry, message);
        return None;
    }
    Some(Spanned {
        value,
        line: entry.line,
    })
}

fn manage_hosts(reader: &mut Reader, entry: &Entry) -> bool {
    match reader.text(entry).as_deref() {
        None => false,
        Some("localhost") => true,
        Some(other) => {
            reader.warning(
                entry,
                format!("invalid value {other:?}: only localhost is supported, ignored"),
            );
            false
        }
    }
}

fn coreos(reader: &mut Reader, entry: &Entry, config: &mut CloudConfig) {
    let Some(node) = reader.mapping(entry) else {
        return;
    };
    for entry in reader.entries(&node, &schema::COREOS) {
        match entry.key.as_str() {
            "etcd" => config.etcd = sections::read(reader, &entry, &schema::ETCD),
            "etcd2" => config.etcd2 = sections::read(reader, &entry, &schema::ETCD2),
            "fleet" => config.fleet = sections::read(reader, &entry, &schema::FLEET),
            "flannel" => config.flannel = sections::read(reader, &entry, &schema::FLANNEL),
            "locksmith" => config.locksmith = sections::read(reader, &entry, &schema::LOCKSMITH),
            "update" => config.update = sections::update(reader, &entry),
            "oem" => config.oem = sections::oem(reader, &entry),
            "units" => config.units = units::read(reader, &entry),
            "write_files" => {
                let line = entry.line;
                reader.push(Diagnostic::new(
                    Severity::Info,
                    line,
                    "write_files doesn't belong under coreos",
                ));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
