//! The error codes of the keys API, with their texts and HTTP statuses.

use crate::json;

/// One row per code: name, number, message, HTTP status.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $message:literal, $status:literal;)*) => {
        /// An error code of the keys API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// The number in `errorCode`.
            #[must_use]
            pub fn number(self) -> u16 {
                match self { $(Code::$name => $number,)* }
            }

            /// The text in `message`.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Code::$name => $message,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Code::$name => $status,)* }
            }
        }
    };
}

codes! {
    /// A component of the key is missing.
    KeyNotFound = 100, "Key not found", 404;
    /// A condition does not hold.
    CompareFailed = 101, "Compare failed", 412;
    /// The key is a directory.
    NotAFile = 102, "Not a file", 403;
    /// A component of the key is a file.
    NotADirectory = 104, "Not a directory", 400;
    /// The key is there already.
    KeyExists = 105, "Key already exists", 412;
    /// The root cannot be written.
    RootReadOnly = 107, "Root is read only", 400;
    /// The directory has children.
    DirectoryNotEmpty = 108, "Directory not empty", 403;
    /// Authentication is needed.
    Unauthorized = 110, "The request requires user authentication", 401;
    /// `prevValue` is empty.
    PrevValueRequired = 201, "PrevValue is Required in POST form", 400;
    /// `ttl` is no number.
    TtlNotANumber = 202, "The given TTL in POST form is not a number", 400;
    /// `prevIndex` or `waitIndex` is no number.
    IndexNotANumber = 203, "The given index in POST form is not a number", 400;
    /// An option has no usable value.
    InvalidField = 209, "Invalid field", 400;
    /// The form cannot be parsed.
    InvalidForm = 210, "Invalid POST form", 400;
    /// A refresh carries a value.
    RefreshValue = 211, "Value provided on refresh", 400;
    /// A refresh carries no TTL.
    RefreshTtlRequired = 212, "A TTL must be provided on refresh", 400;
    /// No agreement in time, or the server stops.
    RaftInternal = 300, "Raft Internal Error", 500;
    /// No leader.
    LeaderElect = 301, "During Leader Election", 500;
    /// The watcher was dropped.
    WatcherCleared = 400, "watcher is cleared due to etcd recovery", 400;
    /// The history does not reach back so far.
    EventIndexCleared = 401, "The event in requested index is outdated and cleared", 400;
}

/// An error of the keys API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {} ({cause}) [{index}]", code.number(), code.message())]
pub struct EtcdError {
    /// Which.
    pub code: Code,
    /// On what; empty when there is nothing to say.
    pub cause: String,
    /// The store's index; 0 for requests that were refused before the store was asked.
    pub index: u64,
}

impl EtcdError {
    /// An error with its cause, at an index.
    pub fn new(code: Code, cause: impl Into<String>, index: u64) -> EtcdError {
        EtcdError {
            code,
            cause: cause.into(),
            index,
        }
    }

    /// The body of the answer, with its newline.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(b"{\"errorCode\":");
        json::number(&mut out, u64::from(self.code.number()));
        out.extend_from_slice(b",\"message\":");
        json::string(&mut out, self.code.message().as_bytes());
        if !self.cause.is_empty() {
            out.extend_from_slice(b",\"cause\":");
            json::string(&mut out, self.cause.as_bytes());
        }
        out.extend_from_slice(b",\"index\":");
        json::number(&mut out, self.index);
        out.extend_from_slice(b"}\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, EtcdError};

    #[test]
    fn the_text_is_that_of_etcdctl() {
        let error = EtcdError::new(Code::KeyNotFound, "/foo", 7);
        assert_eq!(error.to_string(), "100: Key not found (/foo) [7]");
    }

    #[test]
    fn an_empty_cause_is_left_out_of_the_json() {
        let error = EtcdError::new(Code::RaftInternal, "", 0);
        assert_eq!(
            error.to_json(),
            b"{\"errorCode\":300,\"message\":\"Raft Internal Error\",\"index\":0}\n"
        );
    }

    #[test]
    fn every_number_is_used_once() {
        let mut numbers: Vec<u16> = Code::ALL.iter().map(|code| code.number()).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
    }
}
