//! A running machine: its QEMU, console, monitor and way in. Every wait looks at the machine too, so that a panic, a
//! crash or a power-off is reported as what it is within moments, and never as a wait that ended.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::builder::{Boot, Firmware, MachineBuilder};
use super::{command_line, firmware};
use crate::console::Console;
use crate::disk::{Disk, DiskCounts, PowerCut, create_overlay};
use crate::error::{Ending, HarnessError};
use crate::lab::Lab;
use crate::metadata::{Identity, Metadata};
use crate::network::{Port, PortConfig};
use crate::qmp::Qmp;
use crate::ssh::Ssh;
use crate::{process, spawn};

/// Resets closer than this are one.
const TOGETHER: Duration = Duration::from_secs(3);
/// By then what a kernel said before its reset is in the console's file.
const SETTLED: Duration = Duration::from_secs(1);

/// The first of each row of moments that lie less than `together` apart.
fn starts(moments: impl Iterator<Item = Instant>, together: Duration) -> Vec<Instant> {
    let mut starts = Vec::new();
    let mut last: Option<Instant> = None;
    for moment in moments {
        if last.is_none_or(|last| moment.duration_since(last) >= together) {
            starts.push(moment);
        }
        last = Some(moment);
    }
    starts
}

/// How long to wait: by what QEMU has used, because the same boot takes three times as long on a busy host, and by the
/// clock for a guest that does nothing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// CPU seconds of QEMU.
    pub cpu: f64,
    /// Seconds on the clock.
    pub wall: Duration,
}

impl Patience {
    /// For a boot.
    pub const BOOT: Patience = Patience {
        cpu: 150.0,
        wall: Duration::from_secs(300),
    };
    /// For something that should happen soon.
    pub const SOON: Patience = Patience {
        cpu: 40.0,
        wall: Duration::from_secs(90),
    };
}

/// A machine that was started.
#[derive(Debug)]
pub struct Machine {
    name: String,
    folder: PathBuf,
    short: PathBuf,
    words: Vec<String>,
    child: Mutex<Child>,
    status: Mutex<Option<ExitStatus>>,
    qmp: Mutex<Qmp>,
    console: Console,
    port: Option<Port>,
    more_ports: Vec<Port>,
    disk: Option<Disk>,
    ssh: Option<Ssh>,
    identity: Identity,
    began: Mutex<Instant>,
    seen: Mutex<Seen>,
    plugged: Mutex<[Option<String>; command_line::PORTS.len()]>,
    network: std::sync::Weak<crate::network::Network>,
}

/// What there was already when QEMU was last started.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    console: usize,
    leases: u64,
    requests: usize,
}

impl Machine {
    pub(crate) fn start(lab: &Lab, builder: MachineBuilder) -> Result<Machine, HarnessError> {
        let folder = lab.folder().path().join(&builder.name);
        fs::create_dir_all(&folder)
            .map_err(HarnessError::io(format!("make {}", folder.display())))?;
        let short = lab.folder().short(&builder.name);
        prepare(&builder, &folder)?;
        let port = if builder.network {
            Some(attach(lab, &builder)?)
        } else {
            None
        };
        let mut more_ports = Vec::new();
        for (index, segment) in builder.segments.iter().enumerate() {
            more_ports.push(attach_more(lab, &builder, index + 1, *segment)?);
        }
        let disk = serve_disk(&builder, &folder, &short)?;
        let ssh = port.as_ref().map(|port| lab.ssh(&builder.name, port.ssh()));
        let words = command_line::words(&builder);
        let child = launch(&folder, &words)?;
        let console = Console::new(folder.join("console.log"), short.join("console.sock"));
        let child = Mutex::new(child);
        let qmp = connect(&short, &folder, &child)?;
        Ok(Machine {
            name: builder.name,
            folder,
            short,
            words,
            child,
            status: Mutex::new(None),
            qmp: Mutex::new(qmp),
            console,
            port,
            more_ports,
            disk,
            ssh,
            identity: builder.identity,
            began: Mutex::new(Instant::now()),
            seen: Mutex::new(Seen::default()),
            plugged: Mutex::default(),
            network: Arc::downgrade(lab.network()),
        })
    }

