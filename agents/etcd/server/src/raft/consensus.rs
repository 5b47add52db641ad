//! Proposing and reading, on the leader or through it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_api::{Code, EtcdError, Latency};
use etcd_store::{Encoder, Store};
use http::Client;
use openraft::error::{ClientWriteError, InitializeError, LinearizableReadError, RaftError};
use openraft::{Config, LogIdOptionExt, Raft, ReadPolicy, ServerState, SnapshotPolicy};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::codec::put_proposal;
use super::log::{Identity, Log, OpenError};
use super::machine::{Machine, Shared};
use super::metrics::Metrics;
use super::network::{CallError, Network};
use super::snapshot::Snapshots;
use super::types::{Applied, Body, LogId, Peer, Proposal, TypeConfig};

/// What a member needs to take part.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    pub(crate) member: u64,
    pub(crate) cluster: u64,
    pub(crate) wal: PathBuf,
    pub(crate) snapshots: PathBuf,
    pub(crate) heartbeat: Duration,
    pub(crate) election: Duration,
    pub(crate) snapshot_count: u64,
    pub(crate) history_events: usize,
    /// Refuse to remove a member when the started ones of the rest are no quorum.
    pub(crate) strict: bool,
    /// All members of a new cluster, for its first start.
    pub(crate) initial: Option<BTreeMap<u64, Peer>>,
    /// The log had something once.
    pub(crate) started: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error("cannot open the snapshots in {}", path.display())]
    Snapshots {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "the log in {} is gone: this member cannot know any more how it voted; put the log back, or remove this \
         member from the cluster, move its data directory away and add it again",
        path.display()
    )]
    LogGone { path: PathBuf },
    #[error(
        "no snapshot in {} is usable (the newest good one ends at entry {has}) and the log only begins after entry \
         {purged}: remove this member from the cluster, move its data directory away and add it again, or restore \
         a backup",
        path.display()
    )]
    SnapshotGone {
        path: PathBuf,
        has: u64,
        purged: u64,
    },
    #[error("the election and heartbeat times do not fit together")]
    Config(#[source] openraft::ConfigError),
    #[error("cannot start raft")]
    Raft(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a proposal or a read has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No answer in time; it may still happen.
    TimedOut,
    /// The leader was lost on the way; it may still happen.
    LeaderLost,
    /// This member stops.
    Stopped,
    /// The disk is full; it did not happen.
    NoRoom,
}

impl Failure {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Failure::TimedOut => "etcdserver: request timed out",
            Failure::LeaderLost => {
                "etcdserver: request timed out, possibly due to previous leader failure"
            }
            Failure::Stopped => "etcdserver: server stopped",
            Failure::NoRoom => "etcdserver: no space left for the log",
        }
    }

    pub(crate) fn to_error(self, index: u64) -> EtcdError {
        EtcdError::new(Code::RaftInternal, self.text(), index)
    }
}

/// What a member is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Follower,
    Candidate,
}

/// A member's part in the agreement.
#[derive(Clone)]
pub(crate) struct Consensus {
    pub(super) raft: Raft<TypeConfig, Machine>,
    pub(super) metrics: Metrics,
    pub(crate) state: Shared,
    pub(super) network: Network,
    pub(super) log: Log,
    pub(crate) member: u64,
    pub(crate) cluster: u64,
    pub(super) election: Duration,
    pub(super) strict: bool,
    next_id: Arc<AtomicU64>,
    /// The last entry at the start: what must be applied before local reads are served.
    recovered: Option<LogId>,
    recovered_once: Arc<AtomicBool>,
    pub(crate) received: Arc<AtomicU64>,
    seen_leader: Arc<Mutex<Option<(u64, std::time::Instant)>>>,
}

impl std::fmt::Debug for Consensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consensus")
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}

