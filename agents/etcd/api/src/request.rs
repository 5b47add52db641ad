//! What a request on `/v2/keys` asks for: options are checked in the original's order.

use crate::{Code, EtcdError, Form};

/// The longest TTL in seconds that still fits the clock; more is refused.
const TTL_MAX: u64 = 9_000_000_000;

/// The methods of the keys API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// PUT
    Put,
    /// POST
    Post,
    /// DELETE
    Delete,
}

/// Time to live as the request has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// Absent or empty: the key is permanent.
    Permanent,
    /// In so many seconds.
    Seconds(u64),
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteTarget {
    /// The content; empty for a directory.
    pub value: Vec<u8>,
    /// Whether it is a directory.
    pub dir: bool,
    /// Its time to live.
    pub ttl: Ttl,
    /// Whether only the TTL changes, unseen by watchers.
    pub refresh: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Read a key or list a directory.
    Get {
        /// With everything below.
        recursive: bool,
        /// Through the log.
        quorum: bool,
    },
    /// Wait for an event.
    Watch {
        /// On everything below too.
        recursive: bool,
        /// More than one event.
        stream: bool,
        /// The first index wanted, 0 for the next event.
        index: u64,
    },
    /// Write, whatever was there.
    Set(WriteTarget),
    /// Write a key that is not there.
    Create(WriteTarget),
    /// Write a key that is there.
    Update(WriteTarget),
    /// Write a key that has this value or index.
    CompareAndSwap {
        /// What to write.
        target: WriteTarget,
        /// Its present value; empty for any.
        prev_value: Vec<u8>,
        /// Its present modifiedIndex; 0 for any.
        prev_index: u64,
    },
    /// Create a key with a name made from the index.
    CreateInOrder(WriteTarget),
    /// Delete.
    Delete {
        /// Also an empty directory.
        dir: bool,
        /// Also a filled one.
        recursive: bool,
    },
    /// Delete a key that has this value or index.
    CompareAndDelete {
        /// Its present value; empty for any.
        prev_value: Vec<u8>,
        /// Its present modifiedIndex; 0 for any.
        prev_index: u64,
    },
}

/// A checked request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub operation: Operation,
    /// Answer a write only with its action.
    pub no_value_on_success: bool,
}

impl Request {
    /// Checks the options of a request, all of them whatever the method, in the original's order.
    ///
    /// # Errors
    /// Codes 201 to 212, at index 0.
    pub fn parse(method: Method, form: &Form) -> Result<Request, EtcdError> {
        let prev_index = index(form, "prevIndex")?;
        let wait_index = index(form, "waitIndex")?;
        let flag = |name| flag(form, name, &format!("invalid value for \"{name}\""));
        let recursive = flag("recursive")?.unwrap_or(false);
        flag("sorted")?;
        let wait = flag("wait")?.unwrap_or(false);
        let dir = flag("dir")?.unwrap_or(false);
        let quorum = flag("quorum")?.unwrap_or(false);
        let stream = flag("stream")?.unwrap_or(false);
        if wait && method != Method::Get {
            return Err(refused(
                Code::InvalidField,
                "\"wait\" can only be used with GET requests",
            ));
        }
        let prev_value = form.get("prevValue").unwrap_or_default().to_vec();
        if form.get("prevValue").is_some() && prev_value.is_empty() {
            return Err(refused(
                Code::PrevValueRequired,
                "\"prevValue\" cannot be empty",
            ));
        }
        let no_value_on_success = flag("noValueOnSuccess")?.unwrap_or(false);
        let ttl = ttl(form)?;
        let prev_exist = self::flag(form, "prevExist", "invalid value for prevExist")?;
        let refresh = self::flag(form, "refresh", "invalid value for refresh")?.unwrap_or(false);
        let value = form.get("value").unwrap_or_default();
        if refresh && !value.is_empty() {
            return Err(refused(
                Code::RefreshValue,
                "A value was provided on a refresh",
            ));
        }
        if refresh && ttl == Ttl::Permanent {
            return Err(refused(Code::RefreshTtlRequired, "No TTL value set"));
        }
        let target = || WriteTarget {
            value: if dir { Vec::new() } else { value.to_vec() },
            dir,
            ttl,
            refresh,
        };
        let compare = !prev_value.is_empty() || prev_index > 0;
        let operation = match method {
            Method::Get if wait && !quorum => Operation::Watch {
                recursive,
                stream,
                index: wait_index,
            },
            Method::Get => Operation::Get { recursive, quorum },
            Method::Head => Operation::Get {
                recursive,
                quorum: false,
            },
            Method::Put if prev_exist == Some(false) => Operation::Create(target()),
            Method::Put if compare => Operation::CompareAndSwap {
                target: target(),
                prev_value,
                prev_index,
            },
            Method::Put if prev_exist == Some(true) => Operation::Update(target()),
            Method::Put => Operation::Set(target()),
            Method::Post => Operation::CreateInOrder(target()),
            Method::Delete if compare => Operation::CompareAndDelete {
                prev_value,
                prev_index,
            },
            Method::Delete => Operation::Delete {
                dir: dir || recursive,
                recursive,
            },
        };
        Ok(Request {
            operation,
            no_value_on_success,
        })
    }
}

