//! How many machines run at once on this host, over all processes of a user: one lock file a place. A lab takes all its
//! places together or none, so that two labs never wait for each other.

use std::fs::{self, File};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::error::HarnessError;
use crate::run_dir::RunDir;

/// Places that are held.
#[derive(Debug)]
pub(crate) struct Places {
    _held: Vec<File>,
}

/// One machine a core, and never fewer than the three of a cluster; `GARBOARD_MACHINES` says otherwise.
fn count() -> usize {
    let asked = std::env::var("GARBOARD_MACHINES")
        .ok()
        .and_then(|text| text.parse().ok());
    asked
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from))
        .clamp(1, 64)
}

impl Places {
    /// Waits until so many places are free.
    pub(crate) fn take(wanted: usize) -> Result<Places, HarnessError> {
        let folder = RunDir::parent().join("places");
        fs::create_dir_all(&folder)
            .map_err(HarnessError::io(format!("make {}", folder.display())))?;
        let open = |name: String| {
            File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(name))
                .map_err(HarnessError::io(format!(
                    "open a lock in {}",
                    folder.display()
                )))
        };
        let count = count().max(wanted);
        loop {
            {
                let turn = open("turn".into())?;
                flock(&turn, FlockOperation::LockExclusive)
                    .map_err(|error| HarnessError::io("lock the places")(error.into()))?;
                let mut held = Vec::new();
                for number in 0..count {
                    let file = open(format!("{number}"))?;
                    if held.len() < wanted
                        && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
                    {
                        held.push(file);
                    }
                }
                if held.len() == wanted {
                    return Ok(Places { _held: held });
                }
            }
            crate::pause::pause(Duration::from_millis(200));
        }
    }
}
