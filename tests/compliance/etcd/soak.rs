//! What only comes after tens of thousands of writes: purged segments, snapshots, a full disk.
//!
//! Too long for CI: `make full`. Whatever was answered has to be there at the end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use system_tests::etcd::{Http, Program, Server, eventually, pause};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS: usize = 8;

/// The last answered number of each key.
type Answered = BTreeMap<String, u64>;

/// Clients that write rising numbers, each to its own keys, until they are stopped.
struct Load {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    writers: Vec<JoinHandle<Answered>>,
}

impl Load {
    fn start(ports: &[u16], round: usize) -> Load {
        let (stop, count) = (Arc::default(), Arc::default());
        let writer = |number: usize| {
            let (ports, stop, count) = (ports.to_vec(), Arc::clone(&stop), Arc::clone(&count));
            std::thread::spawn(move || write(&ports, &stop, &count, round, number))
        };
        let writers = (0..WRITERS).map(writer).collect();
        Load {
            stop,
            count,
            writers,
        }
    }

    /// Waits for so many answers.
    fn reach(&self, count: u64) {
        let there = || self.count.load(Ordering::Relaxed) >= count;
        assert!(eventually(2 * PATIENCE, there), "{:?}", self.count);
    }

    fn end(self, all: &mut Answered) {
        self.stop.store(true, Ordering::Relaxed);
        for writer in self.writers {
            all.extend(writer.join().unwrap());
        }
    }
}

fn write(
    ports: &[u16],
    stop: &AtomicBool,
    count: &AtomicU64,
    round: usize,
    writer: usize,
) -> Answered {
    let mut answered = Answered::new();
    let mut http = None;
    let mut turn = writer;
    for number in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("/r{round}/w{writer}/{}", number % 7);
        let filling = match number % 10 {
            0 => 60_000,
            1..=3 => 4000,
            _ => 3,
        };
        let body = match number % 16 {
            5 => "value=short&ttl=1".to_owned(),
            _ => format!("value={number}.{}", "x".repeat(filling)),
        };
        let path = match number % 16 {
            5 => format!("/v2/keys/short/{writer}-{number}"),
            _ => format!("/v2/keys{key}"),
        };
        let asked = http
            .take()
            .map_or_else(|| Http::connect(ports[turn % ports.len()]), Ok)
            .and_then(|mut open| {
                let answer = open.request("PUT", &path, &body)?;
                http = Some(open);
                Ok(answer)
            });
        match asked {
            Ok(answer) if answer.status < 300 => {
                count.fetch_add(1, Ordering::Relaxed);
                if number % 16 != 5 {
                    answered.insert(key, number);
                }
            }
            _ => {
                (http, turn) = (None, turn + 1);
                pause(Duration::from_millis(20));
            }
        }
    }
    answered
}

fn check(server: &Server, all: &Answered) {
    assert!(!all.is_empty(), "nothing was answered");
    let mut http = Http::connect(server.port).unwrap();
    for (key, number) in all {
        let path = format!("/v2/keys{key}?quorum=true");
        let body = http.request("GET", &path, "").unwrap().body;
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let there = json["node"]["value"]
            .as_str()
            .and_then(|value| value.split('.').next()?.parse::<u64>().ok());
        assert!(
            there.is_some_and(|there| there >= *number),
            "{key}: answered {number}, there is {there:?}"
        );
    }
    let expired = || {
        let listed = server.get("/v2/keys/short").unwrap().body;
        !listed.contains("\"nodes\"")
    };
    assert!(
        eventually(PATIENCE, expired),
        "keys did not expire: {} {}",
        server.get("/v2/keys/short").unwrap().body,
        server.log()
    );
}

/// Number of the oldest segment of the log.
fn oldest_segment(folder: &Path) -> u64 {
    let names = std::fs::read_dir(folder).unwrap().filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        let number = name.strip_suffix(".log")?.split('-').next()?.to_owned();
        u64::from_str_radix(&number, 16).ok()
    });
    names.min().unwrap()
}

#[test]
#[ignore = "takes a minute"]
fn restarts_after_many_purges_lose_nothing() {
    let folder = TempDir::new().unwrap();
    let mut server =
        Server::new(Program::Ours, folder.path(), "one").with(&["--snapshot-count=100"]);
    let wal = folder.path().join("one/data/member/wal");
    let (begin, mut all, mut round) = (Instant::now(), Answered::new(), 0);
    while oldest_segment_or_zero(&wal) < 8 || round < 6 {
        assert!(begin.elapsed() < 2 * PATIENCE, "no segment was removed");
        server.start_and_wait();
        let load = Load::start(&[server.port], round);
        load.reach(2500);
        if round % 2 == 0 {
            server.kill();
        } else {
            assert_eq!(server.stop(), Some(0), "{}", server.log());
        }
        load.end(&mut all);
        round += 1;
    }
    server.start_and_wait();
    check(&server, &all);
}

