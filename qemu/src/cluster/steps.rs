//! How far a node is on its way from power-on to service: what a person wants to see while it boots.

use crate::error::HarnessError;
use crate::machine::{Machine, Patience};

/// A step of a boot, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The kernel has spoken.
    Kernel,
    /// So has PID 1.
    Pid1,
    /// DHCP has settled the address.
    Network,
    /// The user-data was fetched.
    UserData,
    /// Core can log in.
    Login,
}

impl Step {
    /// All of them.
    pub const ALL: [Step; 5] = [
        Step::Kernel,
        Step::Pid1,
        Step::Network,
        Step::UserData,
        Step::Login,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Kernel => "kernel",
            Step::Pid1 => "PID 1",
            Step::Network => "network",
            Step::UserData => "user-data",
            Step::Login => "ssh",
        }
    }

    /// Waits until the machine has taken it.
    ///
    /// # Errors
    /// As [`Machine::wait`].
    pub fn wait(self, machine: &Machine) -> Result<(), HarnessError> {
        if self == Step::Login {
            return machine.wait_for_ssh(Patience::BOOT).map(drop);
        }
        machine.wait(self.name(), Patience::BOOT, || {
            self.taken(machine).then_some(())
        })
    }

    /// Has it been taken, or a later one that needs it?
    fn taken(self, machine: &Machine) -> bool {
        let leased = || machine.leases() > 0;
        match self {
            Step::Kernel => machine.said().contains("Linux version") || leased(),
            Step::Pid1 => machine.said().contains(" on Garboard") || leased(),
            Step::Network => leased(),
            Step::UserData => {
                let asked = machine.requests().iter().any(|request| {
                    request.path.ends_with("user-data") || request.path.ends_with("user_data")
                });
                // With a config drive nobody asks.
                asked || machine.ssh().has_banner()
            }
            Step::Login => false,
        }
    }
}

/// What is told of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// The step.
    pub step: String,
    /// Seconds since power-on.
    pub age: f64,
    /// CPU seconds of QEMU since then.
    pub cpu: f64,
    /// Did it fail? Then the node goes on without it.
    pub failed: bool,
}

/// The services that a person waits for, when the image has them and the user-data wants them.
const SERVICES: [&str; 3] = ["etcd2", "flanneld", "docker"];
const ASK: &str = "systemctl show -p Id -p LoadState -p ActiveState -p SubState etcd2.service flanneld.service docker.service docker.socket";

/// Follows a node until its services stand, and tells each step.
///
/// # Errors
/// When the node ends, or patience does.
pub fn follow(
    machine: &Machine,
    user_data: &str,
    mut tell: impl FnMut(Passed),
) -> Result<(), HarnessError> {
    let mut told = |step: &str, failed: bool| {
        tell(Passed {
            step: step.to_owned(),
            age: machine.age().as_secs_f64(),
            cpu: machine.cpu_seconds(),
            failed,
        });
    };
    for step in Step::ALL {
        step.wait(machine)?;
        told(step.name(), false);
    }
    let mut over: Vec<&str> = Vec::new();
    // The commands of user-data are queued a moment after the login is possible: an answer without any service that is
    // wanted is believed when the boot is over.
    machine.wait("the services of the user-data", Patience::BOOT, || {
        let shown = machine.ssh().run(ASK).ok()?.text();
        let mut waiting = false;
        for name in SERVICES {
            if over.contains(&name) {
                continue;
            }
            match standing(&shown, name, user_data) {
                Standing::Absent => {}
                Standing::Waiting => waiting = true,
                Standing::Up | Standing::Failed => {
                    told(name, standing(&shown, name, user_data) == Standing::Failed);
                    over.push(name);
                }
            }
        }
        (!waiting).then_some(())
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Absent,
    Waiting,
    Up,
    Failed,
}

/// What `systemctl show` says of a service.
fn standing(shown: &str, name: &str, user_data: &str) -> Standing {
    let property = |unit: &str, key: &str| {
        let block = shown
            .split("\n\n")
            .find(|block| block.lines().any(|line| line == format!("Id={unit}")));
        let lines = block.unwrap_or_default().lines();
        lines
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let service = format!("{name}.service");
    let wanted = user_data.contains(&service);
    if property(&service, "LoadState") != "loaded" {
        return Standing::Absent;
    }
    match property(&service, "ActiveState").as_str() {
        "active" => Standing::Up,
        "failed" => Standing::Failed,
        "inactive" if name == "docker" && property("docker.socket", "ActiveState") == "active" => {
            Standing::Up
        }
        "inactive" if !wanted => Standing::Absent,
        _ => Standing::Waiting,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "Id=etcd2.service\nLoadState=loaded\nActiveState=activating\n\nId=flanneld.service\nLoadState=not-found\n\
        ActiveState=inactive\n\nId=docker.service\nLoadState=loaded\nActiveState=inactive\n\nId=docker.socket\nLoadState=loaded\n\
        ActiveState=active\n";

    #[test]
    fn a_service_counts_when_the_image_has_it_and_somebody_wants_it() {
        assert_eq!(standing(SHOWN, "etcd2", ""), Standing::Waiting);
        assert_eq!(
            standing(SHOWN, "flanneld", "flanneld.service"),
            Standing::Absent
        );
        assert_eq!(
            standing(SHOWN, "docker", ""),
            Standing::Up,
            "it starts at its first use"
        );
        let idle = SHOWN.replace("activating", "inactive");
        assert_eq!(standing(&idle, "etcd2", ""), Standing::Absent);
        assert_eq!(
            standing(&idle, "etcd2", "- name: etcd2.service"),
            Standing::Waiting
        );
    }
}
