//! One connection to the metadata service: requests in, answers out, with the faults that the answer asks for.
//! It knows HTTP/1.1 as far as metadata clients use it (GET, keep-alive, `Content-Length`) and no sockets.

use std::time::{Duration, Instant};

use crate::metadata::{Answer, Metadata};

/// Longest request head.
const LONGEST: usize = 16 * 1024;

/// What the connection should do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on: read more, or write what is waiting.
    Go,
    /// Nothing before that moment.
    Wait(Duration),
    /// Close in order when everything is written.
    Close,
    /// Cut the connection now.
    Cut,
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    input: Vec<u8>,
    output: Vec<u8>,
    written: usize,
    held: Option<Held>,
    cut_at: Option<usize>,
    closing: bool,
    guest_closed: bool,
}

#[derive(Debug)]
struct Held {
    until: Option<Instant>,
    bytes: Vec<u8>,
}

impl Session {
    /// Takes bytes from the guest.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        if self.input.len() + bytes.len() <= LONGEST {
            self.input.extend_from_slice(bytes);
        } else {
            self.closing = true;
        }
    }

    /// The guest will send nothing more.
    pub(super) fn guest_closed(&mut self) {
        self.guest_closed = true;
    }

    /// Bytes ready to be written.
    #[must_use]
    pub(super) fn pending(&self) -> &[u8] {
        let end = self
            .cut_at
            .unwrap_or(self.output.len())
            .min(self.output.len());
        self.output.get(self.written..end).unwrap_or(&[])
    }

    /// Notes that so many of them are on their way.
    pub(super) fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.written == self.output.len() && self.cut_at.is_none() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// Answers requests that are complete and says what comes next.
    pub(super) fn turn(&mut self, now: Instant, metadata: &Metadata) -> Next {
        loop {
            if let Some(wait) = self.hold(now) {
                return wait;
            }
            if self.cut_at.is_some() || self.closing {
                break;
            }
            let Some(end) = find(&self.input, b"\r\n\r\n") else {
                break;
            };
            let head: Vec<u8> = self.input.drain(..end + 4).collect();
            self.answer(&String::from_utf8_lossy(&head), now, metadata);
        }
        if self.cut_at.is_some_and(|at| self.written >= at) {
            return Next::Cut;
        }
        if self.pending().is_empty() && self.held.is_none() && (self.closing || self.guest_closed) {
            return Next::Close;
        }
        Next::Go
    }

    /// Is an answer held back? Lets it go when its time has come.
    fn hold(&mut self, now: Instant) -> Option<Next> {
        match self.held.as_ref()?.until {
            None if self.guest_closed => return Some(Next::Cut),
            None => return Some(Next::Wait(Duration::from_secs(1))),
            Some(until) if until > now => return Some(Next::Wait(until - now)),
            Some(_) => {}
        }
        if let Some(held) = self.held.take() {
            self.output.extend(held.bytes);
        }
        None
    }

    fn answer(&mut self, head: &str, now: Instant, metadata: &Metadata) {
        let mut words = head.lines().next().unwrap_or_default().split(' ');
        let method = words.next().unwrap_or_default();
        let path = words.next().unwrap_or_default();
        let version = words.next().unwrap_or_default();
        let last = head
            .lines()
            .any(|line| line.eq_ignore_ascii_case("connection: close"))
            || version == "HTTP/1.0";
        let answer = if matches!(method, "GET" | "HEAD") {
            metadata.answer(path)
        } else {
            Answer::refusal(405, "Method Not Allowed")
        };
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n",
            answer.status,
            answer.reason,
            answer.content_type,
            answer.body.len(),
            if last { "Connection: close\r\n" } else { "" },
        )
        .into_bytes();
        let head_length = bytes.len();
        if method != "HEAD" {
            bytes.extend(answer.body.iter());
        }
        if let Some(after) = answer.cut_after {
            self.cut_at = Some(self.output.len() + head_length + after.min(answer.body.len()));
        }
        self.closing |= last;
        if answer.hang {
            self.held = Some(Held {
                until: None,
                bytes: Vec::new(),
            });
        } else if answer.delay.is_zero() {
            self.output.extend(bytes);
        } else {
            self.held = Some(Held {
                until: Some(now + answer.delay),
                bytes,
            });
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Metadata {
        let metadata = Metadata::empty();
        metadata.set("/latest/user-data", "#!/bin/sh\n");
        metadata
    }

    #[test]
    fn two_requests_on_one_connection_are_answered_in_order() {
        let (metadata, now) = (served(), Instant::now());
        let mut session = Session::default();
        session.receive(b"GET /latest/user-data HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n");
        assert_eq!(session.turn(now, &metadata), Next::Go);
        let text = String::from_utf8_lossy(session.pending()).into_owned();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(
            text.contains("\r\n\r\n#!/bin/sh\nHTTP/1.1 404 Not Found\r\n"),
            "{text}"
        );
        session.wrote(text.len());
        assert_eq!(session.turn(now, &metadata), Next::Close);
    }

    #[test]
    fn a_delayed_answer_waits_and_then_comes_whole() {
        let (metadata, now) = (served(), Instant::now());
        metadata.faults(|faults| faults.delay = Duration::from_secs(5));
        let mut session = Session::default();
        session.receive(b"GET /latest/user-data HTTP/1.1\r\n\r\n");
        assert_eq!(
            session.turn(now, &metadata),
            Next::Wait(Duration::from_secs(5))
        );
        assert!(session.pending().is_empty());
        assert_eq!(
            session.turn(now + Duration::from_secs(5), &metadata),
            Next::Go
        );
        assert!(session.pending().ends_with(b"#!/bin/sh\n"));
    }

    #[test]
    fn a_cut_comes_in_the_middle_of_the_body() {
        let (metadata, now) = (served(), Instant::now());
        metadata.faults(|faults| faults.cut_after = Some(3));
        let mut session = Session::default();
        session.receive(b"GET /latest/user-data HTTP/1.1\r\n\r\n");
        assert_eq!(session.turn(now, &metadata), Next::Go);
        assert!(session.pending().ends_with(b"\r\n\r\n#!/"));
        session.wrote(session.pending().len());
        assert_eq!(session.turn(now, &metadata), Next::Cut);
    }

    #[test]
    fn other_methods_are_refused_and_an_endless_head_ends_the_connection() {
        let (metadata, now) = (served(), Instant::now());
        let mut session = Session::default();
        session.receive(b"PUT /latest/api/token HTTP/1.1\r\n\r\n");
        session.turn(now, &metadata);
        assert!(session.pending().starts_with(b"HTTP/1.1 405 "));
        let mut session = Session::default();
        session.receive(&[b'a'; LONGEST + 1]);
        assert_eq!(session.turn(now, &metadata), Next::Close);
    }
}
