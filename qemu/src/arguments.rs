//! The command line of `qemu-cluster`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use qemu_harness::RunDir;
use qemu_harness::accel::Accel;

/// Boots machines of a Garboard image with QEMU, on a network of their own.
#[derive(Debug, Parser)]
#[command(
    name = "qemu-cluster",
    version,
    after_help = "Examples:\n  \
    qemu-cluster run --image garboard.qcow2 --user-data cloud-config.yaml\n  \
    qemu-cluster up --nodes 3 --user-data cloud-config.yaml\n  \
    qemu-cluster up cluster.yaml\n  \
    qemu-cluster ssh node2\n  \
    qemu-cluster ssh node1 -- etcdctl cluster-health\n  \
    qemu-cluster cut node1 && qemu-cluster heal\n  \
    qemu-cluster cut node1 node2 --delay 50 --loss 0.02\n  \
    qemu-cluster kill node3 && qemu-cluster start node3\n  \
    qemu-cluster logs node1 -u etcd2 -f\n  \
    qemu-cluster down"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// Boots one node and opens a shell on it as core; everything is gone when the shell ends
    Run(Run),
    /// Boots a cluster that stays until `down`
    Up(Up),
    /// Ends a cluster and removes everything of it
    Down {
        #[command(flatten)]
        which: Which,
    },
    /// Opens a shell on a node as core, or runs a command there
    Ssh {
        #[command(flatten)]
        which: Which,
        /// Name or number of the node
        node: String,
        /// A command instead of a shell
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Shows what a node's serial console has said
    Console {
        #[command(flatten)]
        which: Which,
        /// Name or number of the node
        node: String,
        /// Go on showing what it says
        #[arg(short, long)]
        follow: bool,
        /// Type this on the console, and Enter
        #[arg(long = "type", value_name = "TEXT")]
        text: Option<String>,
    },
    /// Shows the state of the cluster and its nodes
    Status {
        #[command(flatten)]
        which: Which,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Shows a node's journal
    Logs {
        #[command(flatten)]
        which: Which,
        /// Name or number of the node
        node: String,
        /// Only this unit's
        #[arg(short, long)]
        unit: Option<String>,
        /// How many lines
        #[arg(short = 'n', long, default_value_t = 100)]
        lines: u32,
        /// Go on showing new lines
        #[arg(short, long)]
        follow: bool,
    },
    /// Takes the power from nodes; with own disks what they have not flushed is lost
    Kill {
        #[command(flatten)]
        which: Which,
        /// Names or numbers of the nodes
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Cuts nodes off: each from each other, or with one name from all; ssh still works
    Cut {
        #[command(flatten)]
        which: Which,
        /// Names or numbers of the nodes
        #[arg(required = true)]
        nodes: Vec<String>,
        /// Only from the first to the others
        #[arg(long)]
        one_way: bool,
        /// Do not cut, but let each frame come that many milliseconds later
        #[arg(long, value_name = "MS")]
        delay: Option<u64>,
        /// And up to so many milliseconds more
        #[arg(long, value_name = "MS", requires = "delay")]
        jitter: Option<u64>,
        /// Do not cut, but lose that part of the frames: 0.1 is every tenth
        #[arg(long, value_name = "PART")]
        loss: Option<f64>,
        /// Do not cut, but let through so many kilobytes a second
        #[arg(long, value_name = "KB")]
        rate: Option<u64>,
        /// Where the dice begin
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Forgets all cuts, delays and losses
    Heal {
        #[command(flatten)]
        which: Which,
    },
    /// Starts a node again that has ended
    Start {
        #[command(flatten)]
        which: Which,
        /// Name or number of the node
        node: String,
    },
    /// Adds a new node to a cluster
    Add {
        #[command(flatten)]
        which: Which,
        /// Its name; node4 after node3
        node: Option<String>,
    },
    /// Writes the images that `up --registry` serves, as files for `docker load`
    Images {
        /// The folder
        folder: PathBuf,
    },
    /// Prints what a shell needs to complete the words of a command line
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual page
    Manual,
    /// Holds a cluster; started by `up`
    #[command(hide = true)]
    Supervise(Up),
}

/// Which cluster.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// Name of the cluster: several run side by side
    #[arg(long, default_value = "garboard", env = "GARBOARD_CLUSTER")]
    pub(crate) name: String,
    /// Its folder, if not in the usual place
    #[arg(long)]
    pub(crate) folder: Option<PathBuf>,
}

impl Which {
    /// The folder of the cluster.
    pub(crate) fn folder(&self) -> PathBuf {
        let usual = || RunDir::parent().join(format!("cluster-{}", self.name));
        self.folder.clone().unwrap_or_else(usual)
    }

    /// The words that name this cluster in another command.
    pub(crate) fn words(&self) -> String {
        if let Some(folder) = &self.folder {
            return format!(" --folder {}", folder.display());
        }
        match self.name.as_str() {
            "garboard" => String::new(),
            name => format!(" --name {name}"),
        }
    }
}

/// What `up` makes. Options win over the cluster file.
#[derive(Clone, Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the command line"
)]
pub(crate) struct Up {
    #[command(flatten)]
    pub(crate) which: Which,
    /// A cluster file (YAML): image, user-data, etcd2, memory, uefi, config-drive, mtu, icount, own-disks, nodes; of each node
    /// name, hostname, id, mac, address, public-address, memory, user-data
    pub(crate) file: Option<PathBuf>,
    /// How many nodes, instead of those of the file
    #[arg(long)]
    pub(crate) nodes: Option<usize>,
    /// The image; it is only read
    #[arg(long)]
    pub(crate) image: Option<PathBuf>,
    /// User-data of all nodes. `[YOUR SSH PUBLIC KEY]` in it becomes the cluster's key, a token of
    /// discovery.etcd.io one of the harness's own service
    #[arg(long)]
    pub(crate) user_data: Option<PathBuf>,
    /// Memory of a node in MiB
    #[arg(long)]
    pub(crate) memory: Option<u32>,
    /// Boot by UEFI instead of BIOS
    #[arg(long)]
    pub(crate) uefi: bool,
    /// Attach a config drive to each node: iso or vfat
    #[arg(long)]
    pub(crate) config_drive: Option<Form>,
    /// Our etcd2, run on this host as the discovery service
    #[arg(long, env = "GARBOARD_ETCD2")]
    pub(crate) etcd2: Option<PathBuf>,
    /// Serve images for Docker: busybox, redis, coreos/apache and toolbox, made from this host's packages
    #[arg(long)]
    pub(crate) registry: bool,
    /// Serve these images too: a file of `docker save`, or a folder of such
    #[arg(long, value_name = "PATH")]
    pub(crate) images: Vec<PathBuf>,
    /// Disks whose power `kill` really takes
    #[arg(long)]
    pub(crate) own_disks: bool,
    /// Count instructions instead of time: slower, and the same on a busy host
    #[arg(long)]
    pub(crate) icount: bool,
    /// Not by choice of the probe, but this: tcg or kvm
    #[arg(long)]
    pub(crate) accel: Option<Accelerator>,
    /// Stay in this terminal; the cluster is gone when the command ends
    #[arg(long)]
    pub(crate) stay: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The image; it is only read
    #[arg(long, default_value = "target/image/garboard.qcow2")]
    pub(crate) image: PathBuf,
    /// The node's user-data. `[YOUR SSH PUBLIC KEY]` in it becomes the key of this run
    #[arg(long)]
    pub(crate) user_data: Option<PathBuf>,
    /// The node's host name
    #[arg(long, default_value = "coreos")]
    pub(crate) hostname: String,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024)]
    pub(crate) memory: u32,
    /// Boot by UEFI instead of BIOS
    #[arg(long)]
    pub(crate) uefi: bool,
    /// Attach a config drive too: iso or vfat
    #[arg(long)]
    pub(crate) config_drive: Option<Form>,
    /// Our etcd2, run on this host as the discovery service that the user-data's token belongs to
    #[arg(long, env = "GARBOARD_ETCD2")]
    pub(crate) etcd2: Option<PathBuf>,
    /// Do not boot under emulation or KVM by choice of the probe, but this: tcg or kvm
    #[arg(long)]
    pub(crate) accel: Option<Accelerator>,
    /// Show the machine's console while it boots
    #[arg(long)]
    pub(crate) console: bool,
    /// A command instead of a shell
    #[arg(last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    Iso,
    Vfat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Accelerator {
    Tcg,
    Kvm,
}

impl Accelerator {
    pub(crate) fn accel(self) -> Accel {
        match self {
            Accelerator::Tcg => Accel::Tcg,
            Accelerator::Kvm => Accel::Kvm,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
