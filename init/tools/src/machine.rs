//! Small questions about this machine: detect-virt, machine-id-setup, id128, cgls, delta.

use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use init_client::{Manager, Value, names};

use crate::cli;
use crate::systemctl::{Failure, mangle, tree};

/// Detect execution in a virtualized environment.
#[derive(Debug, Parser)]
#[command(name = "systemd-detect-virt")]
pub(crate) struct DetectVirt {
    /// Only containers
    #[arg(short = 'c', long)]
    container: bool,
    /// Only virtual machines
    #[arg(short = 'v', long)]
    vm: bool,
    /// Say nothing, the exit code tells
    #[arg(short = 'q', long)]
    quiet: bool,
}

pub(crate) fn detect_virt(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: DetectVirt| {
        let (id, container) = virtualization();
        let shown = match () {
            () if options.container && !container => "",
            () if options.vm && container => "",
            () => id.as_str(),
        };
        let shown = if shown.is_empty() { "none" } else { shown };
        if !options.quiet {
            writeln!(stdout(), "{shown}")?;
        }
        Ok(u8::from(shown == "none"))
    })
}

const MACHINES: [&str; 17] = [
    "kvm",
    "qemu",
    "amazon",
    "google",
    "vmware",
    "oracle",
    "microsoft",
    "xen",
    "bochs",
    "uml",
    "parallels",
    "bhyve",
    "qnx",
    "acrn",
    "powervm",
    "zvm",
    "vm-other",
];

/// What PID 1 found out at boot, and whether it is a container.
pub(crate) fn virtualization() -> (String, bool) {
    let ask = || {
        Manager::connect()
            .ok()?
            .property(names::MANAGER_PATH, names::MANAGER, "Virtualization")
            .ok()
    };
    let id = ask()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default();
    let container = !id.is_empty() && !MACHINES.contains(&id.as_str());
    (id, container)
}

/// Initialize the machine ID in /etc/machine-id.
#[derive(Debug, Parser)]
#[command(name = "systemd-machine-id-setup")]
pub(crate) struct MachineIdSetup {
    /// Write a temporary id to the disk
    #[arg(long)]
    commit: bool,
    /// Print the id
    #[arg(long)]
    print: bool,
    /// Work below this directory
    #[arg(long, default_value = "/")]
    root: PathBuf,
}

pub(crate) fn machine_id_setup(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: MachineIdSetup| {
        let path = options.root.join("etc/machine-id");
        let current = fs::read_to_string(&path).unwrap_or_default();
        let id = match valid_id(&current) {
            Some(id) => id,
            None => {
                let id = random_id(true)?;
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                fs::write(&path, format!("{id}\n"))
                    .map_err(|e| Failure::new(format!("cannot write {}: {e}", path.display())))?;
                id
            }
        };
        if options.print {
            writeln!(stdout(), "{id}")?;
        }
        Ok(0)
    })
}

fn valid_id(text: &str) -> Option<String> {
    let text = text.trim();
    let good = text.len() == 32
        && text.bytes().all(|b| b.is_ascii_hexdigit())
        && text.bytes().any(|b| b != b'0');
    good.then(|| text.to_ascii_lowercase())
}

/// 128 random bits in hexadecimal; as a version 4 UUID if asked.
fn random_id(uuid: bool) -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(std::io::Error::from)?;
    if uuid {
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
    }
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// Generate and print 128-bit identifiers.
#[derive(Debug, Parser)]
#[command(name = "systemd-id128")]
pub(crate) struct Id128 {
    /// As a UUID with dashes
    #[arg(short = 'u', long)]
    uuid: bool,
    /// new, machine-id, boot-id or invocation-id
    verb: String,
}

