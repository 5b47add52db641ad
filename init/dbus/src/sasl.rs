//! The lines before the first message, for both sides, as state machines without a socket.
//!
//! Only EXTERNAL is spoken: who the peer is comes from the kernel (`SO_PEERCRED`), and what the
//! peer claims must agree with it. sd-bus sends everything in one write and wants `DATA` first;
//! godbus sends its uid in hexadecimal with `AUTH` and waits after every line.

use crate::DbusError;

/// Longest line; the longest honest one is `AUTH EXTERNAL` with a uid in hexadecimal.
const MAX_LINE: usize = 1024;
/// Most lines before `BEGIN`.
const MAX_LINES: u8 = 32;

/// What the server wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// More bytes.
    More,
    /// Authentication is over; what follows are messages.
    Done,
}

/// The server's side for one connection.
#[derive(Debug)]
pub struct Server {
    uid: u32,
    guid: String,
    state: State,
    lines: u8,
    unix_fds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nul,
    Auth,
    Data,
    Begin,
    Done,
}

impl Server {
    /// For a peer whose uid the kernel told; `guid` is 32 hexadecimal digits.
    #[must_use]
    pub fn new(uid: u32, guid: &str) -> Self {
        Self {
            uid,
            guid: guid.to_owned(),
            state: State::Nul,
            lines: 0,
            unix_fds: false,
        }
    }

    /// Whether the peer asked to pass descriptors.
    #[must_use]
    pub fn passes_fds(&self) -> bool {
        self.unix_fds
    }

    /// Takes complete lines from the front of `input`, appends the answers to `output`.
    ///
    /// # Errors
    /// When the peer breaks the rules; the connection is to be closed.
    pub fn feed(
        &mut self,
        input: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<Progress, DbusError> {
        if self.state == State::Nul {
            match input.first() {
                None => return Ok(Progress::More),
                Some(0) => {
                    input.remove(0);
                    self.state = State::Auth;
                }
                Some(_) => return Err(sasl("the first byte is not NUL")),
            }
        }
        while self.state != State::Done {
            let Some(line) = take_line(input)? else {
                return Ok(Progress::More);
            };
            self.lines = self.lines.saturating_add(1);
            if self.lines > MAX_LINES {
                return Err(sasl("too many lines"));
            }
            let reply = self.line(&line)?;
            if !reply.is_empty() {
                output.extend_from_slice(reply.as_bytes());
                output.extend_from_slice(b"\r\n");
            }
        }
        Ok(Progress::Done)
    }

    fn line(&mut self, line: &str) -> Result<String, DbusError> {
        let mut words = line.splitn(3, ' ');
        let command = words.next().unwrap_or_default();
        let (first, second) = (words.next(), words.next());
        Ok(match (self.state, command) {
            (State::Auth, "AUTH") => match (first, second) {
                (Some("EXTERNAL"), None) => {
                    self.state = State::Data;
                    "DATA".into()
                }
                (Some("EXTERNAL"), Some(claim)) => self.identify(claim),
                _ => "REJECTED EXTERNAL".into(),
            },
            (State::Data, "DATA") => self.identify(first.unwrap_or_default()),
            (State::Data | State::Begin, "CANCEL" | "ERROR") => {
                self.state = State::Auth;
                "REJECTED EXTERNAL".into()
            }
            (State::Begin, "NEGOTIATE_UNIX_FD") => {
                self.unix_fds = true;
                "AGREE_UNIX_FD".into()
            }
            (State::Begin, "BEGIN") => {
                self.state = State::Done;
                String::new()
            }
            (_, "BEGIN") => return Err(sasl("BEGIN before authentication")),
            _ => "ERROR".into(),
        })
    }

    /// The claim is empty (take what the kernel says) or the uid's digits in hexadecimal.
    fn identify(&mut self, claim: &str) -> String {
        if claim.is_empty()
            || unhex(claim).is_some_and(|text| text == self.uid.to_string().as_bytes())
        {
            self.state = State::Begin;
            format!("OK {}", self.guid)
        } else {
            self.state = State::Auth;
            "REJECTED EXTERNAL".into()
        }
    }
}

/// What a client sends at once, before it has read anything.
pub const CLIENT_HELLO: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

/// The client's side: reads the three answers to [`CLIENT_HELLO`].
#[derive(Debug, Default)]
pub struct Client {
    answers: u8,
    unix_fds: bool,
}

impl Client {
    /// Whether the server takes descriptors.
    #[must_use]
    pub fn passes_fds(&self) -> bool {
        self.unix_fds
    }

