//! One message: its header fields, its body, and how both are laid out on the wire.

use crate::decode::Decoder;
use crate::encode::{Encoder, too_large};
use crate::{DbusError, Limits, Signature, Value, names};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A method call.
    Call,
    /// A reply with results.
    Return,
    /// A reply with an error.
    Error,
    /// A signal.
    Signal,
}

/// The flags byte.
pub mod flags {
    /// The caller does not wait for a reply.
    pub const NO_REPLY_EXPECTED: u8 = 1;
    /// Do not start a service for this.
    pub const NO_AUTO_START: u8 = 2;
    /// The caller can answer questions of an authentication agent.
    pub const ALLOW_INTERACTIVE_AUTHORIZATION: u8 = 4;
}

/// One message with its body decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// See [`flags`].
    pub flags: u8,
    /// The sender's number of it; zero is not allowed on the wire.
    pub serial: u32,
    /// The call that a reply answers.
    pub reply_serial: Option<u32>,
    /// The object.
    pub path: Option<String>,
    /// The interface.
    pub interface: Option<String>,
    /// The method or signal.
    pub member: Option<String>,
    /// The name of an error.
    pub error_name: Option<String>,
    /// To whom, on a bus.
    pub destination: Option<String>,
    /// From whom, on a bus.
    pub sender: Option<String>,
    /// How many descriptors travel beside it.
    pub unix_fds: u32,
    /// The arguments.
    pub body: Vec<Value>,
}

const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SENDER: u8 = 7;
const SIGNATURE: u8 = 8;
const UNIX_FDS: u8 = 9;

impl Message {
    fn empty(kind: Kind) -> Self {
        Self {
            kind,
            flags: 0,
            serial: 0,
            reply_serial: None,
            path: None,
            interface: None,
            member: None,
            error_name: None,
            destination: None,
            sender: None,
            unix_fds: 0,
            body: Vec::new(),
        }
    }

    /// A method call without arguments.
    #[must_use]
    pub fn call(path: &str, interface: &str, member: &str) -> Self {
        Self {
            path: Some(path.to_owned()),
            interface: Some(interface.to_owned()),
            member: Some(member.to_owned()),
            ..Self::empty(Kind::Call)
        }
    }

    /// A signal without arguments.
    #[must_use]
    pub fn signal(path: &str, interface: &str, member: &str) -> Self {
        Self {
            flags: flags::NO_REPLY_EXPECTED,
            kind: Kind::Signal,
            ..Self::call(path, interface, member)
        }
    }

    /// The answer to this call.
    #[must_use]
    pub fn reply(&self, body: Vec<Value>) -> Self {
        Self {
            flags: flags::NO_REPLY_EXPECTED,
            reply_serial: Some(self.serial),
            destination: self.sender.clone(),
            body,
            ..Self::empty(Kind::Return)
        }
    }

    /// The refusal of this call.
    #[must_use]
    pub fn error(&self, name: &str, text: &str) -> Self {
        Self {
            kind: Kind::Error,
            error_name: Some(name.to_owned()),
            ..self.reply(vec![Value::from(text)])
        }
    }

    /// With arguments.
    #[must_use]
    pub fn with(mut self, body: Vec<Value>) -> Self {
        self.body = body;
        self
    }

    /// With a destination.
    #[must_use]
    pub fn to(mut self, destination: &str) -> Self {
        self.destination = Some(destination.to_owned());
        self
    }

    /// Whether the sender waits for an answer.
    #[must_use]
    pub fn wants_reply(&self) -> bool {
        self.kind == Kind::Call && self.flags & flags::NO_REPLY_EXPECTED == 0
    }

    /// The text of an error reply's first argument.
    #[must_use]
    pub fn error_text(&self) -> &str {
        self.body
            .first()
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The types of the body, one after another.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut out = String::new();
        self.body.iter().for_each(|v| v.write_signature(&mut out));
        out
    }

