//! The harness's network seen by guests that are no virtual machines: a small TCP/IP stack speaking QEMU's framing.
//! Whole services run in seconds here, without an image, a kernel or QEMU.
#![expect(clippy::tests_outside_test_module, reason = "this whole file is tests")]

mod guest;
mod links;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guest::Guest;
use qemu_harness::network::{GATEWAY, METADATA, Network, Port, PortConfig};
use qemu_harness::{Identity, Metadata};

const NODE1: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 14);
const NODE2: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 15);

struct Net {
    folder: tempfile::TempDir,
    network: Network,
}

impl Net {
    fn new() -> Net {
        Net {
            folder: tempfile::tempdir().expect("a folder"),
            network: Network::start().expect("a network"),
        }
    }

    fn cable(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn attach(&self, name: &str, address: Ipv4Addr) -> (Port, Guest) {
        let identity = Identity {
            name: name.to_owned(),
            address,
            ..Identity::example()
        };
        self.attach_config(PortConfig::new(
            name,
            address,
            Arc::new(Metadata::openstack(&identity)),
        ))
    }

    fn attach_config(&self, config: PortConfig) -> (Port, Guest) {
        let cable = self.cable(&config.name);
        let address = config.lease.address;
        let port = self.network.attach(&cable, config).expect("a port");
        (port, Guest::plug_in(&cable, address))
    }
}

#[test]
fn two_hundred_requests_from_each_of_three_guests_eight_at_a_time_are_all_answered() {
    let net = Net::new();
    let guests: Vec<_> = (0..3)
        .map(|n| net.attach(&format!("node{n}"), Ipv4Addr::new(192, 168, 50, 14 + n)))
        .collect();
    let threads: Vec<_> = guests
        .into_iter()
        .map(|(port, mut guest)| {
            std::thread::spawn(move || {
                let mut answers = Vec::new();
                for _ in 0..25 {
                    answers.extend(guest.get_many(
                        METADATA,
                        80,
                        &["/latest/meta-data/local-ipv4"; 8],
                    ));
                }
                (port, answers)
            })
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let (port, answers) = thread.join().expect("a guest");
        let own = format!("192.168.50.{}", 14 + number);
        assert_eq!(answers.len(), 200);
        assert!(
            answers
                .iter()
                .all(|answer| answer.ends_with(own.as_bytes())),
            "node {number}"
        );
        assert_eq!(port.metadata().requests().len(), 200);
    }
}

#[test]
fn an_answer_of_eight_mebibytes_arrives_whole() {
    let net = Net::new();
    let (port, mut guest) = net.attach("node1", NODE1);
    let big: Vec<u8> = (0..8_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect();
    port.metadata().set("/big", big.clone());
    let answer = guest.get(METADATA, 80, "/big");
    assert!(
        answer.ends_with(&big),
        "{} bytes of {}",
        answer.len(),
        big.len()
    );
}

#[test]
fn one_connection_carries_several_requests_and_its_end_is_carried_over() {
    let net = Net::new();
    let (_port, mut guest) = net.attach("node1", NODE1);
    let request = "GET /latest/meta-data/hostname HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3);
    let answer = guest
        .exchange(METADATA, 80, request.as_bytes(), true)
        .expect("an answer");
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert_eq!(text.matches("coreos.novalocal").count(), 3, "{text}");
}

#[test]
fn a_guest_that_takes_another_ones_address_still_gets_its_own_metadata() {
    let net = Net::new();
    let (_first, _other) = net.attach("node1", NODE1);
    let (_second, guest) = net.attach("node2", NODE2);
    let mut thief = guest.with_address(NODE1);
    let answer = thief.get(METADATA, 80, "/latest/meta-data/local-ipv4");
    assert!(
        answer.ends_with(b"192.168.50.15"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn metadata_faults_reach_the_guest_and_the_request_log() {
    let net = Net::new();
    let (port, mut guest) = net.attach("node1", NODE1);
    let metadata = port.metadata();
    let status =
        |answer: &[u8]| String::from_utf8_lossy(&answer[9..12.min(answer.len())]).into_owned();
    assert_eq!(status(&guest.get(METADATA, 80, "/latest/user-data")), "404");
    metadata.faults(|faults| faults.unavailable = 2);
    let seen: Vec<String> = (0..3)
        .map(|_| status(&guest.get(METADATA, 80, "/latest/meta-data/hostname")))
        .collect();
    assert_eq!(seen, ["503", "503", "200"]);
    metadata.faults(|faults| faults.delay = Duration::from_millis(1500));
    let begun = Instant::now();
    assert_eq!(
        status(&guest.get(METADATA, 80, "/latest/meta-data/hostname")),
        "200"
    );
    assert!(begun.elapsed() >= Duration::from_millis(1400));
    metadata.faults(|faults| {
        faults.delay = Duration::ZERO;
        faults.cut_after = Some(4);
    });
    let cut = guest.get(METADATA, 80, "/latest/meta-data/hostname");
    assert!(
        cut.ends_with(b"\r\n\r\ncore"),
        "{}",
        String::from_utf8_lossy(&cut)
    );
    metadata.faults(|faults| faults.refuse = true);
    assert!(
        guest
            .exchange(METADATA, 80, b"GET / HTTP/1.0\r\n\r\n", false)
            .is_none_or(|answer| answer.is_empty())
    );
    let log: Vec<(u16, String)> = metadata
        .requests()
        .into_iter()
        .map(|request| (request.status, request.path))
        .collect();
    assert_eq!(log.len(), 6);
    assert_eq!(log[0], (404, "/latest/user-data".into()));
    assert_eq!(log[1].0, 503);
}

#[test]
fn nothing_outside_can_be_reached() {
    let host = TcpListener::bind("127.0.0.1:0").expect("a service of the host");
    let port = host.local_addr().expect("an address").port();
    let net = Net::new();
    let (_port, mut guest) = net.attach("node1", NODE1);
    for (address, number) in [
        (GATEWAY, port),
        (GATEWAY, 22),
        (METADATA, 81),
        (Ipv4Addr::new(10, 0, 2, 2), port),
        (Ipv4Addr::new(127, 0, 0, 1), port),
        (Ipv4Addr::new(8, 8, 8, 8), 53),
    ] {
        let begun = Instant::now();
        assert!(
            guest.exchange(address, number, b"hello", false).is_none(),
            "{address}:{number}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{address}:{number} is refused at once"
        );
    }
    host.set_nonblocking(true).expect("set");
    assert!(host.accept().is_err(), "nobody came");
}

#[test]
fn dhcp_gives_each_guest_its_address_and_names_are_answered() {
    let net = Net::new();
    let mut config = PortConfig::new("node1", NODE1, Arc::new(Metadata::empty()));
    config.lease.mtu = 1450;
    let (_one, mut guest) = net.attach_config(config);
    let (_two, _second) = net.attach("node2", NODE2);
    let offer = guest.dhcp(1, Ipv4Addr::UNSPECIFIED);
    assert_eq!(offer.address, NODE1);
    assert_eq!(offer.option(53), Some(&[2][..]));
    assert_eq!(offer.option(26), Some(&1450_u16.to_be_bytes()[..]));
    for code in [1, 3, 6, 15, 26, 51, 54, 121] {
        assert!(offer.option(code).is_some(), "option {code}");
    }
    let renewed = guest.dhcp(3, NODE1);
    assert_eq!(renewed.option(53), Some(&[5][..]));
    assert_eq!(guest.resolve("node2"), Some(NODE2));
    let begun = Instant::now();
    assert_eq!(guest.resolve("example.org"), None);
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn thirty_mebibytes_go_each_way_through_the_ssh_port_and_both_ends_are_carried_over() {
    let net = Net::new();
    let (port, guest) = net.attach("node1", NODE1);
    let size = 30 << 20;
    let echo = std::thread::spawn(move || guest.echo(22));
    let mut host = TcpStream::connect(port.ssh()).expect("connected");
    let sent: Vec<u8> = (0..size).map(|n: u32| n.to_le_bytes()[1]).collect();
    let mut writer = host.try_clone().expect("a copy");
    let bytes = sent.clone();
    let write = std::thread::spawn(move || {
        writer.write_all(&bytes).expect("written");
        writer.shutdown(std::net::Shutdown::Write).expect("ended");
    });
    let mut back = Vec::new();
    host.read_to_end(&mut back).expect("read");
    write.join().expect("the writer");
    echo.join().expect("the guest");
    assert!(back == sent, "{} bytes of {size} came back", back.len());
}

#[test]
fn guests_reach_each_other() {
    let net = Net::new();
    let (_one, mut first) = net.attach("node1", NODE1);
    let (_two, second) = net.attach("node2", NODE2);
    let echo = std::thread::spawn(move || second.echo(7));
    let answer = first.exchange(NODE2, 7, b"hello neighbour", true);
    assert_eq!(answer.as_deref(), Some(&b"hello neighbour"[..]));
    echo.join().expect("the guest");
}

#[test]
fn a_gateway_port_leads_to_the_hosts_socket_that_it_was_given() {
    let host = TcpListener::bind("127.0.0.1:0").expect("a service of the host");
    let mut config = PortConfig::new("node1", NODE1, Arc::new(Metadata::empty()));
    config.forwards = vec![(5000, host.local_addr().expect("an address"))];
    let net = Net::new();
    let (_port, mut guest) = net.attach_config(config);
    let server = std::thread::spawn(move || {
        let (mut stream, _) = host.accept().expect("a guest");
        let mut word = [0; 4];
        stream.read_exact(&mut word).expect("read");
        stream.write_all(b"pong").expect("written");
        word
    });
    let answer = guest
        .exchange(GATEWAY, 5000, b"ping", false)
        .expect("an answer");
    assert_eq!(answer, b"pong");
    assert_eq!(&server.join().expect("the server"), b"ping");
}

#[test]
fn a_guest_that_is_started_again_joins_with_a_new_cable() {
    let net = Net::new();
    let (port, guest) = net.attach("node1", NODE1);
    drop(guest);
    let mut again = Guest::plug_in(&net.cable("node1"), NODE1);
    assert!(
        again
            .get(METADATA, 80, "/latest/meta-data/hostname")
            .ends_with(b"coreos.novalocal")
    );
    assert!(port.frames().0 > 0);
    assert!(!net.network.is_dead());
}
