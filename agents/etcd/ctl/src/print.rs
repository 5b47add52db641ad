//! The three forms in which an answer is printed.

use std::io::{self, Write};

use etcd_api::json;
use etcd_client::{Node, Response};

use crate::arguments::Format;

/// Prints the answer of a command on one key.
pub(crate) fn key(out: &mut impl Write, response: &Response, format: Format) -> io::Result<()> {
    let value = |node: &Node| node.value.clone().unwrap_or_default();
    let prev_value = || response.prev_node.as_ref().map(value);
    match format {
        Format::Simple if response.action == "delete" => {
            writeln!(out, "PrevNode.Value: {}", prev_value().unwrap_or_default())
        }
        Format::Simple => writeln!(out, "{}", value(&response.node)),
        Format::Extended => {
            writeln!(out, "Key: {}", response.node.key)?;
            writeln!(out, "Created-Index: {}", response.node.created_index)?;
            writeln!(out, "Modified-Index: {}", response.node.modified_index)?;
            if let Some(value) = prev_value() {
                writeln!(out, "PrevNode.Value: {value}")?;
            }
            writeln!(out, "TTL: {}", response.node.ttl)?;
            writeln!(out, "Index: {}", response.index)?;
            if response.action != "delete" {
                writeln!(out, "\n{}", value(&response.node))?;
            }
            Ok(())
        }
        Format::Json => response_json(out, response),
    }
}

/// Prints an answer as JSON, in the order and with the nulls of the original's client.
pub(crate) fn response_json(out: &mut impl Write, response: &Response) -> io::Result<()> {
    let mut text = b"{\"action\":".to_vec();
    json::string(&mut text, response.action.as_bytes());
    text.extend_from_slice(b",\"node\":");
    node(&mut text, &response.node);
    text.extend_from_slice(b",\"prevNode\":");
    match &response.prev_node {
        None => text.extend_from_slice(b"null"),
        Some(prev) => node(&mut text, prev),
    }
    text.extend_from_slice(b"}\n");
    out.write_all(&text)
}

fn node(out: &mut Vec<u8>, of: &Node) {
    out.extend_from_slice(b"{\"key\":");
    json::string(out, of.key.as_bytes());
    if of.dir {
        out.extend_from_slice(b",\"dir\":true");
    }
    out.extend_from_slice(b",\"value\":");
    json::string(out, of.value.as_deref().unwrap_or_default().as_bytes());
    out.extend_from_slice(b",\"nodes\":");
    if of.nodes.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        for (at, child) in of.nodes.iter().enumerate() {
            out.push(if at == 0 { b'[' } else { b',' });
            node(out, child);
        }
        out.push(b']');
    }
    out.extend_from_slice(b",\"createdIndex\":");
    json::number(out, of.created_index);
    out.extend_from_slice(b",\"modifiedIndex\":");
    json::number(out, of.modified_index);
    if let Some(expiration) = &of.expiration {
        out.extend_from_slice(b",\"expiration\":");
        json::string(out, expiration.as_bytes());
    }
    if of.ttl != 0 {
        out.extend_from_slice(format!(",\"ttl\":{}", of.ttl).as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::{Format, key};
    use etcd_client::{Node, Response};

    #[test]
    fn a_delete_shows_the_previous_value() {
        let node = Node {
            key: "/m".into(),
            modified_index: 5,
            created_index: 4,
            ..Node::default()
        };
        let prev_node = Some(Node {
            value: Some("w".into()),
            ..node.clone()
        });
        let response = Response {
            action: "delete".into(),
            node,
            prev_node,
            index: 5,
        };
        let text = |format| {
            let mut out = Vec::new();
            key(&mut out, &response, format).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(Format::Simple), "PrevNode.Value: w\n");
        assert_eq!(
            text(Format::Extended),
            "Key: /m\nCreated-Index: 4\nModified-Index: 5\nPrevNode.Value: w\nTTL: 0\nIndex: 5\n"
        );
        assert!(
            text(Format::Json)
                .starts_with(r#"{"action":"delete","node":{"key":"/m","value":"","nodes":null,"#)
        );
    }
}
