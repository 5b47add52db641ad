//! Requests and answers as the programs see them: bodies are bytes, or pieces over time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::{mpsc, oneshot};

/// What a client sends.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers beside Host and Content-Length, which are added.
    pub headers: HeaderMap,
    /// Body, often empty.
    pub body: Bytes,
}

impl Request {
    /// A request without body and headers.
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        Request {
            method,
            path: path.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// The same with a body of that content type.
    #[must_use]
    pub fn with_body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Request {
        self.headers.insert(
            hyper::header::CONTENT_TYPE,
            HeaderValue::from_static(content_type),
        );
        self.body = body.into();
        self
    }
}

/// A whole answer, as a client gets it.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code, 200 for instance.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// A header as text, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a server's handler gets: the request with its body read, and who asked.
#[derive(Debug)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path as sent, not decoded, without the query.
    pub path: String,
    /// Query as sent, without the question mark; empty when absent.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// The client's address; `None` on a unix socket.
    pub peer: Option<SocketAddr>,
}

impl Call {
    /// A header as text, when it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What a server's handler returns.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers; Date and Content-Length are added.
    pub headers: HeaderMap,
    /// Body.
    pub body: Body,
    /// Close the connection after this answer.
    pub close: bool,
}

impl Answer {
    /// An answer with a whole body.
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Body::whole(body),
            close: false,
        }
    }

    /// The same with a header of fixed text.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &'static str) -> Answer {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }
}

/// A body: whole, or sent piece by piece.
#[derive(Debug)]
pub struct Body(Kind, Option<oneshot::Sender<Infallible>>);

/// Tells when a body was dropped: it is sent, or its client has gone.
#[derive(Debug)]
pub struct Gone(oneshot::Receiver<Infallible>);

impl Gone {
    /// Completes when the body was dropped.
    pub async fn wait(self) {
        // Nothing is ever sent: the error is the news.
        drop(self.0.await);
    }
}

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Bytes>),
}

/// The writing end of a body in pieces; dropping it ends the body.
#[derive(Debug)]
pub struct BodySender(mpsc::Sender<Bytes>);

impl BodySender {
    /// Sends a piece; false when the client is gone.
    pub async fn send(&self, piece: Bytes) -> bool {
        self.0.send(piece).await.is_ok()
    }

    /// Sends a piece if there is room; false when the client is gone or too slow.
    #[must_use]
    pub fn try_send(&self, piece: Bytes) -> bool {
        self.0.try_send(piece).is_ok()
    }

    /// Completes when the client is gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl Body {
    /// A body that is there.
    pub fn whole(body: impl Into<Bytes>) -> Body {
        Body(Kind::Whole(Some(body.into())), None)
    }

    /// A body in pieces, of which `room` may wait for a slow client.
    #[must_use]
    pub fn pieces(room: usize) -> (BodySender, Body) {
        let (sender, receiver) = mpsc::channel(room);
        (BodySender(sender), Body(Kind::Pieces(receiver), None))
    }

    /// The same body, and a way to learn that it was dropped.
    #[must_use]
    pub fn watched(mut self) -> (Body, Gone) {
        let (sender, receiver) = oneshot::channel();
        self.1 = Some(sender);
        (self, Gone(receiver))
    }

    /// The bytes of a whole body; `None` for one in pieces.
    #[must_use]
    pub fn as_whole(&self) -> Option<&Bytes> {
        match &self.0 {
            Kind::Whole(body) => body.as_ref(),
            Kind::Pieces(_) => None,
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(body) => {
                let bytes = body.take().filter(|body| !body.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Kind::Pieces(receiver) => receiver
                .poll_recv(cx)
                .map(|piece| piece.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(body) => body.as_ref().is_none_or(Bytes::is_empty),
            Kind::Pieces(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(body) => {
                let length = body.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Kind::Pieces(_) => SizeHint::default(),
        }
    }
}
