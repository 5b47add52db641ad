//! watch and exec-watch.

use std::io::{Write, stderr};
use std::process::Stdio;

use etcd_client::{Client, Response, Watcher};
use tokio::process::Command;

use crate::arguments::Invocation;
use crate::commands::key_of;
use crate::{Failure, Outcome, print};

fn watcher(client: &Client, invocation: &Invocation, key: &str) -> Result<Watcher, Failure> {
    let after = invocation.number("after-index")?;
    Ok(client.watch(
        key,
        invocation.has("recursive"),
        after.map(|index| index + 1),
    ))
}

/// The next event, or `None` when the user interrupts.
async fn next(watcher: &mut Watcher) -> Result<Option<Response>, Failure> {
    tokio::select! {
        event = watcher.next() => match event {
            Ok(event) => Ok(Some(event)),
            Err(error) => Err(Failure::Error(4, error.to_string())),
        },
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(None)
        }
    }
}

pub(crate) async fn watch(
    client: &Client,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Outcome {
    let key = key_of(invocation)?;
    let mut watcher = watcher(client, invocation, key)?;
    while let Some(event) = next(&mut watcher).await? {
        if event.node.dir {
            continue;
        }
        if invocation.has("recursive") {
            writeln!(out, "[{}] {}", event.action, event.node.key)?;
        }
        print::key(out, &event, invocation.format)?;
        out.flush()?;
        if !invocation.has("forever") {
            break;
        }
    }
    Ok(())
}

/// Runs a command per event, one after the other, so that their output keeps the order of events.
pub(crate) async fn exec_watch(client: &Client, invocation: &Invocation) -> Outcome {
    let words = &invocation.words;
    let split = match invocation.before_dashes {
        Some(1..) => words.split_first(),
        // Without the dashes, or with nothing before them, the key is last.
        _ => words.split_last(),
    };
    let Some((key, command)) = split.filter(|(_, command)| !command.is_empty()) else {
        return Err(Failure::Error(
            1,
            "key and command to exec required".to_owned(),
        ));
    };
    let mut watcher = watcher(client, invocation, key)?;
    while let Some(event) = next(&mut watcher).await? {
        if event.node.dir {
            writeln!(stderr(), "Ignored dir {} change", event.node.key)?;
            continue;
        }
        run(command, &event).await?;
    }
    Ok(())
}

async fn run(command: &[String], event: &Response) -> Outcome {
    let [program, arguments @ ..] = command else {
        return Ok(());
    };
    let status = Command::new(program)
        .args(arguments)
        .env("ETCD_WATCH_ACTION", &event.action)
        .env(
            "ETCD_WATCH_MODIFIED_INDEX",
            event.node.modified_index.to_string(),
        )
        .env("ETCD_WATCH_KEY", &event.node.key)
        .env(
            "ETCD_WATCH_VALUE",
            event.node.value.as_deref().unwrap_or_default(),
        )
        .stdin(Stdio::null())
        .status()
        .await;
    match status {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Bad(format!("cannot run {program}: {error}"))),
    }
}
