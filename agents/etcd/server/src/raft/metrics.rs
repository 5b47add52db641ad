//! What raft says about itself, and waiting for it to say something.

use std::ops::Deref;

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::type_config::alias::WatchReceiverOf;

use super::types::TypeConfig;

#[derive(Clone)]
pub(super) struct Metrics(pub(super) WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>);

/// Raft has ended and will say nothing more.
#[derive(Debug)]
pub(super) struct Ended;

impl Metrics {
    pub(super) fn borrow(&self) -> impl Deref<Target = RaftMetrics<TypeConfig>> {
        self.0.borrow_watched()
    }

    pub(super) async fn wait_for(
        &mut self,
        mut condition: impl FnMut(&RaftMetrics<TypeConfig>) -> bool,
    ) -> Result<(), Ended> {
        while !condition(&self.0.borrow_and_update()) {
            self.0.changed().await.map_err(|_| Ended)?;
        }
        Ok(())
    }
}
