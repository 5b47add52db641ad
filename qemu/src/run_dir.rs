//! The folder of one run: sockets, consoles and overlays of its machines, held by a lock. When the process that holds
//! it ends in any way, even by SIGKILL, a small shell that only waits for that takes the folder away; a folder that
//! is left all the same is swept by the next run.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::error::HarnessError;
use crate::process;

/// Waits for the end of its standard input, which is the end of the process that holds the folder. A folder that
/// somebody else has locked by then is theirs.
const CARETAKER: &str = r#"trap '' INT TERM HUP QUIT
read -r word
exec 9<"$1/lock" && flock -w 5 9 || exit 0
if [ "$word" = keep ] || [ -e "$1/keep" ]; then
  rm -f "$1"/*.sock "$1"/*/*.sock
else
  rm -rf "$1"
fi"#;

/// A folder whose lock is younger may belong to a run that is just about to lock it.
const FRESH: Duration = Duration::from_secs(10);

/// A locked folder.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    handle: OwnedFd,
    lock: File,
    caretaker: Option<(Child, ChildStdin)>,
}

impl RunDir {
    /// Where run folders are made: `GARBOARD_RUN_DIR`, or a folder of the user's own below the temporary folder.
    #[must_use]
    pub fn parent() -> PathBuf {
        std::env::var_os("GARBOARD_RUN_DIR").map_or_else(
            || {
                std::env::temp_dir()
                    .join(format!("garboard-{}", rustix::process::getuid().as_raw()))
            },
            PathBuf::from,
        )
    }

    /// Makes a new folder for this process.
    ///
    /// # Errors
    /// When the folder cannot be made or locked.
    pub fn create(name: &str) -> Result<RunDir, HarnessError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let parent = RunDir::parent();
        make_private(&parent)?;
        sweep(&parent);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        RunDir::take(&parent.join(format!("{name}-{}-{number}", std::process::id())))
    }

    /// Makes and takes a folder, or says who has it. What a run that is dead left in it is removed first, its machines
    /// included.
    ///
    /// # Errors
    /// [`HarnessError::Held`] when another process holds it.
    pub fn take(path: &Path) -> Result<RunDir, HarnessError> {
        let (path, mut lock) = lock_folder(path)?;
        empty(&path).map_err(HarnessError::io(format!(
            "remove what an earlier run left in {}",
            path.display()
        )))?;
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(HarnessError::io(format!(
                "write the lock of {}",
                path.display()
            )))?;
        let handle = rustix::fs::open(
            &path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| HarnessError::io(format!("open {}", path.display()))(error.into()))?;
        let caretaker = caretaker(&path).map_err(HarnessError::io("start sh"))?;
        Ok(RunDir {
            path,
            handle,
            lock,
            caretaker: Some(caretaker),
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A short path to a file in the folder: socket names are limited to 107 bytes, whatever the folder's own length.
    #[must_use]
    pub fn short(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.handle.as_raw_fd()))
    }

    /// Keeps the folder after the run, for somebody to look at.
    pub fn keep(&self) {
        // Without the mark the folder goes away: a loss of comfort only.
        let _ = File::create(self.path.join("keep"));
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Some((mut child, input)) = self.caretaker.take() {
            // The caretaker wants the lock; a folder that somebody else takes in between is theirs.
            let _ = flock(&self.lock, FlockOperation::Unlock);
            drop(input);
            // It has nothing left to do but to remove the folder; when it is gone already, so is the folder.
            let _ = child.wait();
        }
    }
}

/// Makes and locks a folder. The caretaker of a run that has just ended may be removing it: then it is made again.
fn lock_folder(path: &Path) -> Result<(PathBuf, File), HarnessError> {
    let mut looks = 0;
    loop {
        make_private(path)?;
        let found = path
            .canonicalize()
            .map_err(HarnessError::io(format!("find {}", path.display())))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(found.join("lock"));
        let lock = match lock {
            Err(error) if error.kind() == io::ErrorKind::NotFound && looks < 100 => {
                looks += 1;
                continue;
            }
            other => other.map_err(HarnessError::io(format!(
                "open the lock of {}",
                found.display()
            )))?,
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let own = lock.metadata().map(|facts| facts.ino()).ok();
            if own
                == fs::metadata(found.join("lock"))
                    .map(|facts| facts.ino())
                    .ok()
            {
                return Ok((found, lock));
            }
        } else {
            let holder = fs::read_to_string(found.join("lock")).unwrap_or_default();
            let holder = holder.trim().to_owned();
            let lives = holder
                .parse()
                .is_ok_and(|pid| process::start_time(pid).is_some());
            if lives || looks >= 100 {
                return Err(HarnessError::Held {
                    path: found,
                    holder,
                });
            }
        }
        looks += 1;
        crate::pause::pause(Duration::from_millis(50));
    }
}

