//! Boots of the image, with the moments of its milestones.

use std::path::Path;
use std::time::{Duration, Instant};

use qemu_harness::pause::pause;
use qemu_harness::{HarnessError, Lab, Machine, Patience, Ssh, elf};

use crate::memory::{self, Memory};
use crate::peers;

/// When something was reached.
pub(crate) struct Milestone {
    name: &'static str,
    virtual_seconds: f64,
    cpu_seconds: f64,
}

/// Which of a milestone's figures to print.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Virtual,
    Cpu,
}

/// A boot by the clock and the memory after it.
pub(crate) struct Timed {
    pub(crate) milestones: Vec<Milestone>,
    pub(crate) memory: Memory,
    /// After Docker has been asked for its version.
    pub(crate) with_docker: Memory,
}

const USER_DATA: &str = "#cloud-config
coreos:
  etcd2:
    advertise-client-urls: http://$private_ipv4:2379
    listen-client-urls: http://0.0.0.0:2379
  units:
    - name: etcd2.service
      command: start
";

/// Somebody who asks Docker for its version as soon as the machine runs units of user-data.
const DOCKER: &str = "#cloud-config
coreos:
  units:
    - name: version.service
      command: start
      content: |
        [Service]
        Type=oneshot
        RemainAfterExit=yes
        ExecStart=/usr/bin/docker version
";

/// One boot with icount. QEMU's virtual clock is read from the guest: its uptime, plus what passed before its kernel
/// began, which the time stamp counter tells.
pub(crate) fn by_instructions(image: &Path) -> Result<Vec<Milestone>, HarnessError> {
    let lab = Lab::new("bench")?;
    let machine = lab
        .machine("node1")
        .image(image)
        .memory(1024)
        .user_data(USER_DATA)
        .icount()
        .start(&lab)?;
    let mut milestones = Vec::new();
    console_milestone(&machine, "kernel", "Linux version", &mut milestones)?;
    console_milestone(&machine, "PID 1", " on Garboard", &mut milestones)?;
    reach(&machine, "ssh", &mut milestones, || {
        machine.ssh().has_banner()
    })?;
    machine.wait_for_ssh(Patience::BOOT)?;
    reach(&machine, "etcd2", &mut milestones, || answers(&machine))?;
    from_the_guest(&machine, &mut milestones)?;
    Ok(milestones)
}

/// One boot with icount, to Docker's answer.
pub(crate) fn docker_by_instructions(image: &Path) -> Result<Vec<Milestone>, HarnessError> {
    let lab = Lab::new("bench")?;
    let machine = lab
        .machine("node1")
        .image(image)
        .memory(1024)
        .user_data(DOCKER)
        .icount()
        .start(&lab)?;
    let mut milestones = Vec::new();
    console_milestone(&machine, "kernel", "Linux version", &mut milestones)?;
    machine.wait_for_ssh(Patience::BOOT)?;
    reach(&machine, "docker version", &mut milestones, || {
        machine
            .ssh()
            .run("systemctl is-active version.service")
            .is_ok_and(|output| output.code == 0)
    })?;
    from_the_guest(&machine, &mut milestones)?;
    Ok(milestones)
}

/// One boot by the clock, and the memory afterwards.
pub(crate) fn by_the_clock(image: &Path) -> Result<Timed, HarnessError> {
    let lab = Lab::new("bench")?;
    let machine = lab
        .machine("node1")
        .image(image)
        .memory(1024)
        .user_data(USER_DATA)
        .start(&lab)?;
    let mut milestones = Vec::new();
    console_milestone(&machine, "PID 1", " on Garboard", &mut milestones)?;
    reach(&machine, "ssh", &mut milestones, || {
        machine.ssh().has_banner()
    })?;
    machine.wait_for_ssh(Patience::BOOT)?;
    reach(&machine, "etcd2", &mut milestones, || answers(&machine))?;
    pause(Duration::from_secs(10));
    let memory = memory::read(machine.ssh())?;
    machine.ssh().check("docker version")?;
    pause(Duration::from_secs(10));
    let with_docker = memory::read(machine.ssh())?;
    Ok(Timed {
        milestones,
        memory,
        with_docker,
    })
}

fn answers(machine: &Machine) -> bool {
    machine
        .ssh()
        .run("curl -fs -o /dev/null http://127.0.0.1:2379/v2/keys/")
        .is_ok_and(|output| output.code == 0)
}

