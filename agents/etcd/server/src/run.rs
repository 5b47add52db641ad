//! The life of the process: bind, find out who we are, take part, tell when ready, stop in order.

use std::sync::Arc;
use std::time::Duration;

use etcd_store::{Command, Operation};
use http::{Client, HeaderValue, Stopper};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::api::{Api, Settings, now};
use crate::bootstrap::{BootstrapError, Start, bootstrap, lock, mark_started};
use crate::config::{Config, ProxyMode};
use crate::proxy::Proxy;
use crate::raft::{Attributes, Body, Consensus, Failure, Parameters, Role, StartError};
use crate::serve::{Answering, ListenError, Slot, listen, serve_clients, serve_peers};

/// Longest wait for one look's proposals.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between looks for keys that have expired and members that have caught up.
const TICK: Duration = Duration::from_millis(500);

/// Between attempts to publish our name.
const AGAIN: Duration = Duration::from_secs(1);

/// Descriptors that clients cannot have: files, members, the runtime's own.
const RESERVED: u64 = 150;

/// Time for clients and the last write at a stop.
const STOP: Duration = Duration::from_secs(8);

#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot start this member")]
    Start(#[from] StartError),
    #[error("the limit of open files has to be above {RESERVED}, it is {0}")]
    Descriptors(u64),
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
    #[error("raft cannot go on: {0}")]
    Raft(String),
    #[error("-force-new-cluster is not supported: start a new cluster and import a backup")]
    ForceNewCluster,
}

/// Runs until a signal, a failure, or the removal of this member.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    if config.force_new_cluster {
        return Err(RunError::ForceNewCluster);
    }
    let config = Arc::new(config);
    let connections = usize::try_from(descriptors()? - RESERVED).unwrap_or(usize::MAX);
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let stop_asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stop_asked);

    let _lock = lock(&config)?;
    let (stopper, stop) = Stopper::new();
    let slot = Slot::default();
    let mut serving = JoinSet::new();
    let clients = listen(&config.listen_clients)?;
    let proxy_only = config.proxy != ProxyMode::Off || config.data.join("proxy").exists();
    let peers = if proxy_only {
        Vec::new()
    } else {
        listen(&config.listen_peers)?
    };
    for url in &config.listen_clients {
        tracing::info!(%url, "listening for clients");
    }
    serve_clients(
        &mut serving,
        clients,
        &slot,
        &stop,
        &config,
        connections.min(100_000),
    );
    serve_peers(&mut serving, peers, &slot, &stop, &config);

    let http = Client::new();
    notify("STATUS=finding the members of the cluster");
    let start = tokio::select! {
        start = bootstrap(&config, &http) => start?,
        () = &mut stop_asked => return Ok(()),
    };
    let ended = match start {
        Start::Proxy { peers } => {
            tracing::info!(?peers, "starting as a proxy");
            let proxy = Proxy::new(http, Arc::clone(&config));
            let refreshing = tokio::spawn(proxy.clone().refresh(peers));
            drop(slot.set(Answering::Proxy(proxy)));
            notify("READY=1\nSTATUS=proxy");
            stop_asked.await;
            refreshing.abort();
            Ok(())
        }
        Start::Member {
            member,
            cluster,
            initial,
            started,
        } => {
            tracing::info!(
                name = config.name,
                member = format!("{member:x}"),
                cluster = format!("{cluster:x}"),
                "starting as a member"
            );
            let parameters = Parameters {
                member,
                cluster,
                wal: config
                    .wal
                    .clone()
                    .unwrap_or_else(|| config.data.join("member/wal")),
                snapshots: config.data.join("member/snap"),
                heartbeat: config.heartbeat,
                election: config.election,
                snapshot_count: config.snapshot_count,
                history_events: config.history_events,
                strict: config.strict,
                initial,
                started,
            };
            let consensus = Consensus::start(parameters, http, now() ^ member).await?;
            if consensus.had_log() {
                mark_started(&config.data);
            }
            let settings = Settings {
                name: config.name.clone(),
                quorum_reads: config.quorum_reads,
                discovery_service: config.discovery_service,
                cluster_header: HeaderValue::from_str(&format!("{cluster:x}"))
                    .unwrap_or_else(|_| HeaderValue::from_static("0")),
                started_at: now(),
            };
            let api = Api {
                consensus: consensus.clone(),
                settings: Arc::new(settings),
            };
            drop(slot.set(Answering::Member(api)));
            let ended = tokio::select! {
                () = stop_asked => Ok(()),
                () = take_part(&consensus, &config) => Ok(()),
                reason = consensus.failed() => Err(RunError::Raft(reason)),
            };
            notify("STOPPING=1");
            if ended.is_ok() {
                consensus.hand_over().await;
            }
            stopper.stop();
            consensus.state.lock().store.end_watches();
            let drained = async { while serving.join_next().await.is_some() {} };
            let _ = timeout(STOP, drained).await;
            consensus.stop().await;
            return ended;
        }
    };
    stopper.stop();
    let drained = async { while serving.join_next().await.is_some() {} };
    let _ = timeout(STOP, drained).await;
    ended
}