/// Removes everything but the lock, after the machines that are recorded in it.
fn empty(folder: &Path) -> io::Result<()> {
    kill_machines(folder);
    for entry in fs::read_dir(folder)?.filter_map(Result::ok) {
        if entry.file_name() == "lock" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn kill_machines(folder: &Path) {
    let machines = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    for record in machines.map(|entry| entry.path().join("qemu.pid")) {
        kill_recorded(&record);
    }
}

fn make_private(path: &Path) -> Result<(), HarnessError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(HarnessError::io(format!("make {}", path.display())))
}

fn caretaker(path: &Path) -> io::Result<(Child, ChildStdin)> {
    let mut child = Command::new("sh")
        .args(["-c", CARETAKER, "caretaker"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0)
        .spawn()?;
    let input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    Ok((child, input))
}

/// Removes what runs left behind whose process is gone: their machines by number and start time, then the folder.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for folder in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let Ok(lock) = File::open(folder.join("lock")) else {
            continue;
        };
        let age = lock
            .metadata()
            .and_then(|facts| facts.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_none_or(|age| age < FRESH) {
            continue;
        }
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
            || folder.join("keep").exists()
        {
            continue;
        }
        kill_machines(&folder);
        // Another run may be sweeping the same folder.
        let _ = fs::remove_dir_all(&folder);
    }
}

/// Kills the process of a record, unless its number belongs to somebody else by now.
fn kill_recorded(record: &Path) {
    let Ok(text) = fs::read_to_string(record) else {
        return;
    };
    let mut words = text.split_whitespace();
    let (Some(pid), Some(started)) = (words.next(), words.next()) else {
        return;
    };
    let (Ok(number), Ok(started)) = (pid.parse::<u32>(), started.parse::<u64>()) else {
        return;
    };
    if process::start_time(number) != Some(started) {
        return;
    }
    if let Some(pid) = i32::try_from(number).ok().and_then(Pid::from_raw) {
        // It may end by itself in this very moment.
        let _ = kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_gone_after_its_run_and_stays_when_asked_to() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("a");
        let dir = RunDir::take(&path).expect("taken");
        File::create(dir.path().join("console.log")).expect("a file");
        drop(dir);
        assert!(!path.exists());
        let dir = RunDir::take(&path).expect("taken");
        dir.keep();
        drop(dir);
        assert!(path.join("keep").exists());
    }

    #[test]
    fn the_second_to_take_a_folder_is_told_who_has_it() {
        let parent = tempfile::tempdir().expect("a folder");
        let _first = RunDir::take(&parent.path().join("a")).expect("taken");
        let error = RunDir::take(&parent.path().join("a")).expect_err("held");
        assert!(
            error
                .to_string()
                .ends_with(&format!("in use by process {}", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn what_a_dead_run_left_in_a_folder_is_gone_when_the_folder_is_taken_again() {
        let parent = tempfile::tempdir().expect("a folder");
        let path = parent.path().join("a");
        fs::create_dir_all(path.join("node1")).expect("a folder");
        fs::write(path.join("state.json"), "old").expect("written");
        let mut left = Command::new("sleep").arg("60").spawn().expect("started");
        let started = process::start_time(left.id()).expect("alive");
        let record = format!("{} {started}\n", left.id());
        fs::write(path.join("node1/qemu.pid"), record).expect("written");
        let dir = RunDir::take(&path).expect("taken");
        left.wait().expect("it was killed");
        let names: Vec<_> = fs::read_dir(dir.path()).expect("read").flatten().collect();
        assert_eq!(names.len(), 1, "only the lock: {names:?}");
    }

    #[test]
    fn a_socket_in_a_folder_with_a_very_long_path_can_be_used() {
        let parent = tempfile::tempdir().expect("a folder");
        let dir = RunDir::take(&parent.path().join("x".repeat(200))).expect("taken");
        std::os::unix::net::UnixListener::bind(dir.short("qmp.sock")).expect("bound");
        assert!(dir.path().join("qmp.sock").exists());
    }

    #[test]
    fn what_a_dead_run_left_is_swept_and_a_reused_number_is_spared() {
        let parent = tempfile::tempdir().expect("a folder");
        let left = parent.path().join("dead");
        fs::create_dir_all(left.join("node1")).expect("a folder");
        let lock = File::create(left.join("lock")).expect("a lock");
        lock.set_modified(std::time::SystemTime::now() - 2 * FRESH)
            .expect("made older");
        drop(lock);
        let mut ours = Command::new("sleep").arg("60").spawn().expect("started");
        let mut other = Command::new("sleep").arg("60").spawn().expect("started");
        let started = process::start_time(ours.id()).expect("alive");
        fs::write(
            left.join("node1/qemu.pid"),
            format!("{} {started}\n", ours.id()),
        )
        .expect("written");
        fs::create_dir_all(left.join("node2")).expect("a folder");
        fs::write(left.join("node2/qemu.pid"), format!("{} 1\n", other.id())).expect("written");
        sweep(parent.path());
        assert!(!left.exists());
        ours.wait().expect("it was killed");
        assert!(
            other.try_wait().expect("asked").is_none(),
            "a process with another start time lives"
        );
        other.kill().expect("killed");
        other.wait().expect("reaped");
    }
}
