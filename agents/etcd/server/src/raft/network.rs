//! How members call each other: our messages over HTTP on the peer port.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use etcd_api::Latency;
use etcd_store::Encoder;
use http::{Client, HeaderValue, HttpError, Limits, Method, Request, Response, Url};
use openraft::error::{
    NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable,
};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes};
use tokio::sync::Notify;

use super::codec::{Message, put_meta, put_vote};
use super::types::{Peer, SnapshotBytes, TypeConfig, Vote};

/// Names the cluster and the sender in requests between members.
pub(crate) const CLUSTER_HEADER: &str = "x-etcd-cluster-id";
pub(crate) const SENDER_HEADER: &str = "x-etcd-member-id";

/// How many heartbeats an answer to entries may take.
const PATIENCE: u32 = 10;

/// Where a whole snapshot is sent to, in one body.
pub(crate) const SNAPSHOT_PATH: &str = "/raft/snapshot";
/// Time for it, on both sides.
pub(crate) const SNAPSHOT_TIME: Duration = Duration::from_secs(120);
/// Bytes of it: as many as its format can count.
pub(crate) const SNAPSHOT_LIMIT: usize = 4 << 30;

/// How long a member took to answer appends, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    pub(crate) success: u64,
    pub(crate) fail: u64,
    current: f64,
    minimum: f64,
    maximum: f64,
    sum: f64,
    squares: f64,
    silence: Silence,
}

/// Failed appends in a row: since when, and how many.
#[derive(Debug, Clone, Copy, Default)]
struct Silence(Option<(Instant, u32)>);

/// So many failed appends are a member that is away.
const AWAY: u32 = 3;

impl Silence {
    /// An append has failed; true when the member counts as away from now on.
    fn lasts(&mut self, now: Instant) -> bool {
        let (_, count) = self.0.get_or_insert((now, 0));
        *count = count.saturating_add(1);
        *count == AWAY
    }

    /// An answer came; for how long the member was away, if it was.
    fn ends(&mut self, now: Instant) -> Option<Duration> {
        let (since, count) = self.0.take()?;
        (count >= AWAY).then(|| now.saturating_duration_since(since))
    }
}

impl Latencies {
    fn add(&mut self, took: Duration) {
        let millis = took.as_secs_f64() * 1000.0;
        self.minimum = if self.success == 0 {
            millis
        } else {
            self.minimum.min(millis)
        };
        self.maximum = self.maximum.max(millis);
        self.success += 1;
        self.current = millis;
        self.sum += millis;
        self.squares += millis * millis;
    }

    pub(crate) fn show(&self) -> Latency {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a mean over fewer than 2^53 answers"
        )]
        let count = self.success.max(1) as f64;
        let average = self.sum / count;
        Latency {
            current: self.current,
            average,
            standard_deviation: (self.squares / count - average * average).max(0.0).sqrt(),
            minimum: self.minimum,
            maximum: self.maximum,
        }
    }
}

/// Makes connections to members, and counts.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) http: Client,
    pub(crate) own: u64,
    pub(crate) cluster: u64,
    pub(crate) sent: Arc<AtomicU64>,
    pub(crate) latencies: Arc<Mutex<BTreeMap<u64, Latencies>>>,
    /// Told when a member says that we were removed.
    pub(crate) removed: Arc<Notify>,
}

/// One member, as the target of calls.
#[derive(Debug)]
pub(crate) struct Target {
    network: Network,
    id: u64,
    peer: Peer,
}

/// Why a call has no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("member has no usable peer URL")]
    NoUrl,
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("answer {status}: {text}")]
    Status { status: u16, text: String },
    #[error(transparent)]
    Malformed(#[from] etcd_store::Malformed),
}

impl CallError {
    /// Whether the request cannot have been seen.
    pub(crate) fn is_before_sending(&self) -> bool {
        match self {
            CallError::NoUrl => true,
            CallError::Http(error) => error.is_before_sending(),
            CallError::Status { .. } | CallError::Malformed(_) => false,
        }
    }
}

