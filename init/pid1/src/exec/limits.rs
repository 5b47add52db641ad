//! Limits and priorities of the process.

use std::fs;

use init_sys::process;
use unit_file::{CpuScheduling, ExecConfig, IoClass, Resource};

use super::{Failed, Step, code};

/// Number of the resource for setrlimit(2) on Linux.
fn number(resource: Resource) -> u32 {
    match resource {
        Resource::Cpu => 0,
        Resource::Fsize => 1,
        Resource::Data => 2,
        Resource::Stack => 3,
        Resource::Core => 4,
        Resource::Rss => 5,
        Resource::Nproc => 6,
        Resource::Nofile => 7,
        Resource::Memlock => 8,
        Resource::As => 9,
        Resource::Locks => 10,
        Resource::Sigpending => 11,
        Resource::Msgqueue => 12,
        Resource::Nice => 13,
        Resource::Rtprio => 14,
        Resource::Rttime => 15,
    }
}

/// What a service has when its unit says nothing: PID 1 itself runs with more.
const DEFAULTS: [(Resource, u64, u64); 2] = [
    (Resource::Nofile, 1024, 524_288),
    (Resource::Memlock, 8 << 20, 8 << 20),
];

/// All resource limits.
pub(crate) fn resources(config: &ExecConfig) -> Result<(), Failed> {
    for (resource, soft, hard) in DEFAULTS {
        if !config.limits.contains_key(&resource) {
            set(resource, Some(soft), Some(hard))?;
        }
    }
    for (resource, limit) in &config.limits {
        set(*resource, limit.soft, limit.hard)?;
    }
    Ok(())
}

fn set(resource: Resource, soft: Option<u64>, hard: Option<u64>) -> Result<(), Failed> {
    let raw = |value: Option<u64>| value.unwrap_or(u64::MAX);
    let which = number(resource);
    match process::set_limit(which, raw(soft), raw(hard)) {
        // Without the right to raise it, the highest that is allowed is what systemd takes as well.
        Err(e) if e.raw_os_error() == Some(1) => {
            let (_, most) =
                process::limit(which).step(code::LIMITS, || format!("read Limit{resource}="))?;
            process::set_limit(which, raw(soft).min(most), most)
        }
        other => other,
    }
    .step(code::LIMITS, || format!("set Limit{resource}="))
}

/// How likely the kernel ends this process when memory is short.
pub(crate) fn oom(config: &ExecConfig) -> Result<(), Failed> {
    let Some(value) = config.oom_score_adjust else {
        return Ok(());
    };
    match fs::write("/proc/self/oom_score_adj", value.to_string()) {
        // In a container the right to lower it is often missing; that is no reason not to start.
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
    .step(code::OOM_ADJUST, || format!("set OOMScoreAdjust={value}"))
}

/// Nice level, CPU and I/O scheduling, CPUs.
pub(crate) fn priorities(config: &ExecConfig) -> Result<(), Failed> {
    if let Some(nice) = config.nice {
        process::set_nice(nice).step(code::NICE, || format!("set Nice={nice}"))?;
    }
    if let Some(policy) = config.cpu_scheduling {
        let number = match policy {
            CpuScheduling::Other => 0,
            CpuScheduling::Fifo => 1,
            CpuScheduling::Rr => 2,
            CpuScheduling::Batch => 3,
            CpuScheduling::Idle => 5,
        };
        let priority = i32::try_from(config.cpu_scheduling_priority).unwrap_or(0);
        process::set_scheduler(number, priority, config.cpu_scheduling_reset_on_fork)
            .step(code::SETSCHEDULER, || {
                format!("set CPUSchedulingPolicy={policy}")
            })?;
    }
    if !config.cpu_affinity.is_empty() {
        let mut set = rustix::thread::CpuSet::new();
        for cpu in &config.cpu_affinity {
            let cpu = usize::try_from(*cpu).unwrap_or(usize::MAX);
            if cpu < rustix::thread::CpuSet::MAX_CPU {
                set.set(cpu);
            }
        }
        rustix::thread::sched_setaffinity(None, &set)
            .step(code::CPUAFFINITY, || "set CPUAffinity=".to_owned())?;
    }
    if config.io_scheduling_class.is_some() || config.io_scheduling_priority.is_some() {
        let class = match config.io_scheduling_class.unwrap_or(IoClass::BestEffort) {
            IoClass::None => 0,
            IoClass::Realtime => 1,
            IoClass::BestEffort => 2,
            IoClass::Idle => 3,
        };
        let level = config.io_scheduling_priority.unwrap_or(4);
        process::set_io_priority(class, level)
            .step(code::IOPRIO, || "set IOSchedulingClass=".to_owned())?;
    }
    Ok(())
}
