//! The one HTTP/1.1 server and client of Garboard's programs.
//!
//! It decides how long to wait, how much to read, how connections are kept and how a server stops;
//! it knows no path, no header of any API and no retry policy of a caller. Replacing hyper touches
//! this crate only. Main types: [`Client`] and [`Server`].
//!
//! ```
//! let url = http::Url::parse("http://169.254.169.254/openstack/latest/user_data")?;
//! assert_eq!(url.endpoint().to_string(), "169.254.169.254:80");
//! assert_eq!(url.path_and_query(), "/openstack/latest/user_data");
//! # Ok::<(), http::HttpError>(())
//! ```
#![forbid(unsafe_code)]

mod client;
mod error;
mod failover;
mod get;
mod limits;
mod message;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod url;

pub use client::{Client, Reply};
pub use error::HttpError;
pub use failover::{Attempt, Endpoints};
pub use get::{get, get_blocking};
pub use hyper::header::{HeaderMap, HeaderName, HeaderValue};
pub use hyper::{Method, StatusCode, header};
pub use limits::{Large, Limits, ServerLimits};
pub use message::{Answer, Body, BodySender, Call, Gone, Request, Response};
pub use server::{Listener, Server, Stop, Stopper};
pub use url::{Endpoint, Url};
