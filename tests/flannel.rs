//! An etcd and machines with flanneld in network namespaces, seen from outside.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::etcd::{Answer, Http, Program, Server, built, eventually};
use crate::netns::{Namespace, Switch};

/// Where flannel's keys are.
const PREFIX: &str = "/v2/keys/coreos.com/network";

/// Everything of one test.
#[derive(Debug)]
pub struct Lab {
    /// Machines by name.
    pub machines: BTreeMap<String, Machine>,
    etcd: Server,
    switch: Switch,
    folder: TempDir,
}

/// A machine.
#[derive(Debug)]
pub struct Machine {
    /// Where it is.
    pub namespace: Namespace,
    /// Its address on eth0.
    pub address: Ipv4Addr,
    daemon: Option<Child>,
    container: Option<(Namespace, Ipv4Addr)>,
    variables: Vec<(String, String)>,
    log: PathBuf,
    /// What flanneld writes.
    pub env_file: PathBuf,
}

impl Lab {
    /// A switch and a running etcd.
    ///
    /// # Panics
    /// When something does not start.
    #[must_use]
    pub fn new(program: Program) -> Lab {
        let folder = TempDir::new().expect("a folder");
        let switch = Switch::new();
        let mut etcd = Server::new(program, folder.path(), "etcd");
        let urls = format!(
            "--listen-client-urls=http://127.0.0.1:{},http://192.168.50.1:2379",
            etcd.port
        );
        etcd = etcd.with(&[&urls]);
        if program == Program::Ours {
            // The original's: one case has to come to its end.
            etcd = etcd.with(&["--history-events=1000"]);
        }
        let mut lab = Lab {
            machines: BTreeMap::new(),
            etcd,
            switch,
            folder,
        };
        lab.start_etcd();
        lab
    }

    /// The folder for files.
    #[must_use]
    pub fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Starts etcd and waits for it.
    pub fn start_etcd(&mut self) {
        let (namespace, etcd) = (&self.switch.namespace, &mut self.etcd);
        namespace.enter(|| etcd.start_and_wait());
    }

    /// Kills etcd.
    pub fn stop_etcd(&mut self) {
        self.etcd.kill();
    }

    /// Sends etcd a signal.
    pub fn signal_etcd(&self, signal: Signal) {
        if let Some(pid) = self.etcd.pid().and_then(pid) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks etcd below flannel's prefix.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let port = self.etcd.port;
        let ask = || Http::connect(port)?.request(method, &format!("{PREFIX}{path}"), body);
        self.switch.namespace.enter(ask).expect("etcd answers")
    }

    /// Runs something that talks to etcd a lot, with one connection.
    ///
    /// # Panics
    /// When etcd does not answer.
    pub fn talk<T: Send>(&self, inside: impl FnOnce(&mut Http) -> T + Send) -> T {
        let port = self.etcd.port;
        self.switch
            .namespace
            .enter(|| inside(&mut Http::connect(port).expect("etcd answers")))
    }

