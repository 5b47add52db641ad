//! The built daemon in a network namespace, a veth cable, and a small DHCP server of this test.
//!
//! Needs network namespaces: as root directly, else in a user namespace; where the kernel refuses
//! both, the test says so and passes.

#![expect(
    clippy::tests_outside_test_module,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "an integration test file is a test module, and it says why it is skipped"
)]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use init_sys::packet::PacketSocket;
use nix::sched::{CloneFlags, unshare};
use systemd_networkd::message::{self, Kind, Message, option};

const INSIDE: &str = "GARBOARD_TEST_INSIDE";
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// True when the test body may go on; otherwise the body ran (or was skipped) in a child.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let root = nix::unistd::geteuid().is_root();
    let mut command = Command::new("unshare");
    if !root {
        command.args(["--user", "--map-root-user"]);
    }
    let probe = Command::new("unshare")
        .args(if root {
            &["--net"][..]
        } else {
            &["--user", "--map-root-user", "--net"]
        })
        .arg("true")
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this kernel lets us make no network namespace");
        return false;
    }
    let status = command
        .arg("--net")
        .arg(std::env::current_exe().expect("own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare");
    assert!(status.success(), "the test failed in its namespace");
    false
}

fn ip(words: &str) -> String {
    let output = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .expect("ip");
    assert!(
        output.status.success(),
        "ip {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// As `ip`, for what may not exist yet.
fn shown(words: &str) -> String {
    let output = Command::new("ip")
        .args(words.split_whitespace())
        .output()
        .expect("ip");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !check() {
        assert!(
            Instant::now() < end,
            "never: {what}\n{}{}",
            ip("addr"),
            ip("route")
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "the one waiting loop of this test"
        )]
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the test's server gives and does.
#[derive(Clone)]
struct Policy {
    lease_seconds: u32,
    address: Ipv4Addr,
    refuse_first_request: bool,
}

/// Runs in a namespace of its own with one end of the cable; reports every question's kind.
fn serve(policy: &Policy, cable: &mpsc::Sender<i32>, asked: &mpsc::Sender<(Kind, Message)>) {
    unshare(CloneFlags::CLONE_NEWNET).expect("a namespace for the server");
    cable
        .send(nix::unistd::gettid().as_raw())
        .expect("the test waits");
    eventually("the cable arrives", || {
        Command::new("ip")
            .args(["link", "show", "far"])
            .output()
            .is_ok_and(|o| o.status.success())
    });
    ip(&format!("addr add {SERVER}/24 dev far"));
    ip("link set far up");
    let index: u32 = ip("-o link show far")
        .split(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let socket = PacketSocket::open(index, message::SERVER_PORT).expect("packet socket");
    let mut refuse = policy.refuse_first_request;
    let mut buffer = vec![0; 4096];
    loop {
        let mut fds = [nix::poll::PollFd::new(
            std::os::fd::AsFd::as_fd(&socket),
            nix::poll::PollFlags::POLLIN,
        )];
        nix::poll::poll(&mut fds, 1000_u16).unwrap();
        let Ok(length) = socket.receive(&mut buffer) else {
            continue;
        };
        let Some(question) =
            message::payload(&buffer[..length], message::SERVER_PORT).and_then(Message::decode)
        else {
            continue;
        };
        let kind = question.kind().expect("a kind");
        let answer = match kind {
            Kind::Discover => Kind::Offer,
            _ if std::mem::take(&mut refuse) => Kind::Nak,
            _ => Kind::Ack,
        };
        let mut reply = Message::from_client(answer, question.xid, question.chaddr);
        reply.request = false;
        if answer != Kind::Nak {
            reply.yiaddr = policy.address;
        }
        let router = Ipv4Addr::new(10, 77, 0, 99).octets();
        let routes = [
            &[32, 169, 254, 169, 254, 10, 77, 0, 2][..],
            &[0, 10, 77, 0, 1],
        ]
        .concat();
        for (number, value) in [
            (option::SERVER_ID, SERVER.octets().to_vec()),
            (option::SUBNET_MASK, vec![255, 255, 255, 0]),
            (option::ROUTER, router.to_vec()),
            (option::CLASSLESS_ROUTES, routes),
            (option::DNS, vec![10, 77, 0, 3, 10, 77, 0, 4]),
            (option::DOMAIN_NAME, b"novalocal".to_vec()),
            (option::MTU, 1450_u16.to_be_bytes().to_vec()),
            (
                option::LEASE_TIME,
                policy.lease_seconds.to_be_bytes().to_vec(),
            ),
        ] {
            reply.options.insert(number, value);
        }
        let packet = message::datagram((SERVER, 67), (Ipv4Addr::BROADCAST, 68), &reply.encode());
        socket.send([0xff; 6], &packet).expect("send");
        if asked.send((kind, question)).is_err() {
            return;
        }
    }
}

struct Daemon(Child);

impl Daemon {
    fn start(root: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_systemd-networkd"))
            .arg(format!("--root={}", root.display()))
            .stdin(Stdio::null())
            .spawn()
            .expect("networkd");
        Self(child)
    }

    fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn begin(policy: &Policy, network: &str) -> (tempfile::TempDir, mpsc::Receiver<(Kind, Message)>) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("etc/systemd/network");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("10-near.network"), network).unwrap();
    let (cable, arrived) = mpsc::channel();
    let (asked, questions) = mpsc::channel();
    let policy = policy.clone();
    std::thread::spawn(move || serve(&policy, &cable, &asked));
    let server = arrived.recv().unwrap();
    ip("link add near type veth peer name far");
    ip(&format!("link set far netns {server}"));
    (root, questions)
}

const FILE: &str = "[Match]\nName=near\n[Network]\nDHCP=yes\n[DHCP]\nUseMTU=yes\nUseDomains=yes\n";

#[test]
fn a_lease_gives_address_routes_mtu_and_names_at_once_and_is_renewed() {
    if !inside("a_lease_gives_address_routes_mtu_and_names_at_once_and_is_renewed") {
        return;
    }
    let policy = Policy {
        lease_seconds: 4,
        address: Ipv4Addr::new(10, 77, 0, 5),
        refuse_first_request: false,
    };
    let (root, questions) = begin(&policy, FILE);
    let began = Instant::now();
    let daemon = Daemon::start(root.path());
    let mut waiting = Command::new(env!("CARGO_BIN_EXE_systemd-networkd"))
        .args(["--wait-online", "--timeout=20", "--root"])
        .arg(root.path())
        .spawn()
        .unwrap();
    assert!(waiting.wait().unwrap().success(), "wait-online");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "no fixed pauses: {took:?}");
    eprintln!("online after {took:?}");

    eventually("the address", || {
        shown("-4 addr show near").contains("10.77.0.5/24")
    });
    eventually("routes by option 121, not by option 3", || {
        let routes = ip("route");
        routes.contains("default via 10.77.0.1 dev near")
            && routes.contains("169.254.169.254 via 10.77.0.2 dev near")
            && !routes.contains("10.77.0.99")
    });
    assert!(shown("link show near").contains("mtu 1450"));
    eventually("resolv.conf", || {
        fs::read_to_string(root.path().join("run/systemd/resolve/resolv.conf")).is_ok_and(|text| {
            text.ends_with("nameserver 10.77.0.3\nnameserver 10.77.0.4\nsearch novalocal\n")
        })
    });
    let kinds: Vec<Kind> = (0..2).map(|_| questions.recv().unwrap().0).collect();
    assert_eq!(kinds, [Kind::Discover, Kind::Request]);
    let (kind, renewal) = questions
        .recv_timeout(Duration::from_secs(10))
        .expect("a renewal at T1");
    assert_eq!(
        (kind, renewal.ciaddr),
        (Kind::Request, Ipv4Addr::new(10, 77, 0, 5))
    );

    // A stop leaves the address; a start confirms it with one question.
    daemon.stop();
    assert!(shown("-4 addr show near").contains("10.77.0.5/24"));
    while questions.try_recv().is_ok() {}
    let daemon = Daemon::start(root.path());
    let (kind, question) = questions.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(kind, Kind::Request);
    assert_eq!(
        question.address(option::REQUESTED_ADDRESS),
        Some(Ipv4Addr::new(10, 77, 0, 5))
    );
    daemon.stop();
}

#[test]
fn a_refused_request_begins_anew_and_ends_with_an_address() {
    if !inside("a_refused_request_begins_anew_and_ends_with_an_address") {
        return;
    }
    let policy = Policy {
        lease_seconds: 600,
        address: Ipv4Addr::new(10, 77, 0, 6),
        refuse_first_request: true,
    };
    let (root, questions) = begin(&policy, FILE);
    let daemon = Daemon::start(root.path());
    eventually("the loopback interface", || {
        shown("-4 addr show lo").contains("127.0.0.1/8")
    });
    eventually("the address", || {
        shown("-4 addr show near").contains("10.77.0.6/24")
    });
    let kinds: Vec<Kind> = (0..4).map(|_| questions.recv().unwrap().0).collect();
    assert_eq!(
        kinds,
        [Kind::Discover, Kind::Request, Kind::Discover, Kind::Request]
    );
    daemon.stop();
}

#[test]
fn static_addresses_and_bridges_need_no_server() {
    if !inside("static_addresses_and_bridges_need_no_server") {
        return;
    }
    let policy = Policy {
        lease_seconds: 600,
        address: Ipv4Addr::new(10, 77, 0, 6),
        refuse_first_request: false,
    };
    let file = "[Match]\nName=near\n[Network]\nBridge=br7\n";
    let (root, _questions) = begin(&policy, file);
    let folder = root.path().join("etc/systemd/network");
    fs::write(
        folder.join("20-br.netdev"),
        "[NetDev]\nName=br7\nKind=bridge\n",
    )
    .unwrap();
    fs::write(
        folder.join("20-br.network"),
        "[Match]\nName=br7\n[Network]\nAddress=10.77.0.8/24\nGateway=10.77.0.1\nDNS=9.9.9.9\n",
    )
    .unwrap();
    let daemon = Daemon::start(root.path());
    eventually("address on the bridge", || {
        shown("-4 addr show br7").contains("10.77.0.8/24")
    });
    eventually("the port", || {
        shown("link show near").contains("master br7")
    });
    eventually("the route", || {
        ip("route").contains("default via 10.77.0.1 dev br7")
    });
    daemon.stop();
}

#[test]
fn the_shipped_files_have_no_mistake_and_serve_cards_but_not_docker() {
    let rootfs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/rootfs");
    let (files, complaints) = systemd_networkd::find::network_files(&rootfs);
    assert!(complaints.is_empty(), "{complaints:?}");
    let first = |name: &str| {
        let facts = systemd_networkd::network_file::Facts {
            name: name.into(),
            kind: "ether".into(),
            ..Default::default()
        };
        files.iter().find(|file| file.matches.fits(&facts)).unwrap()
    };
    assert!(first("eth0").dhcp4 && first("ens3").dhcp4);
    for name in ["docker0", "veth12ab", "flannel.1"] {
        assert!(first(name).leaves_alone(), "{name}");
    }
}
