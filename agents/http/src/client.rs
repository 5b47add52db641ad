//! One client for a whole program: connections are kept and used again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::stream::Stream;
use crate::{Endpoint, HttpError, Limits, Request, Response};

/// Idle connections kept per endpoint, and for how long: less than any server's own bound.
const IDLE_CONNECTIONS: usize = 16;
const IDLE_FOR: Duration = Duration::from_secs(20);

type Sender = SendRequest<Full<Bytes>>;
type Idle = Arc<Mutex<HashMap<Endpoint, Vec<(Sender, Instant)>>>>;

/// Sends requests; a clone shares the kept connections.
///
/// A request is never sent twice by itself: only a kept connection that the server had closed
/// before the request could be written is replaced.
#[derive(Debug, Clone, Default)]
pub struct Client {
    idle: Idle,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    endpoint: Endpoint,
    home: Option<(Sender, Idle)>,
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new() -> Client {
        Client::default()
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// See [`HttpError`]; any status is an answer, not an error.
    pub async fn request(
        &self,
        endpoint: &Endpoint,
        request: Request,
        limits: &Limits,
    ) -> Result<Response, HttpError> {
        let whole = async {
            let reply = self.send(endpoint, request, limits).await?;
            reply.whole(limits).await
        };
        match limits.total {
            None => whole.await,
            Some(total) => timeout(total, whole).await.unwrap_or_else(|_| {
                Err(HttpError::Timeout {
                    endpoint: endpoint.clone(),
                    what: "whole answer",
                    after: total,
                })
            }),
        }
    }

    /// Sends a request and returns when the header of the answer is there.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        request: Request,
        limits: &Limits,
    ) -> Result<Reply, HttpError> {
        let mut message = Some(build(endpoint, request)?);
        loop {
            let (mut sender, kept) = match self.take_idle(endpoint) {
                Some(sender) => (sender, true),
                None => (connect(endpoint, limits.connect).await?, false),
            };
            let Some(ready) = message.take() else {
                return Err(HttpError::Timeout {
                    endpoint: endpoint.clone(),
                    what: "header",
                    after: limits.read,
                });
            };
            let answer = timeout(limits.read, sender.try_send_request(ready)).await;
            match answer {
                Err(_) => {
                    return Err(HttpError::Timeout {
                        endpoint: endpoint.clone(),
                        what: "header",
                        after: limits.read,
                    });
                }
                Ok(Ok(answer)) => {
                    let (head, body) = answer.into_parts();
                    return Ok(Reply {
                        status: head.status.as_u16(),
                        headers: head.headers,
                        body,
                        endpoint: endpoint.clone(),
                        home: Some((sender, Arc::clone(&self.idle))),
                    });
                }
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) if kept => message = Some(unsent),
                    _ => {
                        return Err(HttpError::Exchange {
                            endpoint: endpoint.clone(),
                            source: error.into_error(),
                        });
                    }
                },
            }
        }
    }

    fn take_idle(&self, endpoint: &Endpoint) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(endpoint)?;
        while let Some((sender, since)) = kept.pop() {
            if since.elapsed() < IDLE_FOR && sender.is_ready() {
                return Some(sender);
            }
        }
        None
    }
}

impl Reply {
    /// The next piece of the body, `None` at its end; waits as long as it takes.
    ///
    /// # Errors
    /// [`HttpError::Exchange`] when the connection breaks.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.body.frame().await {
                None => {
                    self.give_back();
                    return Ok(None);
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(source)) => {
                    return Err(HttpError::Exchange {
                        endpoint: self.endpoint.clone(),
                        source,
                    });
                }
            }
        }
    }

    /// Reads the rest of the body, within the limits.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub async fn whole(mut self, limits: &Limits) -> Result<Response, HttpError> {
        let mut body = BytesMut::new();
        loop {
            let piece =
                timeout(limits.read, self.piece())
                    .await
                    .map_err(|_| HttpError::Timeout {
                        endpoint: self.endpoint.clone(),
                        what: "body",
                        after: limits.read,
                    })??;
            let Some(piece) = piece else { break };
            if body.len() + piece.len() > limits.body {
                return Err(HttpError::TooLarge {
                    endpoint: self.endpoint.clone(),
                    limit: limits.body,
                });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Response {
            status: self.status,
            headers: self.headers,
            body: body.freeze(),
        })
    }

    fn give_back(&mut self) {
        let Some((sender, idle)) = self.home.take() else {
            return;
        };
        if sender.is_closed() {
            return;
        }
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(self.endpoint.clone()).or_default();
        kept.retain(|(sender, since)| since.elapsed() < IDLE_FOR && !sender.is_closed());
        if kept.len() < IDLE_CONNECTIONS {
            kept.push((sender, Instant::now()));
        }
    }
}

fn build(endpoint: &Endpoint, request: Request) -> Result<hyper::Request<Full<Bytes>>, HttpError> {
    let host = match endpoint {
        Endpoint::Tcp { host, port: 80 } if !host.contains(':') => host.clone(),
        Endpoint::Tcp { .. } => endpoint.to_string(),
        Endpoint::Unix(_) => "localhost".to_owned(),
    };
    let mut message = hyper::Request::builder()
        .method(&request.method)
        .uri(request.path)
        .body(Full::new(request.body.clone()))
        .map_err(|source| HttpError::Request { source })?;
    *message.headers_mut() = request.headers;
    let host = HeaderValue::from_str(&host).map_err(|source| HttpError::Request {
        source: source.into(),
    })?;
    message.headers_mut().entry(HOST).or_insert(host);
    if request.body.is_empty()
        && (request.method == hyper::Method::PUT || request.method == hyper::Method::POST)
    {
        message
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert(HeaderValue::from_static("0"));
    }
    Ok(message)
}

async fn connect(endpoint: &Endpoint, allowed: Duration) -> Result<Sender, HttpError> {
    let stream = match timeout(allowed, Stream::connect(endpoint)).await {
        Err(_) => {
            return Err(HttpError::ConnectTimeout {
                endpoint: endpoint.clone(),
                after: allowed,
            });
        }
        Ok(Err(source)) => {
            return Err(HttpError::Connect {
                endpoint: endpoint.clone(),
                source,
            });
        }
        Ok(Ok(stream)) => stream,
    };
    let (sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|source| HttpError::Exchange {
            endpoint: endpoint.clone(),
            source,
        })?;
    // Ends by itself when the sender is dropped or the peer closes; its error reaches the sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
