//! What can be wrong with bytes from a peer, or with a value that we were asked to send.

/// One reason why bytes are not a message, or a message cannot become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbusError {
    /// The bytes end inside a value.
    #[error("the message ends in the middle of a value at byte {at}")]
    Truncated {
        /// Where the missing bytes were wanted.
        at: usize,
    },
    /// The first byte is neither `l` nor `B`.
    #[error("unknown byte order mark 0x{0:02x}, expected 'l' or 'B'")]
    ByteOrder(u8),
    /// Another major version of the protocol.
    #[error("protocol version {0}, expected 1")]
    Version(u8),
    /// Zero or an unknown message type.
    #[error("unknown message type {0}")]
    MessageType(u8),
    /// More than the limit.
    #[error("{what} of {got} is over the limit of {limit}")]
    TooLarge {
        /// What was measured.
        what: &'static str,
        /// What the peer named.
        got: u64,
        /// What we allow.
        limit: u64,
    },
    /// Padding that is not zero, booleans other than 0 and 1, and the like.
    #[error("{what} at byte {at}")]
    Malformed {
        /// What rule was broken.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// Not a signature.
    #[error("bad signature {text:?}: {why}")]
    Signature {
        /// As received.
        text: String,
        /// What rule was broken.
        why: &'static str,
    },
    /// Not a name of its kind.
    #[error("bad {what} {text:?}")]
    Name {
        /// Which kind of name.
        what: &'static str,
        /// As received.
        text: String,
    },
    /// The message kind needs a header field that is absent.
    #[error("the header field {0} is missing")]
    MissingField(&'static str),
    /// Elements of an array whose types differ from the array's.
    #[error("a value of type {got} in an array of {want}")]
    Mixed {
        /// The array's element type.
        want: String,
        /// The element's type.
        got: String,
    },
    /// The other side refused the authentication or spoke out of turn.
    #[error("authentication failed: {0}")]
    Sasl(String),
}