impl Consensus {
    /// Opens log and snapshots and starts to take part.
    pub(crate) async fn start(
        parameters: Parameters,
        http: Client,
        seed: u64,
    ) -> Result<Consensus, StartError> {
        let Parameters {
            member,
            cluster,
            wal,
            snapshots,
            heartbeat,
            election,
            snapshot_count,
            history_events,
            strict,
            initial,
            started,
        } = parameters;
        let log = Log::open(&wal, Identity { member, cluster })?;
        let folder = snapshots;
        let failed = |source| StartError::Snapshots {
            path: folder.clone(),
            source,
        };
        let snapshots = Snapshots::open(&folder).map_err(failed)?;
        let newest = snapshots.newest().map_err(failed)?;
        if log.is_empty() && (started || newest.is_some()) {
            return Err(StartError::LogGone { path: wal });
        }
        let has = newest
            .and_then(|(meta, _)| meta.last_log_id)
            .map_or(0, |last| last.index);
        if let Some(purged) = log.purged().filter(|purged| purged.index > has) {
            return Err(StartError::SnapshotGone {
                path: folder,
                has,
                purged: purged.index,
            });
        }
        let state = Shared::new(Store::new(history_events));
        let network = Network {
            http,
            own: member,
            cluster,
            sent: Arc::new(AtomicU64::new(0)),
            latencies: Arc::default(),
            removed: Arc::new(Notify::new()),
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let config = Config {
            cluster_name: format!("{cluster:x}"),
            heartbeat_interval: millis(heartbeat),
            // A follower waits the maximum, which is the leader's lease, and then a random time between both: it stands
            // for election after one and a half to two timeouts of silence, where etcd 2.3.8 waits one to two.
            election_timeout_min: millis(election) / 2,
            election_timeout_max: millis(election),
            install_snapshot_timeout: 120_000,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(snapshot_count),
            // The snapshot before the newest one can still be brought up to date from the log.
            max_in_snapshot_log_to_keep: snapshot_count + 5000,
            replication_lag_threshold: snapshot_count + 5000,
            purge_batch_size: 256,
            enable_pre_vote: Some(true),
            ..Config::default()
        };
        let config = Arc::new(config.validate().map_err(StartError::Config)?);
        let recovered = log.last();
        // A vote alone may be all that the first start could write.
        let fresh = log.last().is_none();
        let machine = Machine::new(state.clone(), snapshots);
        let raft = Raft::new(member, config, network.clone(), log.clone(), machine)
            .await
            .map_err(|error| StartError::Raft(error.into()))?;
        if let Some(initial) = initial.filter(|_| fresh) {
            match raft.initialize(initial).await {
                // Another member was faster: its log is on the way.
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(error) => return Err(StartError::Raft(error.into())),
            }
        }
        let metrics = Metrics(raft.metrics());
        let next_id = Arc::new(AtomicU64::new(seed));
        let consensus = Consensus {
            raft,
            metrics,
            state,
            network,
            log,
            member,
            cluster,
            election,
            strict,
            next_id,
            recovered,
            recovered_once: Arc::default(),
            received: Arc::new(AtomicU64::new(0)),
            seen_leader: Arc::default(),
        };
        let voters: Vec<u64> = consensus.raft.voter_ids().collect();
        if !fresh && voters == [member] {
            // Nobody else could be leader: do not wait for a timeout.
            let _ = consensus.raft.trigger().elect(false).await;
        }
        Ok(consensus)
    }

    /// Whether entries were in the log at the start.
    pub(crate) fn had_log(&self) -> bool {
        self.recovered.is_some()
    }

    /// Stops taking part; what was written is on disk.
    pub(crate) async fn stop(&self) {
        self.state.lock().store.end_watches();
        let _ = self.raft.shutdown().await;
        let log = self.log.clone();
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
    }

    /// Completes when raft cannot go on, with the reason.
    pub(crate) async fn failed(&self) -> String {
        let mut metrics = self.metrics.clone();
        let _ = metrics
            .wait_for(|metrics| metrics.running_state.is_err())
            .await;
        let reason = metrics
            .borrow()
            .running_state
            .as_ref()
            .err()
            .map(ToString::to_string);
        reason.unwrap_or_else(|| "raft has ended".to_owned())
    }

    /// Completes when another member says that this one was removed.
    pub(crate) async fn removed(&self) {
        self.network.removed.notified().await;
    }

    pub(crate) fn leader(&self) -> Option<u64> {
        self.metrics.borrow().current_leader
    }

    pub(crate) fn term(&self) -> u64 {
        self.metrics.borrow().current_term
    }

    pub(crate) fn role(&self) -> Role {
        match self.metrics.borrow().state {
            ServerState::Leader => Role::Leader,
            ServerState::Candidate => Role::Candidate,
            ServerState::Follower | ServerState::Learner | ServerState::Shutdown => Role::Follower,
        }
    }

    /// Index of the last applied entry, for `X-Raft-Index`.
    pub(crate) fn applied_index(&self) -> u64 {
        self.state.lock().applied.map_or(0, |applied| applied.index)
    }

    /// Index of the last committed entry.
    pub(crate) fn committed_index(&self) -> u64 {
        self.metrics
            .borrow()
            .local_committed
            .map_or(0, |committed| committed.index)
    }

    /// fdatasyncs of the log, and append requests sent and received.
    pub(crate) fn counters(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (
            self.log.syncs(),
            read(&self.network.sent),
            read(&self.received),
        )
    }

    /// The followers that the leader has asked: latencies, successes and failures.
    pub(crate) fn followers(&self) -> Vec<(u64, Latency, u64, u64)> {
        let all = self
            .network
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(id, of)| (*id, of.show(), of.success, of.fail))
            .collect()
    }