pub(crate) fn id128(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Id128| {
        let id = match options.verb.as_str() {
            "new" => random_id(true)?,
            "machine-id" => valid_id(&fs::read_to_string("/etc/machine-id")?)
                .ok_or_else(|| Failure::new("/etc/machine-id holds no id"))?,
            "boot-id" => fs::read_to_string("/proc/sys/kernel/random/boot_id")?
                .trim()
                .replace('-', ""),
            "invocation-id" => std::env::var("INVOCATION_ID")
                .map_err(|_| Failure::new("$INVOCATION_ID is not set: not started by a unit"))?,
            other => return Err(Failure::new(format!("Unknown command verb {other}."))),
        };
        let shown = match (options.uuid, id.as_bytes()) {
            (true, bytes) if bytes.len() == 32 => {
                let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default().to_owned();
                [
                    part(0, 8),
                    part(8, 12),
                    part(12, 16),
                    part(16, 20),
                    part(20, 32),
                ]
                .join("-")
            }
            _ => id,
        };
        writeln!(stdout(), "{shown}")?;
        Ok(0)
    })
}

/// Recursively show control group contents.
#[derive(Debug, Parser)]
#[command(name = "systemd-cgls")]
pub(crate) struct Cgls {
    /// The cgroup of this unit
    #[arg(short = 'u', long)]
    unit: Option<String>,
    /// With the threads of the kernel
    #[arg(short = 'k')]
    kernel: bool,
    /// Do not shorten lines
    #[arg(short = 'l', long)]
    full: bool,
    /// Straight to the terminal
    #[arg(long)]
    no_pager: bool,
}

/// The kernel's threads, which are all in the root cgroup.
fn kernel_threads() -> Vec<tree::Process> {
    let pids = init_sys::cgroup::Cgroups::find()
        .and_then(|cgroups| cgroups.processes("/").ok())
        .unwrap_or_default();
    let threads = pids
        .into_iter()
        .filter(|pid| init_sys::process::is_kernel_thread(*pid));
    let described = threads.filter_map(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(tree::Process {
            cgroup: "/".to_owned(),
            pid: u32::try_from(pid).ok()?,
            command: format!("[{}]", name.trim_end()),
        })
    });
    described.collect()
}

pub(crate) fn cgls(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Cgls| {
        let mut manager = Manager::connect()?;
        let (title, root, answer) = match &options.unit {
            Some(name) => {
                let unit = mangle(name, init_api::UnitType::Service);
                let group = manager.unit_property(
                    &unit,
                    "org.freedesktop.systemd1.Service",
                    "ControlGroup",
                );
                let group = group
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default();
                let answer = manager.call("GetUnitProcesses", vec![unit.as_str().into()])?;
                (format!("Unit {unit} ({group}):"), group, answer)
            }
            None => {
                let answer = manager.call("GetUnitProcesses", vec!["".into()])?;
                ("Control group /:".to_owned(), String::new(), answer)
            }
        };
        let rows = answer.first().map(Value::items).unwrap_or_default();
        let process = |row: &Value| {
            let [cgroup, pid, command] = row.items() else {
                return None;
            };
            Some(tree::Process {
                cgroup: cgroup.as_str()?.to_owned(),
                pid: pid.as_u32()?,
                command: command.as_str()?.to_owned(),
            })
        };
        let mut processes: Vec<tree::Process> = rows.iter().filter_map(process).collect();
        if options.kernel && options.unit.is_none() {
            processes.extend(kernel_threads());
        }
        let width = (!options.full && stdout().is_terminal())
            .then_some(())
            .and_then(|()| {
                rustix::termios::tcgetwinsize(stdout())
                    .ok()
                    .map(|size| usize::from(size.ws_col))
            });
        let mut pager = crate::pager::Pager::start(!options.no_pager, false);
        writeln!(pager.out(), "{title}")?;
        if options.unit.is_none() {
            writeln!(pager.out(), "-.slice")?;
        }
        pager
            .out()
            .write_all(tree::render(&root, &processes, 0, width).as_bytes())?;
        pager.finish();
        Ok(0)
    })
}
