//! What a unit's cgroup is given: systemd.resource-control(5).

use init_api::{TimeSpan, UnitType};
use serde::{Deserialize, Serialize};

use super::{Amount, ManagerDefaults};
use crate::{UnitName, escape, name::known};

/// `CPUWeight=`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CpuWeight {
    /// `idle`: only what nobody else wants.
    Idle,
    /// 1 to 10000.
    Weight(u64),
}

init_api::words! {
    /// Which limit of `io.max` a line sets.
    pub enum IoLimitKind {
        ReadBytes = "rbps",
        WriteBytes = "wbps",
        ReadOperations = "riops",
        WriteOperations = "wiops",
    }
}

/// One `IOReadBandwidthMax=` or its like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoLimit {
    /// Which limit.
    pub kind: IoLimitKind,
    /// A device node, or a file on the device that is meant.
    pub path: String,
    /// Bytes or operations per second.
    pub amount: Amount,
}

init_api::words! {
    /// `DevicePolicy=`
    pub enum DevicePolicy { Auto = "auto", Closed = "closed", Strict = "strict" }
}

/// `DeviceAllow=`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAllow {
    /// A path, or `char-GROUP`, `block-GROUP`.
    pub device: String,
    /// Of `r`, `w`, `m`.
    pub access: String,
}

/// systemd.resource-control(5)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a directive")]
pub struct CgroupConfig {
    /// The slice it is in; `None` for the root slice, and for kinds without a cgroup.
    pub slice: Option<UnitName>,
    /// `Delegate=`
    pub delegate: bool,
    /// The controllers that `Delegate=` names; empty with `delegate` means all.
    pub delegate_controllers: Vec<String>,
    /// `DelegateSubgroup=`
    pub delegate_subgroup: String,
    /// `CPUAccounting=`
    pub cpu_accounting: bool,
    /// `CPUWeight=`
    pub cpu_weight: Option<CpuWeight>,
    /// `StartupCPUWeight=`
    pub startup_cpu_weight: Option<CpuWeight>,
    /// `CPUQuota=`: time per second.
    pub cpu_quota_per_sec: Option<TimeSpan>,
    /// `CPUQuotaPeriodSec=`
    pub cpu_quota_period: Option<TimeSpan>,
    /// `AllowedCPUs=`
    pub allowed_cpus: Vec<u32>,
    /// `AllowedMemoryNodes=`
    pub allowed_memory_nodes: Vec<u32>,
    /// `MemoryAccounting=`
    pub memory_accounting: bool,
    /// `MemoryMin=`
    pub memory_min: Option<Amount>,
    /// `MemoryLow=`
    pub memory_low: Option<Amount>,
    /// `MemoryHigh=`
    pub memory_high: Option<Amount>,
    /// `MemoryMax=` (and `MemoryLimit=`)
    pub memory_max: Option<Amount>,
    /// `MemorySwapMax=`
    pub memory_swap_max: Option<Amount>,
    /// `MemoryZSwapMax=`
    pub memory_zswap_max: Option<Amount>,
    /// `TasksAccounting=`
    pub tasks_accounting: bool,
    /// `TasksMax=`
    pub tasks_max: Option<Amount>,
    /// `IOAccounting=`
    pub io_accounting: bool,
    /// `IOWeight=`
    pub io_weight: Option<u64>,
    /// `StartupIOWeight=`
    pub startup_io_weight: Option<u64>,
    /// `IODeviceWeight=`: device and weight.
    pub io_device_weights: Vec<(String, u64)>,
    /// `IOReadBandwidthMax=` and its like.
    pub io_limits: Vec<IoLimit>,
    /// `DevicePolicy=` (accepted, not enforced).
    pub device_policy: DevicePolicy,
    /// `DeviceAllow=` (accepted, not enforced).
    pub device_allow: Vec<DeviceAllow>,
}

impl CgroupConfig {
    pub(super) fn new(name: &UnitName, defaults: &ManagerDefaults) -> Self {
        let [memory, tasks, cpu, io] = defaults.accounting;
        let limited = !matches!(name.kind(), UnitType::Slice);
        Self {
            slice: default_slice(name),
            delegate: false,
            delegate_controllers: Vec::new(),
            delegate_subgroup: String::new(),
            cpu_accounting: cpu,
            cpu_weight: None,
            startup_cpu_weight: None,
            cpu_quota_per_sec: None,
            cpu_quota_period: None,
            allowed_cpus: Vec::new(),
            allowed_memory_nodes: Vec::new(),
            memory_accounting: memory,
            memory_min: None,
            memory_low: None,
            memory_high: None,
            memory_max: None,
            memory_swap_max: None,
            memory_zswap_max: None,
            tasks_accounting: tasks,
            tasks_max: limited.then_some(defaults.tasks_max),
            io_accounting: io,
            io_weight: None,
            startup_io_weight: None,
            io_device_weights: Vec::new(),
            io_limits: Vec::new(),
            device_policy: DevicePolicy::Auto,
            device_allow: Vec::new(),
        }
    }
}

/// The slice of a unit that names none: `system.slice`, for instances
/// `system-PREFIX.slice` below it; a slice is in the slice that its dashes say.
fn default_slice(name: &UnitName) -> Option<UnitName> {
    if name.kind() == UnitType::Slice {
        return name.parent_slice();
    }
    if !name.kind().has_cgroup() || name.as_str() == "init.scope" {
        return (name.as_str() == "init.scope").then(|| known("-.slice"));
    }
    if name.is_instance() {
        let prefix = escape::escape(&name.prefix().replace('/', "\\x2f"));
        if let Ok(slice) = UnitName::new(format!("system-{prefix}.slice")) {
            return Some(slice);
        }
    }
    Some(known("system.slice"))
}
