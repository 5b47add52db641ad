//! The ports: listening early, answering 503 until this process knows what it is.

use std::io;
use std::sync::{Arc, OnceLock};

use http::{
    Answer, Call, HeaderValue, Large, Listener, Method, Server, ServerLimits, StatusCode, Stop,
    Url, header,
};
use tokio::task::JoinSet;

use crate::api::{Api, method_not_allowed, not_found, version};
use crate::bootstrap::PeerMember;
use crate::config::{Config, listen_address};
use crate::proxy::Proxy;
use crate::raft::{SNAPSHOT_LIMIT, SNAPSHOT_PATH, SNAPSHOT_TIME};

/// What answers on the ports, once it is known.
#[derive(Clone, Debug)]
pub(crate) enum Answering {
    Member(Api),
    Proxy(Proxy),
}

/// Shared by all listeners; set once.
pub(crate) type Slot = Arc<OnceLock<Answering>>;

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {url}")]
pub(crate) struct ListenError {
    url: String,
    source: io::Error,
}

/// Binds the sockets of some URLs.
pub(crate) fn listen(urls: &[Url]) -> Result<Vec<Listener>, ListenError> {
    let bind = |url: &Url| {
        let bound = match url.endpoint() {
            http::Endpoint::Unix(path) => Listener::unix(path),
            endpoint @ http::Endpoint::Tcp { .. } => {
                listen_address(endpoint).and_then(Listener::tcp)
            }
        };
        bound.map_err(|source| ListenError {
            url: url.to_string(),
            source,
        })
    };
    urls.iter().map(bind).collect()
}

/// Serves clients.
pub(crate) fn serve_clients(
    serving: &mut JoinSet<()>,
    listeners: Vec<Listener>,
    slot: &Slot,
    stop: &Stop,
    config: &Config,
    connections: usize,
) {
    let server = Server::new(ServerLimits {
        connections,
        body: config.body_limit,
        ..ServerLimits::default()
    });
    let cors: Arc<[String]> = config.cors.clone().into();
    for listener in listeners {
        let (server, stop, slot, cors) = (
            server.clone(),
            stop.clone(),
            Arc::clone(slot),
            Arc::clone(&cors),
        );
        serving.spawn(async move {
            let answer = move |call: Call| {
                let (slot, cors) = (Arc::clone(&slot), Arc::clone(&cors));
                async move {
                    let origin = call.headers.get(header::ORIGIN).cloned();
                    let mut answer = match slot.get() {
                        None if call.method == Method::OPTIONS => Answer::new(StatusCode::OK, ""),
                        None => crate::api::message(
                            StatusCode::SERVICE_UNAVAILABLE,
                            "waiting for the other members",
                        ),
                        Some(Answering::Member(api)) => api.answer(call).await,
                        Some(Answering::Proxy(proxy)) => proxy.answer(call).await,
                    };
                    allow_origin(&mut answer, &cors, origin);
                    answer
                }
            };
            server.serve(listener, stop, answer).await;
        });
    }
}

fn allow_origin(answer: &mut Answer, cors: &[String], origin: Option<HeaderValue>) {
    let allowed = match (cors.iter().any(|allowed| allowed == "*"), origin) {
        (true, _) => HeaderValue::from_static("*"),
        (false, Some(origin))
            if cors
                .iter()
                .any(|allowed| allowed.as_bytes() == origin.as_bytes()) =>
        {
            origin
        }
        _ => return,
    };
    let headers = &mut answer.headers;
    let methods = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    let names = HeaderValue::from_static("accept, content-type, authorization");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
}

/// Bytes of a message between members, of which the largest carries the largest request of a client.
const MESSAGE_LIMIT: usize = 64 << 20;
const MESSAGE_ROOM: usize = 2 << 20;

/// Serves other members.
pub(crate) fn serve_peers(
    serving: &mut JoinSet<()>,
    listeners: Vec<Listener>,
    slot: &Slot,
    stop: &Stop,
    config: &Config,
) {
    let server = Server::new(ServerLimits {
        body: MESSAGE_LIMIT.max(config.body_limit + MESSAGE_ROOM),
        large: Some(Large {
            path: SNAPSHOT_PATH,
            body: SNAPSHOT_LIMIT,
            body_read: SNAPSHOT_TIME,
        }),
        connections: 1000,
        ..ServerLimits::default()
    });
    for listener in listeners {
        let (server, stop, slot) = (server.clone(), stop.clone(), Arc::clone(slot));
        serving.spawn(async move {
            let answer = move |call: Call| {
                let slot = Arc::clone(&slot);
                async move {
                    match slot.get() {
                        Some(Answering::Member(api)) => answer_peer(api, call).await,
                        _ => {
                            crate::api::message(StatusCode::SERVICE_UNAVAILABLE, "not a member yet")
                        }
                    }
                }
            };
            server.serve(listener, stop, answer).await;
        });
    }
}

async fn answer_peer(api: &Api, call: Call) -> Answer {
    if let Some(answer) = api.consensus.serve(&call).await {
        return answer;
    }
    match call.path.as_str() {
        "/members" if call.method == Method::GET => {
            let member = |member: etcd_api::Member| PeerMember {
                id: etcd_api::parse_member_id(&member.id).unwrap_or_default(),
                peer_urls: member.peer_urls,
                name: member.name,
                client_urls: member.client_urls,
            };
            let members: Vec<PeerMember> =
                api.consensus.members().into_iter().map(member).collect();
            let mut answer = crate::api::json_of(StatusCode::OK, &members, true);
            answer
                .headers
                .insert("x-etcd-cluster-id", api.settings.cluster_header.clone());
            answer
        }
        "/version" if call.method == Method::GET => version(),
        "/members" | "/version" => method_not_allowed("GET"),
        _ => not_found(),
    }
}
