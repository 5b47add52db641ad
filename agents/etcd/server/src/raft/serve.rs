//! The peer port's side of the messages between members.

use std::sync::atomic::Ordering;

use etcd_store::{Command, Decoder, Encoder, Operation};
use http::{Answer, Call, StatusCode};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};

use super::codec::{Message, get_proposal, put_vote};
use super::consensus::{Consensus, Failure};
use super::membership::{Changed, MemberChange};
use super::network::{CLUSTER_HEADER, SENDER_HEADER, split_snapshot};
use super::types::{Body, TypeConfig};

/// Why a message has no answer.
enum Refusal {
    Malformed(etcd_store::Malformed),
    Raft(String),
    Status(StatusCode, String),
}

impl From<etcd_store::Malformed> for Refusal {
    fn from(error: etcd_store::Malformed) -> Self {
        Refusal::Malformed(error)
    }
}

impl Consensus {
    /// Answers a message of another member; `None` when the path is none of raft's.
    pub(crate) async fn serve(&self, call: &Call) -> Option<Answer> {
        let message = call.path.strip_prefix("/raft/")?;
        let id = |name| call.header(name).and_then(etcd_api::parse_member_id);
        let answered = match (id(CLUSTER_HEADER), id(SENDER_HEADER)) {
            (Some(cluster), _) if cluster != self.cluster => {
                let text = format!("this is cluster {:x}, not {cluster:x}", self.cluster);
                Err(Refusal::Status(StatusCode::PRECONDITION_FAILED, text))
            }
            (_, Some(sender)) if self.is_removed(sender) => {
                let text = "the member has been permanently removed from the cluster".to_owned();
                Err(Refusal::Status(StatusCode::GONE, text))
            }
            (Some(_), Some(_)) => self.message(message, call).await,
            _ => Err(Refusal::Status(
                StatusCode::PRECONDITION_FAILED,
                "no cluster or member id".to_owned(),
            )),
        };
        Some(match answered {
            Ok(body) => Answer::new(StatusCode::OK, body),
            Err(Refusal::Malformed(error)) => {
                Answer::new(StatusCode::BAD_REQUEST, error.to_string())
            }
            Err(Refusal::Raft(text)) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, text),
            Err(Refusal::Status(status, text)) => Answer::new(status, text),
        })
    }

    async fn message(&self, message: &str, call: &Call) -> Result<Vec<u8>, Refusal> {
        let raft = |error: &dyn std::fmt::Display| Refusal::Raft(error.to_string());
        match message {
            "append" => {
                self.received.fetch_add(1, Ordering::Relaxed);
                let request = AppendEntriesRequest::<TypeConfig>::from_bytes(&call.body)?;
                Ok(self
                    .raft
                    .append_entries(request)
                    .await
                    .map_err(|error| raft(&error))?
                    .to_bytes())
            }
            "vote" => {
                let request = VoteRequest::<TypeConfig>::from_bytes(&call.body)?;
                Ok(self
                    .raft
                    .vote(request)
                    .await
                    .map_err(|error| raft(&error))?
                    .to_bytes())
            }
            "pre-vote" => {
                let request = VoteRequest::<TypeConfig>::from_bytes(&call.body)?;
                Ok(self
                    .raft
                    .pre_vote(request)
                    .await
                    .map_err(|error| raft(&error))?
                    .to_bytes())
            }
            "transfer" => {
                let request = TransferLeaderRequest::<TypeConfig>::from_bytes(&call.body)?;
                let done = self
                    .raft
                    .handle_transfer_leader(request)
                    .await
                    .map_err(|error| raft(&error))?;
                done.map(|()| Vec::new()).map_err(|error| raft(&error))
            }
            "snapshot" => {
                let (vote, snapshot) = split_snapshot(&call.body)?;
                let done = self
                    .raft
                    .install_full_snapshot(vote, snapshot)
                    .await
                    .map_err(|error| raft(&error))?;
                let mut to = Encoder::new();
                put_vote(&mut to, &done.vote);
                Ok(to.out)
            }
            "propose" => {
                let mut from = Decoder::new(&call.body);
                let proposal = get_proposal(&mut from)?;
                from.end()?;
                if let Body::Command(Command {
                    operation: Operation::Write(write),
                    ..
                }) = &proposal.body
                {
                    etcd_api::check_depth(&write.key)
                        .map_err(|error| Refusal::Status(StatusCode::BAD_REQUEST, error.cause))?;
                }
                self.propose_for(proposal)
                    .await
                    .map(|()| Vec::new())
                    .map_err(|failure| match failure {
                        None => Refusal::Status(StatusCode::CONFLICT, "not the leader".to_owned()),
                        Some(Failure::NoRoom) => Refusal::Status(
                            StatusCode::INSUFFICIENT_STORAGE,
                            Failure::NoRoom.text().to_owned(),
                        ),
                        Some(failure) => Refusal::Raft(failure.text().to_owned()),
                    })
            }
            "members" => {
                let change = MemberChange::from_bytes(&call.body)?;
                Ok(Changed(self.change_member_here(&change).await).to_bytes())
            }
            "read-index" => match self.read_index().await {
                Ok(Some(next)) => {
                    let mut to = Encoder::new();
                    to.u64(next);
                    Ok(to.out)
                }
                Ok(None) => Err(Refusal::Status(
                    StatusCode::CONFLICT,
                    "not the leader".to_owned(),
                )),
                Err(failure) => Err(Refusal::Raft(failure.text().to_owned())),
            },
            _ => Err(Refusal::Status(
                StatusCode::NOT_FOUND,
                format!("no such message: {message}"),
            )),
        }
    }
}
