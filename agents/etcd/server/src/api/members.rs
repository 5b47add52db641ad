//! `/v2/members`: list, add, update, remove; changes are made by the leader, wherever they arrive.

use etcd_api::{Member, MemberList, PeerUrls, check_peer_urls, parse_member_id};
use http::{Answer, Call, Method, StatusCode};

use super::{Api, json_of, message, method_not_allowed, now};
use crate::ids::member_id;
use crate::raft::{MemberChange, MemberError};

impl Api {
    pub(super) async fn members(&self, call: &Call, id: &str) -> Answer {
        match (&call.method, id) {
            (&Method::GET, "") => json_of(
                StatusCode::OK,
                &MemberList {
                    members: self.consensus.members(),
                },
                true,
            ),
            (&Method::GET, "leader") => {
                let leader = self.consensus.leader().map(|id| format!("{id:x}"));
                match self
                    .consensus
                    .members()
                    .into_iter()
                    .find(|member| Some(&member.id) == leader.as_ref())
                {
                    Some(member) => json_of(StatusCode::OK, &member, true),
                    None => message(StatusCode::SERVICE_UNAVAILABLE, "During election"),
                }
            }
            (&Method::GET, _) => message(StatusCode::NOT_FOUND, "Not found"),
            (&Method::POST, "") => self.add(call).await,
            (&Method::DELETE | &Method::PUT, "") => method_not_allowed(""),
            (&Method::DELETE, id) => match parse_member_id(id) {
                None => missing(id),
                Some(number) => self.change(id, MemberChange::Remove { id: number }).await,
            },
            (&Method::PUT, id) => match (parse_member_id(id), urls(call)) {
                (_, Err(refused)) => *refused,
                (None, _) => missing(id),
                (Some(number), Ok(urls)) => {
                    self.change(id, MemberChange::Update { id: number, urls })
                        .await
                }
            },
            _ => method_not_allowed("GET,POST,DELETE,PUT"),
        }
    }

    async fn add(&self, call: &Call) -> Answer {
        let urls = match urls(call) {
            Ok(urls) => urls,
            Err(refused) => return *refused,
        };
        let id = member_id(&urls, "", Some(now() / 1_000_000_000));
        let change = MemberChange::Add {
            id,
            urls: urls.clone(),
        };
        match self.consensus.change_member(change).await {
            Ok(()) => {
                let member = Member {
                    id: format!("{id:x}"),
                    peer_urls: urls,
                    ..Member::default()
                };
                json_of(StatusCode::CREATED, &member, true)
            }
            Err(error) => refused(&format!("{id:x}"), &error),
        }
    }

    async fn change(&self, id: &str, change: MemberChange) -> Answer {
        match self.consensus.change_member(change).await {
            Ok(()) => Answer::new(StatusCode::NO_CONTENT, ""),
            Err(error) => refused(id, &error),
        }
    }
}

fn missing(id: &str) -> Answer {
    message(StatusCode::NOT_FOUND, &format!("No such member: {id}"))
}

fn refused(id: &str, error: &MemberError) -> Answer {
    match error {
        MemberError::Missing => missing(id),
        MemberError::Removed => message(
            StatusCode::GONE,
            &format!("Member permanently removed: {id}"),
        ),
        MemberError::IdExists => message(StatusCode::CONFLICT, "etcdserver: ID exists"),
        MemberError::UrlExists => message(StatusCode::CONFLICT, "etcdserver: peerURL exists"),
        MemberError::Unsafe => message(
            StatusCode::INTERNAL_SERVER_ERROR,
            "etcdserver: re-configuration failed due to not enough started members",
        ),
        MemberError::NotLeader(_) | MemberError::Failed(_) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

fn urls(call: &Call) -> Result<Vec<String>, Box<Answer>> {
    let content_type = call.header("content-type").unwrap_or_default();
    if content_type.split(';').next().unwrap_or_default().trim() != "application/json" {
        let text = format!("Bad Content-Type {content_type}, accept application/json");
        return Err(Box::new(message(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text)));
    }
    let bad = |text: &str| Box::new(message(StatusCode::BAD_REQUEST, text));
    let body: PeerUrls =
        serde_json::from_slice(&call.body).map_err(|error| bad(&error.to_string()))?;
    check_peer_urls(&body.peer_urls).map_err(|text| bad(&text))
}
