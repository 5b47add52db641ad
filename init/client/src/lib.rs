//! How our programs talk to PID 1, and how a service talks to its manager.
//!
//! Carries calls and messages; decides nothing about units. Blocking, because its users are
//! programs that do one thing after another; a tokio agent calls it from `spawn_blocking`.
//! Nothing here retries by itself: the caller knows whether a call may be repeated.
//!
//! - [`Manager`]: typed calls of `org.freedesktop.systemd1` over PID 1's private socket, and
//!   waiting for the jobs that they start.
//! - [`Connection`]: any other call, signals, descriptors.
//! - [`notify`], [`activation`], [`watchdog`]: the environment that systemd gives to a service.
//!
//! ```no_run
//! # fn main() -> Result<(), init_client::ClientError> {
//! let mut manager = init_client::Manager::connect()?;
//! let job = manager.start_unit("etcd2.service", "replace")?;
//! let result = manager.wait_for_job(&job, None)?;
//! assert_eq!(result.as_deref(), Some("done"));
//! # Ok(()) }
//! ```

#![forbid(unsafe_code)]

pub mod activation;
mod connection;
mod error;
mod manager;
pub mod names;
pub mod notify;
pub mod watchdog;

pub use connection::{Connection, Peer};
pub use dbus::{Message, Value};
pub use error::ClientError;
pub use manager::{Manager, UnitFileChange, UnitRecord};
