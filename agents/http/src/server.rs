//! A server: bounds on connections, time and size, and a stop that lets running requests finish.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::stream::Stream;
use crate::{Answer, Body, Call, ServerLimits};

/// A socket that takes connections.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on an address.
    ///
    /// # Errors
    /// The kernel's, for instance that the address is in use.
    pub fn tcp(address: SocketAddr) -> io::Result<Listener> {
        let socket = if address.is_ipv4() {
            tokio::net::TcpSocket::new_v4()?
        } else {
            tokio::net::TcpSocket::new_v6()?
        };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Listener(Kind::Tcp(socket.listen(1024)?)))
    }

    /// Listens on a unix socket; an old file of that name is replaced.
    ///
    /// # Errors
    /// The kernel's.
    pub fn unix(path: &Path) -> io::Result<Listener> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Listener(Kind::Unix(UnixListener::bind(path)?)))
    }

    /// Takes a listening socket that was passed in, as by socket activation.
    ///
    /// # Errors
    /// When it is neither a TCP nor a unix socket that listens.
    pub fn inherited(fd: OwnedFd) -> io::Result<Listener> {
        let address = rustix::net::getsockname(&fd)?;
        if address.address_family() == rustix::net::AddressFamily::UNIX {
            let listener = std::os::unix::net::UnixListener::from(fd);
            listener.set_nonblocking(true)?;
            return Ok(Listener(Kind::Unix(UnixListener::from_std(listener)?)));
        }
        let listener = std::net::TcpListener::from(fd);
        listener.set_nonblocking(true)?;
        Ok(Listener(Kind::Tcp(TcpListener::from_std(listener)?)))
    }

    /// The address, of a TCP listener.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(_) => None,
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Kind::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

/// Asks servers to stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Tells servers that a stop was asked for.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// A stopper and what it stops.
    #[must_use]
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Stop(receiver))
    }

    /// Asks everyone to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Completes when a stop was asked for, or when nobody is left who could.
    pub async fn wait(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }
}

/// Serves listeners with one handler.
#[derive(Debug, Clone)]
pub struct Server {
    limits: ServerLimits,
    slots: Arc<Semaphore>,
}

impl Server {
    /// A server with these limits, shared by all its listeners.
    #[must_use]
    pub fn new(limits: ServerLimits) -> Server {
        let slots = Arc::new(Semaphore::new(limits.connections));
        Server { limits, slots }
    }

    /// Serves until a stop is asked for and running requests are done or their time is up.
    pub async fn serve<H, F>(&self, listener: Listener, mut stop: Stop, handler: H)
    where
        H: Fn(Call) -> F + Clone + Send + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        // Every connection holds a sender; the receiver ends when the last one is gone.
        let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
        loop {
            let slot = tokio::select! {
                () = stop.wait() => break,
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
            };
            let accepted = tokio::select! {
                () = stop.wait() => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                // Out of descriptors, or the client was gone at once: give others time to finish.
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            };
            let (limits, handler, stop, alive) = (
                self.limits.clone(),
                handler.clone(),
                stop.clone(),
                alive.clone(),
            );
            tokio::spawn(async move {
                serve_connection(stream, peer, limits, stop, handler).await;
                drop((alive, slot));
            });
        }
        drop((listener, alive));
        let _ = timeout(self.limits.drain, all_gone.recv()).await;
    }
}

async fn serve_connection<H, F>(
    stream: Stream,
    peer: Option<SocketAddr>,
    limits: ServerLimits,
    mut stop: Stop,
    handler: H,
) where
    H: Fn(Call) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let drain = limits.drain;
    let header_read = limits.header_read;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (limits, handler) = (limits.clone(), handler.clone());
        async move {
            let answer = match read(request, peer, &limits).await {
                Ok(call) => handler(call).await,
                Err(refused) => refused,
            };
            Ok::<_, Infallible>(finish(answer))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.wait() => connection.as_mut().graceful_shutdown(),
    }
    let _ = timeout(drain, connection).await;
}

async fn read(
    request: hyper::Request<Incoming>,
    peer: Option<SocketAddr>,
    limits: &ServerLimits,
) -> Result<Call, Answer> {
    let (head, incoming) = request.into_parts();
    let (most, time) = limits.of_body(head.uri.path());
    let body = match timeout(time, collect(incoming, most)).await {
        Ok(Ok(body)) => body,
        Ok(Err(status)) => return Err(refuse(status)),
        Err(_) => return Err(refuse(StatusCode::REQUEST_TIMEOUT)),
    };
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body,
        peer,
    })
}

async fn collect(mut incoming: Incoming, limit: usize) -> Result<Bytes, StatusCode> {
    let mut first: Option<Bytes> = None;
    let mut more = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else {
            continue;
        };
        let so_far = first.as_ref().map_or(0, Bytes::len) + more.len();
        if so_far + data.len() > limit {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        match &first {
            None => first = Some(data),
            Some(begin) if more.is_empty() => {
                more.extend_from_slice(begin);
                more.extend_from_slice(&data);
                first = Some(Bytes::new());
            }
            Some(_) => more.extend_from_slice(&data),
        }
    }
    Ok(if more.is_empty() {
        first.unwrap_or_default()
    } else {
        more.freeze()
    })
}

fn refuse(status: StatusCode) -> Answer {
    let text = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let mut answer =
        Answer::new(status, text).with(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    answer.close = true;
    answer
}

fn finish(answer: Answer) -> hyper::Response<Body> {
    let mut response = hyper::Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if answer.close {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
