//! `qemu-cluster`: machines of the image for people. `run` boots one node, shows how far it is, and opens a shell on it;
//! when the shell ends, everything is gone.
#![expect(
    clippy::print_stderr,
    reason = "a program for people: progress and errors go to standard error"
)]

mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Boots machines of a Garboard image with QEMU, on a network of their own.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    qemu-cluster run --image target/image/garboard.qcow2 --user-data cloud-config.yaml\n  \
    qemu-cluster run --image garboard.qcow2 --uefi --config-drive iso\n  \
    qemu-cluster run --image garboard.qcow2 -- systemctl --failed"
)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Boots one node and opens a shell on it as core; everything is gone when the shell ends.
    Run(Run),
}

#[derive(Debug, clap::Args)]
struct Run {
    /// The image; it is only read.
    #[arg(long, default_value = "target/image/garboard.qcow2")]
    image: PathBuf,
    /// The node's user-data. `[YOUR SSH PUBLIC KEY]` in it becomes the key of this run.
    #[arg(long)]
    user_data: Option<PathBuf>,
    /// The node's host name.
    #[arg(long, default_value = "coreos")]
    hostname: String,
    /// Memory in MiB.
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Boot by UEFI instead of BIOS.
    #[arg(long)]
    uefi: bool,
    /// Attach a config drive too: iso or vfat.
    #[arg(long)]
    config_drive: Option<Form>,
    /// Our etcd2, run on this host as the discovery service that the user-data's token belongs to.
    #[arg(long, env = "GARBOARD_ETCD2")]
    etcd2: Option<PathBuf>,
    /// Do not boot under emulation or KVM by choice of the probe, but this: tcg or kvm.
    #[arg(long)]
    accel: Option<Accelerator>,
    /// Show the machine's console while it boots.
    #[arg(long)]
    console: bool,
    /// A command instead of a shell.
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Form {
    Iso,
    Vfat,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Accelerator {
    Tcg,
    Kvm,
}

fn main() -> ExitCode {
    let What::Run(arguments) = Arguments::parse().what;
    match run::run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("qemu-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}
