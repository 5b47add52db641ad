//! A guest: PID 1 in namespaces of its own on this host, in seconds and without a machine.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A running guest; it ends with this value.
pub(crate) struct Guest {
    launcher: Child,
    pub(crate) pid: u32,
    cgroup: PathBuf,
    root: PathBuf,
    /// A folder of the host that is /mnt in the guest.
    pub(crate) share: PathBuf,
}

/// What is tested: `ours`, `tools` for systemd's tools on our PID 1, or `reference` for systemd itself.
pub(crate) fn under_test() -> String {
    std::env::var("UNDER_TEST").unwrap_or_else(|_| "ours".to_owned())
}

/// Says why a guest cannot be had, or why the test is about our programs only.
pub(crate) fn skipped(ours_only: bool) -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: namespaces with several users need root");
        return true;
    }
    if ours_only && under_test() == "reference" {
        eprintln!(
            "skipped: this is about our programs, or about what only our PID 1 does in a namespace"
        );
        return true;
    }
    false
}

/// Where cargo put the programs under test.
fn programs() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A cgroup of this guest's own below the one that the tests run in.
fn make_cgroup(name: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mount = mounts
        .lines()
        .find(|line| line.split(' ').nth(2) == Some("cgroup2"))
        .unwrap();
    let tree = PathBuf::from(mount.split(' ').nth(1).unwrap());
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))
        .unwrap_or("")
        .to_owned();
    let path = tree.join(own).join(name);
    fs::create_dir_all(&path).unwrap();
    path
}

impl Guest {
    /// Starts one and waits until it answers.
    pub(crate) fn start(name: &str) -> Guest {
        let id = format!("garboard-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(&id);
        fs::create_dir_all(&root).unwrap();
        let share = std::env::temp_dir().join(format!("{id}-share"));
        fs::create_dir_all(&share).unwrap();
        let cgroup = make_cgroup(&id);
        let what = under_test();
        let usr = std::env::var("GARBOARD_GUEST_USR").unwrap_or_else(|_| "/usr".to_owned());
        let join = format!("echo $$ >{}/cgroup.procs; exec \"$@\"", cgroup.display());
        let launcher = Command::new("sh")
            .args([
                "-c", &join, "sh", "unshare", "--pid", "--fork", "--mount", "--uts", "--ipc",
                "--net", "--cgroup",
            ])
            .args(["--kill-child", "sh"])
            .arg(project().join("tests/compliance/init/guest.sh"))
            .arg(&root)
            .arg(programs())
            .arg(project().join("image/units"))
            .arg(&what)
            .arg(&usr)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut guest = Guest {
            pid: 0,
            launcher,
            cgroup,
            root,
            share,
        };
        guest.wait();
        guest
    }

    fn wait(&mut self) {
        let launcher = self.launcher.id();
        let children = format!("/proc/{launcher}/task/{launcher}/children");
        let end = Instant::now() + Duration::from_secs(60);
        let mut last = String::new();
        while Instant::now() < end {
            let pid = fs::read_to_string(&children)
                .ok()
                .and_then(|text| text.split_whitespace().next()?.parse().ok());
            if let Some(pid) = pid {
                self.pid = pid;
                last = self.run("systemctl is-system-running 2>&1", Duration::from_secs(10));
                if ["running", "degraded", "starting"].contains(&last.trim()) {
                    return;
                }
            }
            pause();
        }
        panic!("the guest does not answer: {last}");
    }

    /// Waits for the guest's end: the exit code of its PID 1.
    pub(crate) fn wait_for_end(&mut self, patience: Duration) -> Option<i32> {
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if let Some(status) = self.launcher.try_wait().unwrap() {
                return status.code();
            }
            pause();
        }
        None
    }

    /// Runs a script as root in the guest; gives standard output and error together.
    pub(crate) fn run(&self, script: &str, patience: Duration) -> String {
        let mut shell = Command::new("nsenter")
            // A `kill 0` in a case must not reach the tests.
            .process_group(0)
            .args([
                "-t",
                &self.pid.to_string(),
                "-m",
                "-u",
                "-i",
                "-n",
                "-p",
                "-C",
                "-r",
                "-w",
                "--",
            ])
            .args([
                "env",
                "-i",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ])
            .args([
                "HOME=/root",
                "LANG=C.UTF-8",
                "TERM=dumb",
                "TZ=UTC",
                "sh",
                "-s",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = shell.stdin.take().unwrap();
        let text = script.to_owned();
        let writer = std::thread::spawn(move || {
            let _ = input.write_all(text.as_bytes());
        });
        let (send, receive) = mpsc::channel();
        let mut output = shell.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = output.read_to_end(&mut bytes);
            let _ = send.send(bytes);
        });
        let got = receive.recv_timeout(patience);
        let _ = shell.kill();
        let _ = shell.wait();
        let _ = writer.join();
        got.map_or_else(
            |_| "(no end within the time given)".to_owned(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }
}

/// Waiting for a process of the host to get ready: there is no event to wait for.
#[expect(
    clippy::disallowed_methods,
    reason = "polls a process that has nothing to wait on yet"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}

fn remove_cgroup(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    let _ = fs::remove_dir(path);
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = fs::write(self.cgroup.join("cgroup.kill"), "1");
        let _ = self.launcher.kill();
        let _ = self.launcher.wait();
        for _ in 0..50 {
            let busy = fs::read_to_string(self.cgroup.join("cgroup.events"))
                .is_ok_and(|t| t.contains("populated 1"));
            if !busy {
                break;
            }
            pause();
        }
        remove_cgroup(&self.cgroup);
        let _ = fs::remove_dir(&self.root);
        let _ = fs::remove_dir_all(&self.share);
    }
}
