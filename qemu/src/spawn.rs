//! Children that die with us. The kernel kills a child with `PR_SET_PDEATHSIG` when the *thread* that made it ends, so
//! all are made by one thread that lives as long as the process. `setpriv` sets the signal: no unsafe code is needed.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};

type Request = (Command, Sender<io::Result<Child>>);

static SPAWNER: OnceLock<Mutex<Sender<Request>>> = OnceLock::new();

/// A command that is killed when this process ends, however it ends.
pub(crate) fn mortal(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a command from the thread that outlives every caller.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let spawner = SPAWNER.get_or_init(|| {
        let (requests, received) = channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, reply) in received {
                // A caller that no longer waits has gone, and its child dies with the dropped handle's process.
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(requests)
    });
    let (reply, answer) = channel();
    let gone = || io::Error::other("the thread that starts processes has ended");
    spawner
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send((command, reply))
        .map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_survives_the_end_of_the_thread_that_asked_for_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = mortal("sleep");
            command.arg("60");
            spawn(command).expect("started")
        })
        .join()
        .expect("joined");
        crate::pause::pause(std::time::Duration::from_millis(100));
        assert!(child.try_wait().expect("asked").is_none());
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
}
