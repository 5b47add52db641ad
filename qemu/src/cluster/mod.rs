//! Several machines on one network: the lab, its discovery service, and the nodes, which are started, watched and
//! reported together.

mod file;
mod links;
mod spec;
mod steps;
mod words;

use std::sync::{Arc, PoisonError, RwLock};

pub use file::{Mistake, read};
pub use spec::{ClusterSpec, NodeSpec};
pub use steps::{Passed, Step, follow};

use crate::accel::Accel;
use crate::disk::PowerCut;
use crate::error::HarnessError;
use crate::lab::Lab;
use crate::machine::{Firmware, Machine, Patience};
use crate::registry::{REGISTRY_PORT, Registry};
use crate::user_data::{self, Discovery};

/// A cluster that was started. Dropping it ends and removes everything; a test that panics has each node's report
/// printed first.
#[derive(Debug)]
pub struct Cluster {
    machines: RwLock<Vec<Arc<Machine>>>,
    spec: ClusterSpec,
    discovery: Option<Discovery>,
    registry: Option<Registry>,
    lab: Lab,
}

impl Cluster {
    /// Starts all nodes of a cluster, for a test: waits until the host has places for them.
    ///
    /// # Errors
    /// When the discovery service or a machine cannot be started.
    pub fn start(name: &str, spec: ClusterSpec) -> Result<Cluster, HarnessError> {
        let lab = Lab::with_places(name, spec.nodes.len())?;
        Cluster::start_in(lab, spec)
    }

    /// Starts all nodes of a cluster in a lab that is there.
    ///
    /// # Errors
    /// When the discovery service or a machine cannot be started.
    pub fn start_in(lab: Lab, spec: ClusterSpec) -> Result<Cluster, HarnessError> {
        let texts = spec
            .nodes
            .iter()
            .filter_map(|node| node.user_data.as_deref());
        let wants = texts
            .chain(spec.user_data.as_deref())
            .any(user_data::wants_discovery);
        let discovery = match spec.etcd2.as_deref().filter(|_| wants) {
            Some(program) => Some(Discovery::start(program, lab.folder(), spec.nodes.len())?),
            None => None,
        };
        let registry = match spec.images.as_slice() {
            [] => None,
            images => Some(Registry::serve(images)?),
        };
        let nodes = spec.nodes.clone();
        let cluster = Cluster {
            machines: RwLock::default(),
            spec,
            discovery,
            registry,
            lab,
        };
        for node in &nodes {
            cluster.add(node)?;
        }
        Ok(cluster)
    }

    /// Starts one more node.
    ///
    /// # Errors
    /// When its machine cannot be started.
    pub fn add(&self, node: &NodeSpec) -> Result<Arc<Machine>, HarnessError> {
        if self.node(&node.name).is_some() {
            return Err(HarnessError::Node {
                text: format!("there is a node {} already", node.name),
            });
        }
        let number = self.nodes().len();
        let spec = &self.spec;
        let mut machine = self
            .lab
            .machine(&node.name)
            .image(&spec.image)
            .memory(node.memory.unwrap_or(spec.memory))
            .mtu(spec.mtu)
            .accel(spec.accel)
            .hostname(node.hostname.as_ref().unwrap_or(&node.name))
            .firmware(if spec.uefi {
                Firmware::Uefi
            } else {
                Firmware::Bios
            });
        if let Some(id) = node
            .id
            .as_deref()
            .or_else(|| spec::STAGE.get(number).copied())
        {
            machine = machine.uuid(&dashed(id));
        }
        if let Some(mac) = &node.mac {
            machine = machine.mac(mac);
        }
        if let Some(address) = node.address {
            machine = machine.address(address);
        }
        if let Some(address) = node.public_address {
            machine = machine.public_address(address);
        }
        if let Some(given) = node.user_data.as_deref().or(spec.user_data.as_deref()) {
            machine = machine.user_data(self.user_data(given));
        }
        if let Some(discovery) = &self.discovery {
            machine = machine.forward(user_data::DISCOVERY_PORT, discovery.address());
        }
        if let Some(registry) = &self.registry {
            machine = machine.forward(REGISTRY_PORT, registry.address());
        }
        if let Some(form) = spec.config_drive {
            machine = machine.config_drive(form);
        }
        if spec.own_disks {
            machine = machine.own_disk();
        }
        if spec.icount {
            machine = machine.icount();
        }
        let machine = Arc::new(machine.start(&self.lab)?);
        self.machines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&machine));
        Ok(machine)
    }

    fn user_data(&self, given: &[u8]) -> Vec<u8> {
        let url = self.discovery.as_ref().map(Discovery::url);
        let filled = user_data::fill(given, self.lab.public_key(), url.as_deref());
        let filled = match self.spec.accel {
            Accel::Tcg => user_data::slow_timeouts(&filled),
            Accel::Kvm => filled,
        };
        match self.registry {
            Some(_) => user_data::registry_mirror(&filled),
            None => filled,
        }
    }

    /// All nodes, in the order in which they were started.
    #[must_use]
    pub fn nodes(&self) -> Vec<Arc<Machine>> {
        self.machines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A node by its name, or by its number from 1.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Arc<Machine>> {
        let nodes = self.nodes();
        let number = name
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1));
        nodes
            .iter()
            .find(|node| node.name() == name)
            .or_else(|| nodes.get(number?))
            .cloned()
    }

    /// Waits until core can log in to every node.
    ///
    /// # Errors
    /// What the first node that failed has to say.
    ///
    /// # Panics
    /// When the thread that waits for a node does.
    pub fn wait_for_ssh(&self, patience: Patience) -> Result<(), HarnessError> {
        let nodes = self.nodes();
        std::thread::scope(|scope| {
            let waits: Vec<_> = nodes
                .iter()
                .map(|node| scope.spawn(|| node.wait_for_ssh(patience).map(drop)))
                .collect();
            waits
                .into_iter()
                .try_for_each(|wait| wait.join().expect("a wait that ends in order"))
        })
    }

    /// Takes the power from all nodes, one right after the other. Returns how many writes were lost.
    ///
    /// # Errors
    /// When a disk's layer cannot be written.
    pub fn power_cut(&self, how: PowerCut) -> Result<usize, HarnessError> {
        let lost = self
            .nodes()
            .iter()
            .map(|node| node.power_cut(how))
            .collect::<Result<Vec<_>, _>>();
        Ok(lost?.iter().sum())
    }

    /// What the cluster was made from.
    #[must_use]
    pub fn spec(&self) -> &ClusterSpec {
        &self.spec
    }

    /// The discovery service, if the user-data wants one.
    #[must_use]
    pub fn discovery(&self) -> Option<&Discovery> {
        self.discovery.as_ref()
    }

    /// The registry of images, if there is one.
    #[must_use]
    pub fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }

    /// The lab: folder, network and key.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for Cluster {
    /// A failed test leaves the last frames beside the consoles; the machines report themselves.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(frames) = self.lab.network().trace()
        {
            // Without it the report is only shorter.
            let _ = std::fs::write(self.lab.folder().path().join("frames.pcap"), frames);
        }
    }
}

/// A machine id with the dashes of a UUID.
fn dashed(id: &str) -> String {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    match (
        digits.get(..8),
        digits.get(8..12),
        digits.get(12..16),
        digits.get(16..20),
        digits.get(20..),
    ) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => digits,
    }
}
