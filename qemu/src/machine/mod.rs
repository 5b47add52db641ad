//! One virtual machine: how it is described, how its QEMU is started, and what can be done with it while it runs.
//! What its guest is asked over ssh lives in `ssh`, what a failed test prints in `report`.

mod builder;
mod command_line;
mod firmware;
mod plug;
mod running;

pub use builder::{Boot, Chipset, DiskBus, Firmware, MachineBuilder};
pub use running::{Machine, Patience};
