//! `write_files`.

use std::rc::Rc;

use crate::config::File;
use crate::diagnostic::Diagnostic;
use crate::encoding::{self, DecodeError};
use crate::patterns::{self, Permissions};
use crate::read::node::{Entry, Reader};
use crate::schema;
use crate::yaml::Node;

pub(crate) fn read(reader: &mut Reader, entry: &Entry) -> Vec<File> {
    let nodes = reader.mappings(entry);
    nodes.iter().filter_map(|node| file(reader, node)).collect()
}

fn file(reader: &mut Reader, node: &Rc<Node>) -> Option<File> {
    let mut file = File {
        path: String::new(),
        content: vec![],
        mode: 0o644,
        owner: None,
        line: node.line,
    };
    let (mut coding, mut content_entry, mut good) = (String::new(), None, true);
    for entry in reader.entries(node, &schema::FILE) {
        match entry.key.as_str() {
            "path" => file.path = path(reader, &entry, &mut good),
            "content" => {
                if let Some(content) = reader.bytes(&entry) {
                    file.content = content;
                }
                content_entry = Some(entry);
            }
            "permissions" => match mode(reader, &entry) {
                Ok(mode) => file.mode = mode.unwrap_or(file.mode),
                Err(()) => good = false,
            },
            "owner" => file.owner = reader.text(&entry),
            "encoding" => {
                coding = reader.text(&entry).unwrap_or_default();
                if !coding.is_empty() && !patterns::ENCODINGS.contains(&coding.as_str()) {
                    reader.error(&entry, format!("invalid value {coding}"));
                    good = false;
                }
            }
            _ => {}
        }
    }
    match encoding::decode(&file.content, &coding) {
        Ok(content) => file.content = content,
        Err(DecodeError::Unknown) => {}
        Err(error) => {
            let message = format!("content cannot be decoded as {coding:?}: {error}");
            match &content_entry {
                Some(entry) => reader.error(entry, message),
                None => reader.push(Diagnostic::error(node.line, message)),
            }
            good = false;
        }
    }
    if file.path.is_empty() {
        if good {
            reader.push(
                Diagnostic::error(node.line, "file without a path is left out").about("path"),
            );
        }
        return None;
    }
    good.then_some(file)
}

fn mode(reader: &mut Reader, entry: &Entry) -> Result<Option<u32>, ()> {
    let Some(text) = reader.text(entry) else {
        return Ok(None);
    };
    match patterns::permissions(&text, Reader::is_plain(entry)) {
        Permissions::Fine(mode) => Ok(Some(mode)),
        Permissions::Suspicious(mode, hint) => {
            reader.warning(entry, format!("{text}: {hint}; taken as octal"));
            Ok(Some(mode))
        }
        Permissions::Wrong(hint) => {
            let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            reader.error(entry, format!("invalid value {text}{hint}"));
            Err(())
        }
    }
}

fn path(reader: &mut Reader, entry: &Entry, good: &mut bool) -> String {
    let Some(text) = reader.text(entry) else {
        return String::new();
    };
    if text.contains('\0') {
        reader.error(entry, "invalid value: a path has no NUL");
        *good = false;
        return String::new();
    }
    let path = clean(&text);
    if !text.starts_with('/') {
        reader.warning(
            entry,
            format!("relative path {text:?} is taken as {path:?}"),
        );
    }
    if path == "/" {
        reader.error(entry, format!("invalid value {text:?}: no path of a file"));
        *good = false;
        return String::new();
    }
    if path.starts_with("/usr/") {
        reader.error(entry, "file cannot be written to a read-only filesystem");
        *good = false;
    }
    path
}

/// The path from the root without `.`, `..` and doubled slashes, by text alone.
pub(crate) fn clean(text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
