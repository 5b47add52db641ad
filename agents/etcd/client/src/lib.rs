//! How programs talk to etcd: requests with failover, watches that recover.
//!
//! A write is asked of another member only when the first cannot have seen it, so that nothing is
//! done twice behind the caller's back. It parses no configuration and prints nothing. Main types:
//! [`Client`], [`Watcher`] (events), [`Follower`] (a directory's state, then its events) and [`Kept`]
//! (a key with a time to live that is renewed).
//!
//! ```no_run
//! # async fn example() -> Result<(), etcd_client::ClientError> {
//! let client = etcd_client::Client::new(&["http://127.0.0.1:2379".to_owned()])?;
//! client.set("/message", "Hello", &etcd_client::WriteOptions::default()).await?;
//! let mut watcher = client.watch("/services", true, None);
//! let event = watcher.next().await?;
//! println!("{} {}", event.action, event.node.key);
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod client;
mod error;
mod follow;
mod kept;
mod keys;
mod members;
mod pause;
#[cfg(test)]
mod script;
mod watch;

pub use client::{Client, Timeouts};
pub use error::ClientError;
pub use etcd_api::{Code, EtcdError, Member, Node, Response};
pub use follow::{Follower, News};
pub use kept::{Kept, Renewal};
pub use keys::{DeleteOptions, Exists, GetOptions, WriteOptions};
pub use watch::Watcher;