    /// Starts QEMU again after it has ended, with the same disk, as a stopped server is started again.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start_again(&self) -> Result<(), HarnessError> {
        self.kill();
        self.console.unplug();
        self.plugged().fill(None);
        *self.seen() = Seen {
            console: self.console.mark(),
            leases: self.port.as_ref().map_or(0, Port::leases),
            requests: self
                .port
                .as_ref()
                .map_or(0, |port| port.metadata().requests().len()),
        };
        for socket in ["qmp.sock", "console.sock"] {
            // QEMU removes its sockets when it ends in order.
            let _ = fs::remove_file(self.folder.join(socket));
        }
        *lock(&self.child) = launch(&self.folder, &self.words)?;
        *lock(&self.status) = None;
        *lock(&self.began) = Instant::now();
        *lock(&self.qmp) = connect(&self.short, &self.folder, &self.child)?;
        Ok(())
    }

    /// The machine's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Its serial console.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Its metadata service.
    ///
    /// # Panics
    /// When it was made without network.
    #[must_use]
    pub fn metadata(&self) -> &Arc<Metadata> {
        self.port
            .as_ref()
            .map(Port::metadata)
            .expect("a machine with a network card")
    }

    /// What the console has said since QEMU was last started.
    #[must_use]
    pub fn said(&self) -> String {
        self.console.since(self.seen().console)
    }

    /// How often DHCP has settled the address since QEMU was last started.
    #[must_use]
    pub fn leases(&self) -> u64 {
        let all = self.port.as_ref().map_or(0, Port::leases);
        all - self.seen().leases
    }

    /// What was asked of the metadata service since QEMU was last started.
    #[must_use]
    pub fn requests(&self) -> Vec<crate::metadata::Request> {
        let mut all = self
            .port
            .as_ref()
            .map(|port| port.metadata().requests())
            .unwrap_or_default();
        all.split_off(self.seen().requests.min(all.len()))
    }

    /// Its port of the network, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<&Port> {
        self.port.as_ref()
    }

    /// The ports of its further cards, in their order.
    #[must_use]
    pub fn more_ports(&self) -> &[Port] {
        &self.more_ports
    }

    /// Its disk, when the harness serves it.
    ///
    /// # Panics
    /// When it was not made with [`MachineBuilder::own_disk`].
    #[must_use]
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("a machine with own_disk()")
    }

    /// What its disk was asked, when the harness serves it.
    #[must_use]
    pub fn disk_counts(&self) -> Option<DiskCounts> {
        self.disk.as_ref().map(Disk::counts)
    }

    /// Takes the power from machine and disk at once: what the guest has not flushed is lost. Returns how many writes
    /// that were. A disk that QEMU itself holds loses nothing: the host keeps what was written.
    ///
    /// # Errors
    /// When the disk's layer cannot be written.
    pub fn power_cut(&self, how: PowerCut) -> Result<usize, HarnessError> {
        let lost = self.disk.as_ref().map_or(Ok(0), |disk| disk.cut(how));
        self.kill();
        lost
    }

    /// The way in as user core.
    ///
    /// # Panics
    /// When it was made without network.
    #[must_use]
    pub fn ssh(&self) -> &Ssh {
        self.ssh.as_ref().expect("a machine with a network card")
    }

    /// The address that DHCP gives it.
    #[must_use]
    pub fn address(&self) -> std::net::Ipv4Addr {
        self.identity.address
    }

    /// Its machine id: 32 hex digits.
    #[must_use]
    pub fn id(&self) -> String {
        self.identity.uuid.replace('-', "")
    }

    /// When QEMU was started, in clock ticks since the host's boot: with the process id it names one process for ever.
    #[must_use]
    pub fn started(&self) -> Option<u64> {
        process::start_time(self.pid())
    }

    /// QEMU's command line.
    #[must_use]
    pub fn command_line(&self) -> String {
        let quoted: Vec<String> = self
            .words
            .iter()
            .map(|word| {
                if word.contains([' ', '$', '(']) {
                    format!("'{word}'")
                } else {
                    word.clone()
                }
            })
            .collect();
        format!("qemu-system-x86_64 {}", quoted.join(" "))
    }

    /// What QEMU itself said.
    #[must_use]
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("qemu.err"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Process id of QEMU.
    #[must_use]
    pub fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// CPU seconds that QEMU has used since it was started.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        process::cpu_seconds(self.pid()).unwrap_or(0.0)
    }

    /// QEMU's resident memory in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        process::resident_kib(self.pid()).unwrap_or(0)
    }

    /// Time since QEMU was started.
    #[must_use]
    pub fn age(&self) -> Duration {
        lock(&self.began).elapsed()
    }

    /// Talks to QEMU's monitor.
    ///
    /// # Errors
    /// QEMU's words when it refuses.
    pub fn qmp(&self, command: &str, arguments: &Value) -> Result<Value, HarnessError> {
        lock(&self.qmp).execute(command, arguments)
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn power_button(&self) -> Result<(), HarnessError> {
        self.qmp("system_powerdown", &json!({})).map(drop)
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When QEMU is gone.
    pub fn reset(&self) -> Result<(), HarnessError> {
        self.qmp("system_reset", &json!({})).map(drop)
    }

    /// Ends QEMU at once.
    pub fn kill(&self) {
        let status = {
            let mut child = lock(&self.child);
            // It fails only for a child that is gone.
            let _ = child.kill();
            child.wait()
        };
        if let Ok(status) = status {
            *lock(&self.status) = Some(status);
        }
    }

    /// Has the machine come to its end, and how? A guest that died is reported while its QEMU still runs.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        // What QEMU tells is looked at before the console: a kernel says that it restarts before it does.
        let (events, exited) = (lock(&self.qmp).events(), self.exited());
        let text = self.said();
        let panic = text
            .lines()
            .find(|line| line.contains("Kernel panic - not syncing"));
        if let Some(line) = panic {
            return Some(Ending::Panic(line.trim().to_owned()));
        }
        let said = text.matches("reboot: ").count();
        if let Some(status) = exited {
            return Some(self.judge(status, said));
        }
        let resets = events.iter().filter(|event| {
            event.name == "RESET"
                && event.data.get("reason").and_then(Value::as_str) == Some("guest-reset")
        });
        // The firmware resets again until it believes it: what comes together is one reset. And the last
        // words of the kernel may reach the file after the event.
        let begun = starts(resets.map(|event| event.at), TOGETHER);
        if begun.len() > said && begun.last().is_some_and(|at| at.elapsed() > SETTLED) {
            return Some(Ending::TripleFault);
        }
        let stopped = events.iter().any(|event| event.name == "STOP")
            && self.stderr().contains("internal error");
        stopped.then(|| Ending::Stopped(self.stderr()))
    }

    fn judge(&self, status: ExitStatus, said: usize) -> Ending {
        if let Some(signal) = status.signal() {
            return Ending::Crash {
                signal,
                stderr: self.stderr(),
            };
        }
        let code = status.code().unwrap_or(-1);
        if code != 0 {
            return Ending::Refused {
                code,
                stderr: self.stderr(),
            };
        }
        let reset = lock(&self.qmp).events().iter().any(|event| {
            event.name == "SHUTDOWN"
                && event.data.get("reason").and_then(Value::as_str) == Some("guest-reset")
        });
        if reset && said == 0 {
            Ending::TripleFault
        } else {
            Ending::Exit(0)
        }
    }

    fn exited(&self) -> Option<ExitStatus> {
        let mut status = lock(&self.status);
        if status.is_none() {
            *status = lock(&self.child).try_wait().ok().flatten();
        }
        *status
    }

    /// Waits until `look` finds something. Fails at once when the machine ends, and when patience does.
    ///
    /// # Errors
    /// [`HarnessError::Ended`] or [`HarnessError::Late`].
    pub fn wait<T>(
        &self,
        wanted: &str,
        patience: Patience,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<T, HarnessError> {
        let (begun, cpu) = (Instant::now(), self.cpu_seconds());
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            if self
                .network
                .upgrade()
                .is_some_and(|network| network.is_dead())
            {
                return Err(HarnessError::NetworkDead);
            }
            let (machine, wanted) = (self.name.clone(), wanted.to_owned());
            if self.disk.as_ref().is_some_and(Disk::is_dead) {
                return Err(HarnessError::DiskDead { machine });
            }
            if let Some(ending) = self.ending() {
                return Err(HarnessError::Ended {
                    machine,
                    ending,
                    wanted,
                });
            }
            let (waited, used) = (begun.elapsed(), self.cpu_seconds() - cpu);
            if waited > patience.wall * 3
                || (waited > patience.wall && used > patience.cpu / 2.0)
                || used > patience.cpu
            {
                return Err(HarnessError::Late {
                    machine,
                    wanted,
                    waited,
                    cpu: used,
                });
            }
            crate::pause::pause(Duration::from_millis(100));
        }
    }

    /// Waits until the console says something.
    ///
    /// # Errors
    /// As [`Machine::wait`].
    pub fn wait_for_console(&self, pattern: &str, patience: Patience) -> Result<(), HarnessError> {
        self.wait_for_console_after(0, pattern, patience)
    }

    /// Waits until the console says something after a mark.
    ///
    /// # Errors
    /// As [`Machine::wait`].
    pub fn wait_for_console_after(
        &self,
        mark: usize,
        pattern: &str,
        patience: Patience,
    ) -> Result<(), HarnessError> {
        self.wait(&format!("{pattern:?} on the console"), patience, || {
            self.console.since(mark).contains(pattern).then_some(())
        })
    }

    /// Waits until core can log in.
    ///
    /// # Errors
    /// As [`Machine::wait`].
    pub fn wait_for_ssh(&self, patience: Patience) -> Result<&Ssh, HarnessError> {
        let ssh = self.ssh();
        ssh.forget_session();
        let answers = || ssh.answers(|| self.ending().is_some()).then_some(());
        self.wait("login as core over ssh", patience, answers)?;
        ssh.keep_session();
        Ok(ssh)
    }

    /// Waits for QEMU's end.
    ///
    /// # Errors
    /// [`HarnessError::Late`] when it goes on.
    pub fn wait_for_end(&self, limit: Duration) -> Result<Ending, HarnessError> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                let said = self
                    .console
                    .since(self.seen().console)
                    .matches("reboot: ")
                    .count();
                return Ok(self.judge(status, said));
            }
            if begun.elapsed() > limit {
                return Err(HarnessError::Late {
                    machine: self.name.clone(),
                    wanted: "end of QEMU".into(),
                    waited: begun.elapsed(),
                    cpu: self.cpu_seconds(),
                });
            }
            crate::pause::pause(Duration::from_millis(50));
        }
    }

    pub(super) fn events(&self) -> Vec<crate::qmp::Event> {
        lock(&self.qmp).events()
    }

    /// What is plugged in at each port.
    pub(super) fn plugged(&self) -> MutexGuard<'_, [Option<String>; command_line::PORTS.len()]> {
        lock(&self.plugged)
    }

    /// A short path to a file in its folder.
    pub(super) fn short(&self, name: &str) -> PathBuf {
        self.short.join(name)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            crate::report::print(self);
        }
        self.kill();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn prepare(builder: &MachineBuilder, folder: &std::path::Path) -> Result<(), HarnessError> {
    let write = |name: &str, bytes: &[u8]| {
        fs::write(folder.join(name), bytes).map_err(HarnessError::io(format!(
            "write {name} of {}",
            builder.name
        )))
    };
    if let Some(image) = builder.image.as_ref().filter(|_| !builder.nbd) {
        create_overlay(image, &folder.join("disk.qcow2"), builder.disk_size)?;
    }
    if let Some(form) = builder.config_drive {
        let image = form
            .image(&builder.identity)
            .map_err(HarnessError::io("make a config drive"))?;
        write("config.img", &image)?;
    }
    if builder.firmware == Firmware::Uefi {
        let pair = firmware::find(std::path::Path::new("/"))?;
        std::os::unix::fs::symlink(&pair.code, folder.join("code.fd"))
            .and_then(|()| fs::copy(&pair.vars, folder.join("vars.fd")))
            .map_err(HarnessError::io("copy the UEFI variables"))?;
    }
    if let Boot::Direct { kernel, initrd, .. } = &builder.boot {
        for file in [kernel, initrd] {
            fs::metadata(file).map_err(HarnessError::io(format!("read {}", file.display())))?;
        }
    }
    Ok(())
}