    /// As bytes for the wire, little-endian.
    ///
    /// # Errors
    /// When a value cannot be sent: a bad object path, a signature over 255 bytes, mixed arrays.
    pub fn encode(&self) -> Result<Vec<u8>, DbusError> {
        let mut body = Encoder::default();
        for value in &self.body {
            body.value(value)?;
        }
        let signature = Signature::parse(&self.signature())?;
        let mut out = Encoder::default();
        let kind = match self.kind {
            Kind::Call => 1,
            Kind::Return => 2,
            Kind::Error => 3,
            Kind::Signal => 4,
        };
        out.bytes.extend_from_slice(&[b'l', kind, self.flags, 1]);
        let length = body.bytes.len();
        out.u32(u32::try_from(length).map_err(|_| too_large("a body", length, MAX_MESSAGE))?);
        out.u32(self.serial);
        out.value(&Value::array("(yv)", self.fields(signature)))?;
        out.pad(8);
        out.bytes.append(&mut body.bytes);
        if out.bytes.len() > MAX_MESSAGE {
            return Err(too_large("a message", out.bytes.len(), MAX_MESSAGE));
        }
        Ok(out.bytes)
    }

    fn fields(&self, signature: Signature) -> Vec<Value> {
        let mut fields = Vec::new();
        let mut field = |code: u8, value: Value| {
            fields.push(Value::Struct(vec![
                Value::Byte(code),
                Value::variant(value),
            ]));
        };
        if let Some(path) = &self.path {
            field(PATH, Value::Path(path.clone()));
        }
        let texts = [
            (INTERFACE, &self.interface),
            (MEMBER, &self.member),
            (ERROR_NAME, &self.error_name),
            (DESTINATION, &self.destination),
            (SENDER, &self.sender),
        ];
        for (code, text) in texts {
            if let Some(text) = text {
                field(code, Value::Str(text.clone()));
            }
        }
        if let Some(serial) = self.reply_serial {
            field(REPLY_SERIAL, Value::Uint32(serial));
        }
        if !signature.as_str().is_empty() {
            field(SIGNATURE, Value::Signature(signature));
        }
        if self.unix_fds > 0 {
            field(UNIX_FDS, Value::Uint32(self.unix_fds));
        }
        fields
    }