impl Network {
    /// Posts to a member; its URLs are tried in turn until one can be connected to.
    pub(crate) async fn call(
        &self,
        peer: &Peer,
        path: &str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Response, CallError> {
        let mut request =
            Request::new(Method::POST, path).with_body("application/octet-stream", body);
        for (name, id) in [(CLUSTER_HEADER, self.cluster), (SENDER_HEADER, self.own)] {
            if let Ok(value) = HeaderValue::from_str(&format!("{id:x}")) {
                request.headers.insert(name, value);
            }
        }
        let limits = Limits {
            connect: within,
            read: within,
            total: Some(within),
            body: 64 << 20,
            redirects: 0,
        };
        let mut last = CallError::NoUrl;
        for url in &peer.urls {
            let url = match Url::parse(url) {
                Ok(url) => url,
                Err(error) => {
                    last = error.into();
                    continue;
                }
            };
            match self
                .http
                .request(url.endpoint(), request.clone(), &limits)
                .await
            {
                Ok(response) if response.status == 200 => return Ok(response),
                Ok(response) => {
                    if response.status == 410 {
                        self.removed.notify_one();
                    }
                    let text = String::from_utf8_lossy(&response.body).into_owned();
                    return Err(CallError::Status {
                        status: response.status,
                        text,
                    });
                }
                Err(error) if error.is_before_sending() => last = error.into(),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last)
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Target;

    async fn new_client(&mut self, target: u64, node: &Peer) -> Target {
        Target {
            network: self.clone(),
            id: target,
            peer: node.clone(),
        }
    }
}

impl Target {
    async fn message<M: Message, A: Message>(
        &self,
        path: &str,
        message: &M,
        action: RPCTypes,
        within: Duration,
    ) -> Result<A, RPCError<TypeConfig>> {
        self.network.sent.fetch_add(
            u64::from(action == RPCTypes::AppendEntries),
            Ordering::Relaxed,
        );
        let begin = Instant::now();
        let called = self
            .network
            .call(&self.peer, path, message.to_bytes(), within)
            .await;
        if action == RPCTypes::AppendEntries {
            let mut all = self
                .network
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let of_target = all.entry(self.id).or_default();
            let member = format_args!("{:x}", self.id);
            match &called {
                Ok(_) => {
                    of_target.add(begin.elapsed());
                    if let Some(away) = of_target.silence.ends(Instant::now()) {
                        tracing::info!(%member, ?away, "member answers again");
                    }
                }
                Err(error) => {
                    of_target.fail += 1;
                    if of_target.silence.lasts(begin) {
                        tracing::warn!(%member, %error, "member does not answer, asking it again and again");
                    }
                }
            }
        }
        let answer = called.map_err(|error| self.error(&error, action, within))?;
        A::from_bytes(&answer.body).map_err(|error| NetworkError::new(&error).into())
    }

    fn error(
        &self,
        error: &CallError,
        action: RPCTypes,
        timeout: Duration,
    ) -> RPCError<TypeConfig> {
        match error {
            CallError::Http(inner) if inner.is_timeout() => Timeout {
                action,
                id: self.network.own,
                target: self.id,
                timeout,
            }
            .into(),
            _ if error.is_before_sending() => Unreachable::new(error).into(),
            CallError::Status { .. } => Unreachable::new(error).into(),
            _ => NetworkError::new(error).into(),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Target {
    type SnapshotData = SnapshotBytes;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        // A heartbeat that is late is of no use; entries may have to wait for the disk over there.
        let within = if rpc.entries.is_empty() {
            option.hard_ttl()
        } else {
            option.hard_ttl() * PATIENCE
        };
        self.message("/raft/append", &rpc, RPCTypes::AppendEntries, within)
            .await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.message("/raft/vote", &rpc, RPCTypes::Vote, option.hard_ttl())
            .await
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        self.message("/raft/pre-vote", &rpc, RPCTypes::Vote, option.hard_ttl())
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotBytes>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let mut body = Encoder::new();
        put_vote(&mut body, &vote);
        put_meta(&mut body, &snapshot.meta);
        body.bytes(&snapshot.snapshot);
        drop(snapshot);
        let call = self
            .network
            .call(&self.peer, SNAPSHOT_PATH, body.out, SNAPSHOT_TIME);
        let answer = tokio::select! {
            closed = cancel => return Err(closed.into()),
            answer = call => answer,
        };
        let unreachable = |error: &CallError| StreamingError::Unreachable(Unreachable::new(error));
        let answer = answer.map_err(|error| unreachable(&error))?;
        let mut from = etcd_store::Decoder::new(&answer.body);
        let vote = super::codec::get_vote(&mut from).map_err(|error| unreachable(&error.into()))?;
        Ok(SnapshotResponse::new(vote))
    }

    async fn transfer_leader(
        &mut self,
        req: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let within = option.hard_ttl();
        let called = self
            .network
            .call(&self.peer, "/raft/transfer", req.to_bytes(), within)
            .await;
        called.map_err(|error| self.error(&error, RPCTypes::TransferLeader, within))?;
        Ok(Ok(()))
    }
}

/// The body of a snapshot message.
pub(crate) fn split_snapshot(
    body: &Bytes,
) -> Result<
    (
        Vote,
        openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotBytes>,
    ),
    etcd_store::Malformed,
> {
    let mut from = etcd_store::Decoder::new(body);
    let vote = super::codec::get_vote(&mut from)?;
    let meta = super::codec::get_meta(&mut from)?;
    let snapshot = Arc::new(from.bytes()?.to_vec());
    from.end()?;
    Ok((vote, openraft::Snapshot { meta, snapshot }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_away_is_told_once_and_so_is_its_return() {
        let (mut silence, begin) = (Silence::default(), Instant::now());
        let told: Vec<bool> = (0..5).map(|_| silence.lasts(begin)).collect();
        assert_eq!(told, [false, false, true, false, false]);
        let later = begin + Duration::from_secs(9);
        assert_eq!(silence.ends(later), Some(Duration::from_secs(9)));
        assert_eq!(silence.ends(later), None, "told already");
        assert!(!silence.lasts(begin));
        assert_eq!(
            silence.ends(later),
            None,
            "one answer that is late says nothing"
        );
    }
}
