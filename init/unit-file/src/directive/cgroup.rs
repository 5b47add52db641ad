//! systemd.resource-control(5), with the names that cgroup v1 had.

use super::table;
use crate::{
    config::{CgroupConfig, DeviceAllow, IoLimit, IoLimitKind},
    value::{
        Input, Outcome, block_io_weight, boolean, boolean_of, cpu_quota, cpu_shares, cpu_weight,
        indices, io_weight, memory, optional_span, rate, slice, tasks, text, word,
    },
};

table! { CGROUP: CgroupConfig {
    "Slice" => [slice] slice,
    "Delegate" => [] delegate,
    "DelegateSubgroup" => [delegate_subgroup] text,
    "CPUAccounting" => [cpu_accounting] boolean,
    "CPUWeight" => [cpu_weight] cpu_weight,
    "StartupCPUWeight" => [startup_cpu_weight] cpu_weight,
    "CPUShares" => [cpu_weight] cpu_shares,
    "StartupCPUShares" => [startup_cpu_weight] cpu_shares,
    "CPUQuota" => [cpu_quota_per_sec] cpu_quota,
    "CPUQuotaPeriodSec" => [cpu_quota_period] optional_span,
    "AllowedCPUs" => [allowed_cpus] indices,
    "AllowedMemoryNodes" => [allowed_memory_nodes] indices,
    "MemoryAccounting" => [memory_accounting] boolean,
    "MemoryMin" => [memory_min] memory,
    "MemoryLow" => [memory_low] memory,
    "MemoryHigh" => [memory_high] memory,
    "MemoryMax" => [memory_max] memory,
    "MemoryLimit" => [memory_max] memory,
    "MemorySwapMax" => [memory_swap_max] memory,
    "MemoryZSwapMax" => [memory_zswap_max] memory,
    "TasksAccounting" => [tasks_accounting] boolean,
    "TasksMax" => [tasks_max] tasks,
    "IOAccounting" => [io_accounting] boolean,
    "BlockIOAccounting" => [io_accounting] boolean,
    "IOWeight" => [io_weight] io_weight,
    "StartupIOWeight" => [startup_io_weight] io_weight,
    "BlockIOWeight" => [io_weight] block_io_weight,
    "StartupBlockIOWeight" => [startup_io_weight] block_io_weight,
    "IODeviceWeight" => [io_device_weights] device_weight,
    "IOReadBandwidthMax" => [io_limits] io_limit,
    "IOWriteBandwidthMax" => [io_limits] io_limit,
    "IOReadIOPSMax" => [io_limits] io_limit,
    "IOWriteIOPSMax" => [io_limits] io_limit,
    "BlockIOReadBandwidth" => [io_limits] io_limit,
    "BlockIOWriteBandwidth" => [io_limits] io_limit,
    "DevicePolicy" => [device_policy] word,
    "DeviceAllow" => [device_allow] device_allow,
} accepted {
    "BlockIODeviceWeight",
    "BPFProgram",
    "CoredumpReceive",
    "DefaultMemoryLow",
    "DefaultMemoryMin",
    "DefaultStartupMemoryLow",
    "DisableControllers",
    "IODeviceLatencyTargetSec",
    "IPAccounting",
    "IPAddressAllow",
    "IPAddressDeny",
    "IPEgressFilterPath",
    "IPIngressFilterPath",
    "ManagedOOMMemoryPressure",
    "ManagedOOMMemoryPressureDurationSec",
    "ManagedOOMMemoryPressureLimit",
    "ManagedOOMPreference",
    "ManagedOOMSwap",
    "MemoryPressureThresholdSec",
    "MemoryPressureWatch",
    "MemoryZSwapWriteback",
    "NFTSet",
    "NetClass",
    "RestrictNetworkInterfaces",
    "SocketBindAllow",
    "SocketBindDeny",
    "StartupAllowedCPUs",
    "StartupAllowedMemoryNodes",
    "StartupMemoryHigh",
    "StartupMemoryLow",
    "StartupMemoryMax",
    "StartupMemorySwapMax",
    "StartupMemoryZSwapMax",
} }

/// `Delegate=`: yes, no, or the controllers that are meant.
fn delegate(config: &mut CgroupConfig, input: &mut Input<'_>) -> Outcome {
    if let Some(yes) = boolean_of(input.text) {
        config.delegate = yes;
        config.delegate_controllers.clear();
        return Ok(());
    }
    let words = input.words()?;
    config.delegate = true;
    config.delegate_controllers.extend(words);
    Ok(())
}

fn io_limit(field: &mut Vec<IoLimit>, input: &mut Input<'_>) -> Outcome {
    let kind = match input.key {
        "IOReadBandwidthMax" | "BlockIOReadBandwidth" => IoLimitKind::ReadBytes,
        "IOWriteBandwidthMax" | "BlockIOWriteBandwidth" => IoLimitKind::WriteBytes,
        "IOReadIOPSMax" => IoLimitKind::ReadOperations,
        _ => IoLimitKind::WriteOperations,
    };
    if input.text.is_empty() {
        field.retain(|limit| limit.kind != kind);
        return Ok(());
    }
    let words = input.words()?;
    let limit = match words.as_slice() {
        [path, amount] if path.starts_with('/') => rate(amount).map(|amount| (path, amount)),
        _ => None,
    };
    let (path, amount) = limit.ok_or_else(|| input.wants("a device or path, and an amount"))?;
    field.retain(|limit| limit.kind != kind || limit.path != *path);
    field.push(IoLimit {
        kind,
        path: path.clone(),
        amount,
    });
    Ok(())
}

fn device_weight(field: &mut Vec<(String, u64)>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let words = input.words()?;
    let weight = match words.as_slice() {
        [path, weight] if path.starts_with('/') => weight.parse().ok().map(|weight| (path, weight)),
        _ => None,
    };
    let (path, weight) = weight
        .filter(|(_, weight)| (1..=10_000).contains(weight))
        .ok_or_else(|| input.wants("a device, and 1 to 10000"))?;
    field.push((path.clone(), weight));
    Ok(())
}

fn device_allow(field: &mut Vec<DeviceAllow>, input: &mut Input<'_>) -> Outcome {
    if input.text.is_empty() {
        field.clear();
        return Ok(());
    }
    let words = input.words()?;
    let (device, access) = match words.as_slice() {
        [device] => (device.as_str(), "rwm"),
        [device, access] => (device.as_str(), access.as_str()),
        _ => ("", ""),
    };
    let named = ["/dev/", "/run/systemd/inaccessible/", "char-", "block-"];
    if !named.iter().any(|start| device.starts_with(start))
        || !access.chars().all(|letter| "rwm".contains(letter))
    {
        return Err(input.wants("a device node, char-GROUP or block-GROUP, and some of rwm"));
    }
    field.push(DeviceAllow {
        device: device.to_owned(),
        access: access.to_owned(),
    });
    Ok(())
}
