//! The discovery protocol: how the members of a new cluster find each other by a common URL.
//!
//! Registration is idempotent here: a member that registered before and lost its data meets its own
//! registration and goes on, where the original would refuse the token for ever.

use std::time::Duration;

use etcd_api::{EtcdError, Node, Response, encode_form_value};
use http::{Client, Endpoint, HttpError, Limits, Method, Request, Url};
use tokio::time::sleep;

/// A wait ends after this time without an event and is asked again: a lost connection is noticed.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("{url:?} is no discovery URL")]
    Url { url: String, source: HttpError },
    #[error("discovery: size key not found")]
    SizeNotFound,
    #[error("discovery: size key is bad")]
    SizeBad,
    #[error("discovery: bad discovery endpoint ({0})")]
    BadEndpoint(String),
    #[error(
        "member {id:?} has previously registered with discovery service token ({url}), with other URLs: choose another \
         token, or give this member the URLs {before:?} again"
    )]
    Duplicate {
        id: String,
        url: String,
        before: String,
    },
    #[error("discovery: found duplicate name, or a registration that is none: {0}")]
    BadRegistration(String),
}

/// What discovery found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The initial cluster, in the form of the flag.
    Cluster(String),
    /// The cluster is complete without us; its members in the same form.
    Full(String),
}

/// One use of a token.
#[derive(Debug)]
pub(crate) struct Discovery {
    client: Client,
    url: String,
    target: Endpoint,
    path: String,
}

/// An answer that says something, or a reason to ask again later.
enum Asked {
    Answer(Box<Response>),
    Refused(EtcdError),
}

impl Discovery {
    pub(crate) fn new(
        url: &str,
        proxy: Option<&str>,
        client: Client,
    ) -> Result<Discovery, DiscoveryError> {
        let bad = |source| DiscoveryError::Url {
            url: url.to_owned(),
            source,
        };
        let parsed = Url::parse(url).map_err(bad)?;
        let path = parsed.path_and_query().trim_end_matches('/').to_owned();
        let (target, path) = match proxy {
            None => (parsed.endpoint().clone(), path),
            Some(proxy) => {
                let proxy = if proxy.contains("://") {
                    proxy.to_owned()
                } else {
                    format!("http://{proxy}")
                };
                let proxy = Url::parse(&proxy).map_err(bad)?;
                (
                    proxy.endpoint().clone(),
                    format!("http://{}{path}", parsed.endpoint()),
                )
            }
        };
        // Bare tokens are keys of the public service.
        Ok(Discovery {
            client,
            url: url.to_owned(),
            target,
            path,
        })
    }

    /// Registers `NAME=URL,…` under an id and waits until the cluster is complete.
    pub(crate) async fn join(&self, id: u64, registration: &str) -> Result<Found, DiscoveryError> {
        let id = format!("{id:x}");
        let size = self.size().await?;
        let (nodes, _) = self.registered().await?;
        if let Some(full) = full(&nodes, size, &id) {
            return Ok(full);
        }
        self.register(&id, registration).await?;
        loop {
            let (nodes, index) = self.registered().await?;
            if let Some(full) = full(&nodes, size, &id) {
                return Ok(full);
            }
            if nodes.len() >= size {
                return cluster(&nodes, size).map(Found::Cluster);
            }
            tracing::info!(url = %self.url, "found {} of {size} members, waiting for the others", nodes.len());
            self.wait(index + 1).await?;
        }
    }

    /// The members of a complete cluster, for a proxy.
    pub(crate) async fn members(&self) -> Result<String, DiscoveryError> {
        let size = self.size().await?;
        loop {
            let (nodes, index) = self.registered().await?;
            if nodes.len() >= size {
                return cluster(&nodes, size);
            }
            self.wait(index + 1).await?;
        }
    }

    async fn size(&self) -> Result<usize, DiscoveryError> {
        let query = "/_config/size?quorum=false&recursive=false&sorted=false";
        match self.ask(Method::GET, query, "").await? {
            Asked::Answer(answer) => {
                let text = answer.node.value.unwrap_or_default();
                text.trim()
                    .parse()
                    .ok()
                    .filter(|size| *size > 0)
                    .ok_or(DiscoveryError::SizeBad)
            }
            Asked::Refused(_) => Err(DiscoveryError::SizeNotFound),
        }
    }

    /// Who has registered, in order, and the index of that look.
    async fn registered(&self) -> Result<(Vec<Node>, u64), DiscoveryError> {
        match self
            .ask(
                Method::GET,
                "?quorum=false&recursive=false&sorted=false",
                "",
            )
            .await?
        {
            Asked::Answer(answer) => {
                let mut nodes = answer.node.nodes;
                nodes.retain(|node| !node.dir && !node.key.ends_with("/_config"));
                nodes.sort_by_key(|node| node.created_index);
                Ok((nodes, answer.index))
            }
            Asked::Refused(error) => Err(DiscoveryError::BadEndpoint(error.to_string())),
        }
    }