    /// From the bytes of exactly one frame (see [`frame_length`]).
    ///
    /// # Errors
    /// What rule of the wire format the bytes break.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DbusError> {
        match frame_length(bytes, limits)? {
            Some(length) if length == bytes.len() => {}
            Some(length) if length < bytes.len() => {
                return Err(DbusError::Malformed {
                    what: "bytes after the message",
                    at: length,
                });
            }
            _ => return Err(DbusError::Truncated { at: bytes.len() }),
        }
        let little = bytes.first() == Some(&b'l');
        let mut input = Decoder::new(bytes, little);
        input.byte()?;
        let kind = match input.byte()? {
            1 => Kind::Call,
            2 => Kind::Return,
            3 => Kind::Error,
            4 => Kind::Signal,
            other => return Err(DbusError::MessageType(other)),
        };
        let mut message = Self {
            flags: input.byte()?,
            ..Self::empty(kind)
        };
        input.byte()?;
        let body_length = input.u32()?;
        message.serial = input.u32()?;
        if message.serial == 0 {
            return Err(DbusError::Malformed {
                what: "a serial of zero",
                at: 8,
            });
        }
        let fields = input.value("a(yv)", limits.depth)?;
        let mut signature = Signature::default();
        for field in fields.items() {
            message.take_field(field, &mut signature)?;
        }
        input.align(8)?;
        message.check(limits)?;
        let start = input.at();
        let mut body = Decoder::new(bytes.get(start..).unwrap_or_default(), little);
        message.body = body.sequence(signature.as_str(), limits.depth)?;
        if !body.is_empty() {
            return Err(DbusError::Malformed {
                what: "a body longer than its signature",
                at: start,
            });
        }
        debug_assert_eq!(
            usize::try_from(body_length).ok(),
            bytes.len().checked_sub(start)
        );
        Ok(message)
    }

    fn take_field(&mut self, field: &Value, signature: &mut Signature) -> Result<(), DbusError> {
        let [Value::Byte(code), Value::Variant(value)] = field.items() else {
            return Ok(());
        };
        let text = |what, check: fn(&str) -> bool| match &**value {
            Value::Str(text) | Value::Path(text) if check(text) => Ok(Some(text.clone())),
            Value::Str(text) => Err(DbusError::Name {
                what,
                text: text.clone(),
            }),
            _ => Err(DbusError::Malformed {
                what: "a header field of the wrong type",
                at: 12,
            }),
        };
        match (*code, &**value) {
            (0, _) => {
                return Err(DbusError::Malformed {
                    what: "the header field 0",
                    at: 12,
                });
            }
            (PATH, Value::Path(path)) => self.path = Some(path.clone()),
            (INTERFACE, _) => self.interface = text("interface", names::is_interface)?,
            (MEMBER, _) => self.member = text("member", names::is_member)?,
            (ERROR_NAME, _) => self.error_name = text("error name", names::is_error_name)?,
            (DESTINATION, _) => self.destination = text("destination", names::is_bus_name)?,
            (SENDER, _) => self.sender = text("sender", names::is_bus_name)?,
            (REPLY_SERIAL, Value::Uint32(serial)) => self.reply_serial = Some(*serial),
            (SIGNATURE, Value::Signature(found)) => *signature = found.clone(),
            (UNIX_FDS, Value::Uint32(count)) => self.unix_fds = *count,
            (PATH | REPLY_SERIAL | SIGNATURE | UNIX_FDS, _) => {
                return Err(DbusError::Malformed {
                    what: "a header field of the wrong type",
                    at: 12,
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn check(&self, limits: &Limits) -> Result<(), DbusError> {
        let need = |present: bool, name| {
            if present {
                Ok(())
            } else {
                Err(DbusError::MissingField(name))
            }
        };
        match self.kind {
            Kind::Call => {
                need(self.path.is_some(), "PATH")?;
                need(self.member.is_some(), "MEMBER")?;
            }
            Kind::Signal => {
                need(self.path.is_some(), "PATH")?;
                need(self.interface.is_some(), "INTERFACE")?;
                need(self.member.is_some(), "MEMBER")?;
            }
            Kind::Return => need(self.reply_serial.is_some(), "REPLY_SERIAL")?,
            Kind::Error => {
                need(self.reply_serial.is_some(), "REPLY_SERIAL")?;
                need(self.error_name.is_some(), "ERROR_NAME")?;
            }
        }
        let fds = usize::try_from(self.unix_fds).unwrap_or(usize::MAX);
        if fds > limits.fds {
            return Err(too_large("descriptors", fds, limits.fds));
        }
        Ok(())
    }
}

/// The protocol's limit.
const MAX_MESSAGE: usize = 128 << 20;

/// The length of the first message in a stream, `None` while its header is not complete.
///
/// # Errors
/// When the header can never become a message that [`Limits`] allow; the stream cannot go on.
pub fn frame_length(bytes: &[u8], limits: &Limits) -> Result<Option<usize>, DbusError> {
    let Some(head) = bytes.get(..16) else {
        return match bytes.first() {
            Some(b'l' | b'B') | None => Ok(None),
            Some(other) => Err(DbusError::ByteOrder(*other)),
        };
    };
    let little = match head.first() {
        Some(b'l') => true,
        Some(b'B') => false,
        other => return Err(DbusError::ByteOrder(other.copied().unwrap_or(0))),
    };
    if head.get(3) != Some(&1) {
        return Err(DbusError::Version(head.get(3).copied().unwrap_or(0)));
    }
    let mut input = Decoder::new(head, little);
    input.u32()?;
    let body = usize::try_from(input.u32()?).unwrap_or(usize::MAX);
    input.u32()?;
    let fields = usize::try_from(input.u32()?).unwrap_or(usize::MAX);
    let limit = limits.message.min(MAX_MESSAGE);
    let length = fields
        .checked_next_multiple_of(8)
        .and_then(|f| f.checked_add(16)?.checked_add(body));
    match length {
        Some(length) if length <= limit => Ok(Some(length)),
        other => Err(too_large("a message", other.unwrap_or(usize::MAX), limit)),
    }
}

#[cfg(test)]
mod tests;
