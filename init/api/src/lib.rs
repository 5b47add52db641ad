//! The words of systemd's interface, and nothing that acts on them.
//!
//! Names, states, results, signals, exit statuses, time spans, `sd_notify` text, D-Bus names and
//! paths: whatever more than one program must spell alike. This crate decides nothing about units
//! and never touches files, sockets, processes or the clock.
//!
//! ```
//! use init_api::{ActiveState, TimeSpan, UnitType};
//!
//! assert_eq!(UnitType::from_suffix("service"), Some(UnitType::Service));
//! assert_eq!(ActiveState::Activating.to_string(), "activating");
//! assert_eq!(TimeSpan::parse("90")?.to_string(), "1min 30s");
//! # Ok::<(), init_api::TimeSpanError>(())
//! ```
#![forbid(unsafe_code)]

mod words;

pub mod backoff;
pub mod bus;
pub mod bytes;
mod chain;
pub mod civil;
pub mod exit;
pub mod notify;

mod job;
mod result;
mod signal;
mod state;
mod time_span;
mod timestamp;
mod unit_type;

pub use chain::chain;
pub use job::{JobMode, JobResult, JobState, JobType};
pub use result::{MountResult, PathResult, ScopeResult, ServiceResult, SocketResult, TimerResult};
pub use signal::Signal;
pub use state::{
    ActiveState, AutomountState, DeviceState, LoadState, ManagerState, MountState, PathState,
    ScopeState, ServiceState, SliceState, SocketState, SwapState, TargetState, TimerState,
};
pub use time_span::{TimeSpan, TimeSpanError, TimeUnit};
pub use timestamp::{format_relative, format_timestamp};
pub use unit_type::UnitType;
pub use words::UnknownWord;
