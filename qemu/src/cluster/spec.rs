//! What a cluster is to be: the same for every node, and what is special about each.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use crate::accel::Accel;
use crate::drive::DriveForm;
use crate::registry::Image;

/// One node. What is `None` is as for all, or made from the node's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its name for the harness, which is its host name too.
    pub name: String,
    /// Another host name.
    pub hostname: Option<String>,
    /// Machine id, 32 hex digits with or without dashes.
    pub id: Option<String>,
    /// Hardware address.
    pub mac: Option<String>,
    /// Address in 192.168.50.0/24.
    pub address: Option<Ipv4Addr>,
    /// Floating address, which only the metadata knows.
    pub public_address: Option<Ipv4Addr>,
    /// Memory in MiB.
    pub memory: Option<u32>,
    /// User-data of its own.
    pub user_data: Option<Vec<u8>>,
}

impl NodeSpec {
    /// The node of a number, counted from 1: `node1` and on.
    #[must_use]
    pub fn numbered(number: usize) -> NodeSpec {
        NodeSpec {
            name: format!("node{number}"),
            ..NodeSpec::default()
        }
    }
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The image; it is only read.
    pub image: PathBuf,
    /// User-data of all nodes, as a person writes it: key, discovery token and slower timeouts are put in.
    pub user_data: Option<Vec<u8>>,
    /// Our etcd2, run on this host as the discovery service.
    pub etcd2: Option<PathBuf>,
    /// Memory of a node in MiB.
    pub memory: u32,
    /// Boot by UEFI.
    pub uefi: bool,
    /// A config drive for each node.
    pub config_drive: Option<DriveForm>,
    /// Largest packet, as DHCP tells it.
    pub mtu: u16,
    /// Count instructions instead of time.
    pub icount: bool,
    /// Disks that the harness serves: their power can be cut, and they can fail while machines run.
    pub own_disks: bool,
    /// Images of the registry behind the gateway; without any there is none.
    pub images: Vec<Image>,
    /// How the guests' instructions are executed.
    pub accel: Accel,
    /// The nodes.
    pub nodes: Vec<NodeSpec>,
}

impl ClusterSpec {
    /// So many nodes of an image.
    #[must_use]
    pub fn new(image: impl Into<PathBuf>, nodes: usize) -> ClusterSpec {
        ClusterSpec {
            image: image.into(),
            user_data: None,
            etcd2: None,
            memory: 768,
            uefi: false,
            config_drive: None,
            mtu: 1500,
            icount: false,
            own_disks: false,
            images: Vec::new(),
            accel: Accel::Tcg,
            nodes: (1..=nodes).map(NodeSpec::numbered).collect(),
        }
    }

    /// The three machines of the tutorial: all are named coreos, and their ids are those that it shows.
    #[must_use]
    pub fn stage(image: impl Into<PathBuf>) -> ClusterSpec {
        let mut spec = ClusterSpec::new(image, STAGE.len());
        for node in &mut spec.nodes {
            node.hostname = Some("coreos".into());
        }
        spec
    }

    /// The node that would be added next.
    #[must_use]
    pub fn next(&self, taken: &[String]) -> NodeSpec {
        let number = (1..).find(|number| !taken.contains(&format!("node{number}")));
        NodeSpec::numbered(number.unwrap_or(1))
    }
}

/// Machine ids of the tutorial's machines 192.168.50.14, .15 and .16: fleet's placements follow from their order.
pub(super) const STAGE: [&str; 3] = [
    "0682a8f2-5a5b-4c1d-9d3e-8a4b5c6d7e8f",
    "90c1e40c-a1e7-49ab-bc23-fa8b2391ce27",
    "72bda158-90c1-4ee8-9b15-214c1b87d71f",
];