fn refused(code: Code, cause: impl Into<String>) -> EtcdError {
    EtcdError::new(code, cause, 0)
}

fn index(form: &Form, name: &str) -> Result<u64, EtcdError> {
    let Some(text) = form.get(name) else {
        return Ok(0);
    };
    unsigned(text).ok_or_else(|| {
        refused(
            Code::IndexNotANumber,
            format!("invalid value for \"{name}\""),
        )
    })
}

fn ttl(form: &Form) -> Result<Ttl, EtcdError> {
    let text = form.get("ttl").unwrap_or_default();
    if text.is_empty() {
        return Ok(Ttl::Permanent);
    }
    unsigned(text)
        .filter(|seconds| *seconds <= TTL_MAX)
        .map(Ttl::Seconds)
        .ok_or_else(|| refused(Code::TtlNotANumber, "invalid value for \"ttl\""))
}

fn unsigned(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| std::str::from_utf8(text).ok()?.parse().ok())
        .flatten()
}

fn flag(form: &Form, name: &str, cause: &str) -> Result<Option<bool>, EtcdError> {
    match form.get(name) {
        None => Ok(None),
        Some(b"1" | b"t" | b"T" | b"true" | b"True" | b"TRUE") => Ok(Some(true)),
        Some(b"0" | b"f" | b"F" | b"false" | b"False" | b"FALSE") => Ok(Some(false)),
        Some(_) => Err(refused(Code::InvalidField, cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, Operation, Request, Ttl};
    use crate::Form;

    fn parse(method: Method, query: &str) -> Result<Request, String> {
        Request::parse(method, &Form::parse(b"", query.as_bytes()).unwrap())
            .map_err(|error| format!("{} {}", error.code.number(), error.cause))
    }

    #[test]
    fn method_and_conditions_choose_the_operation() {
        let name = |method, query| match parse(method, query).unwrap().operation {
            Operation::Get { .. } => "get",
            Operation::Watch { .. } => "watch",
            Operation::Set(_) => "set",
            Operation::Create(_) => "create",
            Operation::Update(_) => "update",
            Operation::CompareAndSwap { .. } => "cas",
            Operation::CreateInOrder(_) => "post",
            Operation::Delete { .. } => "delete",
            Operation::CompareAndDelete { .. } => "cad",
        };
        for (method, query, want) in [
            (Method::Get, "", "get"),
            (Method::Get, "wait=true", "watch"),
            (Method::Get, "wait=true&quorum=1", "get"),
            (Method::Head, "recursive=t", "get"),
            (Method::Put, "value=x", "set"),
            (Method::Put, "prevExist=false", "create"),
            (Method::Put, "prevExist=false&prevValue=x", "create"),
            (Method::Put, "prevExist=true", "update"),
            (Method::Put, "prevExist=true&prevIndex=0", "update"),
            (Method::Put, "prevExist=true&prevValue=x", "cas"),
            (Method::Put, "prevIndex=3", "cas"),
            (Method::Post, "prevExist=true", "post"),
            (Method::Delete, "", "delete"),
            (Method::Delete, "prevExist=false", "delete"),
            (Method::Delete, "prevIndex=3", "cad"),
        ] {
            assert_eq!(name(method, query), want, "{method:?} {query}");
        }
    }

    #[test]
    fn malformed_options_are_refused_in_the_order_of_the_original() {
        for (method, query, want) in [
            (
                Method::Get,
                "waitIndex=-1&recursive=x",
                "203 invalid value for \"waitIndex\"",
            ),
            (
                Method::Get,
                "prevIndex=&waitIndex=a",
                "203 invalid value for \"prevIndex\"",
            ),
            (
                Method::Get,
                "recursive=yes",
                "209 invalid value for \"recursive\"",
            ),
            (Method::Put, "sorted=", "209 invalid value for \"sorted\""),
            (
                Method::Head,
                "wait=true",
                "209 \"wait\" can only be used with GET requests",
            ),
            (
                Method::Put,
                "prevValue=&ttl=x",
                "201 \"prevValue\" cannot be empty",
            ),
            (Method::Put, "ttl=-1", "202 invalid value for \"ttl\""),
            (
                Method::Put,
                "ttl=9300000000",
                "202 invalid value for \"ttl\"",
            ),
            (Method::Put, "prevExist=", "209 invalid value for prevExist"),
            (Method::Put, "refresh=x", "209 invalid value for refresh"),
            (
                Method::Put,
                "refresh=true&value=x&ttl=1",
                "211 A value was provided on a refresh",
            ),
            (Method::Put, "refresh=true", "212 No TTL value set"),
        ] {
            assert_eq!(
                parse(method, query).unwrap_err(),
                want,
                "{method:?} {query}"
            );
        }
    }

    #[test]
    fn an_empty_ttl_means_permanent_and_a_directory_has_no_value() {
        let Operation::Set(target) = parse(Method::Put, "ttl=&dir=true&value=x")
            .unwrap()
            .operation
        else {
            panic!("not a set")
        };
        assert_eq!(
            (target.ttl, target.dir, target.value),
            (Ttl::Permanent, true, Vec::new())
        );
    }
}
