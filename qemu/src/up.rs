//! `qemu-cluster up`: reads what is to be, starts the supervisor, and shows how far each node is.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow};
use qemu_harness::accel::{self, Accel, Cache, Choice};
use qemu_harness::cluster::{self, ClusterSpec};
use qemu_harness::disk::boot_files;
use qemu_harness::{DriveForm, NodeSpec, registry};
use serde_json::Value;

use crate::arguments::{Form, Up};
use crate::show::Screen;

const IMAGE: &str = "target/image/garboard.qcow2";

/// What the options and the cluster file say together.
pub(crate) fn spec(arguments: &Up) -> anyhow::Result<ClusterSpec> {
    let mut spec = ClusterSpec::new(IMAGE, 3);
    if let Some(path) = &arguments.file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the cluster file {}", path.display()))?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        cluster::read(&text, folder, &mut spec).map_err(|mistakes| {
            let lines: Vec<String> = mistakes
                .iter()
                .map(|mistake| format!("\n  {}:{mistake}", path.display()))
                .collect();
            anyhow!(
                "the cluster file is wrong in {} place(s):{}",
                mistakes.len(),
                lines.concat()
            )
        })?;
    }
    if let Some(nodes) = arguments.nodes {
        if !(1..=100).contains(&nodes) {
            return Err(anyhow!("--nodes {nodes}: from 1 to 100 are possible"));
        }
        spec.nodes = (1..=nodes).map(NodeSpec::numbered).collect();
    }
    if let Some(image) = &arguments.image {
        spec.image.clone_from(image);
    }
    if let Some(path) = &arguments.user_data {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        spec.user_data = Some(bytes);
    }
    spec.memory = arguments.memory.unwrap_or(spec.memory);
    spec.uefi |= arguments.uefi;
    spec.icount |= arguments.icount;
    spec.own_disks |= arguments.own_disks;
    spec.config_drive = match arguments.config_drive {
        Some(Form::Iso) => Some(DriveForm::Iso),
        Some(Form::Vfat) => Some(DriveForm::Vfat),
        None => spec.config_drive,
    };
    spec.etcd2 = spec.etcd2.or_else(|| arguments.etcd2.clone());
    for path in &arguments.images {
        spec.images.extend(registry::images_in(path)?);
    }
    spec.accel = arguments
        .accel
        .map_or(Accel::Tcg, crate::arguments::Accelerator::accel);
    std::fs::metadata(&spec.image).with_context(|| {
        format!(
            "no image at {}: make it with `make image`",
            spec.image.display()
        )
    })?;
    Ok(spec)
}

/// The choice of the accelerator that the options leave to the probe.
pub(crate) fn choose(asked: Option<crate::arguments::Accelerator>, image: &Path) -> Choice {
    match asked {
        Some(asked) => Choice {
            accel: asked.accel(),
            reason: "asked for".into(),
        },
        None => accel::choose(&Cache::of_the_user(), || {
            boot_files(image).map(|files| files.kernel)
        }),
    }
}

/// Boots a cluster.
pub(crate) fn up(arguments: &Up) -> anyhow::Result<u8> {
    let spec = spec(arguments)?;
    let choice = choose(arguments.accel, &spec.image);
    eprintln!("{choice}");
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(own);
    command.arg("supervise").args(std::env::args_os().skip(2));
    if arguments.accel.is_none() {
        command.args(["--accel", choice.accel.word()]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the supervisor")?;
    let (Some(mut hold), Some(told)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(anyhow!("the supervisor has no pipes"));
    };
    let names: Vec<String> = spec.nodes.iter().map(|node| node.name.clone()).collect();
    let mut screen = Screen::new(&names, std::io::stderr().is_terminal());
    let mut end = None;
    for line in BufReader::new(told).lines().map_while(Result::ok) {
        let Ok(value) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if let Some(error) = value.get("error").and_then(Value::as_str) {
            return Err(anyhow!("{error}"));
        }
        if value.get("done").is_some() {
            end = Some(value);
            break;
        }
        screen.tell(&value);
    }
    let Some(end) = end else {
        return Err(anyhow!("the supervisor has ended before the cluster stood"));
    };
    let good = end.get("done") == Some(&Value::Bool(true)) && !screen.failed();
    let program = std::env::args().next().unwrap_or_default();
    eprint!(
        "{}",
        crate::show::farewell(&end["status"], &program, &arguments.which.words(), good)
    );
    if arguments.stay {
        eprintln!("the cluster is gone when this command ends (Ctrl-C)");
        child.wait().context("cannot wait for the supervisor")?;
        return Ok(u8::from(!good));
    }
    hold.write_all(b"let go\n")
        .context("the supervisor has ended")?;
    Ok(u8::from(!good))
}