fn console_milestone(
    machine: &Machine,
    name: &'static str,
    text: &str,
    milestones: &mut Vec<Milestone>,
) -> Result<(), HarnessError> {
    reach(machine, name, milestones, || {
        machine.console().text().contains(text)
    })
}

fn reach(
    machine: &Machine,
    name: &'static str,
    milestones: &mut Vec<Milestone>,
    look: impl Fn() -> bool,
) -> Result<(), HarnessError> {
    let begun = Instant::now();
    machine.wait(
        name,
        Patience {
            cpu: 600.0,
            wall: Duration::from_secs(900),
        },
        || look().then_some(()),
    )?;
    let virtual_seconds = f64::NAN;
    eprintln!("{name} after {:.1} s more", begun.elapsed().as_secs_f64());
    milestones.push(Milestone {
        name,
        virtual_seconds,
        cpu_seconds: machine.cpu_seconds(),
    });
    Ok(())
}

/// Asks the guest when things happened, in seconds of its own clock, and adds what the loader took.
fn from_the_guest(machine: &Machine, milestones: &mut [Milestone]) -> Result<(), HarnessError> {
    let console = machine.console().text();
    let stamp = |text: &str| {
        let line = console.lines().find(|line| line.contains(text))?;
        line.split(['[', ']']).nth(1)?.trim().parse::<f64>().ok()
    };
    let show = |unit: &str| -> Result<f64, HarnessError> {
        let command = format!("systemctl show -P ActiveEnterTimestampMonotonic {unit}");
        Ok(machine
            .ssh()
            .check(&command)?
            .trim()
            .parse::<f64>()
            .unwrap_or(f64::NAN)
            / 1e6)
    };
    let before = before_the_kernel(machine.ssh())?;
    for milestone in milestones {
        let since_kernel = match milestone.name {
            "kernel" => Some(0.0),
            "PID 1" => stamp(" on Garboard"),
            "ssh" => Some(show("sshd.service")?),
            "etcd2" => Some(show("etcd2.service")?),
            "docker version" => Some(show("version.service")?),
            _ => None,
        };
        milestone.virtual_seconds = since_kernel.unwrap_or(f64::NAN) + before;
    }
    Ok(())
}

/// Reads the time stamp counter and the monotonic clock, and writes both: `rdtsc`, `clock_gettime`, `write`, `exit`.
#[rustfmt::skip]
const CLOCKS: [u8; 63] = [
    0x48, 0x83, 0xec, 0x20, 0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0x48, 0x89, 0x04, 0x24, 0xbf, 0x01, 0x00,
    0x00, 0x00, 0x48, 0x8d, 0x74, 0x24, 0x08, 0xb8, 0xe4, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xbf, 0x01, 0x00, 0x00, 0x00, 0x48,
    0x89, 0xe6, 0xba, 0x18, 0x00, 0x00, 0x00, 0xb8, 0x01, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x31, 0xff, 0xb8, 0x3c, 0x00, 0x00,
    0x00, 0x0f, 0x05,
];

/// Seconds that firmware, loader and unpacking took: with icount the time stamp counter is QEMU's virtual clock in
/// nanoseconds, and the guest's monotonic clock began with its kernel.
fn before_the_kernel(ssh: &Ssh) -> Result<f64, HarnessError> {
    ssh.put(&elf::program(&CLOCKS), "/tmp/clocks")?;
    ssh.check("chmod +x /tmp/clocks && /tmp/clocks > /tmp/both")?;
    let both = ssh.get("/tmp/both")?;
    let number = |at: usize| {
        both.get(at..at + 8)
            .and_then(|eight| eight.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    };
    let monotonic = Duration::from_secs(number(8)) + Duration::from_nanos(number(16));
    Ok(Duration::from_nanos(number(0))
        .saturating_sub(monotonic)
        .as_secs_f64())
}

/// Prints milestones beside the peer's.
pub(crate) fn print(milestones: &[Milestone], theirs: &[(&str, f64)], column: Column) {
    for milestone in milestones {
        let Some((_, theirs)) = theirs.iter().find(|(name, _)| *name == milestone.name) else {
            continue;
        };
        let ours = match column {
            Column::Virtual => milestone.virtual_seconds,
            Column::Cpu => milestone.cpu_seconds,
        };
        peers::row(milestone.name, ours, *theirs, "");
    }
}
