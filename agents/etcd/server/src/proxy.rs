//! Proxy mode: a stateless member of no cluster that passes requests on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{
    Answer, Body, Call, Client, HeaderMap, HeaderName, HeaderValue, Limits, Method, Request,
    StatusCode, Url,
};
use tokio::time::sleep;

use crate::api::{json_of, message};
use crate::bootstrap::{ask_peers, save_proxy_peers};
use crate::config::{Config, ProxyMode};

/// Between looks for members while there is none.
const EMPTY: Duration = Duration::from_secs(1);

/// Headers that belong to one connection only.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Answers clients by asking members.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    client: Client,
    config: Arc<Config>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    endpoints: Vec<String>,
    failed: HashMap<String, Instant>,
}

impl Proxy {
    pub(crate) fn new(client: Client, config: Arc<Config>) -> Proxy {
        Proxy {
            client,
            config,
            state: Arc::default(),
        }
    }

    /// Keeps the list of endpoints fresh, for ever.
    pub(crate) async fn refresh(self, mut peers: Vec<String>) {
        loop {
            let members = ask_peers(peers.clone(), &self.client, Duration::from_secs(5)).await;
            if let Some(members) = members {
                let urls = |of: fn(&crate::bootstrap::PeerMember) -> &Vec<String>| -> Vec<String> {
                    members
                        .iter()
                        .flat_map(|member| of(member).clone())
                        .collect()
                };
                let (known, endpoints) = (
                    urls(|member| &member.peer_urls),
                    urls(|member| &member.client_urls),
                );
                if !known.is_empty() && known != peers {
                    peers = known;
                }
                if let Err(error) = save_proxy_peers(&self.config.data, &peers) {
                    tracing::warn!(%error, "cannot remember the members");
                }
                let mut state = self.lock();
                if state.endpoints.len() != endpoints.len()
                    || endpoints.iter().any(|url| !state.endpoints.contains(url))
                {
                    tracing::info!(?endpoints, "endpoints found");
                    state.endpoints = endpoints;
                    let by = usize::try_from(crate::api::now() / 1000).unwrap_or_default();
                    let by = by % state.endpoints.len().max(1);
                    state.endpoints.rotate_left(by);
                }
            }
            let empty = self.lock().endpoints.is_empty();
            sleep(if empty {
                EMPTY
            } else {
                self.config.proxy_refresh
            })
            .await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn endpoints(&self) -> Vec<String> {
        let mut state = self.lock();
        let wait = self.config.proxy_failure_wait;
        state.failed.retain(|_, since| since.elapsed() < wait);
        state
            .endpoints
            .iter()
            .filter(|url| !state.failed.contains_key(*url))
            .cloned()
            .collect()
    }

    /// Passes a request on to the first endpoint that answers.
    pub(crate) async fn answer(&self, call: Call) -> Answer {
        if call.path == "/v2/config/local/proxy" {
            let endpoints = self.endpoints();
            return json_of(
                StatusCode::OK,
                &serde_json::json!({ "endpoints": endpoints }),
                true,
            );
        }
        if self.config.proxy == ProxyMode::ReadOnly && call.method != Method::GET {
            return Answer::new(StatusCode::NOT_IMPLEMENTED, "");
        }
        let endpoints = self.endpoints();
        if endpoints.is_empty() {
            return message(
                StatusCode::SERVICE_UNAVAILABLE,
                "proxy: zero endpoints currently available",
            );
        }
        for endpoint in &endpoints {
            match self.pass(endpoint, &call).await {
                Ok(answer) => return answer,
                Err(error) => {
                    tracing::warn!(endpoint, %error, "endpoint left out for a while");
                    self.lock().failed.insert(endpoint.clone(), Instant::now());
                }
            }
        }
        let text = format!(
            "proxy: unable to get response from {} endpoint(s)",
            endpoints.len()
        );
        message(StatusCode::BAD_GATEWAY, &text)
    }

    async fn pass(&self, endpoint: &str, call: &Call) -> Result<Answer, http::HttpError> {
        let url = Url::parse(endpoint)?;
        let path = if call.query.is_empty() {
            call.path.clone()
        } else {
            format!("{}?{}", call.path, call.query)
        };
        let mut headers = passed(&call.headers);
        headers.remove(http::header::HOST);
        headers.remove(http::header::CONTENT_LENGTH);
        if let Some(peer) = call.peer {
            let before = call
                .header("x-forwarded-for")
                .map(|before| format!("{before}, "))
                .unwrap_or_default();
            if let Ok(value) = HeaderValue::from_str(&format!("{before}{}", peer.ip())) {
                headers.insert("x-forwarded-for", value);
            }
        }
        let request = Request {
            method: call.method.clone(),
            path,
            headers,
            body: call.body.clone(),
        };
        let for_ever = Duration::from_secs(365 * 24 * 3600);
        let read = self.config.proxy_read.unwrap_or(for_ever);
        let limits = Limits {
            connect: self.config.proxy_dial,
            read,
            ..Limits::default()
        };
        let mut reply = self.client.send(url.endpoint(), request, &limits).await?;
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut answer = Answer::new(status, Bytes::new());
        answer.headers = passed(&reply.headers);
        let length = answer.headers.remove(http::header::CONTENT_LENGTH);
        let bodiless = call.method == Method::HEAD || status == StatusCode::NO_CONTENT;
        if bodiless {
            answer
                .headers
                .extend(length.map(|length| (http::header::CONTENT_LENGTH, length)));
            return Ok(answer);
        }
        let (sender, body) = Body::pieces(16);
        let (body, gone) = body.watched();
        answer.body = body;
        tokio::spawn(async move {
            let pass = async {
                while let Ok(Some(piece)) = reply.piece().await {
                    if !sender.send(piece).await {
                        break;
                    }
                }
            };
            tokio::select! {
                () = pass => {}
                () = gone.wait() => {}
            }
        });
        Ok(answer)
    }
}

fn passed(headers: &HeaderMap) -> HeaderMap {
    let keep = |name: &HeaderName| !HOP_BY_HOP.contains(&name.as_str());
    headers
        .iter()
        .filter(|(name, _)| keep(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
