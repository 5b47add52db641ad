//! systemd-networkd-wait-online: ends when some interface can reach beyond its link.
//!
//! It watches the state files that the daemon writes; it asks the kernel nothing.

use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::files;
use crate::manager::Paths;

/// What to wait for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Names; empty: any interface will do.
    pub interfaces: Vec<String>,
    pub timeout: Option<Duration>,
}

/// Waits; false when the time is over.
///
/// # Errors
/// When the folder of state files cannot be watched.
pub fn wait(paths: &Paths, wanted: &Wanted) -> io::Result<bool> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    for folder in ["", "links"] {
        let folder = paths.state(folder);
        fs::create_dir_all(&folder)?;
        inotify.add_watch(
            &folder,
            AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_CLOSE_WRITE,
        )?;
    }
    let end = wanted.timeout.map(|timeout| Instant::now() + timeout);
    loop {
        if online(paths, wanted) {
            return Ok(true);
        }
        let left = match end {
            Some(end) => match end.checked_duration_since(Instant::now()) {
                Some(left) => PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
                None => return Ok(false),
            },
            None => PollTimeout::NONE,
        };
        let mut watched = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        match poll(&mut watched, left) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
    }
}

fn online(paths: &Paths, wanted: &Wanted) -> bool {
    let routable = |name: &str| {
        fs::read_to_string(paths.state(name))
            .is_ok_and(|text| files::value(&text, "OPER_STATE") == Some("routable"))
    };
    if wanted.interfaces.is_empty() {
        return routable("state");
    }
    wanted.interfaces.iter().all(|name| {
        fs::read_to_string(paths.root.join(format!("sys/class/net/{name}/ifindex")))
            .is_ok_and(|index| routable(&format!("links/{}", index.trim())))
    })
}
