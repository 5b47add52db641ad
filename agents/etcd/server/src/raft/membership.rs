//! Members: the list, and changing it one at a time.
//!
//! A new member begins as a learner, which harms no quorum; the leader makes it a voter when it has
//! caught up. A member that was removed never comes back under its id.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use etcd_api::Member;
use etcd_store::{Decoder, Encoder, Malformed};
use openraft::error::{ClientWriteError, RaftError};
use openraft::{ChangeMembers, ServerState};

use super::codec::{Message, get_strings, put_strings};
use super::consensus::{Consensus, Failure};
use super::types::Peer;

/// How far behind a learner may be to become a voter.
const CAUGHT_UP: u64 = 500;

/// Why a member cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberError {
    /// No member of that id.
    Missing,
    /// It was removed.
    Removed,
    /// The id is taken.
    IdExists,
    /// Another member has that peer URL.
    UrlExists,
    /// It would leave no quorum.
    Unsafe,
    /// This member is not the leader; that one may be asked.
    NotLeader(Option<u64>),
    /// No agreement.
    Failed(Failure),
}

/// A change of the members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MemberChange {
    Add { id: u64, urls: Vec<String> },
    Update { id: u64, urls: Vec<String> },
    Remove { id: u64 },
}

impl Message for MemberChange {
    fn put(&self, to: &mut Encoder) {
        match self {
            MemberChange::Add { id, urls } => {
                to.u8(0);
                to.u64(*id);
                put_strings(to, urls);
            }
            MemberChange::Update { id, urls } => {
                to.u8(1);
                to.u64(*id);
                put_strings(to, urls);
            }
            MemberChange::Remove { id } => {
                to.u8(2);
                to.u64(*id);
            }
        }
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8()? {
            0 => MemberChange::Add {
                id: from.u64()?,
                urls: get_strings(from)?,
            },
            1 => MemberChange::Update {
                id: from.u64()?,
                urls: get_strings(from)?,
            },
            2 => MemberChange::Remove { id: from.u64()? },
            _ => return Err(from.malformed("a change of members")),
        })
    }
}

/// What the leader says about a change that another member asked for.
pub(super) struct Changed(pub(super) Result<(), MemberError>);

impl Message for Changed {
    fn put(&self, to: &mut Encoder) {
        to.u8(match &self.0 {
            Ok(()) => 0,
            Err(MemberError::Missing) => 1,
            Err(MemberError::Removed) => 2,
            Err(MemberError::IdExists) => 3,
            Err(MemberError::UrlExists) => 4,
            Err(MemberError::Unsafe) => 5,
            Err(MemberError::NotLeader(_)) => 6,
            Err(MemberError::Failed(_)) => 7,
        });
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Changed(match from.u8()? {
            0 => Ok(()),
            1 => Err(MemberError::Missing),
            2 => Err(MemberError::Removed),
            3 => Err(MemberError::IdExists),
            4 => Err(MemberError::UrlExists),
            5 => Err(MemberError::Unsafe),
            6 => Err(MemberError::NotLeader(None)),
            _ => Err(MemberError::Failed(Failure::LeaderLost)),
        }))
    }
}

impl Consensus {
    /// Changes the members, by way of the leader when that is another one.
    pub(crate) async fn change_member(&self, change: MemberChange) -> Result<(), MemberError> {
        match self.change_member_here(&change).await {
            Err(MemberError::NotLeader(Some(leader))) if leader != self.member => {
                let failed = MemberError::Failed(Failure::LeaderLost);
                let peer = self.peer(leader).ok_or_else(|| failed.clone())?;
                let within = Duration::from_secs(5) + 2 * self.election;
                let answer = self
                    .network
                    .call(&peer, "/raft/members", change.to_bytes(), within)
                    .await;
                let answer = answer.map_err(|_| failed.clone())?;
                Changed::from_bytes(&answer.body)
                    .map_err(|_| failed.clone())?
                    .0?;
                // Whoever asked here reads here next: what this member lists must have the change.
                if change != (MemberChange::Remove { id: self.member }) {
                    self.read_barrier().await.map_err(MemberError::Failed)?;
                }
                Ok(())
            }
            done => done,
        }
    }

    pub(super) async fn change_member_here(
        &self,
        change: &MemberChange,
    ) -> Result<(), MemberError> {
        match change.clone() {
            MemberChange::Add { id, urls } => self.add_member(id, urls).await,
            MemberChange::Update { id, urls } => self.update_member(id, urls).await,
            MemberChange::Remove { id } => self.remove_member(id).await,
        }
    }

    /// All members, sorted by id.
    pub(crate) fn members(&self) -> Vec<Member> {
        let state = self.state.lock();
        let member = |(id, peer): (&u64, &Peer)| {
            let attributes = state.attributes.get(id).cloned().unwrap_or_default();
            Member {
                id: format!("{id:x}"),
                name: attributes.name,
                peer_urls: peer.urls.clone(),
                client_urls: attributes.client_urls,
            }
        };
        let mut nodes: Vec<_> = state.membership.nodes().collect();
        nodes.sort_by_key(|(id, _)| **id);
        nodes.into_iter().map(member).collect()
    }

    pub(crate) fn peer(&self, id: u64) -> Option<Peer> {
        self.state.lock().membership.get_node(&id).cloned()
    }

