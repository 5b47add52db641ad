//! From a change in etcd to the kernel, starts, and memory.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use system_tests::etcd::{Http, Program, eventually};
use system_tests::flannel::{Lab, encode};

use crate::median;

const CHANGES: usize = 200;

/// The original, flannel 0.17.0 with etcd 3.4 in the same kind of namespaces, milliseconds.
const THEIR_PUT: f64 = 4.4;
const THEIR_DELETE: f64 = 4.0;
const THEIR_START: f64 = 200.0;
const THEIR_RESTART: f64 = 340.0;
/// Resident memory of flannel 0.5.5, MiB.
const THEIR_MEMORY: f64 = 9.0;

fn key(number: usize) -> String {
    format!(
        "/v2/keys/coreos.com/network/subnets/10.1.{}.0-24",
        number + 1
    )
}

fn record(number: usize) -> String {
    encode(&format!(
        r#"{{"PublicIP":"198.51.100.{number}","BackendType":"vxlan","BackendData":{{"VtepMAC":"02:00:00:00:00:{number:02x}"}}}}"#
    ))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn row(what: &str, ours: f64, theirs: f64, unit: &str) {
    println!(
        "  {what:<44} {ours:>8.2} {unit}   flannel 0.17 {theirs:>7.1}   ratio {:>5.2}",
        ours / theirs
    );
}

/// Waits until the route of a subnet is there or not; in the namespace of this thread.
fn wait_route(number: usize, there: bool) -> bool {
    let Ok(third) = u8::try_from(number + 1) else {
        return false;
    };
    let base = u32::from(Ipv4Addr::new(10, 1, third, 0)).swap_bytes();
    let wanted = format!("{base:08X}");
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        let table = std::fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default();
        if table.contains(&wanted) == there {
            return true;
        }
    }
    false
}

/// For each change: from the question, and from the answer.
fn changes(lab: &mut Lab, port: u16, put: bool) -> (Vec<f64>, Vec<f64>) {
    let http = lab.talk_to(port);
    let machine = lab.machine("a");
    machine.namespace.enter(|| {
        let mut http: Http = http;
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        for number in 0..CHANGES {
            let start = Instant::now();
            let done = if put {
                http.request("PUT", &key(number), &format!("value={}", record(number)))
            } else {
                http.request("DELETE", &key(number), "")
            };
            let answer = Instant::now();
            if done.is_err() || !wait_route(number, put) {
                eprintln!("change {number} did not reach the kernel");
                break;
            }
            asked.push(milliseconds(start.elapsed()));
            answered.push(milliseconds(answer.elapsed()));
        }
        (asked, answered)
    })
}

pub(crate) fn print() {
    println!("flanneld, vxlan, with our etcd2 on the same host");
    let mut lab = Lab::new(Program::Ours);
    // Our own subnet is not among those that come and go.
    lab.configure(
        r#"{"Network":"10.1.0.0/16","SubnetMin":"10.1.240.0","Backend":{"Type":"vxlan"}}"#,
    );
    let start = Instant::now();
    lab.machine("a").start(&[]);
    eventually(Duration::from_secs(20), || {
        lab.machine("a").env("FLANNEL_MTU").is_some()
    });
    row(
        "start to subnet.env",
        milliseconds(start.elapsed()),
        THEIR_START,
        "ms",
    );
    let port = lab.port();
    for (put, what, theirs) in [
        (true, "lease written", THEIR_PUT),
        (false, "lease deleted", THEIR_DELETE),
    ] {
        let (asked, answered) = changes(&mut lab, port, put);
        let most = asked.iter().copied().fold(0.0, f64::max);
        row(
            &format!("{what}: question to kernel, median"),
            median(asked),
            theirs,
            "ms",
        );
        println!("  {:<44} {most:>8.2} ms", "  the longest");
        println!(
            "  {:<44} {:>8.2} ms   aim 2.00",
            "  etcd's answer to kernel, median",
            median(answered)
        );
    }
    let http = lab.talk_to(port);
    fill(http);
    let machine = lab.machine("a");
    machine.stop(Duration::from_secs(3));
    machine.namespace.run("ip link del flannel.1");
    let start = Instant::now();
    machine.start(&[]);
    let all = || {
        machine
            .namespace
            .shell("ip route | grep -c onlink")
            .is_ok_and(|count| count.trim() == CHANGES.to_string())
    };
    eventually(Duration::from_secs(20), all);
    row(
        "restart with 200 leases to all routes",
        milliseconds(start.elapsed()),
        THEIR_RESTART,
        "ms",
    );
    let kib = machine
        .resident()
        .and_then(|kib| u32::try_from(kib).ok())
        .unwrap_or(0);
    println!(
        "  {:<44} {:>8.2} MiB  flannel 0.5  {THEIR_MEMORY:>7.1}   aim below 10",
        "resident memory with 200 leases",
        f64::from(kib) / 1024.0
    );
}

fn fill(mut http: Http) {
    for number in 0..CHANGES {
        let _ = http.request("PUT", &key(number), &format!("value={}", record(number)));
    }
}
