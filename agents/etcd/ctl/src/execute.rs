//! From a command to its function, after a look at which members there are.

use std::io::{Write, stderr, stdout};

use etcd_client::{Client, ClientError};

use crate::arguments::Invocation;
use crate::{Failure, Outcome, cluster, commands, watch};

pub(crate) async fn execute(invocation: &Invocation) -> Outcome {
    let client = client(invocation).await?;
    let mut out = stdout().lock();
    match invocation.command {
        "get" => commands::get(&client, invocation, &mut out).await,
        "ls" => commands::ls(&client, invocation, &mut out).await,
        "set" | "mk" | "update" => commands::set(&client, invocation, &mut out).await,
        "mkdir" | "setdir" | "updatedir" => {
            commands::make_directory(&client, invocation, &mut out).await
        }
        "rm" | "rmdir" => commands::remove(&client, invocation, &mut out).await,
        "watch" => watch::watch(&client, invocation, &mut out).await,
        "exec-watch" => {
            // The commands write themselves.
            drop(out);
            watch::exec_watch(&client, invocation).await
        }
        "cluster-health" => cluster::health(&client, invocation, &mut out).await,
        "member list" => cluster::list(&client, &mut out).await,
        "member add" => cluster::add(&client, invocation, &mut out).await,
        "member remove" => cluster::remove(&client, invocation, &mut out).await,
        "member update" => cluster::update(&client, invocation, &mut out).await,
        other => Err(Failure::Bad(format!("No help topic for '{other}'"))),
    }
}

async fn client(invocation: &Invocation) -> Result<Client, Failure> {
    let debug = |text: String| {
        if invocation.debug {
            let _ = writeln!(stderr(), "{text}");
        }
    };
    let client =
        Client::new(&invocation.endpoints).map_err(|error| Failure::Error(1, error.to_string()))?;
    let client = client.with_timeouts(invocation.timeouts);
    // Its own look at the members is the whole of these commands.
    let looks_itself = invocation.command == "cluster-health";
    if invocation.sync && !looks_itself {
        debug(format!(
            "start to sync cluster using endpoints({})",
            client.endpoints().join(",")
        ));
        match client.sync().await {
            // Too old to know of members, or none has told its URLs: ask whom we were given.
            Ok(()) | Err(ClientError::NoEndpoints | ClientError::Refused { status: 404, .. }) => {}
            Err(error) => return Err(Failure::Error(2, error.to_string())),
        }
        debug(format!(
            "got endpoints({}) after sync",
            client.endpoints().join(",")
        ));
    }
    debug(format!(
        "Cluster-Endpoints: {}",
        client.endpoints().join(", ")
    ));
    Ok(client)
}
