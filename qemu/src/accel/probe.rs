//! Trying an accelerator with the real kernel and a stopwatch: a broken KVM can run a toy to its end and die in Linux.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Accel, guest, trouble};
use crate::run_dir::RunDir;
use crate::spawn;

/// A sound KVM takes less than half of what emulation takes on the same host, which is 4 s and more.
const HALF: f64 = 2.0;
const LIMIT: Duration = Duration::from_secs(9);
/// Emulation on a busy host takes long, and is only probed by tests.
const PATIENT: Duration = Duration::from_secs(120);

/// Boots the probe guest; returns the seconds it took.
///
/// # Errors
/// Why the accelerator cannot be used, in one line.
pub fn probe(kernel: &[u8], accel: Accel) -> Result<f64, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let folder = RunDir::create("probe").map_err(|error| text(&error))?;
    let path = folder.path();
    fs::write(path.join("kernel"), kernel).map_err(|error| text(&error))?;
    fs::write(path.join("initrd"), guest::initramfs()).map_err(|error| text(&error))?;
    let errors = fs::File::create(path.join("qemu.err")).map_err(|error| text(&error))?;
    let marker = format!("garboard-probe-{:x}", nonce());
    let mut command = spawn::mortal("qemu-system-x86_64");
    command
        .args([
            "-nodefaults",
            "-display",
            "none",
            "-machine",
            "q35",
            "-m",
            "256",
            "-smp",
            "1",
            "-no-reboot",
        ])
        .args([
            "-accel",
            accel.word(),
            "-cpu",
            if accel == Accel::Kvm {
                "host"
            } else {
                "max,cx16=off"
            },
        ])
        .args([
            "-chardev",
            "file,id=con,path=console.log",
            "-serial",
            "chardev:con",
        ])
        .args(["-kernel", "kernel", "-initrd", "initrd", "-append"])
        .arg(format!("console=ttyS0 panic=-1 cryptomgr.notests {marker}"))
        .current_dir(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors);
    let begun = Instant::now();
    let mut child = spawn::spawn(command).map_err(|error| text(&error))?;
    let limit = if accel == Accel::Kvm { LIMIT } else { PATIENT };
    let result = loop {
        let said = fs::read_to_string(path.join("qemu.err")).unwrap_or_default();
        if let Some(line) = trouble(&said) {
            break Err(line.trim().to_owned());
        }
        match child.try_wait() {
            Ok(Some(status)) if !status.success() => {
                break Err(format!(
                    "QEMU ended with {status}: {}",
                    said.lines().last().unwrap_or_default()
                ));
            }
            Ok(Some(_)) => {
                let console = fs::read(path.join("console.log")).unwrap_or_default();
                let seconds = begun.elapsed().as_secs_f64();
                let came = String::from_utf8_lossy(&console)
                    .lines()
                    .any(|line| line.trim() == marker);
                break match (came, accel) {
                    (false, _) => Err("the probe guest ended without its marker".into()),
                    (true, Accel::Kvm) if seconds > HALF => Err(format!(
                        "the probe guest took {seconds:.1} s, no less than emulation"
                    )),
                    (true, _) => Ok(seconds),
                };
            }
            Ok(None) if begun.elapsed() > limit => {
                break Err(format!(
                    "the probe guest was not through after {} s",
                    limit.as_secs()
                ));
            }
            Ok(None) => crate::pause::pause(Duration::from_millis(20)),
            Err(error) => break Err(text(&error)),
        }
    };
    // It has ended, or is of no use any more.
    let _ = child.kill();
    let _ = child.wait();
    result
}

/// A number that no earlier run has printed.
fn nonce() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| time.as_nanos()) ^ (u128::from(std::process::id()) << 64)
}
