//! Cgroups of units: made, limited, watched for emptiness, and looked up by process.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use init_sys::cgroup::{Cgroups, of_process};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use unit_file::{Amount, CgroupConfig, CpuWeight};

/// All cgroups that belong to units.
#[derive(Debug)]
pub(crate) struct UnitCgroups {
    tree: Cgroups,
    watch: OwnedFd,
    units: BTreeMap<String, String>,
    watched: HashMap<i32, String>,
    /// How many processes the OOM killer had taken from each cgroup when that was last looked at.
    oom_kills: BTreeMap<String, u64>,
}

/// A control file and what to write; failures are ignored, because controllers may be missing.
type Setting = (&'static str, String);

fn amount(value: Amount, total: u64) -> String {
    value
        .resolve(total)
        .map_or_else(|| "max".to_owned(), |n| n.to_string())
}

/// Controllers that the settings need (pure).
fn controllers(config: &CgroupConfig) -> Vec<&'static str> {
    let mut wanted = Vec::new();
    if config.cpu_accounting && (config.cpu_weight.is_some() || config.cpu_quota_per_sec.is_some())
        || config.cpu_weight.is_some()
        || config.cpu_quota_per_sec.is_some()
    {
        wanted.push("cpu");
    }
    if !config.allowed_cpus.is_empty() || !config.allowed_memory_nodes.is_empty() {
        wanted.push("cpuset");
    }
    if config.io_accounting || config.io_weight.is_some() || !config.io_limits.is_empty() {
        wanted.push("io");
    }
    let memory = [
        config.memory_min,
        config.memory_low,
        config.memory_high,
        config.memory_max,
        config.memory_swap_max,
    ];
    if config.memory_accounting || memory.iter().any(Option::is_some) {
        wanted.push("memory");
    }
    if config.tasks_accounting || config.tasks_max.is_some() {
        wanted.push("pids");
    }
    if config.delegate {
        if config.delegate_controllers.is_empty() {
            wanted.extend(["cpu", "cpuset", "io", "memory", "pids"]);
        } else {
            let known = ["cpu", "cpuset", "io", "memory", "pids"];
            wanted.extend(
                known
                    .iter()
                    .filter(|name| config.delegate_controllers.iter().any(|c| c == *name)),
            );
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn list(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    words.join(",")
}

/// What the settings write into control files (pure; systemd.resource-control(5)).
fn settings(config: &CgroupConfig, memory: u64, tasks: u64) -> Vec<Setting> {
    let mut all: Vec<Setting> = Vec::new();
    match config.cpu_weight {
        Some(CpuWeight::Idle) => all.push(("cpu.idle", "1".to_owned())),
        Some(CpuWeight::Weight(weight)) => all.push(("cpu.weight", weight.to_string())),
        None => {}
    }
    if let Some(quota) = config.cpu_quota_per_sec {
        let period = config
            .cpu_quota_period
            .map_or(100_000, |p| p.as_micros().clamp(1000, 1_000_000));
        let text = match quota.as_micros() {
            u64::MAX => "max".to_owned(),
            per_second => (per_second.saturating_mul(period) / 1_000_000)
                .max(1000)
                .to_string(),
        };
        all.push(("cpu.max", format!("{text} {period}")));
    }
    if !config.allowed_cpus.is_empty() {
        all.push(("cpuset.cpus", list(&config.allowed_cpus)));
    }
    if !config.allowed_memory_nodes.is_empty() {
        all.push(("cpuset.mems", list(&config.allowed_memory_nodes)));
    }
    for (file, value) in [
        ("memory.min", config.memory_min),
        ("memory.low", config.memory_low),
        ("memory.high", config.memory_high),
        ("memory.max", config.memory_max),
        ("memory.swap.max", config.memory_swap_max),
        ("memory.zswap.max", config.memory_zswap_max),
    ] {
        if let Some(value) = value {
            all.push((file, amount(value, memory)));
        }
    }
    if let Some(value) = config.tasks_max {
        all.push(("pids.max", amount(value, tasks)));
    }
    if let Some(weight) = config.io_weight {
        all.push(("io.weight", format!("default {weight}")));
    }
    all
}

impl UnitCgroups {
    pub(crate) fn new(tree: Cgroups) -> io::Result<UnitCgroups> {
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(UnitCgroups {
            tree,
            watch,
            // PID 1's own, which is never started.
            units: BTreeMap::from([("/init.scope".to_owned(), "init.scope".to_owned())]),
            watched: HashMap::new(),
            oom_kills: BTreeMap::new(),
        })
    }

    pub(crate) fn tree(&self) -> &Cgroups {
        &self.tree
    }

    pub(crate) fn watch_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }

    /// Makes the cgroup, enables controllers above it, writes limits, watches it.
    pub(crate) fn realize(
        &mut self,
        unit: &str,
        path: &str,
        config: &CgroupConfig,
        owner: Option<u32>,
    ) -> io::Result<()> {
        self.tree.create(path)?;
        self.enable(path, &controllers(config));
        let memory = total_memory();
        for (file, value) in settings(config, memory, task_limit()) {
            let _ = self.tree.write(path, file, &value);
        }
        for limit in &config.io_limits {
            if let Some(device) = device_of(&limit.path) {
                let _ = self.tree.write(
                    path,
                    "io.max",
                    &format!("{device} {}={}", limit.kind, amount(limit.amount, u64::MAX)),
                );
            }
        }
        if let (true, Some(uid)) = (config.delegate, owner) {
            for file in [
                "",
                "cgroup.procs",
                "cgroup.subtree_control",
                "cgroup.threads",
            ] {
                let _ =
                    std::os::unix::fs::chown(self.tree.folder(path).join(file), Some(uid), None);
            }
        }
        // The file is there once the memory controller is, which a changed limit may bring. Its own
        // watch, or the one that it has already.
        let events = self.tree.folder(path).join("memory.events");
        if let Ok(wd) = inotify::add_watch(&self.watch, events, WatchFlags::MODIFY) {
            self.watched.insert(wd, path.to_owned());
            let now = self.oom_count(path);
            self.oom_kills.entry(path.to_owned()).or_insert(now);
        }
        if !self.units.contains_key(path) {
            self.units.insert(path.to_owned(), unit.to_owned());
            let events = self.tree.folder(path).join("cgroup.events");
            if let Ok(wd) = inotify::add_watch(&self.watch, events, WatchFlags::MODIFY) {
                self.watched.insert(wd, path.to_owned());
            }
        }
        Ok(())
    }

    /// From the root down, only what a child asks for and only what is there.
    fn enable(&self, path: &str, wanted: &[&str]) {
        if wanted.is_empty() {
            return;
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for depth in 0..parts.len() {
            let above = format!("/{}", parts.get(..depth).unwrap_or_default().join("/"));
            let there = self.tree.controllers(&above);
            for name in wanted
                .iter()
                .filter(|name| there.iter().any(|t| t == *name))
            {
                let _ = self
                    .tree
                    .write(&above, "cgroup.subtree_control", &format!("+{name}"));
            }
        }
    }

    /// Forgets and removes a cgroup.
    pub(crate) fn remove(&mut self, path: &str) {
        self.units.remove(path);
        self.oom_kills.remove(path);
        // The watch goes with the file.
        self.watched.retain(|_, watched| watched != path);
        if let Err(e) = self.tree.remove(path)
            && !matches!(e.raw_os_error(), Some(16 | 39))
        {
            crate::say::log(
                crate::say::Level::Debug,
                &format!("cannot remove cgroup {path}: {e}"),
            );
        }
    }

    /// The unit that a process belongs to: the nearest cgroup above it that is a unit's.
    pub(crate) fn unit_of(&self, pid: i32) -> Option<String> {
        let path = of_process(pid).ok()??;
        self.unit_of_path(&path).map(str::to_owned)
    }

    pub(crate) fn unit_of_path(&self, path: &str) -> Option<&str> {
        let mut path = path;
        while !path.is_empty() {
            if let Some(unit) = self.units.get(path) {
                return Some(unit);
            }
            path = path.rsplit_once('/')?.0;
        }
        None
    }

    fn oom_count(&self, path: &str) -> u64 {
        let text = self.tree.read(path, "memory.events").unwrap_or_default();
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
            .unwrap_or(0)
    }

    /// The unit of a process, if the OOM killer took one of its processes since the last look.
    pub(crate) fn out_of_memory(&mut self, pid: i32) -> Option<String> {
        let unit = self.unit_of(pid)?;
        let path = self
            .units
            .iter()
            .find(|(_, name)| **name == unit)?
            .0
            .clone();
        self.new_oom_kill(&path).then_some(unit)
    }

    fn new_oom_kill(&mut self, path: &str) -> bool {
        let now = self.oom_count(path);
        let before = self.oom_kills.insert(path.to_owned(), now);
        now > before.unwrap_or(0)
    }

    /// Units that the OOM killer took processes from, and units whose cgroups became empty.
    pub(crate) fn changed(&mut self) -> (Vec<String>, Vec<String>) {
        let mut room = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.watch, &mut room);
        let mut changed = Vec::new();
        while let Ok(event) = reader.next() {
            if let Some(path) = self.watched.get(&event.wd()) {
                changed.push(path.clone());
            }
        }
        changed.sort();
        changed.dedup();
        let mut killed = Vec::new();
        for path in &changed {
            if self.new_oom_kill(path) {
                killed.extend(self.units.get(path).cloned());
            }
        }
        let empty = changed
            .into_iter()
            .filter(|path| self.tree.populated(path) == Some(false))
            .filter_map(|path| self.units.get(&path).cloned())
            .collect();
        (killed, empty)
    }
}

pub(crate) fn total_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .trim()
            .parse()
            .ok()
    });
    kib.unwrap_or(0_u64).saturating_mul(1024)
}

