//! The client port: which path is answered by what.

mod discovery;
mod keys;
mod members;
mod observe;
mod watch;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use etcd_api::{CleanPath, clean, decode_path, encode_path};
use http::{Answer, Call, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::raft::Consensus;

/// The version of the API that we speak, for clients that ask.
pub(crate) const SERVER_VERSION: &str = "2.3.8";
pub(crate) const CLUSTER_VERSION: &str = "2.3.0";

/// What answers clients on a member.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) consensus: Consensus,
    pub(crate) settings: Arc<Settings>,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) quorum_reads: bool,
    pub(crate) discovery_service: bool,
    pub(crate) cluster_header: HeaderValue,
    pub(crate) started_at: u64,
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Api {
    /// Answers a request of a client.
    pub(crate) async fn answer(&self, call: Call) -> Answer {
        if call.method == Method::OPTIONS {
            return Answer::new(StatusCode::OK, "");
        }
        // Nearly all requests: nothing to decode or to clean.
        let plain =
            !call.path.contains('%') && !call.path.contains("//") && !call.path.contains("/.");
        let path = if plain {
            call.path.clone().into_bytes()
        } else {
            match decode_path(&call.path).map(clean) {
                Ok(CleanPath::Clean(path)) => path,
                Ok(CleanPath::Moved(path)) => return moved(&call, &path),
                Err(_) => return bad_request(),
            }
        };
        if let Some(rest) = path.strip_prefix(b"/v2/keys")
            && (rest.is_empty() || rest.starts_with(b"/"))
        {
            return self.keys(&call, rest).await;
        }
        let Ok(path) = std::str::from_utf8(&path) else {
            return not_found();
        };
        if let Some(rest) = path.strip_prefix("/v2/members")
            && (rest.is_empty() || rest.starts_with('/'))
        {
            let mut answer = self.members(&call, rest.trim_matches('/')).await;
            answer
                .headers
                .insert("x-etcd-cluster-id", self.settings.cluster_header.clone());
            return answer;
        }
        match path {
            "/v2/stats/self" => only(&call, &[Method::GET], || self.self_stats()),
            "/v2/stats/store" => only(&call, &[Method::GET], || self.store_stats()),
            "/v2/stats/leader" => only(&call, &[Method::GET], || self.leader_stats()),
            "/v2/machines" => only(&call, &[Method::GET, Method::HEAD], || self.machines()),
            "/version" => only(&call, &[Method::GET], version),
            "/health" if call.method == Method::GET => self.health().await,
            "/health" => method_not_allowed("GET"),
            "/debug/vars" => only(&call, &[Method::GET], || self.vars()),
            "/metrics" => self.metrics(),
            "/v2/auth/enable" => only(&call, &[Method::GET], || {
                json(StatusCode::OK, b"{\"enabled\":false}\n")
            }),
            "/v2/auth/users" | "/v2/auth/users/" => only(&call, &[Method::GET], || {
                json(StatusCode::OK, b"{\"users\":null}\n")
            }),
            _ if path.starts_with("/v2/auth/") => message(
                StatusCode::NOT_IMPLEMENTED,
                "auth: not supported by this server",
            ),
            _ if self.settings.discovery_service => match self.discovery_service(&call, path).await
            {
                Some(answer) => answer,
                None => not_found(),
            },
            _ => not_found(),
        }
    }
}

fn only(call: &Call, methods: &[Method], answer: impl FnOnce() -> Answer) -> Answer {
    if methods.contains(&call.method) {
        return answer();
    }
    method_not_allowed(match methods {
        [_, _] => "GET,HEAD",
        _ => "GET",
    })
}

pub(crate) fn version() -> Answer {
    let text =
        format!("{{\"etcdserver\":\"{SERVER_VERSION}\",\"etcdcluster\":\"{CLUSTER_VERSION}\"}}");
    json(StatusCode::OK, text.as_bytes())
}

pub(crate) fn json(status: StatusCode, body: &[u8]) -> Answer {
    Answer::new(status, body.to_vec()).with(header::CONTENT_TYPE, "application/json")
}

/// The JSON of a value without a newline.
pub(crate) fn json_of(status: StatusCode, value: &impl Serialize, newline: bool) -> Answer {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            if newline {
                body.push(b'\n');
            }
            json(status, &body)
        }
        Err(error) => message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// An error outside the keys API.
pub(crate) fn message(status: StatusCode, text: &str) -> Answer {
    json_of(
        status,
        &etcd_api::Message {
            message: text.to_owned(),
        },
        false,
    )
}

fn text(status: StatusCode, body: &'static str) -> Answer {
    Answer::new(status, body)
        .with(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}

pub(crate) fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

pub(crate) fn method_not_allowed(allow: &'static str) -> Answer {
    let answer = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    if allow.is_empty() {
        answer
    } else {
        answer.with(header::ALLOW, allow)
    }
}

fn bad_request() -> Answer {
    let mut answer = Answer::new(StatusCode::BAD_REQUEST, "400 Bad Request")
        .with(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    answer.close = true;
    answer
}

fn moved(call: &Call, path: &[u8]) -> Answer {
    let mut location = encode_path(path);
    if !call.query.is_empty() {
        location.push('?');
        location.push_str(&call.query);
    }
    let body = match call.method {
        Method::GET => format!(
            "<a href=\"{}\">Moved Permanently</a>.\n\n",
            location.replace('&', "&amp;")
        ),
        _ => String::new(),
    };
    let mut answer = Answer::new(StatusCode::MOVED_PERMANENTLY, body);
    match HeaderValue::from_str(&location) {
        Ok(value) => answer.headers.insert(header::LOCATION, value),
        Err(_) => return bad_request(),
    };
    answer
}