/// Raises the soft limit to the hard one, and checks it.
fn descriptors() -> Result<u64, RunError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() {
        limit.maximum
    } else {
        limit.current
    };
    let current = current.unwrap_or(u64::MAX);
    if current <= RESERVED {
        Err(RunError::Descriptors(current))
    } else {
        Ok(current)
    }
}

/// What a member does beside answering; ends when it was removed.
async fn take_part(consensus: &Consensus, config: &Config) {
    tokio::select! {
        () = removal(consensus) => {
            tracing::warn!("the member has been permanently removed from the cluster");
        }
        () = tick(consensus) => {}
        () = announce(consensus, config) => {}
        () = watchdog() => {}
    }
}

async fn removal(consensus: &Consensus) {
    let seen = async {
        let mut look = interval(TICK);
        while !consensus.is_removed(consensus.member) {
            look.tick().await;
        }
    };
    tokio::select! {
        () = consensus.removed() => {}
        () = seen => {}
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}

async fn tick(consensus: &Consensus) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let _ = consensus.leader_since();
        if consensus.role() != Role::Leader {
            continue;
        }
        let due = consensus.state.lock().store.next_expiry();
        let time = now();
        if due.is_some_and(|due| due <= time) {
            let command = Command {
                now: time,
                operation: Operation::Expire,
            };
            let proposal = consensus.propose(Body::Command(command));
            match timeout(PATIENCE, proposal).await {
                Ok(Ok(_)) => {}
                Ok(Err(failure)) => {
                    tracing::debug!(reason = failure.text(), "keys could not expire yet");
                }
                Err(_) => tracing::debug!("keys could not expire yet: no answer"),
            }
        }
        // A change of leaders may leave either without an answer: the next look must come all the same.
        let _ = timeout(PATIENCE, consensus.promote_learners()).await;
    }
}

/// Tells the cluster our name and client URLs, and the service manager that we are ready.
async fn announce(consensus: &Consensus, config: &Config) {
    notify("STATUS=waiting for a leader");
    consensus.ready().await;
    if consensus.state.lock().applied.is_none() {
        // Raft has ended before there was anything; why is told by whoever watches it.
        return std::future::pending().await;
    }
    mark_started(&config.data);
    let attributes = Attributes {
        name: config.name.clone(),
        client_urls: config.client_urls.clone(),
    };
    loop {
        if consensus.state.lock().attributes.get(&consensus.member) == Some(&attributes) {
            break;
        }
        let body = Body::Publish {
            member: consensus.member,
            attributes: attributes.clone(),
        };
        match consensus.propose(body).await {
            Ok(_) => break,
            Err(Failure::Stopped) => return std::future::pending().await,
            Err(failure) => {
                tracing::warn!(reason = failure.text(), "cannot publish our name yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    let leader = consensus
        .leader()
        .map(|id| format!("{id:x}"))
        .unwrap_or_default();
    tracing::info!(name = config.name, leader, "ready to serve clients");
    notify(&format!(
        "READY=1\nSTATUS=member of cluster {:x}",
        consensus.cluster
    ));
    std::future::pending::<()>().await;
}

async fn watchdog() {
    let Some(period) = init_client::watchdog::interval() else {
        return std::future::pending().await;
    };
    let mut tick = interval(period);
    loop {
        tick.tick().await;
        notify("WATCHDOG=1");
    }
}

fn notify(state: &str) {
    if let Err(error) = init_client::notify::notify(state) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