    async fn register(&self, id: &str, registration: &str) -> Result<(), DiscoveryError> {
        let body = format!("value={}", encode_form_value(registration.as_bytes()));
        match self
            .ask(Method::PUT, &format!("/{id}?prevExist=false"), &body)
            .await?
        {
            Asked::Answer(_) => Ok(()),
            Asked::Refused(error) if error.code == etcd_api::Code::KeyExists => {
                let before = match self.ask(Method::GET, &format!("/{id}"), "").await? {
                    Asked::Answer(answer) => answer.node.value.unwrap_or_default(),
                    Asked::Refused(error) => {
                        return Err(DiscoveryError::BadEndpoint(error.to_string()));
                    }
                };
                if before == registration {
                    tracing::info!(url = %self.url, "this member has registered before, with the same URLs");
                    return Ok(());
                }
                Err(DiscoveryError::Duplicate {
                    id: id.to_owned(),
                    url: self.url.clone(),
                    before,
                })
            }
            Asked::Refused(error) => Err(DiscoveryError::BadEndpoint(error.to_string())),
        }
    }

    /// Waits for the next registration; an answer of any kind is a reason to look again.
    async fn wait(&self, index: u64) -> Result<(), DiscoveryError> {
        let limits = Limits {
            read: PATIENCE,
            total: Some(PATIENCE),
            ..Limits::default()
        };
        let path = format!("{}?recursive=true&wait=true&waitIndex={index}", self.path);
        match self
            .client
            .request(&self.target, Request::new(Method::GET, path), &limits)
            .await
        {
            Ok(answer) if answer.status == 200 => {}
            Err(error) if error.is_timeout() => {}
            _ => sleep(Duration::from_secs(1)).await,
        }
        Ok(())
    }

    /// Asks for ever: a service that is down now may be up later.
    async fn ask(&self, method: Method, query: &str, body: &str) -> Result<Asked, DiscoveryError> {
        let limits = Limits {
            total: Some(Duration::from_secs(30)),
            ..Limits::default()
        };
        let mut pause = Duration::from_secs(2);
        loop {
            let mut request = Request::new(method.clone(), format!("{}{query}", self.path));
            if !body.is_empty() {
                request = request.with_body("application/x-www-form-urlencoded", body.to_owned());
            }
            let reason = match self.client.request(&self.target, request, &limits).await {
                Err(error) => error.to_string(),
                Ok(answer) if answer.status >= 500 => format!("status {}", answer.status),
                Ok(answer) => {
                    if let Some(error) = EtcdError::from_json(&answer.body) {
                        return Ok(Asked::Refused(error));
                    }
                    let index = answer
                        .header("x-etcd-index")
                        .and_then(|text| text.parse().ok())
                        .unwrap_or_default();
                    return Response::from_json(&answer.body, index)
                        .map(|answer| Asked::Answer(Box::new(answer)))
                        .map_err(|_| {
                            DiscoveryError::BadEndpoint(format!("status {}", answer.status))
                        });
                }
            };
            tracing::warn!(url = %self.url, reason, "no answer from the discovery service, asking again in {pause:?}");
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(64));
        }
    }
}

fn full(nodes: &[Node], size: usize, id: &str) -> Option<Found> {
    let ours = |node: &Node| node.key.rsplit('/').next() == Some(id);
    let first = nodes.get(..size)?;
    if first.iter().any(ours) {
        return None;
    }
    let values: Vec<&str> = first
        .iter()
        .filter_map(|node| node.value.as_deref())
        .collect();
    Some(Found::Full(values.join(",")))
}

fn cluster(nodes: &[Node], size: usize) -> Result<String, DiscoveryError> {
    let values: Vec<&str> = nodes
        .iter()
        .take(size)
        .filter_map(|node| node.value.as_deref())
        .collect();
    let text = values.join(",");
    match crate::config::parse_cluster(&text) {
        Ok(members) if members.len() == size => Ok(text),
        Ok(_) => Err(DiscoveryError::BadRegistration(text)),
        Err(problem) => Err(DiscoveryError::BadRegistration(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, cluster, full};
    use etcd_api::Node;

    fn node(id: &str, value: &str, created_index: u64) -> Node {
        Node {
            key: format!("/t/{id}"),
            value: Some(value.to_owned()),
            created_index,
            ..Node::default()
        }
    }

    #[test]
    fn the_first_registrations_make_the_cluster_and_later_ones_find_it_full() {
        let nodes = [
            node("a", "n1=http://a:1", 1),
            node("b", "n2=http://b:1", 2),
            node("c", "n3=http://c:1", 3),
        ];
        assert_eq!(cluster(&nodes, 2).unwrap(), "n1=http://a:1,n2=http://b:1");
        assert_eq!(full(&nodes, 2, "a"), None);
        assert_eq!(
            full(&nodes, 2, "c"),
            Some(Found::Full("n1=http://a:1,n2=http://b:1".into()))
        );
        assert_eq!(full(&nodes, 4, "x"), None);
    }

    #[test]
    fn two_members_of_one_name_are_refused() {
        let nodes = [node("a", "n=http://a:1", 1), node("b", "n=http://b:1", 2)];
        assert!(
            cluster(&nodes, 2)
                .unwrap_err()
                .to_string()
                .contains("duplicate name")
        );
    }
}
