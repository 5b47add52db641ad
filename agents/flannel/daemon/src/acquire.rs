//! One subnet for this machine: the own lease again, the last subnet, or a free one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use etcd_client::{Client, ClientError, DeleteOptions, GetOptions, Kept, Node};
use flannel_core::choose::{Choice, Own, choose, is_shared};
use flannel_core::{Config, LEASE_TTL, Leases, Record, Subnet};

/// Others choose at the same time: so often is it tried before the whole thing begins again.
const ROUNDS: usize = 10;

/// What was got.
#[derive(Debug)]
pub(crate) struct Acquired {
    pub(crate) subnet: Subnet,
    pub(crate) kept: Kept,
    /// All leases as they were when it was got.
    pub(crate) leases: Leases,
}

/// Why nothing was got.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcquireError {
    #[error(
        "out of subnets: between {min} and {max} each /{len} is taken; give {network} more room or delete leases"
    )]
    Full {
        min: std::net::Ipv4Addr,
        max: std::net::Ipv4Addr,
        len: u8,
        network: Subnet,
    },
    #[error("others were quicker in {ROUNDS} rounds")]
    Races,
    #[error("cannot get a lease from etcd")]
    Etcd(#[from] ClientError),
}

/// Where and for whom.
#[derive(Debug)]
pub(crate) struct Acquire<'a> {
    pub(crate) client: &'a Client,
    /// The directory of the leases.
    pub(crate) dir: &'a str,
    pub(crate) config: &'a Config,
    pub(crate) own: Own,
    pub(crate) record: &'a Record,
    pub(crate) margin: Duration,
}

impl Acquire<'_> {
    /// Gets one.
    pub(crate) async fn run(&self) -> Result<Acquired, AcquireError> {
        for _ in 0..ROUNDS {
            let leases = self.leases().await?;
            match self.step(&leases).await {
                Ok(Some((subnet, kept))) => {
                    return Ok(Acquired {
                        subnet,
                        kept,
                        leases,
                    });
                }
                Ok(None) => {}
                // Somebody was there between the look and the write.
                Err(AcquireError::Etcd(error)) if error.is_conflict() || error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Err(AcquireError::Races)
    }

    async fn leases(&self) -> Result<Leases, ClientError> {
        let options = GetOptions {
            recursive: true,
            quorum: true,
            ..GetOptions::default()
        };
        let mut leases = Leases::default();
        match self.client.get(self.dir, &options).await {
            Ok(answer) => {
                for node in &answer.node.nodes {
                    put(&mut leases, node);
                }
                Ok(leases)
            }
            Err(error) if error.is_missing() => Ok(leases),
            Err(error) => Err(error),
        }
    }

    async fn step(&self, leases: &Leases) -> Result<Option<(Subnet, Kept)>, AcquireError> {
        let config = self.config;
        match choose(config, leases, &self.own, dice()) {
            Choice::Reuse { key, subnet } => {
                if is_shared(leases, &key, self.record.mac) {
                    tracing::warn!(
                        lease = key,
                        public_ip = %self.own.public_ip,
                        "the lease was renewed within the last minute with another hardware address: either this machine was just booted, \
                         or another machine has the same address and both now share one subnet (give each its own --iface or --public-ip)"
                    );
                }
                let lease = leases.get(&key);
                let node = Node {
                    key: self.key(&key),
                    ttl: lease
                        .and_then(|lease| lease.ttl)
                        .and_then(|ttl| i64::try_from(ttl).ok())
                        .unwrap_or(0),
                    modified_index: lease.map_or(0, |lease| lease.index),
                    ..Node::default()
                };
                let kept = self
                    .client
                    .keep_existing(&node, self.record.to_json(), LEASE_TTL, self.margin)
                    .await?;
                tracing::info!(lease = key, "our lease is taken again");
                Ok(Some((subnet, kept)))
            }
            Choice::Delete { key } => {
                tracing::info!(
                    lease = key,
                    "our lease does not fit the configuration any more and is deleted"
                );
                self.client
                    .delete(&self.key(&key), &DeleteOptions::default())
                    .await?;
                Ok(None)
            }
            Choice::Create(subnet) => {
                let key = self.key(&subnet.key());
                let kept = self
                    .client
                    .keep_new(&key, self.record.to_json(), LEASE_TTL, self.margin)
                    .await?;
                tracing::info!(lease = subnet.key(), "a lease is made");
                Ok(Some((subnet, kept)))
            }
            Choice::Full => Err(AcquireError::Full {
                min: config.min,
                max: config.max,
                len: config.subnet_len,
                network: config.network,
            }),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }
}

/// Takes a node into the table; whether anything but its time changed.
pub(crate) fn put(leases: &mut Leases, node: &Node) -> bool {
    let ttl = u64::try_from(node.ttl).ok().filter(|ttl| *ttl > 0);
    leases.put(
        &node.key,
        node.value.as_deref().unwrap_or_default(),
        ttl,
        node.modified_index,
    )
}

/// Between 0 and 1, from the random keys of the standard hasher.
#[expect(clippy::cast_precision_loss, reason = "dice need no more than 53 bits")]
fn dice() -> f64 {
    random() as f64 / u64::MAX as f64
}

/// 64 bits that differ in every process and call.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
