//! TCP from container to container: ours, by hand, and from machine to machine without an overlay.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use system_tests::flannel::Lab;
use system_tests::netns::Namespace;

use crate::{by_hand, lab, median};

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_millis(1500);

/// The original's share of what goes from machine to machine: vxlan of 0.28, udp of 0.17.
const THEIR_VXLAN: f64 = 0.81;
const THEIR_UDP: f64 = 0.024;

/// Gbit/s of one connection.
fn tcp(from: &Namespace, to: &Namespace, address: Ipv4Addr) -> f64 {
    let address = SocketAddrV4::new(address, 5201);
    let Ok(listener) = to.enter(|| TcpListener::bind(address)) else {
        return f64::NAN;
    };
    let Ok(mut out) = from.enter(|| TcpStream::connect(address)) else {
        return f64::NAN;
    };
    // Sockets belong to the namespace that they were made in.
    std::thread::scope(|scope| {
        let sink = scope.spawn(|| {
            let Ok((mut stream, _)) = listener.accept() else {
                return f64::NAN;
            };
            let mut buffer = vec![0; 256 << 10];
            let (start, mut bits) = (Instant::now(), 0.0);
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                bits += 8.0 * f64::from(u32::try_from(count).unwrap_or(0));
            }
            bits / start.elapsed().as_secs_f64() / 1e9
        });
        let buffer = vec![7; 256 << 10];
        let end = Instant::now() + TIME;
        while Instant::now() < end && out.write_all(&buffer).is_ok() {}
        drop(out);
        sink.join().unwrap_or(f64::NAN)
    })
}

/// Milliseconds there and back, on average.
fn ping(from: &Namespace, to: Ipv4Addr) -> f64 {
    let text = from
        .shell(&format!("ping -q -i 0.01 -c 50 {to}"))
        .unwrap_or_default();
    let average = || text.split("rtt ").nth(1)?.split('/').nth(4)?.parse().ok();
    average().unwrap_or(f64::NAN)
}

fn two(backend: &str) -> Lab {
    let mut lab = lab(backend);
    for name in ["a", "b"] {
        lab.machine(name).start_and_wait();
        lab.machine(name).make_container();
    }
    let to = lab.machines["b"].container().1;
    let reached = || {
        lab.machines["a"]
            .container()
            .0
            .shell(&format!("ping -c 1 -W 1 {to}"))
            .is_ok()
    };
    system_tests::etcd::eventually(Duration::from_secs(10), reached);
    lab
}

fn ends(lab: &Lab) -> (&Namespace, &Namespace, Ipv4Addr) {
    let (a, b) = (lab.machines["a"].container(), lab.machines["b"].container());
    (a.0, b.0, b.1)
}

pub(crate) fn print() {
    println!("\nTCP between containers, one connection; medians of {ROUNDS} rounds in turn");
    let (vxlan, udp, gateway) = (
        two(r#"{"Type":"vxlan"}"#),
        two(r#"{"Type":"udp"}"#),
        two(r#"{"Type":"host-gw"}"#),
    );
    let hand = by_hand::make();
    let [(hand_a, _), (hand_b, hand_address)] = &hand.containers;
    let (host_a, host_b) = (&vxlan.machines["a"], &vxlan.machines["b"]);
    let paths = [
        (
            "machine to machine",
            (&host_a.namespace, &host_b.namespace, host_b.address),
        ),
        ("vxlan by hand", (hand_a, hand_b, *hand_address)),
        ("vxlan by flanneld", ends(&vxlan)),
        ("host-gw", ends(&gateway)),
        ("udp", ends(&udp)),
    ];
    let mut rates = vec![Vec::new(); paths.len()];
    for _ in 0..ROUNDS {
        for (rates, (_, (from, to, address))) in rates.iter_mut().zip(&paths) {
            rates.push(tcp(from, to, *address));
        }
    }
    let rates: Vec<f64> = rates.into_iter().map(median).collect();
    for ((name, (from, _, address)), rate) in paths.iter().zip(&rates) {
        let theirs = match *name {
            "vxlan by flanneld" => format!(
                "   flannel 0.28 {THEIR_VXLAN:.3}; of by hand {:.3}, aim 0.98",
                rate / rates[1]
            ),
            "udp" => format!("   flannel 0.17 {THEIR_UDP:.3}"),
            _ => String::new(),
        };
        println!(
            "  {name:<24} {rate:>7.2} Gbit/s   ping {:>6.3} ms   of machine to machine {:.3}{theirs}",
            ping(from, *address),
            rate / rates[0]
        );
    }
}
