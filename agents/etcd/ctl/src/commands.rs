//! Commands on keys.

use std::io::{self, Read, Write};

use etcd_client::{Client, ClientError, DeleteOptions, Exists, GetOptions, Node, WriteOptions};

use crate::arguments::{Format, Invocation};
use crate::{Failure, Outcome, print};

fn failed(error: &ClientError) -> Failure {
    Failure::Error(4, error.to_string())
}

pub(crate) fn key_of(invocation: &Invocation) -> Result<&str, Failure> {
    invocation
        .words
        .first()
        .map(String::as_str)
        .ok_or_else(|| Failure::Error(1, "key required".to_owned()))
}

/// The value: the second word, or what comes on standard input.
fn value_of(invocation: &Invocation) -> Result<String, Failure> {
    if let Some(value) = invocation.words.get(1) {
        return Ok(value.clone());
    }
    let mut value = String::new();
    io::stdin().read_to_string(&mut value)?;
    if value.is_empty() {
        return Err(Failure::Error(1, "value required".to_owned()));
    }
    Ok(value)
}

pub(crate) async fn get(client: &Client, invocation: &Invocation, out: &mut impl Write) -> Outcome {
    let key = key_of(invocation)?;
    let options = GetOptions {
        recursive: false,
        sorted: invocation.has("sort"),
        quorum: invocation.has("quorum"),
    };
    let response = client
        .get(key, &options)
        .await
        .map_err(|error| failed(&error))?;
    if response.node.dir {
        return Err(Failure::Bad(format!(
            "{}: is a directory",
            response.node.key
        )));
    }
    Ok(print::key(out, &response, invocation.format)?)
}

pub(crate) async fn ls(client: &Client, invocation: &Invocation, out: &mut impl Write) -> Outcome {
    let key = invocation.words.first().map_or("/", String::as_str);
    let options = GetOptions {
        recursive: invocation.has("recursive"),
        sorted: true,
        quorum: invocation.has("quorum"),
    };
    let response = client
        .get(key, &options)
        .await
        .map_err(|error| failed(&error))?;
    if invocation.format == Format::Json {
        return Ok(print::response_json(out, &response)?);
    }
    if !response.node.dir {
        writeln!(out, "{}", response.node.key)?;
    }
    Ok(list(out, &response.node.nodes, invocation.has("p"))?)
}

fn list(out: &mut impl Write, nodes: &[Node], slash: bool) -> io::Result<()> {
    for node in nodes {
        let end = if node.dir && slash { "/" } else { "" };
        writeln!(out, "{}{end}", node.key)?;
        list(out, &node.nodes, slash)?;
    }
    Ok(())
}

/// set, mk and update.
pub(crate) async fn set(client: &Client, invocation: &Invocation, out: &mut impl Write) -> Outcome {
    let (key, value, ttl) = (
        key_of(invocation)?,
        value_of(invocation)?,
        invocation.number("ttl")?,
    );
    let asked = if invocation.has("in-order") {
        client.create_in_order(key, &value, ttl).await
    } else {
        let options = WriteOptions {
            ttl,
            exists: match invocation.command {
                "mk" => Exists::No,
                "update" => Exists::Yes,
                _ => Exists::Any,
            },
            prev_value: invocation
                .text("swap-with-value")
                .filter(|value| !value.is_empty())
                .map(str::to_owned),
            prev_index: invocation.number("swap-with-index")?,
            ..WriteOptions::default()
        };
        client.set(key, &value, &options).await
    };
    let response = asked.map_err(|error| failed(&error))?;
    Ok(print::key(out, &response, invocation.format)?)
}

/// mkdir, setdir and updatedir.
pub(crate) async fn make_directory(
    client: &Client,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Outcome {
    let options = WriteOptions {
        ttl: invocation.number("ttl")?,
        dir: true,
        exists: match invocation.command {
            "mkdir" => Exists::No,
            "updatedir" => Exists::Yes,
            _ => Exists::Any,
        },
        ..WriteOptions::default()
    };
    let response = client
        .set(key_of(invocation)?, "", &options)
        .await
        .map_err(|error| failed(&error))?;
    if invocation.format != Format::Simple {
        print::key(out, &response, invocation.format)?;
    }
    Ok(())
}

/// rm and rmdir.
pub(crate) async fn remove(
    client: &Client,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Outcome {
    let options = DeleteOptions {
        dir: invocation.has("dir") || invocation.command == "rmdir",
        recursive: invocation.has("recursive"),
        prev_value: invocation
            .text("with-value")
            .filter(|value| !value.is_empty())
            .map(str::to_owned),
        prev_index: invocation.number("with-index")?,
    };
    let response = client
        .delete(key_of(invocation)?, &options)
        .await
        .map_err(|error| failed(&error))?;
    if response.node.dir && invocation.format == Format::Simple {
        return Ok(());
    }
    Ok(print::key(out, &response, invocation.format)?)
}
