//! The service manager's decisions: transactions, jobs and unit state machines; event in, actions out.
//!
//! [`Engine`] is all of PID 1 that decides. It is told what happened ([`Event`]) or what a client
//! wants ([`Request`]), may ask for facts ([`World`]), and answers with what is to be done
//! ([`Action`]). It never reads a file, starts a process or looks at a clock; the time comes with
//! each event. That makes every behaviour of the manager a matter of tests without a machine.
//!
//! Where to look: [`transaction`](crate) planning in `transaction.rs`, the queue in `queue.rs`, what a
//! change of state means for others in `change.rs`, each unit type's machine in the file of its name
//! with the machine in prose at the top, loading and forgetting in `load.rs`, the journal's lines in
//! `announce.rs`, and what clients may look at in `view.rs`.
//!
//! ```
//! use unit_engine::{Engine, ManagerConfig};
//!
//! let engine = Engine::new(ManagerConfig::default());
//! assert_eq!(engine.units().count(), 0);
//! ```
#![forbid(unsafe_code)]

mod action;
mod announce;
mod automount;
mod change;
mod config;
mod deps;
mod engine;
mod event;
mod job;
mod kill;
mod life;
mod load;
mod machine;
mod mount;
mod path;
mod progress;
mod queue;
mod record;
mod request;
mod scope;
mod service;
mod snapshot;
mod socket;
mod spawn;
mod stamp;
mod timer;
mod timers;
mod transaction;
mod unit;
mod units;
mod view;
mod world;

pub use action::{Action, ConsoleStatus, ExecKind, LogEntry, MachineAction, Spawn, Target};
pub use announce::{
    ID_FAILED, ID_PROCESS_EXIT, ID_RELOADED, ID_RELOADING, ID_RESTART, ID_SKIPPED, ID_STARTED,
    ID_STARTING, ID_STOPPED, ID_STOPPING, ID_UNIT_FAILED, ID_UNIT_SUCCESS,
};
pub use config::{ManagerConfig, UnitFormat};
pub use deps::Dep;
pub use engine::Engine;
pub use event::{Event, Exit, FdHandle, MountPoint, Now, Pid, SpawnError, Token};
pub use record::ExecStatus;
pub use request::{KillWho, Reply, Request, RequestError, Verb};
pub use snapshot::Snapshot;
pub use stamp::Stamp;
pub use timers::Deadline;
pub use unit::{CheckRecord, Stamps};
pub use units::UnitId;
pub use view::{JobView, ManagerView, ServiceView, SocketView, TimerView, UnitView};
pub use world::World;

#[cfg(test)]
mod tests;
