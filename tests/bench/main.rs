//! `make bench`: figures of the image beside those of its peers, printed and never asserted. Virtual seconds repeat
//! (10^9 guest instructions are one second); CPU seconds are of this host, today.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program whose output is the figures"
)]

mod boot;
mod memory;
mod peers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use qemu_harness::HarnessError;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mut image = None;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--image" => image = words.next().map(PathBuf::from),
            _ => {
                eprintln!("usage: bench [--image FILE]");
                return ExitCode::from(2);
            }
        }
    }
    let image = image.unwrap_or_else(system_tests::vm::image);
    match all(&image) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(image: &Path) -> Result<(), HarnessError> {
    let size = std::fs::metadata(image).map_or(0, |facts| facts.len());
    println!("image");
    peers::row(
        "qcow2, MiB",
        mebibytes(size),
        peers::QCOW2_MIB,
        "with Docker",
    );
    let counted = boot::by_instructions(image)?;
    println!("\nboot through the loader, virtual seconds from QEMU's start (icount)");
    boot::print(&counted, &peers::VIRTUAL, boot::Column::Virtual);
    println!("\nthe same to the first answer of Docker, which user-data asks for");
    let docker = boot::docker_by_instructions(image)?;
    boot::print(&docker, &peers::DOCKER, boot::Column::Virtual);
    println!("\nthe same boot without icount, CPU seconds of QEMU");
    let timed = boot::by_the_clock(image)?;
    boot::print(&timed.milestones, &peers::CPU, boot::Column::Cpu);
    println!("\nmemory of that machine (1 GiB) 10 s after etcd2 has answered");
    memory::print(&timed.memory);
    println!("\nand 10 s after its first `docker version`");
    memory::print_docker(&timed.with_docker);
    Ok(())
}

/// Bytes as MiB.
#[expect(
    clippy::cast_precision_loss,
    reason = "a figure with one decimal for people"
)]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
