//! Sockets that the manager opened for us (`sd_listen_fds(3)`).

use std::os::fd::OwnedFd;

/// One passed descriptor with its `FileDescriptorName=`.
#[derive(Debug)]
pub struct Listening {
    /// The descriptor, close-on-exec.
    pub fd: OwnedFd,
    /// Its name, `unknown` when none was given.
    pub name: String,
}

/// Takes the passed descriptors, once; empty when the manager passed none to this process.
#[must_use]
pub fn listen_fds() -> Vec<Listening> {
    let variable = |name| std::env::var(name).ok();
    let addressed =
        variable("LISTEN_PID").and_then(|p| p.parse::<u32>().ok()) == Some(std::process::id());
    let count = variable("LISTEN_FDS")
        .and_then(|n| n.parse::<i32>().ok())
        .unwrap_or(0);
    if !addressed || !(1..=1024).contains(&count) {
        return Vec::new();
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (3..3 + count)
        .filter_map(|number| {
            let name = names
                .next()
                .filter(|n| !n.is_empty())
                .unwrap_or("unknown")
                .to_owned();
            init_sys::exec::inherited(number).map(|fd| Listening { fd, name })
        })
        .collect()
}