fn oldest_segment_or_zero(folder: &Path) -> u64 {
    if folder.exists() {
        oldest_segment(folder)
    } else {
        0
    }
}

#[test]
#[ignore = "takes a minute"]
fn a_member_that_was_away_for_long_takes_a_snapshot_and_then_carries_the_cluster() {
    let folder = TempDir::new().unwrap();
    let mut servers: Vec<Server> = ["a", "b", "c"]
        .iter()
        .map(|name| Server::new(Program::Ours, folder.path(), name))
        .collect();
    let known: Vec<String> = servers
        .iter()
        .map(|server| format!("{}={}", server.name, server.peer_url()))
        .collect();
    let known = format!("--initial-cluster={}", known.join(","));
    servers = servers
        .into_iter()
        .map(|server| server.with(&[&known, "--snapshot-count=100"]))
        .collect();
    servers.iter_mut().for_each(Server::start);
    servers.iter().for_each(Server::wait_healthy);
    let mut all = Answered::new();
    servers[2].kill();
    let load = Load::start(&[servers[0].port, servers[1].port], 0);
    load.reach(9000);
    load.end(&mut all);
    servers[2].start_and_wait();
    let took = || servers[2].log().contains("took over a snapshot");
    assert!(eventually(PATIENCE, took), "{}", servers[2].log());
    // It is killed at once, and then one of the others is away.
    servers[2].kill();
    servers[2].start_and_wait();
    servers[0].kill();
    let load = Load::start(&[servers[1].port, servers[2].port], 1);
    load.reach(3000);
    load.end(&mut all);
    servers.iter_mut().for_each(Server::kill);
    servers.iter_mut().for_each(Server::start);
    for server in &servers {
        server.wait_healthy();
        check(server, &all);
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

/// A small disk in a namespace of its own, which lasts as long as this.
struct Disk(Child);

impl Disk {
    fn new(path: &Path, size: &str) -> Option<Disk> {
        std::fs::create_dir_all(path).unwrap();
        let mount = format!("mount -t tmpfs -o size={size} tmpfs '{}'", path.display());
        let mut child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg(format!("{mount} && echo there && exec sleep infinity"))
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take()?);
        output.read_line(&mut line).ok()?;
        let disk = Disk(child);
        (line == "there\n").then_some(disk)
    }

    /// A command that sees the disk.
    fn inside(&self, words: &[String]) -> Vec<String> {
        let pid = self.0.id().to_string();
        [
            "nsenter",
            "--user",
            "--mount",
            "--preserve-credentials",
            "-t",
            &pid,
            "--",
        ]
        .iter()
        .map(|word| (*word).to_owned())
        .chain(words.iter().cloned())
        .collect()
    }

    fn resize(&self, path: &Path, size: &str) {
        let option = format!("remount,size={size}");
        let words = ["mount", "-o", &option, &path.display().to_string()].map(str::to_owned);
        let words = self.inside(&words);
        let status = Command::new(&words[0]).args(&words[1..]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "takes a minute"]
fn a_disk_that_was_full_and_has_room_again_has_all_that_was_answered() {
    let folder = TempDir::new().unwrap();
    let mut server =
        Server::new(Program::Ours, folder.path(), "one").with(&["--snapshot-count=100"]);
    let data = folder.path().join("one/data");
    let Some(disk) = Disk::new(&data, "1m") else {
        eprintln!("skipped: no user namespaces here");
        return;
    };
    let words = disk.inside(&server.command());
    // Too small even for the first record.
    server.spawn(&words);
    assert_eq!(server.wait_end(PATIENCE), Some(1), "{}", server.log());
    disk.resize(&data, "24m");
    let mut all = Answered::new();
    for round in 0..4 {
        server.spawn(&words);
        server.wait_healthy();
        let load = Load::start(&[server.port], round);
        let refused = || {
            server
                .put("/probe", "1")
                .map_or(true, |answer| answer.status == 500)
        };
        assert!(eventually(2 * PATIENCE, refused), "{}", server.log());
        pause(Duration::from_secs(2));
        load.end(&mut all);
        disk.resize(&data, &format!("{}m", 48 + 24 * round));
        if server.get("/health").is_ok() {
            let again = || {
                let answer = server.put("/probe", "2");
                answer.is_ok_and(|answer| answer.status < 300)
            };
            assert!(eventually(PATIENCE, again), "{}", server.log());
            check(&server, &all);
        }
        server.kill();
    }
    server.spawn(&words);
    server.wait_healthy();
    check(&server, &all);
}
