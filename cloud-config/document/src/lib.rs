//! User-data: from bytes to a plan of changes, without touching the machine.
//!
//! ```text
//! bytes ─► envelope::open ─► Parts (cloud-config, script, …)      gunzip, MIME, the first line decides
//!       ─► variables::resolve ─► Resolved                          $private_ipv4 and friends replaced
//!       ─► read::read ─► CloudConfig + Vec<Diagnostic>             never panics, one mistake costs one item
//!       ─► plan::plan ─► Vec<Change>                               what is to be done, in order
//! ```
//!
//! It decides everything that can be decided from text; it opens no file, asks no network and knows
//! no clock. Carrying a plan out is the business of `coreos-cloudinit`.
//!
//! ```
//! use cloud_config_document::{envelope, read, variables::{self, Addresses}};
//! let parts = envelope::open(b"#cloud-config\nhostname: node-1\n").parts;
//! let resolved = variables::resolve(&parts[0].text, &Addresses::default(), "a test");
//! let (config, diagnostics) = read::read(&resolved.text).expect("YAML");
//! assert_eq!(config.hostname.unwrap().value, "node-1");
//! assert!(diagnostics.is_empty());
//! ```

#![forbid(unsafe_code)]

pub mod config;
pub mod diagnostic;
pub mod encoding;
pub mod envelope;
pub mod generated;
mod mime;
mod nearest;
pub mod patterns;
pub mod plan;
pub mod read;
mod scalar;
pub mod schema;
pub mod variables;
mod yaml;

pub use config::CloudConfig;
pub use diagnostic::{Diagnostic, Severity};
pub use plan::{Change, Metadata, plan};
