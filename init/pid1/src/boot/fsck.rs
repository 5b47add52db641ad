//! A root that came up read-only because it is marked as damaged: check it, then make it writable.

use std::path::Path;

use init_sys::mountinfo;
use init_sys::process::Ended;
use init_sys::spawn::{Spawn, c_string, spawn};
use rustix::mount::{MountFlags, mount_remount};

use crate::say::{self, Level};

/// What the check said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Good,
    /// The machine has to start again before the disk is used.
    Reboot,
    /// A person is needed.
    Emergency,
}

fn verdict(code: i32) -> Verdict {
    match code {
        0 | 1 => Verdict::Good,
        2 | 3 => Verdict::Reboot,
        _ => Verdict::Emergency,
    }
}

/// Checks the root if it is a read-only ext4, and remounts it read-write.
pub(crate) fn mend_root() -> Verdict {
    let Some(root) = mountinfo::mounts()
        .ok()
        .and_then(|all| all.into_iter().rfind(|mount| mount.point == Path::new("/")))
    else {
        return Verdict::Good;
    };
    let read_only = root.options.split(',').any(|word| word == "ro");
    if !read_only || root.fs_type != "ext4" {
        return Verdict::Good;
    }
    say::log(Level::Warning, &format!("checking {}", root.source));
    let verdict = match run("/usr/sbin/e2fsck", &["e2fsck", "-p", &root.source]) {
        Ok(Ended::Exited(code)) => verdict(code),
        Ok(how) => {
            say::log(Level::Error, &format!("e2fsck ended by a signal: {how:?}"));
            Verdict::Emergency
        }
        Err(e) => {
            say::log(Level::Error, &format!("cannot run e2fsck: {e}"));
            Verdict::Emergency
        }
    };
    if verdict == Verdict::Good {
        let remounted = mount_remount("/", MountFlags::empty(), "");
        super::note(
            "cannot make the root writable",
            remounted.map_err(std::io::Error::from),
        );
    }
    verdict
}

fn run(program: &str, words: &[&str]) -> std::io::Result<Ended> {
    let started = spawn(&Spawn {
        program: c_string(program)?,
        argv: words.iter().map(c_string).collect::<Result<_, _>>()?,
        env: vec![c_string("PATH=/usr/sbin:/usr/bin")?],
        fds: Vec::new(),
        cgroup: None,
    })?;
    let ended = init_sys::process::wait_for(started.pid)?;
    Ok(ended.map_or(Ended::Exited(255), |child| child.how))
}

#[cfg(test)]
mod tests {
    use super::{Verdict, verdict};

    #[test]
    fn mended_is_good_and_two_asks_for_a_reboot() {
        assert_eq!(
            [0, 1, 2, 4, 8].map(verdict),
            [
                Verdict::Good,
                Verdict::Good,
                Verdict::Reboot,
                Verdict::Emergency,
                Verdict::Emergency
            ]
        );
    }
}
