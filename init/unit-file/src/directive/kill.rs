//! systemd.kill(5)

use super::table;
use crate::{
    config::KillConfig,
    value::{boolean, optional_signal, signal, word},
};

table! { KILL: KillConfig {
    "KillMode" => [mode] word,
    "KillSignal" => [signal] signal,
    "RestartKillSignal" => [restart_signal] optional_signal,
    "SendSIGHUP" => [send_sighup] boolean,
    "SendSIGKILL" => [send_sigkill] boolean,
    "FinalKillSignal" => [final_signal] signal,
    "WatchdogSignal" => [watchdog_signal] signal,
} accepted {} }
