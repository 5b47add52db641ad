//! What a unit's cgroup is given and what it uses (systemd.resource-control(5)).

use dbus::Value;
use init_sys::cgroup::Cgroups;
use unit_engine::UnitView;
use unit_file::{Amount, CgroupConfig, CpuWeight, IoLimitKind};

use super::{Sheet, or_max};
use crate::manager::{Manager, cgroups::total_memory};

pub(super) fn fill(sheet: &mut Sheet<'_>, manager: &Manager, view: UnitView<'_>, slice: &str) {
    let group = view.control_group();
    sheet.text("Slice", slice);
    sheet.text("ControlGroup", group);
    usage(sheet, manager.cgroups(), group);
    settings(sheet, &view.config().cgroup);
}

fn usage(sheet: &mut Sheet<'_>, cgroups: &Cgroups, group: &str) {
    let read = |file: &str| {
        let text = (!group.is_empty())
            .then(|| cgroups.read(group, file).ok())
            .flatten();
        or_max(text.and_then(|t| t.trim().parse().ok()))
    };
    sheet.put("MemoryCurrent", || read("memory.current").into());
    sheet.put("MemoryAvailable", || u64::MAX.into());
    sheet.put("CPUUsageNSec", || {
        let text = (!group.is_empty())
            .then(|| cgroups.read(group, "cpu.stat").ok())
            .flatten();
        let micros = text.and_then(|t| {
            t.lines()
                .find_map(|line| line.strip_prefix("usage_usec ")?.trim().parse::<u64>().ok())
        });
        or_max(micros.map(|m| m.saturating_mul(1000))).into()
    });
    sheet.put("EffectiveCPUs", || Value::Bytes(Vec::new()));
    sheet.put("EffectiveMemoryNodes", || Value::Bytes(Vec::new()));
    sheet.put("TasksCurrent", || read("pids.current").into());
    for name in [
        "IPIngressBytes",
        "IPIngressPackets",
        "IPEgressBytes",
        "IPEgressPackets",
    ] {
        sheet.wide(name, u64::MAX);
    }
    for (name, key) in [
        ("IOReadBytes", "rbytes="),
        ("IOReadOperations", "rios="),
        ("IOWriteBytes", "wbytes="),
        ("IOWriteOperations", "wios="),
    ] {
        sheet.put(name, || or_max(io(cgroups, group, key)).into());
    }
}

fn io(cgroups: &Cgroups, group: &str, key: &str) -> Option<u64> {
    if group.is_empty() {
        return None;
    }
    let text = cgroups.read(group, "io.stat").ok()?;
    Some(
        text.split_whitespace()
            .filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok())
            .sum(),
    )
}

fn settings(sheet: &mut Sheet<'_>, config: &CgroupConfig) {
    sheet.flag("Delegate", config.delegate);
    sheet.words("DelegateControllers", &config.delegate_controllers);
    sheet.flag("CPUAccounting", config.cpu_accounting);
    sheet.wide("CPUWeight", weight(config.cpu_weight));
    sheet.wide("StartupCPUWeight", weight(config.startup_cpu_weight));
    sheet.wide("CPUShares", u64::MAX);
    sheet.wide("StartupCPUShares", u64::MAX);
    sheet.wide(
        "CPUQuotaPerSecUSec",
        or_max(config.cpu_quota_per_sec.map(|t| t.as_micros())),
    );
    sheet.wide(
        "CPUQuotaPeriodUSec",
        or_max(config.cpu_quota_period.map(|t| t.as_micros())),
    );
    sheet.put("AllowedCPUs", || Value::Bytes(bits(&config.allowed_cpus)));
    sheet.put("AllowedMemoryNodes", || {
        Value::Bytes(bits(&config.allowed_memory_nodes))
    });
    sheet.flag("IOAccounting", config.io_accounting);
    sheet.wide("IOWeight", or_max(config.io_weight));
    sheet.wide("StartupIOWeight", or_max(config.startup_io_weight));
    sheet.put("IODeviceWeight", || {
        let row = |(path, weight): &(String, u64)| {
            Value::Struct(vec![path.as_str().into(), (*weight).into()])
        };
        Value::array("(st)", config.io_device_weights.iter().map(row).collect())
    });
    for (name, kind) in [
        ("IOReadBandwidthMax", IoLimitKind::ReadBytes),
        ("IOWriteBandwidthMax", IoLimitKind::WriteBytes),
        ("IOReadIOPSMax", IoLimitKind::ReadOperations),
        ("IOWriteIOPSMax", IoLimitKind::WriteOperations),
    ] {
        sheet.put(name, || {
            let limits = config.io_limits.iter().filter(|l| l.kind == kind);
            let row = |l: &unit_file::IoLimit| {
                Value::Struct(vec![
                    l.path.as_str().into(),
                    amount(Some(l.amount), 0, u64::MAX).into(),
                ])
            };
            Value::array("(st)", limits.map(row).collect())
        });
    }
    sheet.flag("BlockIOAccounting", false);
    sheet.wide("BlockIOWeight", u64::MAX);
    sheet.flag("MemoryAccounting", config.memory_accounting);
    let memory = total_memory();
    sheet.wide("MemoryMin", amount(config.memory_min, memory, 0));
    sheet.wide("MemoryLow", amount(config.memory_low, memory, 0));
    sheet.wide("MemoryHigh", amount(config.memory_high, memory, u64::MAX));
    sheet.wide("MemoryMax", amount(config.memory_max, memory, u64::MAX));
    sheet.wide(
        "MemorySwapMax",
        amount(config.memory_swap_max, memory, u64::MAX),
    );
    sheet.wide("MemoryLimit", u64::MAX);
    sheet.text("DevicePolicy", config.device_policy.as_str());
    sheet.put("DeviceAllow", || {
        let row = |d: &unit_file::DeviceAllow| {
            Value::Struct(vec![d.device.as_str().into(), d.access.as_str().into()])
        };
        Value::array("(ss)", config.device_allow.iter().map(row).collect())
    });
    sheet.flag("TasksAccounting", config.tasks_accounting);
    sheet.put("TasksMax", || {
        amount(config.tasks_max, most_tasks(), u64::MAX).into()
    });
    sheet.flag("IPAccounting", false);
}

fn most_tasks() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.trim().parse().unwrap_or(32_768)
}

fn weight(weight: Option<CpuWeight>) -> u64 {
    match weight {
        None => u64::MAX,
        Some(CpuWeight::Idle) => 0,
        Some(CpuWeight::Weight(n)) => n,
    }
}

fn amount(amount: Option<Amount>, whole: u64, unset: u64) -> u64 {
    match amount {
        None => unset,
        Some(amount) => or_max(amount.resolve(whole)),
    }
}

/// Numbers as a little-endian bit mask.
pub(super) fn bits(numbers: &[u32]) -> Vec<u8> {
    let mut mask = Vec::new();
    for number in numbers {
        let place = usize::try_from(number / 8).unwrap_or(0);
        if place >= 1024 {
            continue;
        }
        if mask.len() <= place {
            mask.resize(place + 1, 0_u8);
        }
        if let Some(byte) = mask.get_mut(place) {
            *byte |= 1 << (number % 8);
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_a_bit_mask() {
        assert_eq!(bits(&[0, 1, 2, 9]), [7, 2]);
        assert!(bits(&[]).is_empty());
    }
}