fn attach(lab: &Lab, builder: &MachineBuilder) -> Result<Port, HarnessError> {
    let metadata = Arc::new(Metadata::openstack(&builder.identity));
    metadata.faults(|faults| faults.refuse = !builder.metadata);
    let mut config = PortConfig::new(&builder.identity.name, builder.identity.address, metadata);
    config.lease.mtu = builder.mtu;
    config.forwards.clone_from(&builder.forwards);
    config.isolated = builder.isolated;
    let cable = lab.folder().short(&format!("{}/net0.sock", builder.name));
    lab.network()
        .attach(&cable, config)
        .map_err(HarnessError::io("make a port of the network"))
}

fn attach_more(
    lab: &Lab,
    builder: &MachineBuilder,
    number: usize,
    segment: u8,
) -> Result<Port, HarnessError> {
    let (name, address) = (&builder.identity.name, builder.identity.address);
    let config = PortConfig::second(name, segment, address);
    let cable = lab
        .folder()
        .short(&format!("{}/net{number}.sock", builder.name));
    lab.network()
        .attach(&cable, config)
        .map_err(HarnessError::io("make a port of the network"))
}

fn serve_disk(
    builder: &MachineBuilder,
    folder: &std::path::Path,
    short: &std::path::Path,
) -> Result<Option<Disk>, HarnessError> {
    let Some(image) = builder.image.as_ref().filter(|_| builder.nbd) else {
        return Ok(None);
    };
    let private = folder.join("disk.private");
    Disk::serve(image, &private, builder.disk_size, &short.join("disk.sock")).map(Some)
}

