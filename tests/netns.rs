//! Network namespaces on this host: a switch and machines on it, gone when they go out of scope.
//!
//! Names begin with `gb` and the process id, so that what a killed test left behind is found and
//! removed by the next.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Why there can be no namespaces here, or `None`.
#[must_use]
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".to_owned());
    }
    for (program, package) in [
        ("ip", "iproute2"),
        ("bridge", "iproute2"),
        ("ping", "iputils-ping"),
    ] {
        if Command::new(program).arg("-V").output().is_err() {
            return Some(format!(
                "{program} is not there (apt-get install {package})"
            ));
        }
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let probe = format!("gb{}-{number}-probe", std::process::id());
    let made = shell(&format!(
        "ip netns add {probe} && ip -n {probe} link add v0 type vxlan id 1 dstport 8472 local 127.0.0.1; code=$?; ip netns del {probe}; exit $code"
    ));
    made.err()
        .map(|text| format!("this kernel gives no namespace with vxlan: {}", text.trim()))
}

/// A command by the shell; what it printed, or what it complained of.
///
/// # Errors
/// When it does not end with 0.
pub fn shell(command: &str) -> Result<String, String> {
    text(Command::new("sh").args(["-c", command]).output())
}

fn text(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| error.to_string())?;
    let read = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(read(&output.stdout))
    } else {
        Err(format!("{}{}", read(&output.stdout), read(&output.stderr)))
    }
}

/// One namespace.
#[derive(Debug)]
pub struct Namespace {
    /// As `ip netns` knows it.
    pub name: String,
}

impl Namespace {
    /// A new one, with loopback up.
    ///
    /// # Panics
    /// When the kernel gives none; see [`missing`].
    #[must_use]
    pub fn new(name: &str) -> Namespace {
        sweep();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gb{}-{number}-{name}", std::process::id());
        let namespace = Namespace { name };
        shell(&format!(
            "ip netns add {0} && ip -n {0} link set lo up",
            namespace.name
        ))
        .expect("a network namespace");
        namespace
    }

    /// Runs something on a thread that is in the namespace; processes started there are too.
    ///
    /// # Panics
    /// When the namespace is gone, or the thing panics.
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let file = std::fs::File::open(Path::new("/run/netns").join(&self.name))
            .expect("the namespace is there");
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                use std::os::fd::AsFd;
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("root may enter");
                inside()
            });
            match thread.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// A command by the shell, inside.
    ///
    /// # Errors
    /// When it does not end with 0.
    pub fn shell(&self, command: &str) -> Result<String, String> {
        self.enter(|| shell(command))
    }

    /// A command that has to work.
    ///
    /// # Panics
    /// When it does not.
    pub fn run(&self, command: &str) -> String {
        self.shell(command)
            .unwrap_or_else(|text| panic!("{command}: {text}"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = shell(&format!("ip netns del {}", self.name));
    }
}

/// A bridge with machines on it.
#[derive(Debug)]
pub struct Switch {
    /// Where the bridge is, and 192.168.50.1.
    pub namespace: Namespace,
}

impl Switch {
    /// A switch with 192.168.50.1/24.
    #[must_use]
    pub fn new() -> Switch {
        let namespace = Namespace::new("sw");
        namespace.run("ip link add br0 type bridge && ip addr add 192.168.50.1/24 dev br0 && ip link set br0 up");
        Switch { namespace }
    }

    /// A machine with that address on eth0, and the switch as its way to everywhere.
    #[must_use]
    pub fn machine(&self, name: &str, address: Ipv4Addr) -> Namespace {
        let machine = Namespace::new(name);
        let (switch, inside) = (&self.namespace.name, &machine.name);
        shell(&format!(
            "ip -n {inside} link add eth0 type veth peer name port-{name} netns {switch} && \
             ip -n {switch} link set port-{name} master br0 up && \
             ip -n {inside} addr add {address}/24 dev eth0 && ip -n {inside} link set eth0 up && \
             ip -n {inside} route add default via 192.168.50.1"
        ))
        .expect("a cable to the switch");
        machine.run("sysctl -qw net.ipv4.ip_forward=1");
        machine
    }

    /// Takes a machine's cable away at once: the kernel removes namespaces in its own time.
    pub fn unplug(&self, name: &str) {
        let _ = self.namespace.shell(&format!("ip link del port-{name}"));
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new()
    }
}

/// Removes the namespaces of tests that were killed.
fn sweep() {
    let Ok(entries) = std::fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name
            .strip_prefix("gb")
            .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = shell(&format!("ip netns del {name}"));
        }
    }
}
