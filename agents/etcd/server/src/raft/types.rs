//! The types that openraft is built with, and what members agree on.

use std::fmt;
use std::sync::Arc;

use etcd_api::EtcdError;
use etcd_store::{Command, Event, Outcome};

openraft::declare_raft_types!(
    /// openraft with our entries, plain Raft terms and members known by their peer URLs.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Applied,
        NodeId = u64,
        Node = Peer,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
);

pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Peer>;
pub(crate) type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;

/// A snapshot on its way: the bytes that [`super::machine`] writes and reads.
pub(crate) type SnapshotBytes = Arc<Vec<u8>>;

/// How other members reach a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) urls: Vec<String>,
}

/// What a member says about itself at each start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) name: String,
    pub(crate) client_urls: Vec<String>,
}

/// An entry of the log: what to do, and the id under which the proposer waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) id: u64,
    pub(crate) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Command(Command),
    Publish { member: u64, attributes: Attributes },
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.body {
            Body::Command(command) => write!(f, "{command}"),
            Body::Publish { member, .. } => write!(f, "publish {member:x}"),
        }
    }
}

/// What applying an entry gave, and where it is in the log.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) result: Result<Option<Arc<Event>>, EtcdError>,
    pub(crate) log_index: u64,
    pub(crate) term: u64,
}

impl Applied {
    pub(crate) fn nothing(log_id: &LogId) -> Applied {
        Applied {
            result: Ok(None),
            log_index: log_id.index,
            term: log_id.leader_id.term,
        }
    }

    pub(crate) fn outcome(outcome: Result<Outcome, EtcdError>, log_id: &LogId) -> Applied {
        let result = outcome.map(|outcome| match outcome {
            Outcome::Event(event) => Some(event),
            Outcome::Expired(_) => None,
        });
        Applied {
            result,
            ..Applied::nothing(log_id)
        }
    }
}
