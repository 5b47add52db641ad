//! The state machine: applies committed entries to the store and the member list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_store::{Decoder, Encoder, Malformed, Store};
use futures_util::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, Snapshot};
use tokio::sync::oneshot;

use super::codec::{get_attributes, put_attributes};
use super::snapshot::Snapshots;
use super::types::{
    Applied, Attributes, Body, LogId, Peer, SnapshotBytes, SnapshotMeta, StoredMembership,
    TypeConfig,
};

/// All that applying changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) attributes: BTreeMap<u64, Attributes>,
    /// Ids that are never used again.
    pub(crate) removed: BTreeSet<u64>,
    /// Who on this member waits for which proposal that the leader was asked to make.
    pub(crate) waiting: HashMap<u64, oneshot::Sender<Applied>>,
}

/// The state, shared with the readers.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn new(store: Store) -> Shared {
        Shared(Arc::new(Mutex::new(State {
            store,
            applied: None,
            membership: StoredMembership::default(),
            attributes: BTreeMap::new(),
            removed: BTreeSet::new(),
            waiting: HashMap::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn apply(
        &mut self,
        log_id: LogId,
        payload: EntryPayload<super::types::Proposal, u64, Peer>,
    ) -> Applied {
        self.applied = Some(log_id);
        match payload {
            EntryPayload::Blank => Applied::nothing(&log_id),
            EntryPayload::Membership(membership) => {
                let next = StoredMembership::new(Some(log_id), membership);
                let before = std::mem::replace(&mut self.membership, next);
                for (id, _) in before.nodes() {
                    if self.membership.get_node(id).is_none() {
                        self.removed.insert(*id);
                        self.attributes.remove(id);
                    }
                }
                Applied::nothing(&log_id)
            }
            EntryPayload::Normal(proposal) => {
                let applied = match proposal.body {
                    Body::Command(command) => Applied::outcome(self.store.apply(&command), &log_id),
                    Body::Publish { member, attributes } => {
                        self.attributes.insert(member, attributes);
                        Applied::nothing(&log_id)
                    }
                };
                if let Some(waiting) = self.waiting.remove(&proposal.id) {
                    // Whoever waited may have given up.
                    drop(waiting.send(applied.clone()));
                }
                applied
            }
        }
    }

    fn restore(&mut self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), Malformed> {
        let mut from = Decoder::new(bytes);
        let mut attributes = BTreeMap::new();
        for _ in 0..from.count()? {
            attributes.insert(from.u64()?, get_attributes(&mut from)?);
        }
        let removed: Result<BTreeSet<u64>, Malformed> =
            (0..from.count()?).map(|_| from.u64()).collect();
        self.store.restore(from.rest())?;
        self.attributes = attributes;
        self.removed = removed?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        Ok(())
    }
}

/// The state machine as raft drives it.
#[derive(Debug)]
pub(crate) struct Machine {
    state: Shared,
    snapshots: Snapshots,
}

impl Machine {
    pub(crate) fn new(state: Shared, snapshots: Snapshots) -> Machine {
        Machine { state, snapshots }
    }
}

/// Between attempts to write a snapshot to a full disk.
const FULL: Duration = Duration::from_secs(10);

/// Encodes and writes a snapshot while the machine goes on.
pub(crate) struct Builder {
    meta: SnapshotMeta,
    store: etcd_store::Snapshot,
    attributes: BTreeMap<u64, Attributes>,
    removed: BTreeSet<u64>,
    snapshots: Snapshots,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotBytes;

    async fn build_snapshot(
        &mut self,
    ) -> io::Result<openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotBytes>> {
        let (store, snapshots, meta) = (
            self.store.clone(),
            self.snapshots.clone(),
            self.meta.clone(),
        );
        let (attributes, removed) = (self.attributes.clone(), self.removed.clone());
        let encode = move || {
            let mut to = Encoder::new();
            to.count(attributes.len());
            for (id, attributes) in &attributes {
                to.u64(*id);
                put_attributes(&mut to, attributes);
            }
            to.count(removed.len());
            removed.iter().for_each(|id| to.u64(*id));
            store.encode(&mut to);
            Arc::new(to.out)
        };
        // The tree is shared with the store until it is encoded.
        let bytes = tokio::task::spawn_blocking(encode)
            .await
            .map_err(io::Error::other)?;
        loop {
            let (snapshots, of, data) = (snapshots.clone(), meta.clone(), Arc::clone(&bytes));
            let saved = tokio::task::spawn_blocking(move || snapshots.save(&of, &data))
                .await
                .map_err(io::Error::other)?;
            match saved {
                Ok(()) => break,
                // The log still has everything: wait for room rather than end.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                    ) =>
                {
                    tracing::error!(%error, "no room for a snapshot, trying again in {FULL:?}");
                    tokio::time::sleep(FULL).await;
                }
                Err(error) => return Err(error),
            }
        }
        tracing::info!(
            index = meta.last_log_id.map(|last| last.index),
            bytes = bytes.len(),
            "saved a snapshot"
        );
        Ok(Snapshot {
            meta,
            snapshot: bytes,
        })
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotBytes;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let state = self.state.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let applied = self.state.lock().apply(entry.log_id, entry.payload);
            if let Some(responder) = responder {
                responder.send(applied);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let state = self.state.lock();
        Builder {
            meta: SnapshotMeta {
                last_log_id: state.applied,
                last_membership: state.membership.clone(),
            },
            store: state.store.snapshot(),
            attributes: state.attributes.clone(),
            removed: state.removed.clone(),
            snapshots: self.snapshots.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotBytes,
    ) -> io::Result<()> {
        let malformed = |error: Malformed| io::Error::new(io::ErrorKind::InvalidData, error);
        // At a start the snapshot comes from our own file.
        let (snapshots, own, bytes) = (self.snapshots.clone(), meta.clone(), Arc::clone(&snapshot));
        let save = move || match snapshots.newest()? {
            Some((saved, _)) if saved == own => Ok(()),
            _ => {
                let index = own.last_log_id.map(|last| last.index);
                tracing::info!(
                    index,
                    bytes = bytes.len(),
                    "took over a snapshot of the leader"
                );
                snapshots.save(&own, &bytes)
            }
        };
        tokio::task::spawn_blocking(save)
            .await
            .map_err(io::Error::other)??;
        self.state
            .lock()
            .restore(meta, &snapshot)
            .map_err(malformed)
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<openraft::type_config::alias::SnapshotOf<TypeConfig, SnapshotBytes>>>
    {
        let snapshots = self.snapshots.clone();
        let newest = tokio::task::spawn_blocking(move || snapshots.newest())
            .await
            .map_err(io::Error::other)??;
        Ok(newest.map(|(meta, snapshot)| Snapshot { meta, snapshot }))
    }
}
