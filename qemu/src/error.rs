//! What can go wrong with machines, said so that a failed test explains itself.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A failure of a machine or of the harness around it.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A file, socket or process could not be used.
    #[error("cannot {what}")]
    Io {
        /// What was attempted, on what.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// A program of the host is missing.
    #[error("{program} is not installed: apt install {package}")]
    Missing {
        /// The program or file.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A machine ended, or its guest died, while something was expected of it.
    #[error("{machine}: {ending}, while waiting for {wanted}")]
    Ended {
        /// The machine.
        machine: String,
        /// What happened to it.
        ending: Ending,
        /// What was waited for.
        wanted: String,
    },
    /// The patience for something ended.
    #[error("{machine}: no {wanted} after {} s ({cpu:.1} CPU s of QEMU)", waited.as_secs())]
    Late {
        /// The machine.
        machine: String,
        /// What was waited for.
        wanted: String,
        /// How long.
        waited: Duration,
        /// What QEMU had used by then.
        cpu: f64,
    },
    /// A command in the guest failed.
    #[error("{machine}: `{command}` ended with {status}\n{output}")]
    Command {
        /// The machine.
        machine: String,
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// QEMU's monitor refused a command.
    #[error("QMP {command}: {text}")]
    Qmp {
        /// The command.
        command: String,
        /// QEMU's words.
        text: String,
    },
    /// A disk image is not what it should be.
    #[error("{}: {text}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// What is wrong with it.
        text: String,
    },
    /// Something is wrong with the choice of a node.
    #[error("{text}")]
    Node {
        /// What.
        text: String,
    },
    /// The run folder is held by somebody else.
    #[error("{} is in use by process {holder}", path.display())]
    Held {
        /// The folder.
        path: PathBuf,
        /// Who holds it.
        holder: String,
    },
    /// The harness's disk server of a machine has ended.
    #[error(
        "{machine}: the harness's own disk server has ended: nothing after that says anything about the guest"
    )]
    DiskDead {
        /// The machine.
        machine: String,
    },
    /// The harness's network thread has ended.
    #[error(
        "the harness's own network has ended: nothing after that says anything about the guest"
    )]
    NetworkDead,
}

impl HarnessError {
    /// For `map_err`: names what was attempted.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> HarnessError {
        let what = what.into();
        move |source| HarnessError::Io { what, source }
    }
}

/// How a machine came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// QEMU ended by itself with this code: 0 after a power-off.
    Exit(i32),
    /// QEMU was ended by a signal: it crashed, or somebody killed it.
    Crash {
        /// The signal.
        signal: i32,
        /// The last words on its standard error.
        stderr: String,
    },
    /// QEMU refused to run.
    Refused {
        /// Its exit code.
        code: i32,
        /// What it said.
        stderr: String,
    },
    /// The guest's kernel panicked.
    Panic(String),
    /// The machine was reset without its kernel having said so: a triple fault.
    TripleFault,
    /// The guest was stopped by QEMU for an internal error.
    Stopped(String),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Exit(code) => write!(f, "QEMU ended with code {code}"),
            Ending::Crash { signal, stderr } => {
                write!(f, "QEMU was ended by signal {signal} {stderr}")
            }
            Ending::Refused { code, stderr } => write!(f, "QEMU ended with code {code}: {stderr}"),
            Ending::Panic(line) => write!(f, "the guest's kernel panicked: {line}"),
            Ending::TripleFault => {
                write!(
                    f,
                    "the machine was reset and its kernel had not said \"reboot:\" (triple fault)"
                )
            }
            Ending::Stopped(reason) => write!(f, "QEMU stopped the guest: {reason}"),
        }
    }
}
