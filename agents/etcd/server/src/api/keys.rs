//! `/v2/keys`: from a request to a command or a read, and from its result to the answer.

use std::sync::Arc;

use etcd_api::{Code, EtcdError, Form, Operation as Asked, Request, Ttl, WriteTarget};
use etcd_store::{Command, Operation, Text, Write, WriteKind};
use http::{Answer, Call, HeaderMap, HeaderValue, Method, StatusCode, header};

use super::{Api, method_not_allowed, now};
use crate::raft::{Body, Failure};

const SECOND: u64 = 1_000_000_000;

impl Api {
    /// Answers a request on a key; `rest` is the decoded path after `/v2/keys`.
    pub(super) async fn keys(&self, call: &Call, rest: &[u8]) -> Answer {
        let method = match call.method {
            Method::GET => etcd_api::Method::Get,
            Method::HEAD => etcd_api::Method::Head,
            Method::PUT => etcd_api::Method::Put,
            Method::POST => etcd_api::Method::Post,
            Method::DELETE => etcd_api::Method::Delete,
            _ => return method_not_allowed("HEAD,GET,PUT,POST,DELETE"),
        };
        let key: Text = match rest.strip_suffix(b"/").unwrap_or(rest) {
            b"" => b"/"[..].into(),
            key => key.into(),
        };
        match self.key(call, method, key).await {
            Ok(answer) => answer,
            Err(error) => self.error(&error),
        }
    }

    async fn key(
        &self,
        call: &Call,
        method: etcd_api::Method,
        key: Text,
    ) -> Result<Answer, EtcdError> {
        let has_form = matches!(call.method, Method::PUT | Method::POST) && is_form(call);
        let body: &[u8] = if has_form { &call.body } else { b"" };
        let form = Form::parse(body, call.query.as_bytes())?;
        let Request {
            operation,
            no_value_on_success,
        } = Request::parse(method, &form)?;
        if matches!(call.method, Method::PUT | Method::POST) {
            etcd_api::check_depth(&key)?;
        }
        let write = |kind, target| Operation::Write(to_write(kind, key.clone(), target));
        let operation = match operation {
            Asked::Get { recursive, quorum } => {
                return self.read(&key, recursive, quorum).await;
            }
            Asked::Watch {
                recursive,
                stream,
                index,
            } => {
                self.check_recovered()?;
                return self.watch(etcd_store::Watch {
                    key,
                    recursive,
                    index,
                    stream,
                });
            }
            Asked::Set(target) => write(WriteKind::Set, target),
            Asked::Create(target) => write(WriteKind::Create, target),
            Asked::Update(target) => write(WriteKind::Update, target),
            Asked::CompareAndSwap {
                target,
                prev_value,
                prev_index,
            } => write(
                WriteKind::CompareAndSwap {
                    prev_value: prev_value.into(),
                    prev_index,
                },
                target,
            ),
            Asked::CreateInOrder(target) => write(WriteKind::InOrder, target),
            Asked::Delete { dir, recursive } => Operation::Delete {
                key,
                dir,
                recursive,
            },
            Asked::CompareAndDelete {
                prev_value,
                prev_index,
            } => Operation::CompareAndDelete {
                key,
                prev_value: prev_value.into(),
                prev_index,
            },
        };
        let terse = no_value_on_success && matches!(operation, Operation::Write(_));
        self.propose(operation, terse).await
    }

    async fn propose(&self, operation: Operation, terse: bool) -> Result<Answer, EtcdError> {
        let command = Command {
            now: now(),
            operation,
        };
        let proposed = self.consensus.propose(Body::Command(command)).await;
        let applied = proposed.map_err(|failure| self.failure(failure))?;
        let Some(event) = applied.result? else {
            return Err(EtcdError::new(
                Code::RaftInternal,
                "the entry made no event",
                0,
            ));
        };
        let status = if event.is_creation() {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        let body = if terse {
            format!("{{\"action\":\"{}\"}}\n", event.action.as_str()).into_bytes()
        } else {
            event.to_json()
        };
        let mut answer = Answer::new(status, body);
        self.success_headers(
            &mut answer.headers,
            event.index(),
            applied.log_index,
            applied.term,
        );
        Ok(answer)
    }

    async fn read(&self, key: &[u8], recursive: bool, quorum: bool) -> Result<Answer, EtcdError> {
        if quorum || self.settings.quorum_reads {
            let barrier = self.consensus.read_barrier().await;
            barrier.map_err(|failure| self.failure(failure))?;
        } else {
            self.check_recovered()?;
        }
        let (body, index, raft_index) = {
            let mut state = self.consensus.state.lock();
            let body = state.store.get(key, recursive, now())?;
            (
                body,
                state.store.index(),
                state.applied.map_or(0, |applied| applied.index),
            )
        };
        let mut answer = Answer::new(StatusCode::OK, body);
        self.success_headers(
            &mut answer.headers,
            index,
            raft_index,
            self.consensus.term(),
        );
        Ok(answer)
    }

    /// Refuses to read before all is there again that was there before the restart.
    fn check_recovered(&self) -> Result<(), EtcdError> {
        if self.consensus.is_recovered() {
            return Ok(());
        }
        Err(EtcdError::new(
            Code::LeaderElect,
            "the log is not yet applied after the restart",
            0,
        ))
    }

    fn failure(&self, failure: Failure) -> EtcdError {
        failure.to_error(self.consensus.state.lock().store.index())
    }

    pub(super) fn success_headers(
        &self,
        headers: &mut HeaderMap,
        index: u64,
        raft_index: u64,
        term: u64,
    ) {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert("x-etcd-cluster-id", self.settings.cluster_header.clone());
        headers.insert("x-etcd-index", index.into());
        headers.insert("x-raft-index", raft_index.into());
        headers.insert("x-raft-term", term.into());
    }

    fn error(&self, error: &EtcdError) -> Answer {
        let status =
            StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer =
            Answer::new(status, error.to_json()).with(header::CONTENT_TYPE, "application/json");
        answer
            .headers
            .insert("x-etcd-cluster-id", self.settings.cluster_header.clone());
        answer.headers.insert("x-etcd-index", error.index.into());
        answer
    }
}

fn is_form(call: &Call) -> bool {
    let content_type = call.header("content-type").unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The receiver's clock sets the absolute time of expiry, before anything is proposed.
fn to_write(kind: WriteKind, key: Text, target: WriteTarget) -> Write {
    let WriteTarget {
        value,
        dir,
        ttl,
        refresh,
    } = target;
    let expires = match ttl {
        Ttl::Permanent => None,
        Ttl::Seconds(seconds) => Some(now().saturating_add(seconds.saturating_mul(SECOND))),
    };
    Write {
        kind,
        key,
        value: Arc::from(value),
        dir,
        expires,
        refresh,
    }
}
