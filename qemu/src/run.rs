//! One node for a person: boot, progress, shell, and nothing left behind.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use qemu_harness::accel::{self, Accel, Cache};
use qemu_harness::cluster::Step;
use qemu_harness::user_data::{self, Discovery};
use qemu_harness::{DriveForm, Firmware, HarnessError, Lab, Machine, Patience, RunDir, report};

use crate::arguments::{Form, Run};
use crate::up::choose;

/// Boots, shows the way, gives the terminal to a shell; returns the shell's exit code.
pub(crate) fn run(arguments: &Run) -> anyhow::Result<u8> {
    fs::metadata(&arguments.image).with_context(|| {
        format!(
            "no image at {}: make it with `make image`",
            arguments.image.display()
        )
    })?;
    let given = match &arguments.user_data {
        Some(path) => {
            Some(fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
        }
        None => None,
    };
    let cache = Cache::of_the_user();
    let choice = choose(arguments.accel, &arguments.image);
    eprintln!("{choice}");
    let code = accel::with_fallback(
        &cache,
        &choice,
        |line| eprintln!("{line}"),
        |accel| one_run(arguments, given.as_deref(), accel),
    )?;
    Ok(code)
}

fn one_run(arguments: &Run, given: Option<&[u8]>, accel: Accel) -> Result<u8, HarnessError> {
    let lab = Lab::in_folder(RunDir::create("run")?)?;
    let mut machine = lab
        .machine("node1")
        .image(&arguments.image)
        .hostname(&arguments.hostname)
        .memory(arguments.memory)
        .accel(accel)
        .firmware(if arguments.uefi {
            Firmware::Uefi
        } else {
            Firmware::Bios
        });
    let mut discovery = None;
    if let Some(given) = given {
        let needed = user_data::wants_discovery(given);
        if let Some(program) = arguments.etcd2.as_deref().filter(|_| needed) {
            let service = Discovery::start(program, lab.folder(), 1)?;
            machine = machine.forward(user_data::DISCOVERY_PORT, service.address());
            discovery = Some(service);
        }
        let url = discovery.as_ref().map(Discovery::url);
        machine = machine.user_data(user_data::fill(given, lab.public_key(), url.as_deref()));
    }
    machine = match arguments.config_drive {
        Some(Form::Iso) => machine.config_drive(DriveForm::Iso),
        Some(Form::Vfat) => machine.config_drive(DriveForm::Vfat),
        None => machine,
    };
    let machine = machine.start(&lab)?;
    let booted = if arguments.console {
        boot_with_console(&machine)
    } else {
        boot(&machine)
    };
    if let Err(error) = booted {
        eprintln!("{}", report::text(&machine));
        return Err(error);
    }
    let ssh = machine.ssh();
    if arguments.command.is_empty() {
        eprintln!("from another terminal: {}", ssh.command_line());
        eprintln!("console: {}", machine.console().path().display());
        eprintln!("the machine and its disk are gone when this shell ends");
    }
    let status = ssh.interactive(&arguments.command)?;
    Ok(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

fn boot(machine: &Machine) -> Result<(), HarnessError> {
    for step in Step::ALL {
        step.wait(machine)?;
        let (age, cpu) = (machine.age().as_secs_f64(), machine.cpu_seconds());
        eprintln!("{:<10} {age:6.1} s  ({cpu:.1} CPU s)", step.name());
    }
    Ok(())
}

fn boot_with_console(machine: &Machine) -> Result<(), HarnessError> {
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let mut shown = 0;
            loop {
                let text = machine.console().since(shown);
                shown += text.len();
                eprint!("{text}");
                if stopped.recv_timeout(Duration::from_millis(200)).is_ok() {
                    return;
                }
            }
        });
        let result = machine.wait_for_ssh(Patience::BOOT).map(drop);
        // The thread may not outlive the scope; it has nothing else to wait for.
        let _ = stop.send(());
        result
    })
}
