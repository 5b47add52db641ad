//! The ways between machines: cuts, delay, loss and rate, as frames meet them. (H08, H09, H10, H11)

use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use qemu_harness::Metadata;
use qemu_harness::network::{Port, PortConfig, Rule};

use crate::Net;

/// A machine that sends frames by hand.
struct Station {
    port: Port,
    stream: UnixStream,
    mac: [u8; 6],
}

impl Station {
    fn new(net: &Net, number: u8) -> Station {
        Station::with(net, number, |_| {})
    }

    fn with(net: &Net, number: u8, change: impl FnOnce(&mut PortConfig)) -> Station {
        let name = format!("node{number}");
        let address = Ipv4Addr::new(192, 168, 50, 13 + number);
        let mut config = PortConfig::new(&name, address, Arc::new(Metadata::empty()));
        change(&mut config);
        let port = net
            .network
            .attach(&net.cable(&name), config)
            .expect("a port");
        let stream = UnixStream::connect(net.cable(&name)).expect("the switch listens");
        let mac = [2, 0, 0, 0, 0, number];
        let mut station = Station { port, stream, mac };
        // The switch learns where it is, and that its cable is in.
        station.send([0xff; 6], b"hello");
        station
    }

    fn send(&mut self, to: [u8; 6], payload: &[u8]) {
        let mut frame = to.to_vec();
        frame.extend(self.mac);
        frame.extend([0x88, 0xb5]);
        frame.extend(payload);
        let length = u32::try_from(frame.len()).expect("short");
        let bytes = [&length.to_be_bytes()[..], &frame].concat();
        self.stream.write_all(&bytes).expect("written");
    }

    /// The payload of the next frame, if one comes in time.
    fn next(&mut self, patience: Duration) -> Option<Vec<u8>> {
        self.stream.set_read_timeout(Some(patience)).expect("set");
        let mut head = [0; 4];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return None;
            }
            Err(error) => panic!("{error}"),
        }
        let mut frame = vec![0; usize::try_from(u32::from_be_bytes(head)).expect("short")];
        self.stream.read_exact(&mut frame).expect("a whole frame");
        Some(frame.split_off(14))
    }

    fn drain(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.next(Duration::from_millis(300))).collect()
    }
}

const SOON: Duration = Duration::from_secs(5);

fn two(net: &Net) -> (Station, Station) {
    let (mut one, mut other) = (Station::new(net, 1), Station::new(net, 2));
    one.drain();
    other.drain();
    (one, other)
}

fn cut() -> Rule {
    Rule {
        cut: true,
        ..Rule::default()
    }
}

#[test]
fn a_one_way_cut_is_seen_in_the_counters_of_both_directions_and_heals() {
    let net = Net::new();
    let (mut one, mut other) = two(&net);
    let before = net.network.traffic(&other.port, &one.port).passed;
    net.network
        .rules([(&one.port, &other.port, cut())])
        .expect("set");
    for _ in 0..5 {
        one.send(other.mac, b"lost");
        other.send(one.mac, b"comes");
        assert_eq!(one.next(SOON).as_deref(), Some(&b"comes"[..]));
    }
    assert_eq!(other.drain(), Vec::<Vec<u8>>::new());
    assert_eq!(net.network.traffic(&one.port, &other.port).cut, 5);
    assert_eq!(
        net.network.traffic(&other.port, &one.port).passed,
        before + 5
    );
    net.network.heal().expect("healed");
    one.send(other.mac, b"back");
    assert_eq!(other.next(SOON).as_deref(), Some(&b"back"[..]));
}

#[test]
fn a_broadcast_meets_the_rule_of_each_receiver() {
    let net = Net::new();
    let (mut one, mut other) = two(&net);
    let mut third = Station::new(&net, 3);
    for station in [&mut one, &mut other, &mut third] {
        station.drain();
    }
    net.network
        .rules([(&one.port, &other.port, cut())])
        .expect("set");
    one.send([0xff; 6], b"to all");
    assert_eq!(third.next(SOON).as_deref(), Some(&b"to all"[..]));
    assert_eq!(other.drain(), Vec::<Vec<u8>>::new());
}

#[test]
fn the_same_seed_loses_the_same_frames() {
    let lost = || {
        let net = Net::new();
        let (mut one, mut other) = two(&net);
        let rule = Rule {
            loss: 0.3,
            seed: 42,
            ..Rule::default()
        };
        net.network
            .rules([(&one.port, &other.port, rule)])
            .expect("set");
        for number in 0..100_u8 {
            one.send(other.mac, &[number]);
        }
        other.drain()
    };
    let first = lost();
    assert!((50..90).contains(&first.len()), "{}", first.len());
    assert_eq!(first, lost());
}

#[test]
fn delay_and_rate_are_kept_within_their_bounds() {
    let net = Net::new();
    let (mut one, mut other) = two(&net);
    let rule = Rule {
        delay: Duration::from_millis(200),
        ..Rule::default()
    };
    net.network
        .rules([(&one.port, &other.port, rule)])
        .expect("set");
    let begun = Instant::now();
    one.send(other.mac, b"late");
    other.next(SOON).expect("it comes");
    let took = begun.elapsed();
    // The upper bound leaves room for a busy host.
    assert!(
        took >= Duration::from_millis(200) && took < Duration::from_millis(400),
        "{took:?}"
    );

    let rule = Rule {
        rate: Some(100_000),
        ..Rule::default()
    };
    net.network
        .rules([(&one.port, &other.port, rule)])
        .expect("set");
    let begun = Instant::now();
    for _ in 0..40 {
        one.send(other.mac, &[0; 986]);
    }
    for _ in 0..40 {
        other.next(SOON).expect("it comes");
    }
    let took = begun.elapsed().as_secs_f64();
    assert!(
        (0.39..0.6).contains(&took),
        "40 kB at 100 kB/s took {took} s"
    );
}

#[test]
fn long_frames_pass_and_other_segments_and_isolated_ports_see_nothing() {
    let net = Net::new();
    let (mut one, mut other) = two(&net);
    let mut apart = Station::with(&net, 3, |config| config.segment = 1);
    let mut alone = Station::with(&net, 4, |config| config.isolated = true);
    one.send(other.mac, &[7; 9000]);
    assert_eq!(other.next(SOON).map(|payload| payload.len()), Some(9000));
    one.send([0xff; 6], b"to all");
    assert_eq!(other.next(SOON).as_deref(), Some(&b"to all"[..]));
    assert_eq!(apart.drain(), Vec::<Vec<u8>>::new());
    assert_eq!(alone.drain(), Vec::<Vec<u8>>::new());
}

#[test]
fn a_machine_that_does_not_read_costs_the_switch_no_more_than_its_bound() {
    let net = Net::new();
    let (mut one, stopped) = two(&net);
    for _ in 0..4000 {
        one.send(stopped.mac, &[0; 1486]);
    }
    let begun = Instant::now();
    while stopped.port.frames().2 == 0 && begun.elapsed() < SOON {
        qemu_harness::pause::pause(Duration::from_millis(10));
    }
    let (_, to, dropped) = stopped.port.frames();
    assert!(dropped > 0, "{to} frames were queued");
}

#[test]
fn the_last_frames_can_be_read_as_a_pcap_file() {
    let net = Net::new();
    let (mut one, mut other) = two(&net);
    one.send(other.mac, b"find me");
    other.next(SOON).expect("it comes");
    let file = net.network.trace().expect("a trace");
    assert_eq!(&file[..4], &[0xd4, 0xc3, 0xb2, 0xa1]);
    assert!(file.windows(7).any(|part| part == b"find me"));
}
