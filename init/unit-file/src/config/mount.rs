//! `[Mount]`, `[Automount]` and `[Swap]`

use init_api::TimeSpan;
use serde::{Deserialize, Serialize};

use super::ManagerDefaults;

/// `[Mount]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of systemd.mount(5)"
)]
pub struct MountConfig {
    /// `What=`
    pub what: String,
    /// `Where=`, decided: the path that the name stands for when not given.
    pub r#where: String,
    /// `Type=`; empty for whatever it is.
    pub fs_type: String,
    /// `Options=`
    pub options: String,
    /// `SloppyOptions=`
    pub sloppy_options: bool,
    /// `LazyUnmount=`
    pub lazy_unmount: bool,
    /// `ForceUnmount=`
    pub force_unmount: bool,
    /// `ReadWriteOnly=`
    pub read_write_only: bool,
    /// `DirectoryMode=`
    pub directory_mode: u32,
    /// `TimeoutSec=`
    pub timeout: TimeSpan,
}

impl MountConfig {
    pub(super) fn new(defaults: &ManagerDefaults) -> Self {
        Self {
            what: String::new(),
            r#where: String::new(),
            fs_type: String::new(),
            options: String::new(),
            sloppy_options: false,
            lazy_unmount: false,
            force_unmount: false,
            read_write_only: false,
            directory_mode: 0o755,
            timeout: defaults.timeout_start,
        }
    }

    /// Whether an option is among `Options=`.
    #[must_use]
    pub fn has_option(&self, option: &str) -> bool {
        self.options.split(',').any(|given| given == option)
    }

    /// Whether the file system is on the network: `_netdev`, or a type known to be.
    #[must_use]
    pub fn is_network(&self) -> bool {
        const NETWORK: &[&str] = &[
            "afs",
            "ceph",
            "cifs",
            "smb3",
            "smbfs",
            "sshfs",
            "ncpfs",
            "ncp",
            "nfs",
            "nfs4",
            "gfs",
            "gfs2",
            "glusterfs",
            "pvfs2",
            "ocfs2",
            "lustre",
            "davfs",
            "fuse.sshfs",
            "fuse.glusterfs",
            "fuse.ceph",
        ];
        self.has_option("_netdev") || NETWORK.contains(&self.fs_type.as_str())
    }
}

/// `[Automount]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutomountConfig {
    /// `Where=`, decided.
    pub r#where: String,
    /// `ExtraOptions=`
    pub extra_options: String,
    /// `DirectoryMode=`
    pub directory_mode: u32,
    /// `TimeoutIdleSec=`
    pub timeout_idle: TimeSpan,
}

impl Default for AutomountConfig {
    fn default() -> Self {
        Self {
            r#where: String::new(),
            extra_options: String::new(),
            directory_mode: 0o755,
            timeout_idle: TimeSpan::INFINITY,
        }
    }
}

/// `[Swap]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapConfig {
    /// `What=`, decided.
    pub what: String,
    /// `Priority=`
    pub priority: Option<i32>,
    /// `Options=`
    pub options: String,
    /// `TimeoutSec=`
    pub timeout: TimeSpan,
}

impl SwapConfig {
    pub(super) fn new(defaults: &ManagerDefaults) -> Self {
        Self {
            what: String::new(),
            priority: None,
            options: String::new(),
            timeout: defaults.timeout_start,
        }
    }
}
