//! Our encoding of entries, votes and messages, on disk and between members.

use std::collections::{BTreeMap, BTreeSet};

use etcd_store::{Command, Decoder, Encoder, Malformed};
use openraft::EntryPayload;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest, VoteRequest, VoteResponse,
};

use super::types::{
    Attributes, Body, Entry, LogId, Membership, Peer, Proposal, SnapshotMeta, StoredMembership,
    TypeConfig, Vote,
};

pub(crate) fn put_log_id(to: &mut Encoder, log_id: Option<&LogId>) {
    to.bool(log_id.is_some());
    if let Some(log_id) = log_id {
        to.u64(log_id.leader_id.term);
        to.u64(log_id.index);
    }
}

pub(crate) fn get_log_id(from: &mut Decoder<'_>) -> Result<Option<LogId>, Malformed> {
    from.bool()?
        .then(|| Ok(LogId::new_term_index(from.u64()?, from.u64()?)))
        .transpose()
}

pub(crate) fn put_vote(to: &mut Encoder, vote: &Vote) {
    to.u64(vote.leader_id.term);
    to.u64(vote.leader_id.voted_for);
    to.bool(vote.committed);
}

pub(crate) fn get_vote(from: &mut Decoder<'_>) -> Result<Vote, Malformed> {
    let (term, member, committed) = (from.u64()?, from.u64()?, from.bool()?);
    Ok(if committed {
        Vote::new_committed(term, member)
    } else {
        Vote::new(term, member)
    })
}

pub(crate) fn put_strings(to: &mut Encoder, strings: &[String]) {
    to.count(strings.len());
    for string in strings {
        to.bytes(string.as_bytes());
    }
}

pub(crate) fn get_strings(from: &mut Decoder<'_>) -> Result<Vec<String>, Malformed> {
    (0..from.count()?).map(|_| from.string()).collect()
}

pub(crate) fn put_attributes(to: &mut Encoder, attributes: &Attributes) {
    to.bytes(attributes.name.as_bytes());
    put_strings(to, &attributes.client_urls);
}

pub(crate) fn get_attributes(from: &mut Decoder<'_>) -> Result<Attributes, Malformed> {
    Ok(Attributes {
        name: from.string()?,
        client_urls: get_strings(from)?,
    })
}

pub(crate) fn put_proposal(to: &mut Encoder, proposal: &Proposal) {
    to.u64(proposal.id);
    match &proposal.body {
        Body::Command(command) => {
            to.u8(0);
            command.encode(to);
        }
        Body::Publish { member, attributes } => {
            to.u8(1);
            to.u64(*member);
            put_attributes(to, attributes);
        }
    }
}

pub(crate) fn get_proposal(from: &mut Decoder<'_>) -> Result<Proposal, Malformed> {
    let id = from.u64()?;
    let body = match from.u8()? {
        0 => Body::Command(Command::decode(from)?),
        1 => Body::Publish {
            member: from.u64()?,
            attributes: get_attributes(from)?,
        },
        _ => return Err(from.malformed("a kind of proposal")),
    };
    Ok(Proposal { id, body })
}

fn put_membership(to: &mut Encoder, membership: &Membership) {
    let configs = membership.get_joint_config();
    to.count(configs.len());
    for config in configs {
        to.count(config.len());
        for id in config {
            to.u64(*id);
        }
    }
    let nodes: Vec<_> = membership.nodes().collect();
    to.count(nodes.len());
    for (id, peer) in nodes {
        to.u64(*id);
        put_strings(to, &peer.urls);
    }
}

fn get_membership(from: &mut Decoder<'_>) -> Result<Membership, Malformed> {
    let mut configs = Vec::new();
    for _ in 0..from.count()? {
        let ids: Result<BTreeSet<u64>, Malformed> =
            (0..from.count()?).map(|_| from.u64()).collect();
        configs.push(ids?);
    }
    let mut nodes = BTreeMap::new();
    for _ in 0..from.count()? {
        nodes.insert(
            from.u64()?,
            Peer {
                urls: get_strings(from)?,
            },
        );
    }
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configs, nodes).map_err(|_| from.malformed("a membership"))
}

pub(crate) fn put_stored_membership(to: &mut Encoder, stored: &StoredMembership) {
    put_log_id(to, stored.log_id().as_ref());
    put_membership(to, stored.membership());
}

pub(crate) fn get_stored_membership(from: &mut Decoder<'_>) -> Result<StoredMembership, Malformed> {
    Ok(StoredMembership::new(
        get_log_id(from)?,
        get_membership(from)?,
    ))
}

pub(crate) fn put_meta(to: &mut Encoder, meta: &SnapshotMeta) {
    put_log_id(to, meta.last_log_id.as_ref());
    put_stored_membership(to, &meta.last_membership);
}

pub(crate) fn get_meta(from: &mut Decoder<'_>) -> Result<SnapshotMeta, Malformed> {
    Ok(SnapshotMeta {
        last_log_id: get_log_id(from)?,
        last_membership: get_stored_membership(from)?,
    })
}

pub(crate) fn put_entry(to: &mut Encoder, entry: &Entry) {
    to.u64(entry.log_id.leader_id.term);
    to.u64(entry.log_id.index);
    match &entry.payload {
        EntryPayload::Blank => to.u8(0),
        EntryPayload::Normal(proposal) => {
            to.u8(1);
            put_proposal(to, proposal);
        }
        EntryPayload::Membership(membership) => {
            to.u8(2);
            put_membership(to, membership);
        }
    }
}

