//! The keys of the sections that become environment variables: one table each, in the order in
//! which the variables are written.

use crate::patterns;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Text,
    Bool,
    Int,
    Float,
}

impl Type {
    /// The word that the validator uses.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float64",
        }
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Type,
    /// The variable's whole name, where it is not prefix + key in upper case.
    pub variable: Option<&'static str>,
    pub accepts: Option<fn(&str) -> bool>,
    pub deprecated: Option<&'static str>,
}

/// One section of `coreos:`.
#[derive(Debug)]
pub struct Section {
    pub name: &'static str,
    /// The unit whose drop-in gets the variables; `None` for flannel and update.
    pub unit: Option<&'static str>,
    pub prefix: &'static str,
    pub keys: &'static [Key],
    pub deprecated: Option<&'static str>,
}

impl Section {
    /// The variable that a key sets.
    #[must_use]
    pub fn variable(&self, key: &Key) -> String {
        match key.variable {
            Some(name) => name.to_owned(),
            None => format!("{}{}", self.prefix, key.name.to_ascii_uppercase()),
        }
    }
}

const fn key(name: &'static str, kind: Type) -> Key {
    Key {
        name,
        kind,
        variable: None,
        accepts: None,
        deprecated: None,
    }
}

const fn text(name: &'static str) -> Key {
    key(name, Type::Text)
}

const fn flag(name: &'static str) -> Key {
    key(name, Type::Bool)
}

const fn int(name: &'static str) -> Key {
    key(name, Type::Int)
}

const fn float(name: &'static str) -> Key {
    key(name, Type::Float)
}

impl Key {
    const fn named(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }

    const fn like(mut self, accepts: fn(&str) -> bool) -> Self {
        self.accepts = Some(accepts);
        self
    }

    const fn old(mut self, reason: &'static str) -> Self {
        self.deprecated = Some(reason);
        self
    }

    /// A key of etcd2 that the section of the 0.4 daemon took by mistake.
    const fn misplaced(self) -> Self {
        self.old("it belongs to coreos.etcd2; the etcd of this section does not know it")
    }
}

/// `coreos.etcd`: the daemon of version 0.4.
pub const ETCD: Section = Section {
    name: "etcd",
    unit: Some("etcd.service"),
    prefix: "ETCD_",
    deprecated: Some("etcd 0.4 is not part of this system; use coreos.etcd2"),
    keys: &[
        text("addr"),
        text("advertise_client_urls").misplaced(),
        text("bind_addr"),
        text("ca_file"),
        text("cert_file"),
        int("cluster_active_size"),
        float("cluster_remove_delay"),
        float("cluster_sync_interval"),
        text("cors"),
        text("data_dir"),
        text("discovery").like(patterns::url),
        text("discovery_fallback").misplaced(),
        text("discovery_srv").misplaced(),
        text("discovery_proxy").misplaced(),
        int("election_timeout").misplaced(),
        flag("force_new_cluster").misplaced(),
        text("graphite_host"),
        int("heartbeat_interval").misplaced(),
        float("http_read_timeout"),
        float("http_write_timeout"),
        text("initial_advertise_peer_urls").misplaced(),
        text("initial_cluster").misplaced(),
        text("initial_cluster_state").misplaced(),
        text("initial_cluster_token").misplaced(),
        text("key_file"),
        text("listen_client_urls").misplaced(),
        text("listen_peer_urls").misplaced(),
        int("max_result_buffer"),
        int("max_retry_attempts"),
        int("max_snapshots").misplaced(),
        int("max_wals").misplaced(),
        text("name"),
        text("peer_addr"),
        text("peer_bind_addr"),
        text("peer_ca_file"),
        text("peer_cert_file"),
        int("peer_election_timeout"),
        int("peer_heartbeat_interval"),
        text("peer_key_file"),
        text("peers"),
        text("peers_file"),
        text("proxy").misplaced(),
        float("retry_interval"),
        flag("snapshot"),
        int("snapshot_count").named("ETCD_SNAPSHOTCOUNT"),
        text("trace"),
        flag("verbose"),
        flag("very_verbose"),
        flag("very_very_verbose"),
    ],
};

