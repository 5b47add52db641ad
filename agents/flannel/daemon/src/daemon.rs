//! The life of the process: interface, configuration, device, lease, files, READY; then events.

use std::collections::BTreeSet;
use std::time::Duration;

use etcd_client::{Client, ClientError, GetOptions, Kept, News, Node, Renewal, Response, Timeouts};
use flannel_core::choose::Own;
use flannel_core::rules::Rules;
use flannel_core::{Config, Record, Subnet, SubnetEnv, config_key, subnets_dir};
use futures_util::StreamExt as _;
use futures_util::stream::Stream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::acquire::{Acquire, Acquired, put};
use crate::backend::{BackendError, Device};
use crate::firewall::Firewall;
use crate::interface::{Interface, InterfaceError, choose, host_networks};
use crate::kernel::{Change, Kernel};
use crate::options::Options;
use crate::overlay::Overlay;
use crate::{bridge, chain, files};

/// Between looks at a configuration that is missing or wrong, and between attempts to get a lease.
const AGAIN: Duration = Duration::from_secs(1);

/// Between looks at what the kernel has, as the original's host-gw does.
const RECONCILE: Duration = Duration::from_secs(10);

/// One endpoint, and all: under emulation a loaded etcd takes its time.
const TIMEOUTS: Timeouts = Timeouts {
    request: Duration::from_secs(5),
    total: Duration::from_secs(12),
};

/// Why flanneld ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
    #[error("cannot talk to the kernel's network configuration")]
    Netlink(#[source] std::io::Error),
    #[error("the kernel's network configuration is closed to us")]
    NetlinkClosed,
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    #[error("--etcd-endpoints cannot be used")]
    Endpoints(#[source] ClientError),
    #[error("cannot write {path}")]
    File {
        path: String,
        source: std::io::Error,
    },
    #[error("lease {0} was revoked: it is gone from etcd or belongs to another machine")]
    Revoked(String),
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Runs until a signal or a failure. Whatever was made stays: packets go on, and the next start goes
/// on from it.
pub(crate) async fn run(options: Options) -> Result<(), DaemonError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DaemonError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DaemonError::Signals)?;
    let ended = tokio::select! {
        ended = work(&options) => ended,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    notify("STOPPING=1");
    ended
}

async fn work(options: &Options) -> Result<(), DaemonError> {
    let (kernel, changes) = Kernel::connect().map_err(DaemonError::Netlink)?;
    let interface = interface(&kernel, options).await?;
    tracing::info!(
        interface = interface.name,
        address = %interface.address,
        public_ip = %interface.public_ip,
        mtu = interface.mtu,
        "traffic between machines goes by this interface"
    );
    let mut client = Client::new(&options.endpoints())
        .map_err(DaemonError::Endpoints)?
        .with_timeouts(TIMEOUTS);
    if !options.etcd_username.is_empty() {
        client = client.with_user(&options.etcd_username, &options.etcd_password);
    }
    let start = Start {
        options,
        kernel: &kernel,
        client: &client,
        interface: &interface,
    };
    let (config, device, acquired) = start.until_there_is_a_lease().await;
    let (overlay, env) = start.settle(&config, device, &acquired).await?;
    let rules = Rules {
        network: config.network,
        subnet: acquired.subnet,
        masquerade: options.ip_masq.is_on(false),
        forward: options.iptables_forward_rules.is_on(true),
    };
    let mut firewall = Firewall::new(rules);
    firewall.ensure().await;
    let failed = |source| DaemonError::File {
        path: options.subnet_file.display().to_string(),
        source,
    };
    files::write(&options.subnet_file, &env.to_text()).map_err(failed)?;
    tracing::info!(network = %env.network, subnet = %acquired.subnet, mtu = env.mtu, backend = %overlay.device, "ready");
    notify(&format!(
        "READY=1\nSTATUS=subnet {} of {}, {}",
        acquired.subnet, env.network, overlay.device
    ));
    let mut keeping = tokio::task::JoinSet::new();
    keeping.spawn(firewall.keep(Duration::from_secs(options.iptables_resync)));
    let (send, news) = mpsc::channel(64);
    let mut follower = client.follow(&subnets_dir(&options.etcd_prefix));
    keeping.spawn(async move { while send.send(follower.next().await).await.is_ok() {} });
    let events = Events {
        dir: subnets_dir(&options.etcd_prefix),
        overlay,
        kept: acquired.kept,
        bridge: env.bridge(),
    };
    events.run(news, changes).await
}

/// The interface, waited for where it may still come: a lease of DHCP is often under way.
async fn interface(kernel: &Kernel, options: &Options) -> Result<Interface, InterfaceError> {
    let mut said = false;
    loop {
        match choose(kernel, options).await {
            Err(error) if error.may_pass() => {
                if !said {
                    tracing::warn!("{error}; trying again");
                    notify(&format!("STATUS={error}"));
                    said = true;
                }
                tokio::time::sleep(AGAIN).await;
            }
            other => return other,
        }
    }
}

/// What is there from the start.
#[derive(Debug)]
struct Start<'a> {
    options: &'a Options,
    kernel: &'a Kernel,
    client: &'a Client,
    interface: &'a Interface,
}

