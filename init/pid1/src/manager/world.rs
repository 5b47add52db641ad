//! Facts for the engine: units from files, processes from cgroups, paths from the file system.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;

use init_sys::tree::RealTree;
use unit_engine::{Pid, World};
use unit_file::{Condition, LoadedUnit, UnitLoader, UnitName};

use super::cgroups::UnitCgroups;
use super::facts::{self, Machine};

/// Longest content of a `PIDFile=`.
const PID_FILE: u64 = 4096;

/// The real world.
#[derive(Debug)]
pub(crate) struct RealWorld {
    pub(crate) machine: Machine,
    pub(crate) cgroups: UnitCgroups,
    pub(crate) loader: UnitLoader<RealTree>,
    /// Findings of unit files, to be logged once the engine is done.
    pub(crate) findings: RefCell<Vec<(String, String)>>,
    /// Findings that were logged since the unit files were last read again.
    pub(crate) told: RefCell<BTreeSet<(String, String)>>,
}

fn signed(pid: Pid) -> i32 {
    i32::try_from(pid).unwrap_or(0)
}

fn is_zombie(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
}

impl World for RealWorld {
    fn load(&self, name: &str) -> LoadedUnit {
        let name: UnitName = [name, "no-unit-name.service"]
            .iter()
            .find_map(|name| name.parse().ok())
            .expect("the second one is a constant that is a valid name");
        let loaded = self.loader.load(&name);
        let mut findings = self.findings.borrow_mut();
        if findings.len() < 1000 {
            findings.extend(
                loaded
                    .diagnostics
                    .iter()
                    .map(|d| (loaded.name.to_string(), d.to_string())),
            );
        }
        loaded
    }

    fn condition(&self, condition: &Condition) -> bool {
        let plain = Condition {
            negate: false,
            ..condition.clone()
        };
        unit_file::evaluate(&plain, &self.machine)
    }

    fn cgroup_populated(&self, path: &str) -> bool {
        self.cgroups.tree().populated(path).unwrap_or(false)
    }

    fn cgroup_pids(&self, path: &str) -> Vec<Pid> {
        let all = self.cgroups.tree().all_processes(path);
        all.into_iter()
            .filter_map(|pid| Pid::try_from(pid).ok())
            .collect()
    }

    fn unit_of_pid(&self, pid: Pid) -> Option<String> {
        self.cgroups.unit_of(signed(pid))
    }

    fn pid_alive(&self, pid: Pid) -> bool {
        let pid = signed(pid);
        pid > 0 && init_sys::signals::kill(pid, 0).is_ok() && !is_zombie(pid)
    }

    fn read_pid_file(&self, path: &str) -> Option<Pid> {
        // Services write it, some with less trust than PID 1.
        let bytes = init_sys::files::read(path, PID_FILE).ok()?;
        String::from_utf8_lossy(&bytes)
            .lines()
            .next()?
            .trim()
            .parse()
            .ok()
            .filter(|pid| *pid > 0)
    }

    fn path_exists(&self, path: &str, glob: bool) -> bool {
        if glob {
            facts::glob_exists(path)
        } else {
            std::path::Path::new(path).exists()
        }
    }

    fn directory_not_empty(&self, path: &str) -> bool {
        facts::directory_not_empty(path)
    }

    fn modified(&self, path: &str) -> Option<u64> {
        let time = fs::metadata(path).ok()?.modified().ok()?;
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_micros()).ok()
    }

    fn random(&self) -> u128 {
        crate::boot::identity::random()
    }

    fn utc_offset(&self, zone: Option<&str>, at: u64) -> i64 {
        offset(zone, at)
    }
}

/// Seconds east of UTC of a zone (None: the machine's) at a time.
fn offset(zone: Option<&str>, at: u64) -> i64 {
    let zone = match zone {
        Some(name) => jiff::tz::TimeZone::get(name).unwrap_or(jiff::tz::TimeZone::UTC),
        None => jiff::tz::TimeZone::system(),
    };
    let at = i64::try_from(at)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or(0, |at| i64::from(zone.to_offset(at).seconds()))
}
