//! Figures of etcd2 beside Debian's etcd on this host, in one run: rates, CPU and fsyncs per
//! operation. Printed, never asserted; rates are good to a factor of two, the other columns to 15 %.
#![expect(clippy::print_stdout, reason = "a program whose output is the figures")]

use std::path::Path;
use std::time::{Duration, Instant};

use system_tests::etcd::{Http, Program, Server, pause};
use tempfile::TempDir;

const TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 2;
const KEYS: usize = 1000;

#[derive(Clone, Copy, PartialEq)]
enum What {
    Put,
    Get,
    QuorumGet,
}

/// One cell: per second, CPU microseconds and fsyncs per operation.
#[derive(Clone, Copy, Default)]
struct Cell {
    rate: f64,
    cpu: f64,
    syncs: f64,
}

fn main() {
    let programs: Vec<Program> = [Program::Ours, Program::Reference]
        .into_iter()
        .filter(|program| program.server().is_some())
        .collect();
    if programs.len() < 2 {
        println!("etcd: ours or Debian's is missing (build etcd2 in release, install etcd-server)");
        return;
    }
    let folder = TempDir::new_in(".")
        .or_else(|_| TempDir::new())
        .expect("a folder for the data");
    println!(
        "one node, 64-byte values         etcd2: /s  CPU us  fsync    etcd: /s  CPU us  fsync   CPU ratio"
    );
    for (label, what, clients) in [
        ("PUT, 1 client", What::Put, 1),
        ("PUT, 64 clients", What::Put, 64),
        ("GET, 1 client", What::Get, 1),
        ("GET, 64 clients", What::Get, 64),
        ("GET quorum=true, 1 client", What::QuorumGet, 1),
    ] {
        let cells = programs
            .iter()
            .map(|program| best(*program, folder.path(), what, clients));
        let [ours, theirs] = cells.collect::<Vec<Cell>>()[..] else {
            return;
        };
        println!(
            "  {label:28} {:10.0} {:7.0} {:6.3}  {:10.0} {:7.0} {:6.3}   {:5.2}",
            ours.rate,
            ours.cpu,
            ours.syncs,
            theirs.rate,
            theirs.cpu,
            theirs.syncs,
            ours.cpu / theirs.cpu
        );
    }
    let memory = |program| memory(program, folder.path());
    let (ours, theirs) = (memory(Program::Ours), memory(Program::Reference));
    println!(
        "  resident, fresh / 20,000 keys, MiB: {:.1} / {:.1}   {:.1} / {:.1}",
        ours.0, ours.1, theirs.0, theirs.1
    );
}

/// The middle of the rounds by CPU, servers started anew for each.
fn best(program: Program, folder: &Path, what: What, clients: usize) -> Cell {
    let mut cells: Vec<Cell> = (0..ROUNDS)
        .map(|_| run(program, folder, what, clients))
        .collect();
    cells.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    cells[cells.len() / 2]
}

fn server(program: Program, folder: &Path) -> (Server, TempDir) {
    let data = TempDir::new_in(folder).expect("a folder for the data");
    let mut server = Server::new(program, data.path(), "one");
    server.start_and_wait();
    (server, data)
}

fn run(program: Program, folder: &Path, what: What, clients: usize) -> Cell {
    let (server, _data) = server(program, folder);
    let value = "x".repeat(64);
    let mut http = Http::connect(server.port).expect("the server listens");
    for key in 0..KEYS {
        http.request(
            "PUT",
            &format!("/v2/keys/k{key}"),
            &format!("value={value}"),
        )
        .expect("an answer");
    }
    let before = (cpu(&server), syncs(program, &server), Instant::now());
    let threads: Vec<_> = (0..clients)
        .map(|client| {
            let (port, value) = (server.port, value.clone());
            std::thread::spawn(move || work(port, what, client, &value))
        })
        .collect();
    let done: u32 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_default())
        .sum();
    let (count, time) = (f64::from(done.max(1)), before.2.elapsed());
    Cell {
        rate: count / time.as_secs_f64(),
        cpu: (cpu(&server) - before.0) * 1e6 / count,
        syncs: (syncs(program, &server) - before.1) / count,
    }
}

fn work(port: u16, what: What, client: usize, value: &str) -> u32 {
    let mut http = Http::connect(port).expect("the server listens");
    let begin = Instant::now();
    let mut done = 0;
    let mut key = client * 7919;
    while begin.elapsed() < TIME {
        key = (key + 1) % KEYS;
        let answer = match what {
            What::Put => http.request(
                "PUT",
                &format!("/v2/keys/k{key}"),
                &format!("value={value}"),
            ),
            What::Get => http.request("GET", &format!("/v2/keys/k{key}"), ""),
            What::QuorumGet => http.request("GET", &format!("/v2/keys/k{key}?quorum=true"), ""),
        };
        let answer = answer.expect("an answer");
        assert!(answer.status < 300, "{answer:?}");
        done += 1;
    }
    done
}

/// CPU seconds of a server so far.
fn cpu(server: &Server) -> f64 {
    let pid = server.pid().unwrap_or_default();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or_default()
    };
    // utime and stime, in hundredths of a second on every Linux there is.
    (ticks(11) + ticks(12)) / 100.0
}

fn syncs(program: Program, server: &Server) -> f64 {
    let name = match program {
        Program::Ours => "etcd_wal_fsync_total ",
        Program::Reference => "etcd_disk_wal_fsync_duration_seconds_count ",
    };
    let body = server
        .get("/metrics")
        .map(|answer| answer.body)
        .unwrap_or_default();
    body.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or_default()
}

/// Resident MiB of a fresh server, and with 20,000 keys of 128 bytes.
fn memory(program: Program, folder: &Path) -> (f64, f64) {
    let (server, _data) = server(program, folder);
    pause(Duration::from_secs(1));
    let fresh = resident(&server);
    let value = "x".repeat(128);
    let threads: Vec<_> = (0..20)
        .map(|client| {
            let (port, value) = (server.port, value.clone());
            std::thread::spawn(move || {
                let mut http = Http::connect(port).expect("the server listens");
                for key in 0..1000 {
                    let path = format!("/v2/keys/many/{client}-{key}");
                    http.request("PUT", &path, &format!("value={value}"))
                        .expect("an answer");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    (fresh, resident(&server))
}

fn resident(server: &Server) -> f64 {
    let pid = server.pid().unwrap_or_default();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}