/// `coreos.etcd2`.
pub const ETCD2: Section = Section {
    name: "etcd2",
    unit: Some("etcd2.service"),
    prefix: "ETCD_",
    deprecated: None,
    keys: &[
        text("advertise_client_urls"),
        text("ca_file").old("use trusted_ca_file and client_cert_auth"),
        text("cert_file"),
        flag("client_cert_auth"),
        text("cors"),
        text("data_dir"),
        flag("debug"),
        text("discovery").like(patterns::url),
        text("discovery_fallback"),
        text("discovery_srv"),
        text("discovery_proxy"),
        int("election_timeout"),
        flag("enable_pprof"),
        flag("force_new_cluster"),
        int("heartbeat_interval"),
        text("initial_advertise_peer_urls"),
        text("initial_cluster"),
        text("initial_cluster_state"),
        text("initial_cluster_token"),
        text("key_file"),
        text("listen_client_urls"),
        text("listen_peer_urls"),
        text("log_package_levels"),
        int("max_snapshots"),
        int("max_wals"),
        text("name"),
        text("peer_ca_file").old("use peer_trusted_ca_file and peer_client_cert_auth"),
        text("peer_cert_file"),
        text("peer_key_file"),
        flag("peer_client_cert_auth"),
        text("peer_trusted_ca_file"),
        text("proxy").like(patterns::proxy),
        int("proxy_dial_timeout"),
        int("proxy_failure_wait"),
        int("proxy_read_timeout"),
        int("proxy_refresh_interval"),
        int("proxy_write_timeout"),
        int("snapshot_count"),
        flag("strict_reconfig_check"),
        text("trusted_ca_file"),
        text("wal_dir"),
    ],
};

/// `coreos.fleet`.
pub const FLEET: Section = Section {
    name: "fleet",
    unit: Some("fleet.service"),
    prefix: "FLEET_",
    deprecated: None,
    keys: &[
        text("agent_ttl"),
        text("authorized_keys_file"),
        flag("disable_engine"),
        float("engine_reconcile_interval"),
        text("etcd_cafile"),
        text("etcd_certfile"),
        text("etcd_keyfile"),
        text("etcd_key_prefix"),
        float("etcd_request_timeout"),
        text("etcd_servers"),
        text("etcd_username"),
        text("etcd_password"),
        text("metadata"),
        text("public_ip"),
        int("token_limit"),
        int("verbosity"),
        flag("verify_units"),
    ],
};

/// `coreos.flannel`: a file, not a drop-in.
pub const FLANNEL: Section = Section {
    name: "flannel",
    unit: None,
    prefix: "FLANNELD_",
    deprecated: None,
    keys: &[
        text("etcd_endpoints"),
        text("etcd_cafile"),
        text("etcd_certfile"),
        text("etcd_keyfile"),
        text("etcd_prefix"),
        text("etcd_username"),
        text("etcd_password"),
        text("ip_masq"),
        text("subnet_file"),
        text("interface").named("FLANNELD_IFACE"),
        text("public_ip"),
    ],
};

/// `coreos.locksmith`.
pub const LOCKSMITH: Section = Section {
    name: "locksmith",
    unit: Some("locksmithd.service"),
    prefix: "LOCKSMITHD_",
    deprecated: None,
    keys: &[
        text("endpoint"),
        text("etcd_cafile"),
        text("etcd_certfile"),
        text("etcd_keyfile"),
        text("etcd_username"),
        text("etcd_password"),
        text("group"),
        text("window_start")
            .named("REBOOT_WINDOW_START")
            .like(patterns::window_start),
        text("window_length")
            .named("REBOOT_WINDOW_LENGTH")
            .like(patterns::window_length),
    ],
};

/// `coreos.update`: lines of /etc/coreos/update.conf.
pub const UPDATE: Section = Section {
    name: "update",
    unit: None,
    prefix: "",
    deprecated: None,
    keys: &[
        text("reboot_strategy").like(patterns::reboot_strategy),
        text("group"),
        text("server"),
    ],
};

/// The sections with a drop-in, in the order in which their units are handled.
pub const WITH_DROP_IN: [&Section; 4] = [&ETCD, &ETCD2, &FLEET, &LOCKSMITH];

/// Keys of the top level.
pub const TOP: [&str; 6] = [
    "ssh_authorized_keys",
    "hostname",
    "users",
    "write_files",
    "manage_etc_hosts",
    "coreos",
];
/// Keys of `coreos:`.
pub const COREOS: [&str; 8] = [
    "etcd",
    "etcd2",
    "flannel",
    "fleet",
    "locksmith",
    "oem",
    "update",
    "units",
];
/// Keys of `coreos.oem`, in the order of /etc/oem-release.
pub const OEM: [&str; 5] = ["id", "version_id", "name", "home_url", "bug_report_url"];
/// Keys of an entry of `coreos.units`.
pub const UNIT: [&str; 7] = [
    "name", "content", "drop_ins", "mask", "runtime", "enable", "command",
];
/// Keys of an entry of `drop_ins`.
pub const DROP_IN: [&str; 2] = ["name", "content"];
/// Keys of an entry of `write_files`.
pub const FILE: [&str; 5] = ["path", "content", "permissions", "owner", "encoding"];
/// Keys of an entry of `users`.
pub const USER: [&str; 14] = [
    "name",
    "passwd",
    "ssh_authorized_keys",
    "gecos",
    "homedir",
    "no_create_home",
    "primary_group",
    "groups",
    "no_user_group",
    "system",
    "no_log_init",
    "shell",
    "coreos_ssh_import_github",
    "coreos_ssh_import_url",
];
/// Spelled apart only because it is a list.
pub const USER_IMPORT_LIST: &str = "coreos_ssh_import_github_users";
