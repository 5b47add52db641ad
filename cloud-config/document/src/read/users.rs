//! `users`.

use std::rc::Rc;

use crate::config::User;
use crate::diagnostic::Diagnostic;
use crate::read::node::{Entry, Reader};
use crate::schema;
use crate::yaml::Node;

pub(crate) fn read(reader: &mut Reader, entry: &Entry) -> Vec<User> {
    let nodes = reader.mappings(entry);
    nodes.iter().filter_map(|node| user(reader, node)).collect()
}

fn user(reader: &mut Reader, node: &Rc<Node>) -> Option<User> {
    let mut user = User {
        line: node.line,
        ..User::default()
    };
    let known: Vec<&str> = schema::USER
        .iter()
        .copied()
        .chain([schema::USER_IMPORT_LIST])
        .collect();
    for entry in reader.entries(node, &known) {
        match entry.key.as_str() {
            "name" => user.name = reader.text(&entry).unwrap_or_default(),
            "passwd" => user.passwd = reader.text(&entry),
            "ssh_authorized_keys" => user.keys = reader.texts(&entry, super::lines),
            "gecos" => user.gecos = reader.text(&entry),
            "homedir" => user.homedir = reader.text(&entry),
            "no_create_home" => user.no_create_home = reader.boolean(&entry),
            "primary_group" => user.primary_group = reader.text(&entry),
            "groups" => user.groups = reader.texts(&entry, commas),
            "no_user_group" => user.no_user_group = reader.boolean(&entry),
            "system" => user.system = reader.boolean(&entry),
            "no_log_init" => user.no_log_init = reader.boolean(&entry),
            "shell" => user.shell = reader.text(&entry),
            key if key.starts_with("coreos_ssh_import") => {
                let message = format!(
                    "deprecated key {key:?} (keys are not fetched over the network; list them)"
                );
                reader.warning(&entry, message);
            }
            _ => {}
        }
    }
    if user.name.is_empty() {
        reader.push(Diagnostic::warning(
            user.line,
            "user without a name is skipped",
        ));
        return None;
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if user.name.len() > 32 || user.name.starts_with('-') || !user.name.bytes().all(plain) {
        reader.push(
            Diagnostic::error(
                user.line,
                format!("invalid value {:?}: no user name", user.name),
            )
            .about("name"),
        );
        return None;
    }
    let broken = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|t| t.contains(['\n', '\r', '\0', ':']))
    };
    if [&user.passwd, &user.gecos, &user.homedir, &user.shell]
        .into_iter()
        .any(broken)
    {
        let message = format!("user {}: a field with a colon or line break", user.name);
        reader.push(Diagnostic::error(user.line, message));
        return None;
    }
    Some(user)
}

fn commas(text: &str) -> Vec<String> {
    text.split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}
