//! Words of the etcd v2 API: error codes, forms and options of requests, the JSON of answers.
//!
//! It says how things are written and what a request asks for; it holds no state, opens nothing and
//! decides nothing about the key space. Main types: [`Request`], [`EtcdError`], [`Response`].
//!
//! ```
//! use etcd_api::{Form, Method, Operation, Request};
//! let form = Form::parse(b"value=Hello&ttl=5", b"")?;
//! let request = Request::parse(Method::Put, &form)?;
//! assert!(matches!(request.operation, Operation::Set { .. }));
//! # Ok::<(), etcd_api::EtcdError>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod form;
pub mod json;
mod members;
mod path;
mod request;
mod response;
mod stats;
mod time;

pub use error::{Code, EtcdError};
pub use form::{Form, encode_form_value};
pub use members::{Member, MemberList, Message, PeerUrls, check_peer_urls, parse_member_id};
pub use path::{CleanPath, KEY_DEPTH, check_depth, clean, decode_path, encode_path};
pub use request::{Method, Operation, Request, Ttl, WriteTarget};
pub use response::{Node, Response};
pub use stats::{Latency, LeaderInfo, SelfStats, StoreStats, go_duration};
pub use time::{rfc3339_nanos, ttl_seconds};
