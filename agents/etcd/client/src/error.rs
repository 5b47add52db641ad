//! Why a request has no result, in the words of the original's client.

use std::fmt::Write as _;
use std::io;

use etcd_api::EtcdError;
use http::HttpError;

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// etcd said no.
    #[error(transparent)]
    Api(#[from] EtcdError),
    /// No endpoint gave a usable answer.
    #[error("client: etcd cluster is unavailable or misconfigured{}", list(.0))]
    Unavailable(Vec<String>),
    /// An endpoint is no URL.
    #[error("{0}")]
    Endpoint(#[source] HttpError),
    /// An answer outside the keys API that is no success.
    #[error("{text}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the answer says.
        text: String,
    },
    /// The answer is not what the API promises.
    #[error(
        "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint."
    )]
    Malformed(#[source] serde_json::Error),
    /// No endpoint was given.
    #[error("client: no endpoints available")]
    NoEndpoints,
}

impl ClientError {
    /// Whether etcd says that the key is missing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, ClientError::Api(error) if error.code == etcd_api::Code::KeyNotFound)
    }

    /// Whether etcd says that a condition did not hold.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        use etcd_api::Code;
        matches!(self, ClientError::Api(error) if matches!(error.code, Code::CompareFailed | Code::KeyExists))
    }
}

fn list(errors: &[String]) -> String {
    let mut text = String::new();
    for (number, error) in errors.iter().enumerate() {
        let _ = write!(text, "\nerror #{number}: {error}");
    }
    if !errors.is_empty() {
        text.push('\n');
    }
    text
}

/// An error of a connection in the words of the original.
pub(crate) fn describe(endpoint: &str, error: &HttpError) -> String {
    match error {
        HttpError::Connect { endpoint, source } => {
            format!("dial tcp {endpoint}: {}", system_text(source))
        }
        HttpError::ConnectTimeout { endpoint, .. } => format!("dial tcp {endpoint}: i/o timeout"),
        HttpError::Timeout { .. } => format!("client: endpoint {endpoint} exceeded header timeout"),
        other => other.to_string(),
    }
}

fn system_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}
