//! QEMU machines for people and tests.
//!
//! A [`Lab`] is a run folder, a network of its own and a key; a [`Machine`] boots in it from an image and is watched by
//! its console, its monitor and its ssh. Nothing needs rights, nothing is configured on the host, and nothing is left
//! when the process ends, however it ends. What a guest runs is no business of this crate: it never links a crate of
//! the image.
//!
//! ```no_run
//! use qemu_harness::{Lab, Patience};
//! # fn main() -> Result<(), qemu_harness::HarnessError> {
//! let lab = Lab::new("hello")?;
//! let node = lab.machine("node1").image("target/image/garboard.qcow2".as_ref()).start(&lab)?;
//! let name = node.wait_for_ssh(Patience::BOOT)?.check("hostname")?;
//! assert_eq!(name, "node1\n");
//! # Ok(())
//! # }
//! ```

pub mod accel;
pub mod cluster;
mod console;
pub mod disk;
mod drive;
pub mod elf;
mod error;
mod lab;
mod machine;
pub mod metadata;
pub mod network;
pub mod pause;
mod places;
mod process;
mod qmp;
pub mod registry;
pub mod report;
mod run_dir;
mod spawn;
mod ssh;
pub mod user_data;

pub use cluster::{Cluster, ClusterSpec, NodeSpec};
pub use console::Console;
pub use disk::{Disk, DiskCounts, DiskFaults, PowerCut};
pub use drive::DriveForm;
pub use error::{Ending, HarnessError};
pub use lab::Lab;
pub use machine::{Boot, Chipset, DiskBus, Firmware, Machine, MachineBuilder, Patience};
pub use metadata::{Identity, Metadata};
pub use process::start_time;
pub use run_dir::RunDir;
pub use ssh::{Output, Ssh};