    /// etcd's port on its own loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.etcd.port
    }

    /// A connection to a port where etcd is, to be used anywhere.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn talk_to(&self, port: u16) -> Http {
        self.switch
            .namespace
            .enter(|| Http::connect(port).expect("etcd answers"))
    }

    /// Writes the configuration.
    pub fn configure(&self, json: &str) {
        self.ask("PUT", "/config", &format!("value={}", encode(json)));
    }

    /// Keys and values of all leases, a line each, and their times to live.
    #[must_use]
    pub fn leases(&self) -> Vec<(String, String, Option<i64>)> {
        let answer = self.ask("GET", "/subnets?recursive=true", "");
        let parsed: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let nodes = parsed["node"]["nodes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        nodes
            .iter()
            .map(|node| {
                let key = text(&node["key"]);
                let key = key.rsplit('/').next().unwrap_or_default().to_owned();
                (key, text(&node["value"]), node["ttl"].as_i64())
            })
            .collect()
    }

    /// The machine of that name: a, b or c, made when it is first asked for.
    ///
    /// # Panics
    /// When the name is another.
    pub fn machine(&mut self, name: &str) -> &mut Machine {
        let last = match name {
            "a" => 14,
            "b" => 15,
            "c" => 16,
            _ => panic!("machines are a, b and c, not {name:?}"),
        };
        let (switch, folder) = (&self.switch, self.folder.path());
        self.machines.entry(name.to_owned()).or_insert_with(|| {
            let address = Ipv4Addr::new(192, 168, 50, last);
            Machine {
                namespace: switch.machine(name, address),
                address,
                daemon: None,
                container: None,
                variables: Vec::new(),
                log: folder.join(format!("{name}.log")),
                env_file: folder.join(format!("{name}.env")),
            }
        })
    }

    /// Takes all machines and keys away.
    pub fn clear(&mut self) {
        for (name, machine) in std::mem::take(&mut self.machines) {
            self.switch.unplug(&name);
            drop(machine);
        }
        for entry in self
            .folder
            .path()
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.path().is_file() {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        self.ask("DELETE", "?recursive=true", "");
    }
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

/// A value as part of a form.
#[must_use]
pub fn encode(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

impl Machine {
    /// The next start has this variable.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Starts flanneld, ours.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn start(&mut self, arguments: &[&str]) {
        let program = built("flanneld");
        assert!(
            program.exists(),
            "{} is not there: cargo build -p flanneld",
            program.display()
        );
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .expect("a file for the log");
        let mut command = Command::new(program);
        command
            .arg("--etcd-endpoints=http://192.168.50.1:2379")
            .arg(format!("--subnet-file={}", self.env_file.display()))
            .args(arguments)
            .envs(self.variables.drain(..))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.daemon = Some(
            self.namespace
                .enter(|| command.spawn())
                .expect("flanneld starts"),
        );
    }

    /// Starts flanneld and waits for its file.
    ///
    /// # Panics
    /// When it does not come.
    pub fn start_and_wait(&mut self) {
        self.start(&[]);
        let ready = eventually(Duration::from_secs(15), || {
            self.env("FLANNEL_MTU").is_some()
        });
        assert!(ready, "flanneld is not ready; its log:\n{}", self.log());
    }

    /// A signal for flanneld.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(pid) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends flanneld by SIGTERM; whether it did in time.
    pub fn stop(&mut self, within: Duration) -> bool {
        self.signal(Signal::TERM);
        let Some(mut child) = self.daemon.take() else {
            return true;
        };
        let ended = eventually(within, || {
            child.try_wait().is_ok_and(|status| status.is_some())
        });
        let _ = child.kill();
        let _ = child.wait();
        ended
    }

    /// Whether flanneld runs.
    pub fn is_alive(&mut self) -> bool {
        self.daemon
            .as_mut()
            .is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// flanneld's process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Child::id)
    }

    /// What flanneld has said.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A variable of flanneld's file.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(&self.env_file).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(str::to_owned)
    }

    /// The bridge's address and the length of the subnet.
    #[must_use]
    pub fn first(&self) -> Option<(Ipv4Addr, String)> {
        let subnet = self.env("FLANNEL_SUBNET")?;
        let (first, len) = subnet.split_once('/')?;
        Some((first.parse().ok()?, len.to_owned()))
    }

    /// A bridge docker0 with the subnet's first address, and a container on it with the second.
    ///
    /// # Panics
    /// When flanneld has no subnet in time.
    pub fn make_container(&mut self) {
        assert!(
            eventually(Duration::from_secs(15), || self
                .env("FLANNEL_MTU")
                .is_some()),
            "no subnet: {}",
            self.log()
        );
        let (first, len) = self.first().expect("a subnet");
        let mtu = self.env("FLANNEL_MTU").unwrap_or_default();
        let address = Ipv4Addr::from(u32::from(first) + 1);
        let container = Namespace::new("ctr");
        let inside = &container.name;
        self.namespace.run(&format!(
            "ip link add docker0 type bridge && ip addr add {first}/{len} dev docker0 && ip link set docker0 mtu {mtu} up && \
             ip link add vc type veth peer name eth0 netns {inside} && ip link set vc master docker0 mtu {mtu} up"
        ));
        container.run(&format!(
            "ip link set eth0 mtu {mtu} up && ip addr add {address}/{len} dev eth0 && ip route add default via {first}"
        ));
        self.container = Some((container, address));
    }

    /// The container and its address.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn container(&self) -> (&Namespace, Ipv4Addr) {
        let (namespace, address) = self.container.as_ref().expect("a container");
        (namespace, *address)
    }

    /// Resident memory of flanneld in KiB.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut child) = self.daemon.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