    /// Takes answers from the front of `input`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn feed(&mut self, input: &mut Vec<u8>) -> Result<Progress, DbusError> {
        while self.answers < 3 {
            let Some(line) = take_line(input)? else {
                return Ok(Progress::More);
            };
            match (self.answers, line.split(' ').next().unwrap_or_default()) {
                (0, "DATA") | (1, "OK") => {}
                (2, word) => self.unix_fds = word == "AGREE_UNIX_FD",
                _ => return Err(DbusError::Sasl(format!("the server answered {line:?}"))),
            }
            self.answers += 1;
        }
        Ok(Progress::Done)
    }
}

fn take_line(input: &mut Vec<u8>) -> Result<Option<String>, DbusError> {
    let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") else {
        return if input.len() > MAX_LINE {
            Err(sasl("a line that is too long"))
        } else {
            Ok(None)
        };
    };
    if end > MAX_LINE {
        return Err(sasl("a line that is too long"));
    }
    let line: Vec<u8> = input.drain(..end + 2).take(end).collect();
    match String::from_utf8(line) {
        Ok(line) if line.is_ascii() && !line.contains('\0') => Ok(Some(line)),
        _ => Err(sasl("a line that is not ASCII")),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?))
        .collect()
}

fn sasl(text: &str) -> DbusError {
    DbusError::Sasl(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(uid: u32, text: &[u8]) -> (Result<Progress, DbusError>, String, Vec<u8>) {
        let mut server = Server::new(uid, "0123456789abcdef0123456789abcdef");
        let (mut input, mut output) = (text.to_vec(), Vec::new());
        let progress = server.feed(&mut input, &mut output);
        (progress, String::from_utf8(output).unwrap(), input)
    }

    #[test]
    fn sd_bus_sends_everything_at_once() {
        let (progress, answers, rest) = run(0, &[CLIENT_HELLO, b"l\x01"].concat());
        assert_eq!(progress, Ok(Progress::Done));
        assert_eq!(
            answers,
            "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n"
        );
        assert_eq!(rest, b"l\x01");
    }

    #[test]
    fn godbus_names_its_uid_in_hexadecimal() {
        let (progress, answers, _) = run(0, b"\0AUTH EXTERNAL 30\r\n");
        assert_eq!(progress, Ok(Progress::More));
        assert!(answers.starts_with("OK "));
        let (_, answers, _) = run(0, b"\0AUTH EXTERNAL 31303030\r\n");
        assert_eq!(answers, "REJECTED EXTERNAL\r\n");
        let (_, answers, _) = run(
            1000,
            b"\0AUTH EXTERNAL 31303030\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n",
        );
        assert!(answers.ends_with("AGREE_UNIX_FD\r\n"));
    }

    #[test]
    fn begin_before_authentication_and_noise_end_the_connection() {
        assert!(matches!(run(0, b"\0BEGIN\r\n").0, Err(DbusError::Sasl(_))));
        assert!(matches!(
            run(0, b"GET / HTTP/1.1\r\n").0,
            Err(DbusError::Sasl(_))
        ));
        assert!(matches!(
            run(0, &[b"\0".as_slice(), &[b'A'; 5000]].concat()).0,
            Err(DbusError::Sasl(_))
        ));
        assert!(matches!(
            run(0, &[b"\0".as_slice(), &b"AUTH\r\n".repeat(100)].concat()).0,
            Err(DbusError::Sasl(_))
        ));
    }

    #[test]
    fn both_sides_agree_byte_by_byte() {
        let mut server = Server::new(7, "00112233445566778899aabbccddeeff");
        let mut client = Client::default();
        let (mut to_server, mut to_client, mut seen) = (Vec::new(), Vec::new(), Progress::More);
        for byte in CLIENT_HELLO {
            to_server.push(*byte);
            seen = server.feed(&mut to_server, &mut to_client).unwrap();
        }
        assert_eq!(seen, Progress::Done);
        assert_eq!(client.feed(&mut to_client), Ok(Progress::Done));
        assert!(client.passes_fds() && server.passes_fds());
    }
}