pub(crate) fn get_entry(from: &mut Decoder<'_>) -> Result<Entry, Malformed> {
    let log_id = LogId::new_term_index(from.u64()?, from.u64()?);
    let payload = match from.u8()? {
        0 => EntryPayload::Blank,
        1 => EntryPayload::Normal(get_proposal(from)?),
        2 => EntryPayload::Membership(get_membership(from)?),
        _ => return Err(from.malformed("a kind of entry")),
    };
    Ok(Entry { log_id, payload })
}

/// A message between members.
pub(crate) trait Message: Sized {
    fn put(&self, to: &mut Encoder);
    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed>;

    fn to_bytes(&self) -> Vec<u8> {
        let mut to = Encoder::new();
        self.put(&mut to);
        to.out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Decoder::new(bytes);
        let message = Self::get(&mut from)?;
        from.end()?;
        Ok(message)
    }
}

impl Message for AppendEntriesRequest<TypeConfig> {
    fn put(&self, to: &mut Encoder) {
        put_vote(to, &self.vote);
        put_log_id(to, self.prev_log_id.as_ref());
        put_log_id(to, self.leader_commit.as_ref());
        to.count(self.entries.len());
        for entry in &self.entries {
            put_entry(to, entry);
        }
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let (vote, prev_log_id, leader_commit) =
            (get_vote(from)?, get_log_id(from)?, get_log_id(from)?);
        let entries: Result<Vec<Entry>, Malformed> =
            (0..from.count()?).map(|_| get_entry(from)).collect();
        Ok(AppendEntriesRequest {
            vote,
            prev_log_id,
            entries: entries?,
            leader_commit,
        })
    }
}

impl Message for AppendEntriesResponse<TypeConfig> {
    fn put(&self, to: &mut Encoder) {
        match self {
            AppendEntriesResponse::Success => to.u8(0),
            AppendEntriesResponse::PartialSuccess(matching) => {
                to.u8(1);
                put_log_id(to, matching.as_ref());
            }
            AppendEntriesResponse::Conflict => to.u8(2),
            AppendEntriesResponse::HigherVote(vote) => {
                to.u8(3);
                put_vote(to, vote);
            }
        }
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8()? {
            0 => AppendEntriesResponse::Success,
            1 => AppendEntriesResponse::PartialSuccess(get_log_id(from)?),
            2 => AppendEntriesResponse::Conflict,
            3 => AppendEntriesResponse::HigherVote(get_vote(from)?),
            _ => return Err(from.malformed("an answer to append")),
        })
    }
}

impl Message for VoteRequest<TypeConfig> {
    fn put(&self, to: &mut Encoder) {
        put_vote(to, &self.vote);
        put_log_id(to, self.last_log_id.as_ref());
        to.bool(self.leadership_transfer);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(VoteRequest {
            vote: get_vote(from)?,
            last_log_id: get_log_id(from)?,
            leadership_transfer: from.bool()?,
        })
    }
}

impl Message for VoteResponse<TypeConfig> {
    fn put(&self, to: &mut Encoder) {
        put_vote(to, &self.vote);
        to.bool(self.vote_granted);
        put_log_id(to, self.last_log_id.as_ref());
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(VoteResponse {
            vote: get_vote(from)?,
            vote_granted: from.bool()?,
            last_log_id: get_log_id(from)?,
        })
    }
}

impl Message for TransferLeaderRequest<TypeConfig> {
    fn put(&self, to: &mut Encoder) {
        put_vote(to, self.from_leader());
        to.u64(*self.to_node_id());
        put_log_id(to, self.last_log_id());
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(TransferLeaderRequest::new(
            get_vote(from)?,
            from.u64()?,
            get_log_id(from)?,
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use etcd_store::{Command, Decoder, Encoder, Operation};
    use openraft::EntryPayload;

    use super::{get_entry, put_entry};
    use crate::raft::types::{Attributes, Body, Entry, LogId, Membership, Peer, Proposal};

    #[test]
    fn every_kind_of_entry_is_decoded_as_it_was_encoded() {
        let peer = Peer {
            urls: vec!["http://a:1".into(), "http://b:2".into()],
        };
        let nodes: BTreeMap<u64, Peer> = [(1, peer.clone()), (2, peer)].into();
        let membership =
            Membership::new(vec![BTreeSet::from([1]), BTreeSet::from([1, 2])], nodes).unwrap();
        let attributes = Attributes {
            name: "n".into(),
            client_urls: vec!["http://c:1".into()],
        };
        for payload in [
            EntryPayload::Blank,
            EntryPayload::Membership(membership),
            EntryPayload::Normal(Proposal {
                id: 9,
                body: Body::Publish {
                    member: 7,
                    attributes,
                },
            }),
            EntryPayload::Normal(Proposal {
                id: 8,
                body: Body::Command(Command {
                    now: 3,
                    operation: Operation::Expire,
                }),
            }),
        ] {
            let entry = Entry {
                log_id: LogId::new_term_index(4, 5),
                payload,
            };
            let mut to = Encoder::new();
            put_entry(&mut to, &entry);
            let mut from = Decoder::new(&to.out);
            assert_eq!(get_entry(&mut from).unwrap(), entry);
            from.end().unwrap();
        }
    }
}
