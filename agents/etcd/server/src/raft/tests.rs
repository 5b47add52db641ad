//! openraft's own suite for storages, on our log and machine.

use etcd_store::Store;
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::log::{Identity, Log};
use super::machine::{Machine, Shared};
use super::snapshot::Snapshots;
use super::types::TypeConfig;

struct Builder;

impl StoreBuilder<TypeConfig, Log, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError<TypeConfig>> {
        let folder = TempDir::new().unwrap();
        let log = Log::open(
            &folder.path().join("wal"),
            Identity {
                member: 1,
                cluster: 2,
            },
        )
        .unwrap();
        let snapshots = Snapshots::open(&folder.path().join("snap")).unwrap();
        Ok((
            folder,
            log,
            Machine::new(Shared::new(Store::new(1000)), snapshots),
        ))
    }
}

#[test]
fn the_storage_suite_of_openraft_passes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}
