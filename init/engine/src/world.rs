//! What the engine may ask while it decides: facts, never deeds. The edge answers from the file
//! system and the kernel; tests answer from a table.

use unit_file::{Condition, LoadedUnit};

use crate::event::Pid;

/// Where the engine gets facts from.
pub trait World {
    /// The unit of this name as its files say now: fragment, drop-ins, `.wants` entries, aliases.
    /// Called for valid unit names only; absence is a load state, not an error.
    fn load(&self, name: &str) -> LoadedUnit;

    /// Whether what a condition or assert asks is so. The engine applies `!` itself.
    fn condition(&self, condition: &Condition) -> bool;

    /// Whether there is a process in the cgroup or below it.
    fn cgroup_populated(&self, path: &str) -> bool;

    /// The processes in the cgroup and below it (to guess a main process, to kill).
    fn cgroup_pids(&self, path: &str) -> Vec<Pid>;

    /// The unit-cgroup a process is in, as a unit name (to check MAINPID=).
    fn unit_of_pid(&self, pid: Pid) -> Option<String>;

    /// Whether the process exists and is not a zombie.
    fn pid_alive(&self, pid: Pid) -> bool;

    /// The number in a PID file.
    fn read_pid_file(&self, path: &str) -> Option<Pid>;

    /// Whether a path (or anything matching a glob) exists.
    fn path_exists(&self, path: &str, glob: bool) -> bool;

    /// Whether the path is a directory that is not empty.
    fn directory_not_empty(&self, path: &str) -> bool;

    /// When the file was last changed, in microseconds since 1970 (timer stamps).
    fn modified(&self, path: &str) -> Option<u64>;

    /// 128 random bits (invocation ids).
    fn random(&self) -> u128;

    /// Seconds east of UTC of a time zone (none: the machine's) at a time in seconds since 1970.
    fn utc_offset(&self, zone: Option<&str>, at: u64) -> i64;
}
