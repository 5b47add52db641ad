//! `qemu-cluster` as a person uses it, with machines that are a boot sector: who holds a cluster, what it answers, and
//! that nothing is left of it however it ends. (H17, H18, H19)
#![expect(clippy::tests_outside_test_module, reason = "this whole file is tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use qemu_harness::pause::pause;
use qemu_harness::start_time;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A cluster that is coming up, and would for ever: its machines only halt.
struct Rising {
    up: Child,
    folder: PathBuf,
}

fn command(words: &[&str], folder: &Path) -> Command {
    // A test that runs in the background of a shell would ignore Ctrl-C, and all its children too.
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT")
        .arg(env!("CARGO_BIN_EXE_qemu-cluster"))
        .args(words)
        .arg("--folder")
        .arg(folder)
        .env_remove("GARBOARD_ETCD2")
        .stdin(Stdio::null());
    command
}

fn said(words: &[&str], folder: &Path) -> Output {
    command(words, folder).output().expect("started")
}

fn rise(parent: &Path, name: &str, nodes: &str) -> Rising {
    let image = parent.join("halt.raw");
    if !image.exists() {
        // `cli; hlt`, for ever.
        let mut sector = vec![0xfa, 0xf4, 0xeb, 0xfd];
        sector.resize(510, 0);
        sector.extend([0x55, 0xaa]);
        sector.resize(1 << 20, 0);
        fs::write(&image, sector).expect("written");
    }
    let folder = parent.join(name);
    let image = image.display().to_string();
    let words = [
        "up", "--accel", "tcg", "--memory", "64", "--nodes", nodes, "--image", &image,
    ];
    let up = command(&words, &folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    Rising { up, folder }
}

impl Rising {
    fn status(&mut self) -> Value {
        let begun = Instant::now();
        loop {
            let output = said(&["status", "--json"], &self.folder);
            if output.status.success() {
                return serde_json::from_slice(&output.stdout).expect("JSON");
            }
            assert!(self.up.try_wait().expect("asked").is_none(), "up goes on");
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "a supervisor in time"
            );
            pause(Duration::from_millis(50));
        }
    }
}

fn pids(status: &Value) -> Vec<u32> {
    let nodes = status["nodes"].as_array().expect("nodes").iter();
    nodes
        .map(|node| u32::try_from(node["pid"].as_u64().expect("a number")).expect("small"))
        .collect()
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("small")).expect("a process");
    kill_process(pid, signal).expect("sent");
}

fn nothing_is_left(folder: &Path, machines: &[u32]) {
    let begun = Instant::now();
    while folder.exists() || machines.iter().any(|pid| start_time(*pid).is_some()) {
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{} is left",
            folder.display()
        );
        pause(Duration::from_millis(20));
    }
}

#[test]
fn a_cluster_answers_its_commands_and_says_who_holds_it() {
    let parent = tempfile::tempdir().expect("a folder");
    let mut rising = rise(parent.path(), "one", "3");
    let status = rising.status();
    let machines = pids(&status);
    assert_eq!(machines.len(), 3);
    assert_eq!(status["nodes"][1]["address"], "192.168.50.15");
    let holder = status["pid"].as_u64().expect("a number");
    let record: Value =
        serde_json::from_slice(&fs::read(rising.folder.join("state.json")).expect("there"))
            .expect("JSON");
    assert_eq!(record["pid"].as_u64(), Some(holder));
    assert_eq!(
        record["nodes"][0]["started"].as_u64(),
        start_time(machines[0])
    );

    let image = parent.path().join("halt.raw");
    let image = image.display().to_string();
    let second = said(&["up", "--accel", "tcg", "--image", &image], &rising.folder);
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && text.contains(&format!("in use by process {holder}")),
        "{text}"
    );

    for (words, wanted) in [
        (&["cut", "node1"][..], "node1 to node3: cut"),
        (
            &["cut", "node1", "2", "--delay", "50"],
            "node2 to node1: 50 to 50 ms later",
        ),
        (&["kill", "node2"], "QEMU was ended by signal 9"),
    ] {
        let output = said(words, &rising.folder);
        assert!(
            output.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let status =
            String::from_utf8_lossy(&said(&["status"], &rising.folder).stdout).into_owned();
        assert!(status.contains(wanted), "{wanted:?} in {status}");
    }
    assert!(said(&["heal"], &rising.folder).status.success());
    assert!(!String::from_utf8_lossy(&said(&["status"], &rising.folder).stdout).contains("cut"));
    let wrong = said(&["kill", "node9"], &rising.folder);
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        text.contains("there is no node \"node9\", only node1, node2, node3"),
        "{text}"
    );

    assert!(said(&["down"], &rising.folder).status.success());
    nothing_is_left(&rising.folder, &machines);
    rising.up.wait().expect("it has ended");
    let text = String::from_utf8_lossy(&said(&["status"], &rising.folder).stderr).into_owned();
    assert!(text.contains("no cluster is up in"), "{text}");
}

#[test]
fn nothing_is_left_when_supervisor_or_up_are_killed_or_interrupted() {
    let parent = tempfile::tempdir().expect("a folder");
    for (name, number) in [("killed", Signal::KILL), ("interrupted", Signal::INT)] {
        let mut rising = rise(parent.path(), name, "2");
        let machines = pids(&rising.status());
        signal(rising.up.id(), number);
        rising.up.wait().expect("it has ended");
        nothing_is_left(&rising.folder, &machines);
    }
    let mut rising = rise(parent.path(), "supervisor", "2");
    let status = rising.status();
    signal(
        u32::try_from(status["pid"].as_u64().expect("a number")).expect("small"),
        Signal::KILL,
    );
    nothing_is_left(&rising.folder, &pids(&status));
    assert!(!rising.up.wait().expect("it has ended").success());
}

#[test]
fn four_clusters_start_at_once_side_by_side_even_in_a_folder_with_a_very_long_path() {
    let parent = tempfile::tempdir().expect("a folder");
    let long = "x".repeat(200);
    let mut all: Vec<Rising> = ["a", "b", "c", &long]
        .iter()
        .map(|name| rise(parent.path(), name, "1"))
        .collect();
    let machines: Vec<Vec<u32>> = all.iter_mut().map(|one| pids(&one.status())).collect();
    let last = all.pop().expect("four");
    assert!(said(&["down"], &last.folder).status.success());
    nothing_is_left(&last.folder, &machines[3]);
    for (rising, machines) in all.iter_mut().zip(&machines) {
        assert_eq!(
            &pids(&rising.status()),
            machines,
            "the others are untouched"
        );
        assert!(said(&["down"], &rising.folder).status.success());
        nothing_is_left(&rising.folder, machines);
    }
    let mut ups: Vec<Child> = all.into_iter().chain([last]).map(|one| one.up).collect();
    for up in &mut ups {
        up.wait().expect("it has ended");
    }
}
