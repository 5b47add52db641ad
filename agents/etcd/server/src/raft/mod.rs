//! Agreement between members: the only module that knows openraft.
//!
//! [`Consensus`] proposes commands wherever the leader is, makes reads linearizable, and changes the
//! members. What members agree on is in [`types`], how it is stored in [`log`] and [`snapshot`], how
//! it is applied in [`machine`], how members talk in [`network`] and [`serve`].

mod codec;
mod consensus;
mod crc;
mod log;
mod machine;
mod membership;
mod metrics;
mod network;
mod serve;
mod snapshot;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use consensus::{Consensus, Failure, Parameters, Role, StartError};
pub(crate) use log::sync_folder;
pub(crate) use membership::{MemberChange, MemberError};
pub(crate) use network::{SNAPSHOT_LIMIT, SNAPSHOT_PATH, SNAPSHOT_TIME};
pub(crate) use types::{Attributes, Body, Peer};
