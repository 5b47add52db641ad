//! How processes of a unit are killed: systemd.kill(5).

use init_api::Signal;
use serde::{Deserialize, Serialize};

init_api::words! {
    /// Which processes are killed when a unit stops.
    pub enum KillMode {
        ControlGroup = "control-group",
        Mixed = "mixed",
        Process = "process",
        None = "none",
    }
}

/// systemd.kill(5)
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillConfig {
    /// `KillMode=`
    pub mode: KillMode,
    /// `KillSignal=`
    pub signal: Signal,
    /// `RestartKillSignal=`; `KillSignal=` when not given.
    pub restart_signal: Option<Signal>,
    /// `SendSIGHUP=`
    pub send_sighup: bool,
    /// `SendSIGKILL=`
    pub send_sigkill: bool,
    /// `FinalKillSignal=`
    pub final_signal: Signal,
    /// `WatchdogSignal=`
    pub watchdog_signal: Signal,
}

impl Default for KillConfig {
    fn default() -> Self {
        Self {
            mode: KillMode::ControlGroup,
            signal: Signal::TERM,
            restart_signal: None,
            send_sighup: false,
            send_sigkill: true,
            final_signal: Signal::KILL,
            watchdog_signal: Signal::ABRT,
        }
    }
}
