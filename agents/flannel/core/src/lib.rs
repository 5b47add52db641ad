//! What flannel decides: configuration, leases, choosing a subnet, and what the kernel should have.
//!
//! No sockets, files, clock or dice: those arrive as arguments. Main types: [`Config`], [`Leases`]
//! and [`Entry`].
//!
//! ```
//! use flannel_core::{Config, Leases, choose::{Choice, Own, choose}};
//! let config = Config::parse(r#"{"Network": "10.1.0.0/16"}"#).unwrap();
//! let mut leases = Leases::default();
//! leases.put("10.1.5.0-24", r#"{"PublicIP":"192.168.50.15"}"#, Some(86_400), 7);
//! let own = Own { public_ip: "192.168.50.14".parse().unwrap(), previous: None };
//! let Choice::Create(subnet) = choose(&config, &leases, &own, 0.5) else { panic!() };
//! assert!(config.network.contains(&subnet) && subnet.len() == 24);
//! ```
#![forbid(unsafe_code)]

pub mod choose;
mod config;
mod diff;
pub mod docker_opts;
mod json;
mod lease;
mod mac;
pub mod packet;
pub mod rules;
mod subnet;
mod subnet_env;
mod wanted;

pub use config::{Backend, Config, ConfigError};
pub use diff::{Operation, diff};
pub use lease::{Lease, Leases, Record};
pub use mac::Mac;
pub use subnet::Subnet;
pub use subnet_env::SubnetEnv;
pub use wanted::{Entry, Means, Route, wanted};

/// Where flannel's keys are, unless told otherwise.
pub const PREFIX: &str = "/coreos.com/network";

/// The life of a lease.
pub const LEASE_TTL: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The key of the configuration.
#[must_use]
pub fn config_key(prefix: &str) -> String {
    format!("/{}/config", prefix.trim_matches('/'))
}

/// The directory of the leases.
#[must_use]
pub fn subnets_dir(prefix: &str) -> String {
    format!("/{}/subnets", prefix.trim_matches('/'))
}