impl Start<'_> {
    /// Tries until there is a lease; each reason why not is said once.
    async fn until_there_is_a_lease(&self) -> (Config, Device, Acquired) {
        let mut said = String::new();
        loop {
            match self.attempt().await {
                Ok(lease) => return lease,
                Err(reason) => {
                    if said != reason {
                        tracing::warn!("{reason}; trying again");
                        notify(&format!("STATUS={reason}"));
                        said = reason;
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn attempt(&self) -> Result<(Config, Device, Acquired), String> {
        let key = config_key(&self.options.etcd_prefix);
        let text = self.read(&key).await?;
        let wrong = |error: &dyn std::error::Error| {
            format!(
                "the configuration in {key} cannot be used: {}",
                chain(error)
            )
        };
        let config = Config::parse(&text).map_err(|error| wrong(&error))?;
        let host = host_networks(self.kernel)
            .await
            .map_err(|error| format!("cannot read this machine's addresses: {error}"))?;
        config
            .check_host(host.iter().map(|(name, network)| (name.as_str(), *network)))
            .map_err(|error| wrong(&error))?;
        let device = Device::prepare(self.kernel, &config, self.interface)
            .await
            .map_err(|error| wrong(&error))?;
        let previous = self.previous().map(|(_, subnet)| subnet);
        let record: Record = device.record(&config, self.interface.public_ip);
        let acquire = Acquire {
            client: self.client,
            dir: &subnets_dir(&self.options.etcd_prefix),
            config: &config,
            own: Own {
                public_ip: self.interface.public_ip,
                previous,
            },
            record: &record,
            margin: self.options.margin(),
        };
        let acquired = acquire.run().await.map_err(|error| chain(&error))?;
        Ok((config, device, acquired))
    }

    async fn read(&self, key: &str) -> Result<String, String> {
        let options = GetOptions {
            quorum: true,
            ..GetOptions::default()
        };
        match self.client.get(key, &options).await {
            Ok(Response {
                node: Node {
                    value: Some(value), ..
                },
                ..
            }) => Ok(value),
            Ok(_) => Err(format!(
                "{key} is a directory and should be the configuration"
            )),
            Err(error) if error.is_missing() => Err(format!(
                "there is no configuration yet: etcdctl set {key} '{{\"Network\": \"10.1.0.0/16\"}}'"
            )),
            Err(error) => Err(format!("cannot read {key}: {}", chain(&error))),
        }
    }

    /// Network and subnet of the last run.
    fn previous(&self) -> Option<(Subnet, Subnet)> {
        SubnetEnv::previous(&std::fs::read_to_string(&self.options.subnet_file).ok()?)
    }

    /// Device, addresses, and the way to everybody who is known so far.
    async fn settle(
        &self,
        config: &Config,
        device: Device,
        acquired: &Acquired,
    ) -> Result<(Overlay, SubnetEnv), DaemonError> {
        let subnet = acquired.subnet;
        let networks: BTreeSet<Subnet> = self
            .previous()
            .map(|(network, _)| network)
            .into_iter()
            .chain([config.network])
            .collect();
        let own = (
            acquired.kept.key().to_owned(),
            self.interface.public_ip,
            subnet,
        );
        let any_source = self.options.udp_any_source.is_on(false);
        let mut overlay = Overlay::new(
            self.kernel.clone(),
            device,
            own,
            networks.into_iter().collect(),
            any_source,
        );
        overlay.leases = acquired.leases.clone();
        // Docker sets a policy of DROP when it is the one that switches forwarding on.
        if !matches!(overlay.device, Device::Alloc)
            && let Err(error) = std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")
        {
            tracing::warn!("cannot switch on net.ipv4.ip_forward: {error}");
        }
        overlay.reconcile().await?;
        overlay.leases_changed().await;
        let env = SubnetEnv {
            network: config.network,
            subnet,
            mtu: config.backend.mtu(self.interface.mtu),
            ip_masq: self.options.ip_masq.is_on(false),
        };
        Ok((overlay, env))
    }
}

/// Everything that happens afterwards.
#[derive(Debug)]
struct Events {
    dir: String,
    overlay: Overlay,
    kept: Kept,
    /// The address that docker0 has when it has our subnet.
    bridge: (std::net::Ipv4Addr, u8),
}

impl Events {
    async fn run(
        mut self,
        mut news: mpsc::Receiver<News>,
        mut changes: impl Stream<Item = Change> + Unpin,
    ) -> Result<(), DaemonError> {
        let mut reconcile = interval(RECONCILE);
        reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.mend_bridge().await;
        loop {
            tokio::select! {
                Some(news) = news.recv() => self.news(news).await?,
                () = self.kept.due() => self.renew().await?,
                _ = reconcile.tick() => self.reconcile().await,
                change = changes.next() => match change {
                    None => return Err(DaemonError::NetlinkClosed),
                    Some(Change::LinkGone(index)) if self.overlay.device.index() == Some(index) => {
                        tracing::warn!("our device is gone and is made again");
                        self.reconcile().await;
                    }
                    Some(_) => self.mend_bridge().await,
                },
                error = self.overlay.device.failed() => return Err(error.into()),
            }
        }
    }

    async fn news(&mut self, news: News) -> Result<(), DaemonError> {
        match news {
            News::Away(error) => {
                tracing::warn!(
                    "etcd is away, what is known stays: {}",
                    error.replace('\n', " ")
                );
                Ok(())
            }
            News::Whole { nodes, .. } => self.whole(&nodes).await,
            News::Event(event) => self.event(&event).await,
        }
    }

    async fn whole(&mut self, nodes: &[Node]) -> Result<(), DaemonError> {
        let before = std::mem::take(&mut self.overlay.leases);
        for node in nodes {
            put(&mut self.overlay.leases, node);
        }
        tracing::debug!(leases = self.overlay.leases.len(), "all leases are read");
        match nodes.iter().find(|node| node.key == self.kept.key()) {
            Some(own) => self.own(own)?,
            None => self.ask_for_own().await?,
        }
        if self.overlay.leases != before {
            self.overlay.leases_changed().await;
        }
        Ok(())
    }

    /// Our key is not among all: a member that lags does not have it yet, or it is gone.
    async fn ask_for_own(&mut self) -> Result<(), DaemonError> {
        match self.kept.look().await {
            Ok(Renewal::Lost) => Err(DaemonError::Revoked(self.kept.key().to_owned())),
            Ok(Renewal::Renewed) | Err(_) => Ok(()),
        }
    }

    async fn event(&mut self, event: &Response) -> Result<(), DaemonError> {
        let key = event.node.key.as_str();
        let gone = matches!(
            event.action.as_str(),
            "delete" | "expire" | "compareAndDelete"
        );
        tracing::debug!(action = event.action, key, "a lease changed");
        let everything = key.len() <= self.dir.len() && self.dir.starts_with(key);
        if gone && (everything || key == self.kept.key()) {
            // Its own write after that is still to come in the watch.
            if event.node.modified_index > self.kept.index() {
                return Err(DaemonError::Revoked(self.kept.key().to_owned()));
            }
            return Ok(());
        }
        if !gone && key == self.kept.key() {
            return self.own(&event.node);
        }
        let changed = if gone {
            self.overlay.leases.remove(key)
        } else {
            put(&mut self.overlay.leases, &event.node)
        };
        if changed {
            self.overlay.leases_changed().await;
        }
        Ok(())
    }

    /// Our own key was written, by us or by somebody else.
    fn own(&mut self, node: &Node) -> Result<(), DaemonError> {
        if node.modified_index < self.kept.index() {
            return Ok(());
        }
        let record = Record::parse(node.value.as_deref().unwrap_or_default());
        if record.is_none_or(|record| record.public_ip != self.overlay.own_ip) {
            return Err(DaemonError::Revoked(self.kept.key().to_owned()));
        }
        self.kept.seen(node);
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), DaemonError> {
        match self.kept.renew().await {
            Ok(Renewal::Renewed) => {
                tracing::info!(lease = self.kept.key(), "the lease is renewed");
                Ok(())
            }
            Ok(Renewal::Lost) => Err(DaemonError::Revoked(self.kept.key().to_owned())),
            Err(error) => {
                tracing::warn!(
                    lease = self.kept.key(),
                    "the lease cannot be renewed now and is tried again: {}",
                    chain(&error)
                );
                Ok(())
            }
        }
    }

    async fn reconcile(&mut self) {
        if let Err(error) = self.overlay.reconcile().await {
            tracing::warn!("{}; trying again", chain(&error));
        }
        self.mend_bridge().await;
    }

    async fn mend_bridge(&mut self) {
        if let Err(error) = bridge::mend(&self.overlay.kernel, self.bridge).await {
            tracing::warn!("cannot change docker0's addresses: {error}");
        }
    }
}

fn notify(state: &str) {
    if let Err(error) = init_client::notify::notify(state) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