fn launch(folder: &std::path::Path, words: &[String]) -> Result<Child, HarnessError> {
    let errors =
        File::create(folder.join("qemu.err")).map_err(HarnessError::io("write QEMU's log"))?;
    let mut command = spawn::mortal("qemu-system-x86_64");
    command
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(
            errors
                .try_clone()
                .map_err(HarnessError::io("write QEMU's log"))?,
        )
        .stderr(errors)
        .process_group(0);
    let child =
        spawn::spawn(command).map_err(HarnessError::io("start setpriv (package util-linux)"))?;
    let started = process::start_time(child.id()).unwrap_or(0);
    fs::write(
        folder.join("qemu.pid"),
        format!("{} {started}\n", child.id()),
    )
    .map_err(HarnessError::io("write QEMU's process id"))?;
    Ok(child)
}

fn connect(
    short: &std::path::Path,
    folder: &std::path::Path,
    child: &Mutex<Child>,
) -> Result<Qmp, HarnessError> {
    let alive = || matches!(lock(child).try_wait(), Ok(None));
    Qmp::connect(&short.join("qmp.sock"), alive).map_err(|error| {
        // A QEMU that closes its monitor is about to end: its own words say more than the closed socket.
        let begun = Instant::now();
        while alive() && begun.elapsed() < Duration::from_secs(1) {
            crate::pause::pause(Duration::from_millis(20));
        }
        let stderr = fs::read_to_string(folder.join("qemu.err"))
            .unwrap_or_default()
            .trim()
            .to_owned();
        match lock(child).try_wait() {
            Ok(Some(_)) if stderr.starts_with("setpriv: ") => HarnessError::Missing {
                program: format!("qemu-system-x86_64 ({stderr})"),
                package: "qemu-system-x86",
            },
            Ok(Some(status)) => HarnessError::Ended {
                machine: folder
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                ending: Ending::Refused {
                    code: status.code().unwrap_or(-1),
                    stderr,
                },
                wanted: "QEMU to start".into(),
            },
            _ => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::starts;

    #[test]
    fn resets_that_come_together_are_one() {
        let begun = Instant::now();
        let at = |tenths: u64| begun + Duration::from_millis(tenths * 100);
        let rows = starts(
            [at(0), at(1), at(3), at(60)].into_iter(),
            Duration::from_secs(3),
        );
        assert_eq!(rows, [at(0), at(60)]);
    }
}