    pub(crate) fn is_removed(&self, id: u64) -> bool {
        self.state.lock().removed.contains(&id)
    }

    /// Adds a member, as a learner first.
    async fn add_member(&self, id: u64, urls: Vec<String>) -> Result<(), MemberError> {
        {
            let state = self.state.lock();
            if state.membership.get_node(&id).is_some() || state.removed.contains(&id) {
                return Err(MemberError::IdExists);
            }
            if state
                .membership
                .nodes()
                .any(|(_, peer)| peer.urls.iter().any(|url| urls.contains(url)))
            {
                return Err(MemberError::UrlExists);
            }
        }
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(
            id,
            Peer { urls },
        )])))
        .await
    }

    async fn update_member(&self, id: u64, urls: Vec<String>) -> Result<(), MemberError> {
        {
            let state = self.state.lock();
            if state.membership.get_node(&id).is_none() {
                return Err(if state.removed.contains(&id) {
                    MemberError::Removed
                } else {
                    MemberError::Missing
                });
            }
            let taken = |(other, peer): (&u64, &Peer)| {
                *other != id && peer.urls.iter().any(|url| urls.contains(url))
            };
            if state.membership.nodes().any(taken) {
                return Err(MemberError::UrlExists);
            }
        }
        self.change(ChangeMembers::SetNodes(BTreeMap::from([(
            id,
            Peer { urls },
        )])))
        .await
    }

    async fn remove_member(&self, id: u64) -> Result<(), MemberError> {
        let voter = {
            let state = self.state.lock();
            if state.removed.contains(&id) {
                return Err(MemberError::Removed);
            }
            if state.membership.get_node(&id).is_none() {
                return Err(MemberError::Missing);
            }
            let mut voters = state.membership.voter_ids();
            let voter = voters.any(|voter| voter == id);
            let left: Vec<u64> = state
                .membership
                .voter_ids()
                .filter(|other| *other != id)
                .collect();
            let started = left
                .iter()
                .filter(|id| state.attributes.contains_key(id))
                .count();
            if voter && (left.is_empty() || (self.strict && started < left.len() / 2 + 1)) {
                return Err(MemberError::Unsafe);
            }
            voter
        };
        let ids = BTreeSet::from([id]);
        self.change(if voter {
            ChangeMembers::RemoveVoters(ids)
        } else {
            ChangeMembers::RemoveNodes(ids)
        })
        .await
    }

    async fn change(&self, change: ChangeMembers<u64, Peer>) -> Result<(), MemberError> {
        if self.leader() != Some(self.member) {
            return Err(MemberError::NotLeader(self.leader()));
        }
        let within = Duration::from_secs(5) + 2 * self.election;
        match tokio::time::timeout(within, self.raft.change_membership(change, false)).await {
            Err(_) => Err(MemberError::Failed(Failure::TimedOut)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to)))) => {
                Err(MemberError::NotLeader(to.leader_id))
            }
            Ok(Err(RaftError::APIError(_))) => Err(MemberError::Failed(Failure::LeaderLost)),
            Ok(Err(RaftError::Fatal(_))) => Err(MemberError::Failed(Failure::Stopped)),
        }
    }

    /// As the leader: makes a voter of a learner that has started and caught up.
    pub(crate) async fn promote_learners(&self) {
        let ready = {
            let metrics = self.metrics.borrow();
            if metrics.state != ServerState::Leader {
                return;
            }
            let last = metrics.last_log_index.unwrap_or_default();
            let membership = metrics.membership_config.membership();
            let caught_up = |id: &u64| {
                let matched = metrics
                    .replication
                    .as_ref()
                    .and_then(|of| of.get(id))
                    .and_then(Option::as_ref);
                matched.is_some_and(|log_id| log_id.index + CAUGHT_UP >= last)
            };
            membership.learner_ids().find(caught_up)
        };
        let Some(id) = ready else { return };
        let change = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        match tokio::time::timeout(
            Duration::from_secs(5),
            self.raft.change_membership(change, false),
        )
        .await
        {
            Ok(Ok(_)) => tracing::info!(
                member = format!("{id:x}"),
                "the new member has caught up and votes now"
            ),
            Ok(Err(error)) => tracing::debug!(%error, "cannot make the new member a voter yet"),
            Err(_) => tracing::debug!("no agreement on the new voter yet"),
        }
    }

    /// As the leader about to stop: hands over to the voter that is furthest, so that nobody waits
    /// for an election timeout.
    pub(crate) async fn hand_over(&self) {
        let target = {
            let metrics = self.metrics.borrow();
            if metrics.state != ServerState::Leader {
                return;
            }
            let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
            let progress = metrics.replication.iter().flatten();
            let others = progress.filter(|(id, _)| **id != self.member && voters.contains(id));
            others
                .max_by_key(|(_, matched)| matched.map(|log_id| log_id.index))
                .map(|(id, _)| *id)
        };
        let Some(target) = target else { return };
        if self.raft.trigger().transfer_leader(target).await.is_ok() {
            let mut metrics = self.metrics.clone();
            let changed = metrics.wait_for(|metrics| metrics.current_leader != Some(self.member));
            let _ = tokio::time::timeout(Duration::from_millis(500), changed).await;
        }
    }
}