fn task_limit() -> u64 {
    let number = |path: &str| {
        std::fs::read_to_string(path)
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    let pids = number("/proc/sys/kernel/pid_max").unwrap_or(32768);
    pids.min(number("/proc/sys/kernel/threads-max").unwrap_or(pids))
}

/// `major:minor` of the disk that a path is or lies on.
fn device_of(path: &str) -> Option<String> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let found = std::fs::metadata(path).ok()?;
    let id = if found.file_type().is_block_device() {
        found.rdev()
    } else {
        found.dev()
    };
    Some(format!(
        "{}:{}",
        rustix::fs::major(id),
        rustix::fs::minor(id)
    ))
}

#[cfg(test)]
mod tests {
    use unit_file::{Amount, CgroupConfig, ManagerDefaults, UnitConfig, UnitName};

    use super::{UnitCgroups, controllers, settings};
    use init_sys::cgroup::Cgroups;

    #[test]
    fn a_process_that_the_oom_killer_took_is_told_once_and_pid_1_is_in_init_scope() {
        let tree = tempfile::tempdir().unwrap();
        let mut cgroups = UnitCgroups::new(Cgroups::at(tree.path())).unwrap();
        assert_eq!(cgroups.unit_of_path("/init.scope"), Some("init.scope"));
        let folder = tree.path().join("a.service");
        std::fs::create_dir(&folder).unwrap();
        let events = |count| {
            let text = format!("low 0\noom 1\noom_kill {count}\noom_group_kill 0\n");
            std::fs::write(folder.join("memory.events"), text).unwrap();
        };
        events(2);
        let config = config(|_| {});
        cgroups
            .realize("a.service", "/a.service", &config, None)
            .unwrap();
        assert_eq!(cgroups.changed().0, Vec::<String>::new());
        events(3);
        assert_eq!(cgroups.changed().0, vec!["a.service".to_owned()]);
        events(3);
        assert_eq!(cgroups.changed().0, Vec::<String>::new());
    }

    fn config(change: impl FnOnce(&mut CgroupConfig)) -> CgroupConfig {
        let name: UnitName = "a.service".parse().unwrap();
        let mut config = UnitConfig::new(name, &ManagerDefaults::default()).cgroup;
        change(&mut config);
        (*config).clone()
    }

    #[test]
    fn limits_become_control_files() {
        let config = config(|c| {
            c.memory_max = Some(Amount::Permyriad(5000));
            c.tasks_max = Some(Amount::Infinity);
            c.cpu_quota_per_sec = Some(init_api::TimeSpan::from_millis(1500));
        });
        let all = settings(&config, 1000, 10);
        assert!(all.contains(&("memory.max", "500".to_owned())));
        assert!(all.contains(&("pids.max", "max".to_owned())));
        assert!(all.contains(&("cpu.max", "150000 100000".to_owned())));
        assert!(controllers(&config).contains(&"memory"));
    }
}
