//! What can go wrong with a request, with where and for how long.

use std::io;
use std::time::Duration;

use crate::Endpoint;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The text is no URL that this client can call.
    #[error("{url:?} is not a usable URL: {wants}")]
    Url {
        /// As given.
        url: String,
        /// What was expected.
        wants: &'static str,
    },
    /// No connection: refused, no route, unknown name.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// Where to.
        endpoint: Endpoint,
        /// The kernel's or the resolver's reason.
        source: io::Error,
    },
    /// No connection in the time allowed.
    #[error("no connection to {endpoint} within {after:?}")]
    ConnectTimeout {
        /// Where to.
        endpoint: Endpoint,
        /// The time allowed.
        after: Duration,
    },
    /// The peer was silent for too long.
    #[error("{endpoint} sent no {what} within {after:?}")]
    Timeout {
        /// Who was silent.
        endpoint: Endpoint,
        /// What was awaited: `header` or `body`.
        what: &'static str,
        /// The time allowed.
        after: Duration,
    },
    /// The connection broke or the peer does not speak HTTP.
    #[error("the exchange with {endpoint} broke off")]
    Exchange {
        /// The peer.
        endpoint: Endpoint,
        /// hyper's reason.
        source: hyper::Error,
    },
    /// The answer is larger than the caller accepts.
    #[error("the answer of {endpoint} is larger than {limit} bytes")]
    TooLarge {
        /// The peer.
        endpoint: Endpoint,
        /// Bytes accepted.
        limit: usize,
    },
    /// More redirects than the caller follows, or one without a usable target.
    #[error("{url} leads from redirect to redirect or to nowhere")]
    Redirect {
        /// The last URL asked.
        url: String,
    },
    /// A header or path that HTTP cannot carry.
    #[error("the request cannot be written")]
    Request {
        /// Why not.
        source: hyper::http::Error,
    },
    /// The runtime for a blocking call could not be made.
    #[error("cannot start the runtime for a request")]
    Runtime {
        /// The kernel's reason.
        source: io::Error,
    },
}

impl HttpError {
    /// Whether no byte of the request can have reached the peer, so that asking again, or
    /// elsewhere, repeats nothing.
    #[must_use]
    pub fn is_before_sending(&self) -> bool {
        matches!(
            self,
            HttpError::Url { .. }
                | HttpError::Connect { .. }
                | HttpError::ConnectTimeout { .. }
                | HttpError::Request { .. }
                | HttpError::Runtime { .. }
        )
    }

    /// Whether a bound on time was overrun.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            HttpError::Timeout { .. } | HttpError::ConnectTimeout { .. }
        )
    }
}
