//! How long and how much: the bounds of a request and of a server.

use std::time::Duration;

/// Bounds of one request of a client.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the first SYN to an open connection, name lookup included.
    pub connect: Duration,
    /// Longest silence: until the header is there, and then between two pieces of the body.
    pub read: Duration,
    /// For the whole request, redirects included; `None` leaves only the other two.
    pub total: Option<Duration>,
    /// Bytes of body accepted; one more is an error.
    pub body: usize,
    /// Redirects followed by [`fn@crate::get`]; zero returns the 3xx answer itself.
    pub redirects: u8,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            total: None,
            body: 16 << 20,
            redirects: 5,
        }
    }
}

/// Bounds of a server.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at one time; the next one waits in the kernel's queue.
    pub connections: usize,
    /// Time for a client to send the header of its request.
    pub header_read: Duration,
    /// Time for a client to send the body of its request.
    pub body_read: Duration,
    /// Bytes of request body; more is answered with 413.
    pub body: usize,
    /// The one path whose body may be larger and take longer.
    pub large: Option<Large>,
    /// Time that running requests have to finish after a stop was asked for.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            connections: 10_000,
            header_read: Duration::from_secs(30),
            body_read: Duration::from_secs(60),
            body: 16 << 20,
            large: None,
            drain: Duration::from_secs(5),
        }
    }
}

/// Bounds of the bodies for one path.
#[derive(Debug, Clone, Copy)]
pub struct Large {
    /// The path.
    pub path: &'static str,
    /// Bytes of request body.
    pub body: usize,
    /// Time for a client to send it.
    pub body_read: Duration,
}

impl ServerLimits {
    /// Bytes and time for the body of a request for a path.
    pub(crate) fn of_body(&self, path: &str) -> (usize, Duration) {
        match &self.large {
            Some(large) if large.path == path => (large.body, large.body_read),
            _ => (self.body, self.body_read),
        }
    }
}