    /// The leader, and since when this member has known it.
    pub(crate) fn leader_since(&self) -> (Option<u64>, Option<std::time::Instant>) {
        let leader = self.leader();
        let mut seen = self
            .seen_leader
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if seen.is_none_or(|(known, _)| Some(known) != leader) {
            match leader {
                Some(leader) => {
                    let (leader, term) = (format_args!("{leader:x}"), self.term());
                    tracing::info!(%leader, term, "there is a leader");
                }
                None if seen.is_some() => tracing::warn!("there is no leader any more"),
                None => {}
            }
            *seen = leader.map(|leader| (leader, std::time::Instant::now()));
        }
        (leader, seen.map(|(_, since)| since))
    }

    /// Waits until there is a leader and local reads may be served.
    pub(crate) async fn ready(&self) {
        let mut metrics = self.metrics.clone();
        let ready = metrics.wait_for(|metrics| {
            metrics.current_leader.is_some()
                && metrics.last_applied.is_some()
                && self.is_recovered()
        });
        let _ = ready.await;
    }

    /// Whether local reads may be served: nothing that was served before the restart is missing.
    /// What was at the end of the log and never agreed on may have been replaced by less.
    pub(crate) fn is_recovered(&self) -> bool {
        if self.recovered_once.load(Ordering::Relaxed) {
            return true;
        }
        let wanted = self.recovered.min(self.log.last()).next_index();
        let recovered = self.state.lock().applied.next_index() >= wanted;
        self.recovered_once.fetch_or(recovered, Ordering::Relaxed);
        recovered
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(5) + 2 * self.election
    }

    /// Proposes and waits until the entry is applied on this member.
    pub(crate) async fn propose(&self, body: Body) -> Result<Applied, Failure> {
        let proposal = Proposal {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            body,
        };
        let deadline = self.deadline();
        loop {
            let leader = self.leader();
            let attempt = match leader {
                Some(leader) if leader == self.member => {
                    self.propose_here(proposal.clone(), deadline).await
                }
                Some(leader) => self.propose_there(leader, &proposal, deadline).await,
                None => Attempt::Again,
            };
            match attempt {
                Attempt::Done(result) => return result,
                Attempt::Again => self.wait_for_change(leader, deadline).await?,
            }
        }
    }

    /// Proposes as the leader.
    async fn propose_here(&self, proposal: Proposal, deadline: Instant) -> Attempt {
        if self.log.is_full() {
            return Attempt::Done(Err(Failure::NoRoom));
        }
        match timeout_at(deadline, self.raft.client_write(proposal)).await {
            Err(_) => Attempt::Done(Err(Failure::TimedOut)),
            Ok(Ok(written)) => Attempt::Done(Ok(written.data)),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Attempt::Again,
            Ok(Err(RaftError::APIError(_))) => Attempt::Done(Err(Failure::LeaderLost)),
            Ok(Err(RaftError::Fatal(_))) => Attempt::Done(Err(Failure::Stopped)),
        }
    }

