//! Commands on the cluster: its health and its members.

use std::io::Write;
use std::time::Duration;

use etcd_client::{Client, ClientError, Member};
use http::{Limits, Method, Request, Url};

use crate::arguments::Invocation;
use crate::{Failure, Outcome};

const EVERY: Duration = Duration::from_secs(10);

/// Member commands print the bare text.
fn bare(error: &ClientError) -> Failure {
    Failure::Bad(error.to_string())
}

pub(crate) async fn health(
    client: &Client,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Outcome {
    loop {
        let members = match client.members().await {
            Ok(members) => members,
            Err(error) => {
                writeln!(out, "cluster may be unhealthy: failed to list members")?;
                return Err(Failure::Error(4, error.to_string()));
            }
        };
        let mut healthy = false;
        for member in &members {
            healthy |= member_health(member, invocation, out).await?;
        }
        writeln!(
            out,
            "cluster is {}",
            if healthy { "healthy" } else { "unhealthy" }
        )?;
        if !invocation.has("forever") {
            return if healthy {
                Ok(())
            } else {
                Err(Failure::Said(5))
            };
        }
        write!(out, "\nnext check after 10 second...\n\n")?;
        out.flush()?;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

async fn member_health(
    member: &Member,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let Member {
        id, client_urls, ..
    } = member;
    if client_urls.is_empty() {
        writeln!(
            out,
            "member {id} is unreachable: no available published client urls"
        )?;
        return Ok(false);
    }
    for url in client_urls {
        match ask(url, invocation.timeouts.request).await {
            Ok(true) => {
                writeln!(out, "member {id} is healthy: got healthy result from {url}")?;
                return Ok(true);
            }
            Ok(false) => {
                writeln!(
                    out,
                    "member {id} is unhealthy: got unhealthy result from {url}"
                )?;
                return Ok(false);
            }
            Err(error) => writeln!(
                out,
                "failed to check the health of member {id} on {url}: {error}"
            )?,
        }
    }
    writeln!(
        out,
        "member {id} is unreachable: [{}] are all unreachable",
        client_urls.join(" ")
    )?;
    Ok(false)
}

async fn ask(url: &str, within: Duration) -> Result<bool, String> {
    let parsed = Url::parse(url).map_err(|error| error.to_string())?;
    let limits = Limits {
        connect: within,
        read: within,
        total: Some(within.max(EVERY / 4)),
        ..Limits::default()
    };
    let request = Request::new(Method::GET, "/health");
    let answer = http::Client::new()
        .request(parsed.endpoint(), request, &limits)
        .await;
    let answer = answer.map_err(|error| format!("Get {url}/health: {error}"))?;
    let body: serde_json::Value =
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    Ok(body["health"] == "true" || body["health"] == true)
}

pub(crate) async fn list(client: &Client, out: &mut impl Write) -> Outcome {
    let members = client.members().await.map_err(|error| bare(&error))?;
    let leader = client.leader().await.map_err(|error| bare(&error))?;
    for Member {
        id,
        name,
        peer_urls,
        client_urls,
    } in members
    {
        let peers = peer_urls.join(",");
        if name.is_empty() {
            writeln!(out, "{id}[unstarted]: peerURLs={peers}")?;
            continue;
        }
        let leads = leader.as_ref().is_some_and(|leader| leader.id == id);
        let clients = client_urls.join(",");
        writeln!(
            out,
            "{id}: name={name} peerURLs={peers} clientURLs={clients} isLeader={leads}"
        )?;
    }
    Ok(())
}

pub(crate) async fn add(client: &Client, invocation: &Invocation, out: &mut impl Write) -> Outcome {
    let [name, url] = &invocation.words[..] else {
        return Err(Failure::Bad(
            "Provide a name and a single member peerURL".to_owned(),
        ));
    };
    let added = client
        .add_member(std::slice::from_ref(url))
        .await
        .map_err(|error| bare(&error))?;
    writeln!(
        out,
        "Added member named {name} with ID {} to cluster",
        added.id
    )?;
    let members = client.members().await.map_err(|error| bare(&error))?;
    let mut cluster = Vec::new();
    for member in members {
        let of = if member.id == added.id {
            name
        } else {
            &member.name
        };
        cluster.extend(member.peer_urls.iter().map(|url| format!("{of}={url}")));
    }
    writeln!(out, "\nETCD_NAME=\"{name}\"")?;
    writeln!(out, "ETCD_INITIAL_CLUSTER=\"{}\"", cluster.join(","))?;
    writeln!(out, "ETCD_INITIAL_CLUSTER_STATE=\"existing\"")?;
    Ok(())
}

pub(crate) async fn remove(
    client: &Client,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Outcome {
    let [id] = &invocation.words[..] else {
        return Err(Failure::Bad("Provide a single member ID".to_owned()));
    };
    let members = client.members().await.map_err(|error| bare(&error))?;
    if !members.iter().any(|member| member.id == *id) {
        if let Some(named) = members.iter().find(|member| member.name == *id) {
            writeln!(
                out,
                "Found a member named {id}; if this is correct, please use its ID, eg:\n\tetcdctl member remove {}\nFor more details, read the documentation at https://github.com/coreos/etcd/blob/master/Documentation/runtime-configuration.md#remove-a-member\n",
                named.id
            )?;
        }
        writeln!(
            out,
            "Couldn't find a member in the cluster with an ID of {id}."
        )?;
        return Err(Failure::Said(1));
    }
    match client.remove_member(id).await {
        Ok(()) => Ok(writeln!(out, "Removed member {id} from cluster")?),
        Err(error) => {
            writeln!(
                out,
                "Received an error trying to remove member {id}: {error}"
            )?;
            Err(Failure::Said(1))
        }
    }
}

pub(crate) async fn update(
    client: &Client,
    invocation: &Invocation,
    out: &mut impl Write,
) -> Outcome {
    let [id, urls] = &invocation.words[..] else {
        return Err(Failure::Bad("Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)".to_owned()));
    };
    let urls: Vec<String> = urls.split(',').map(str::to_owned).collect();
    client
        .update_member(id, &urls)
        .await
        .map_err(|error| bare(&error))?;
    Ok(writeln!(out, "Updated member with ID {id} in cluster")?)
}
