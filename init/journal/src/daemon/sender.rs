//! Who said it: the trusted fields of an entry, read from `/proc` by the process id that the kernel vouches for.

use std::collections::HashMap;
use std::fs;

/// What is known of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender {
    pub(crate) fields: Vec<Vec<u8>>,
    pub(crate) comm: Option<String>,
    pub(crate) unit: Option<String>,
}

/// What was learned lately, by process id.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    known: HashMap<i32, (u64, Sender)>,
}

/// A process is looked at again after this many microseconds.
const FRESH: u64 = 1_000_000;
/// More processes than this are not remembered.
const KNOWN_MAX: usize = 1024;

pub(crate) fn field(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"=", value].concat()
}

impl Senders {
    /// The process `pid`, as it is now, or as it was when it was last seen alive.
    pub(crate) fn get(&mut self, pid: i32, now: u64) -> Sender {
        if let Some((at, sender)) = self.known.get(&pid)
            && now.saturating_sub(*at) < FRESH
        {
            return sender.clone();
        }
        match look(pid) {
            Some(sender) => {
                if self.known.len() >= KNOWN_MAX {
                    self.known
                        .retain(|_, (at, _)| now.saturating_sub(*at) < FRESH * 60);
                }
                if self.known.len() >= KNOWN_MAX {
                    self.known.clear();
                }
                self.known.insert(pid, (now, sender.clone()));
                sender
            }
            None => self
                .known
                .get(&pid)
                .map(|(_, sender)| sender.clone())
                .unwrap_or_default(),
        }
    }
}

fn look(pid: i32) -> Option<Sender> {
    let of = |name: &str| fs::read(format!("/proc/{pid}/{name}")).ok();
    let comm = String::from_utf8_lossy(&of("comm")?).trim_end().to_owned();
    let mut fields = vec![field("_COMM", comm.as_bytes())];
    if let Ok(exe) = fs::read_link(format!("/proc/{pid}/exe")) {
        fields.push(field(
            "_EXE",
            exe.to_string_lossy()
                .trim_end_matches(" (deleted)")
                .as_bytes(),
        ));
    }
    if let Some(mut line) = of("cmdline") {
        while line.last() == Some(&0) {
            line.pop();
        }
        line.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
        if !line.is_empty() {
            fields.push(field("_CMDLINE", &line));
        }
    }
    if let Some(status) = of("status") {
        let status = String::from_utf8_lossy(&status).into_owned();
        if let Some(capabilities) = status.lines().find_map(|line| line.strip_prefix("CapEff:")) {
            let digits = capabilities.trim().trim_start_matches('0');
            fields.push(field(
                "_CAP_EFFECTIVE",
                if digits.is_empty() { "0" } else { digits }.as_bytes(),
            ));
        }
    }
    let mut unit = None;
    if let Ok(Some(cgroup)) = init_sys::cgroup::of_process(pid) {
        fields.push(field("_SYSTEMD_CGROUP", cgroup.as_bytes()));
        unit = unit_of(&cgroup);
        if let Some(slice) = slice_of(&cgroup) {
            fields.push(field("_SYSTEMD_SLICE", slice.as_bytes()));
        }
    }
    Some(Sender {
        fields,
        comm: Some(comm),
        unit,
    })
}

/// The unit that owns a cgroup: the first part of the path that is a service, scope, socket, mount or swap.
pub(crate) fn unit_of(cgroup: &str) -> Option<String> {
    const OWNERS: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];
    cgroup
        .split('/')
        .find(|part| OWNERS.iter().any(|end| part.ends_with(end)))
        .map(str::to_owned)
}

fn slice_of(cgroup: &str) -> Option<&str> {
    cgroup
        .split('/')
        .take_while(|part| part.is_empty() || part.ends_with(".slice"))
        .last()
        .filter(|part| !part.is_empty())
}

/// The id of a unit's current run, as PID 1 publishes it.
pub(crate) fn invocation_of(unit: &str) -> Option<Vec<u8>> {
    let target = fs::read_link(format!("/run/systemd/units/invocation:{unit}")).ok()?;
    Some(field(
        "_SYSTEMD_INVOCATION_ID",
        target.to_string_lossy().as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_and_slice_are_read_from_the_path_of_a_cgroup() {
        let cgroup = "/system.slice/system-web.slice/web@1.service/inner";
        assert_eq!(unit_of(cgroup).as_deref(), Some("web@1.service"));
        assert_eq!(slice_of(cgroup), Some("system-web.slice"));
        assert_eq!(unit_of("/init.scope").as_deref(), Some("init.scope"));
        assert_eq!(slice_of("/init.scope"), None);
    }
}