    /// Asks the leader to propose, and waits for the entry to be applied here. Asked again only when
    /// the leader cannot have taken it.
    async fn propose_there(&self, leader: u64, proposal: &Proposal, deadline: Instant) -> Attempt {
        let Some(peer) = self.state.lock().membership.get_node(&leader).cloned() else {
            return Attempt::Again;
        };
        let mut body = Encoder::new();
        put_proposal(&mut body, proposal);
        let (sender, mut receiver) = oneshot::channel();
        self.state.lock().waiting.insert(proposal.id, sender);
        let left = deadline.saturating_duration_since(Instant::now());
        let call = self.network.call(&peer, "/raft/propose", body.out, left);
        let asked = tokio::select! {
            applied = &mut receiver => return Attempt::Done(applied.map_err(|_| Failure::Stopped)),
            asked = call => asked,
        };
        let attempt = match asked {
            Err(CallError::Status { status: 409, .. }) => Attempt::Again,
            Err(CallError::Status { status: 507, .. }) => Attempt::Done(Err(Failure::NoRoom)),
            Err(error) if error.is_before_sending() => Attempt::Again,
            Err(_) | Ok(_) => match timeout_at(deadline, receiver).await {
                Ok(Ok(applied)) => Attempt::Done(Ok(applied)),
                Ok(Err(_)) => Attempt::Done(Err(Failure::Stopped)),
                Err(_) => Attempt::Done(Err(Failure::LeaderLost)),
            },
        };
        self.state.lock().waiting.remove(&proposal.id);
        attempt
    }

    /// What the leader does for another member's proposal.
    pub(super) async fn propose_for(&self, proposal: Proposal) -> Result<(), Option<Failure>> {
        if self.leader() != Some(self.member) {
            return Err(None);
        }
        match self.propose_here(proposal, self.deadline()).await {
            Attempt::Done(Ok(_)) => Ok(()),
            Attempt::Done(Err(failure)) => Err(Some(failure)),
            Attempt::Again => Err(None),
        }
    }

    async fn wait_for_change(&self, leader: Option<u64>, deadline: Instant) -> Result<(), Failure> {
        let mut metrics = self.metrics.clone();
        let changed = async {
            tokio::select! {
                changed = metrics.wait_for(|metrics| metrics.current_leader != leader) => changed.is_ok(),
                () = sleep(Duration::from_millis(50)) => true,
            }
        };
        match timeout_at(deadline, changed).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Stopped),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// Waits until this member has applied everything that was agreed on before the call.
    pub(crate) async fn read_barrier(&self) -> Result<(), Failure> {
        let deadline = self.deadline();
        loop {
            let leader = self.leader();
            let index = match leader {
                Some(leader) if leader == self.member => {
                    match timeout_at(deadline, self.read_index()).await {
                        Err(_) => return Err(Failure::TimedOut),
                        Ok(index) => index?,
                    }
                }
                Some(leader) => self.ask_read_index(leader, deadline).await,
                None => None,
            };
            match index {
                Some(next) => return self.wait_applied(next, deadline).await,
                None => self.wait_for_change(leader, deadline).await?,
            }
        }
    }

    /// As the leader: the index after the last entry that a read must see; `None` when not leader.
    pub(super) async fn read_index(&self) -> Result<Option<u64>, Failure> {
        match self.raft.get_read_log_id(ReadPolicy::ReadIndex).await {
            Ok((read, _)) => Ok(Some(read.log_id().index + 1)),
            Err(RaftError::APIError(
                LinearizableReadError::ForwardToLeader(_)
                | LinearizableReadError::QuorumNotEnough(_),
            )) => Ok(None),
            Err(RaftError::Fatal(_)) => Err(Failure::Stopped),
        }
    }

    async fn ask_read_index(&self, leader: u64, deadline: Instant) -> Option<u64> {
        let peer = self.state.lock().membership.get_node(&leader).cloned()?;
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = self
            .network
            .call(&peer, "/raft/read-index", Vec::new(), left)
            .await
            .ok()?;
        etcd_store::Decoder::new(&answer.body).u64().ok()
    }

    async fn wait_applied(&self, next: u64, deadline: Instant) -> Result<(), Failure> {
        if self.state.lock().applied.next_index() >= next {
            return Ok(());
        }
        let mut metrics = self.metrics.clone();
        match timeout_at(
            deadline,
            metrics.wait_for(|metrics| metrics.last_applied.next_index() >= next),
        )
        .await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Failure::Stopped),
            Err(_) => Err(Failure::TimedOut),
        }
    }
}

enum Attempt {
    Done(Result<Applied, Failure>),
    /// Nothing was proposed; another leader may do it.
    Again,
}
