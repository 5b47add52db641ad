//! `[Socket]`

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use init_api::TimeSpan;
use serde::{Deserialize, Serialize};

use super::{ManagerDefaults, RateLimit};
use crate::{Command, UnitName};

init_api::words! {
    /// Which directive made a listener.
    pub enum ListenKind {
        Stream = "Stream",
        Datagram = "Datagram",
        SequentialPacket = "SequentialPacket",
        Fifo = "FIFO",
        Special = "Special",
        Netlink = "Netlink",
        MessageQueue = "MessageQueue",
    }
}

/// Where a socket listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ListenAddress {
    /// A path: socket, FIFO or special file.
    Path(String),
    /// `@name`, without the `@`.
    Abstract(String),
    /// An address and port. A port alone is `[::]:port`, which also takes IPv4.
    Inet(SocketAddr),
    /// An IPv6 address with the name of its interface: `[fe80::1]:80%eth0`.
    Scoped(SocketAddr, String),
    /// `vsock:CID:PORT`; `None` is any CID.
    Vsock(Option<u32>, u32),
    /// Family and multicast groups.
    Netlink(String, u32),
    /// A POSIX message queue.
    MessageQueue(String),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) | Self::MessageQueue(path) => f.write_str(path),
            Self::Abstract(name) => write!(f, "@{name}"),
            Self::Inet(address) => match address.ip() {
                IpAddr::V4(ip) => write!(f, "{ip}:{}", address.port()),
                IpAddr::V6(ip) => write!(f, "[{ip}]:{}", address.port()),
            },
            Self::Scoped(address, interface) => {
                write!(f, "[{}]:{}%{interface}", address.ip(), address.port())
            }
            Self::Vsock(Some(cid), port) => write!(f, "vsock:{cid}:{port}"),
            Self::Vsock(None, port) => write!(f, "vsock::{port}"),
            Self::Netlink(family, group) => write!(f, "{family} {group}"),
        }
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listen {
    /// Its directive.
    pub kind: ListenKind,
    /// Where.
    pub address: ListenAddress,
}

init_api::words! {
    /// `BindIPv6Only=`
    pub enum Bind6Only { Default = "default", Both = "both", Ipv6Only = "ipv6-only" }
}

/// `[Socket]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a directive of systemd.socket(5)"
)]
pub struct SocketConfig {
    /// `ListenStream=` and its like, in the order of the file.
    pub listen: Vec<Listen>,
    /// `Accept=`
    pub accept: bool,
    /// `Service=`
    pub service: Option<UnitName>,
    /// `SocketUser=`
    pub user: Option<String>,
    /// `SocketGroup=`
    pub group: Option<String>,
    /// `SocketMode=`
    pub mode: u32,
    /// `DirectoryMode=`
    pub directory_mode: u32,
    /// `Backlog=`
    pub backlog: u32,
    /// `BindIPv6Only=`
    pub bind_ipv6_only: Bind6Only,
    /// `BindToDevice=`
    pub bind_to_device: Option<String>,
    /// `FreeBind=`
    pub free_bind: bool,
    /// `Transparent=`
    pub transparent: bool,
    /// `ReusePort=`
    pub reuse_port: bool,
    /// `NoDelay=`
    pub no_delay: bool,
    /// `KeepAlive=`
    pub keep_alive: bool,
    /// `KeepAliveTimeSec=`
    pub keep_alive_time: Option<TimeSpan>,
    /// `KeepAliveIntervalSec=`
    pub keep_alive_interval: Option<TimeSpan>,
    /// `KeepAliveProbes=`
    pub keep_alive_probes: Option<u32>,
    /// `DeferAcceptSec=`
    pub defer_accept: Option<TimeSpan>,
    /// `Broadcast=`
    pub broadcast: bool,
    /// `PassCredentials=`
    pub pass_credentials: bool,
    /// `PassSecurity=`
    pub pass_security: bool,
    /// `PassPacketInfo=`
    pub pass_packet_info: bool,
    /// `ReceiveBuffer=`
    pub receive_buffer: Option<u64>,
    /// `SendBuffer=`
    pub send_buffer: Option<u64>,
    /// `Priority=`
    pub priority: Option<i32>,
    /// `Mark=`
    pub mark: Option<u32>,
    /// `IPTTL=`
    pub ip_ttl: Option<u32>,
    /// `IPTOS=`, as written or by name.
    pub ip_tos: Option<u8>,
    /// `PipeSize=`
    pub pipe_size: Option<u64>,
    /// `MessageQueueMaxMessages=`
    pub message_queue_max_messages: Option<u64>,
    /// `MessageQueueMessageSize=`
    pub message_queue_message_size: Option<u64>,
    /// `RemoveOnStop=`
    pub remove_on_stop: bool,
    /// `Symlinks=`
    pub symlinks: Vec<String>,
    /// `FileDescriptorName=`
    pub fd_name: Option<String>,
    /// `MaxConnections=`
    pub max_connections: u32,
    /// `MaxConnectionsPerSource=`
    pub max_connections_per_source: u32,
    /// `TriggerLimitIntervalSec=`, `TriggerLimitBurst=`, decided.
    pub trigger_limit: RateLimit,
    /// `PollLimitIntervalSec=`, `PollLimitBurst=`
    pub poll_limit: RateLimit,
    /// `Writable=`
    pub writable: bool,
    /// `FlushPending=`
    pub flush_pending: bool,
    /// `ExecStartPre=`
    pub exec_start_pre: Vec<Command>,
    /// `ExecStartPost=`
    pub exec_start_post: Vec<Command>,
    /// `ExecStopPre=`
    pub exec_stop_pre: Vec<Command>,
    /// `ExecStopPost=`
    pub exec_stop_post: Vec<Command>,
    /// `TimeoutSec=`
    pub timeout: TimeSpan,
}

impl SocketConfig {
    pub(super) fn new(defaults: &ManagerDefaults) -> Self {
        let limit = RateLimit {
            interval: TimeSpan::from_secs(2),
            burst: 20,
        };
        Self {
            listen: Vec::new(),
            accept: false,
            service: None,
            user: None,
            group: None,
            mode: 0o666,
            directory_mode: 0o755,
            backlog: 4096,
            bind_ipv6_only: Bind6Only::Default,
            bind_to_device: None,
            free_bind: false,
            transparent: false,
            reuse_port: false,
            no_delay: false,
            keep_alive: false,
            keep_alive_time: None,
            keep_alive_interval: None,
            keep_alive_probes: None,
            defer_accept: None,
            broadcast: false,
            pass_credentials: false,
            pass_security: false,
            pass_packet_info: false,
            receive_buffer: None,
            send_buffer: None,
            priority: None,
            mark: None,
            ip_ttl: None,
            ip_tos: None,
            pipe_size: None,
            message_queue_max_messages: None,
            message_queue_message_size: None,
            remove_on_stop: false,
            symlinks: Vec::new(),
            fd_name: None,
            max_connections: 64,
            max_connections_per_source: 0,
            trigger_limit: limit,
            poll_limit: RateLimit {
                interval: limit.interval,
                burst: 150,
            },
            writable: false,
            flush_pending: false,
            exec_start_pre: Vec::new(),
            exec_start_post: Vec::new(),
            exec_stop_pre: Vec::new(),
            exec_stop_post: Vec::new(),
            timeout: defaults.timeout_start,
        }
    }
}
