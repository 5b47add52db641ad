//! What PID 1 tells the exec helper, and what the helper tells back: plain data, as JSON.

use std::io;

use serde::{Deserialize, Serialize};
use unit_file::{ExecConfig, Shared};

/// Everything about one process to be.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent word of the manager to the helper"
)]
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Id of the unit.
    pub unit: String,
    /// Program as written: a path, or a name to be looked for.
    pub program: String,
    /// Words, `argv[0]` first, before variables are put in.
    pub argv: Vec<String>,
    /// Whether `$` means variables (no `:` prefix).
    pub expand: bool,
    /// `+`: no user, no sandbox, no dropped capabilities.
    pub full_privileges: bool,
    /// `!` and `!!`: everything but the change of user and capabilities.
    pub keep_identity: bool,
    /// Lowest precedence: the manager's environment block.
    pub base_environment: Vec<(String, String)>,
    /// `Environment=`, `PassEnvironment=`, environment files, in this order.
    pub unit_environment: Vec<(String, String)>,
    /// Highest: MAINPID, `INVOCATION_ID`, `NOTIFY_SOCKET`, … given by the manager for this process.
    pub process_environment: Vec<(String, String)>,
    /// Names of the passed sockets; their descriptors follow in the same order.
    pub fd_names: Vec<String>,
    /// Whether a connection is passed, for `StandardInput=socket`.
    pub connection: bool,
    /// Which of standard input, output and error are passed: a client's own (`systemd-run --pipe`).
    #[serde(default)]
    pub stdio: [bool; 3],
    /// Whether an idle pipe is passed.
    pub idle: bool,
    /// Watchdog of the main process in microseconds.
    pub watchdog_usec: Option<u64>,
    /// Whether this is the main process: it gets the terminal.
    pub main: bool,
    /// This unit's own /tmp and /var/tmp, if it has them.
    pub private_tmp: Option<PrivateTmp>,
    /// The number that `DynamicUser=` got.
    pub dynamic_uid: Option<u32>,
    /// Which kernel log or journal the output goes to when the journal is not there yet.
    pub container: bool,
    /// The settings of the unit.
    pub exec: Shared<ExecConfig>,
}

/// Folders that lie over /tmp and /var/tmp for one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrivateTmp {
    pub tmp: String,
    pub var_tmp: String,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// Exit code of the step.
    pub status: i32,
    /// What was attempted.
    pub text: String,
    /// Error number, 0 if there is none.
    pub errno: i32,
    /// The error's text.
    pub cause: String,
}

impl Context {
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(io::Error::other)
    }

    pub(crate) fn decode(text: &[u8]) -> io::Result<Context> {
        serde_json::from_slice(text).map_err(io::Error::other)
    }
}
