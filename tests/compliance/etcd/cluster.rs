//! Three members on loopback: how they find each other, lose one, and take one in.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use system_tests::etcd::{Http, Program, Server, eventually, pause};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Three members that know each other from the start.
fn three(folder: &Path, more: &[&str]) -> Vec<Server> {
    let mut servers: Vec<Server> = ["a", "b", "c"]
        .iter()
        .map(|name| Server::new(Program::Ours, folder, name).with(more))
        .collect();
    let all: Vec<String> = servers
        .iter()
        .map(|server| format!("{}={}", server.name, server.peer_url()))
        .collect();
    let all = format!("--initial-cluster={}", all.join(","));
    servers = servers
        .into_iter()
        .map(|server| server.with(&[&all]))
        .collect();
    servers.iter_mut().for_each(Server::start);
    servers.iter().for_each(Server::wait_healthy);
    servers
}

fn json(server: &Server, path: &str) -> serde_json::Value {
    server
        .get(path)
        .ok()
        .and_then(|answer| serde_json::from_str(&answer.body).ok())
        .unwrap_or_default()
}

fn leader(servers: &[Server]) -> usize {
    let mut found = None;
    assert!(eventually(PATIENCE, || {
        let lead = |server: &Server| json(server, "/v2/stats/self")["state"] == "StateLeader";
        found = servers
            .iter()
            .position(|server| server.pid().is_some() && lead(server));
        found.is_some()
    }));
    found.unwrap()
}

/// The whole key space of a member, with its index.
fn content(server: &Server) -> (String, Option<String>) {
    let answer = server.get("/v2/keys/?recursive=true&sorted=true").unwrap();
    (
        answer.body.clone(),
        answer.header("x-etcd-index").map(str::to_owned),
    )
}

fn all_agree(servers: &[Server]) {
    let same = || {
        let first = content(&servers[0]);
        servers.iter().all(|server| content(server) == first)
    };
    let agreed = eventually(PATIENCE, same);
    assert!(
        agreed,
        "{:?}",
        servers.iter().map(content).collect::<Vec<_>>()
    );
}

fn value(server: &Server, key: &str) -> Option<String> {
    json(server, &format!("/v2/keys{key}?quorum=true"))["node"]["value"]
        .as_str()
        .map(str::to_owned)
}

#[test]
fn three_members_form_by_our_own_discovery_service_and_a_fourth_becomes_a_proxy() {
    let folder = TempDir::new().unwrap();
    let mut service =
        Server::new(Program::Ours, folder.path(), "service").with(&["--discovery-service"]);
    service.start_and_wait();
    let token = service.get("/new?size=3").unwrap().body;
    assert!(token.starts_with("http://127.0.0.1"), "{token}");
    // The plain client does not send the port in Host.
    let token = format!("{}/{}", service.url(), token.rsplit('/').next().unwrap());
    let discovery = format!("--discovery={token}");
    let mut servers: Vec<Server> = ["n1", "n2", "n3"]
        .iter()
        .map(|name| Server::new(Program::Ours, folder.path(), name).with(&[&discovery]))
        .collect();
    servers[0].start();
    servers[1].start();
    pause(Duration::from_millis(700));
    let waiting = servers[0].get("/v2/keys/").unwrap();
    assert_eq!(waiting.status, 503, "it waits for the third: {waiting:?}");
    servers[2].start();
    servers.iter().for_each(Server::wait_healthy);
    assert_eq!(
        json(&servers[1], "/v2/members")["members"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    for (at, server) in servers.iter().enumerate() {
        assert_eq!(server.put(&format!("/k{at}"), "v").unwrap().status, 201);
        // What one member has answered for is read on the same member at once.
        assert_eq!(server.get(&format!("/v2/keys/k{at}")).unwrap().status, 200);
    }
    all_agree(&servers);

    let mut fourth = Server::new(Program::Ours, folder.path(), "n4").with(&[&discovery]);
    fourth.start();
    assert!(eventually(PATIENCE, || fourth
        .put("/by-proxy", "p")
        .is_ok_and(|answer| answer.status < 300)));
    assert!(
        fourth
            .log()
            .contains("discovery cluster full, falling back to proxy"),
        "{}",
        fourth.log()
    );
    assert_eq!(value(&servers[0], "/by-proxy").as_deref(), Some("p"));

    // The token is not needed again, nor is the service.
    service.kill();
    servers.iter_mut().for_each(Server::kill);
    servers.iter_mut().for_each(Server::start);
    servers.iter().for_each(Server::wait_healthy);
    assert_eq!(value(&servers[2], "/k0").as_deref(), Some("v"));
    all_agree(&servers);
}

#[test]
fn a_member_that_crashed_after_it_registered_rejoins_with_the_same_token() {
    let folder = TempDir::new().unwrap();
    let mut service = Server::new(Program::Ours, folder.path(), "service");
    service.start_and_wait();
    // Any etcd is a discovery service: a token is a directory.
    assert_eq!(
        service
            .put("/discovery/t/_config/size", "2")
            .unwrap()
            .status,
        201
    );
    let discovery = format!("--discovery={}/v2/keys/discovery/t", service.url());
    let mut one = Server::new(Program::Ours, folder.path(), "one").with(&[&discovery]);
    one.start();
    assert!(eventually(PATIENCE, || json(
        &service,
        "/v2/keys/discovery/t"
    )["node"]["nodes"]
        .is_array()));
    one.kill();
    let mut two = Server::new(Program::Ours, folder.path(), "two").with(&[&discovery]);
    two.start();
    one.start();
    one.wait_healthy();
    two.wait_healthy();
    all_agree(&[one, two]);
}

#[test]
fn writes_go_on_after_the_leader_is_killed_and_it_catches_up_when_it_is_back() {
    let folder = TempDir::new().unwrap();
    let mut servers = three(folder.path(), &[]);
    assert_eq!(servers[0].put("/before", "1").unwrap().status, 201);
    let lost = leader(&servers);
    servers[lost].kill();
    let begin = Instant::now();
    let other = (lost + 1) % 3;
    // The first write waits for the new leader.
    let answer = servers[other].put("/after", "2").unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(
        begin.elapsed() < Duration::from_secs(7),
        "{:?}",
        begin.elapsed()
    );
    servers[lost].start();
    servers[lost].wait_healthy();
    assert_eq!(value(&servers[lost], "/after").as_deref(), Some("2"));
    all_agree(&servers);
}

/// As etcd's documentation of `--election-timeout` has it; the rest is for a busy host.
#[test]
fn a_lost_leader_is_followed_within_two_election_timeouts() {
    let folder = TempDir::new().unwrap();
    let mut servers = three(
        folder.path(),
        &["--election-timeout=2000", "--heartbeat-interval=200"],
    );
    let lost = leader(&servers);
    servers[lost].kill();
    let begin = Instant::now();
    let answer = servers[(lost + 1) % 3].put("/after", "1").unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    let (took, timeout) = (begin.elapsed(), Duration::from_secs(2));
    assert!(took > timeout, "nobody stands before a timeout: {took:?}");
    assert!(took < timeout * 2 + Duration::from_millis(1500), "{took:?}");
}

#[test]
fn a_leader_that_is_stopped_hands_over_at_once() {
    let folder = TempDir::new().unwrap();
    let mut servers = three(folder.path(), &[]);
    let stopped = leader(&servers);
    assert_eq!(
        servers[stopped].stop(),
        Some(0),
        "{}",
        servers[stopped].log()
    );
    let begin = Instant::now();
    let answer = servers[(stopped + 1) % 3].put("/k", "1").unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(
        begin.elapsed() < Duration::from_millis(900),
        "waited for an election: {:?}",
        begin.elapsed()
    );
}

#[test]
fn without_a_quorum_local_reads_answer_and_writes_time_out() {
    let folder = TempDir::new().unwrap();
    let mut servers = three(
        folder.path(),
        &["--election-timeout=500", "--heartbeat-interval=50"],
    );
    assert_eq!(servers[0].put("/k", "1").unwrap().status, 201);
    all_agree(&servers);
    servers[1].kill();
    servers[2].kill();
    assert_eq!(servers[0].get("/v2/keys/k").unwrap().status, 200);
    assert!(eventually(PATIENCE, || servers[0]
        .get("/health")
        .is_ok_and(|answer| answer.status == 503)));
    let answer = servers[0].put("/k", "2").unwrap();
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.body.contains("\"errorCode\":300"), "{}", answer.body);
}

fn write_much(port: u16) {
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            std::thread::spawn(move || {
                let mut http = Http::connect(port).unwrap();
                for number in 0..450 {
                    let path = format!("/v2/keys/w{writer}/{}", number % 50);
                    let answer = http.request("PUT", &path, "value=x").unwrap();
                    assert!(answer.status < 300, "{answer:?}");
                }
            })
        })
        .collect();
    writers
        .into_iter()
        .for_each(|writer| writer.join().unwrap());
}

#[test]
fn a_member_that_was_away_during_many_writes_catches_up() {
    let folder = TempDir::new().unwrap();
    let mut servers = three(folder.path(), &["--snapshot-count=500"]);
    let away = (leader(&servers) + 1) % 3;
    servers[away].kill();
    write_much(servers[leader(&servers)].port);
    servers[away].start();
    servers[away].wait_healthy();
    all_agree(&servers);
}

#[test]
fn a_member_that_joins_after_the_beginning_of_the_log_is_gone_gets_a_snapshot() {
    let folder = TempDir::new().unwrap();
    let mut first = Server::new(Program::Ours, folder.path(), "a").with(&["--snapshot-count=500"]);
    first.start_and_wait();
    write_much(first.port);
    let new = Server::new(Program::Ours, folder.path(), "b");
    let body = format!("{{\"peerURLs\":[\"{}\"]}}", new.peer_url());
    let added = Http::connect(first.port)
        .unwrap()
        .request_json("POST", "/v2/members", &body)
        .unwrap();
    assert_eq!(added.status, 201, "{added:?}");
    let cluster = format!(
        "--initial-cluster=a={},b={}",
        first.peer_url(),
        new.peer_url()
    );
    let mut new = new.with(&[&cluster, "--initial-cluster-state=existing"]);
    new.start_and_wait();
    assert!(
        new.log().contains("took over a snapshot of the leader"),
        "{}",
        new.log()
    );
    all_agree(&[first, new]);
}

#[test]
fn a_member_is_added_votes_is_removed_and_stops() {
    let folder = TempDir::new().unwrap();
    let mut servers = three(folder.path(), &[]);
    let ctl = |arguments: &[&str]| {
        let ctl = Program::Ours.ctl().unwrap();
        let endpoints = format!("--endpoints={}", servers[0].url());
        let output = Command::new(ctl)
            .arg(endpoints)
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let new = Server::new(Program::Ours, folder.path(), "d");
    let added = ctl(&["member", "add", "d", &new.peer_url()]);
    assert!(added.contains("Added member named d with ID "), "{added}");
    let cluster = added
        .lines()
        .find_map(|line| line.strip_prefix("ETCD_INITIAL_CLUSTER=\""))
        .unwrap();
    let cluster = format!("--initial-cluster={}", cluster.trim_end_matches('"'));
    assert!(ctl(&["member", "list"]).contains("[unstarted]"));
    let mut new = new.with(&[&cluster, "--initial-cluster-state=existing"]);
    new.start();
    new.wait_healthy();
    assert!(eventually(PATIENCE, || servers
        .iter()
        .any(|server| server.log().contains("votes now"))));
    let list = ctl(&["member", "list"]);
    let id = list
        .lines()
        .find(|line| line.contains("name=d "))
        .unwrap()
        .split(':')
        .next()
        .unwrap()
        .to_owned();
    assert!(ctl(&["cluster-health"]).contains("cluster is healthy"));
    assert_eq!(
        ctl(&["member", "remove", &id]),
        format!("Removed member {id} from cluster\n")
    );
    assert_eq!(new.wait_end(PATIENCE), Some(0), "{}", new.log());
    assert!(new.log().contains("permanently removed"), "{}", new.log());
    assert_eq!(servers[0].put("/k", "1").unwrap().status, 201);
    all_agree(&servers);
    servers.iter_mut().for_each(Server::kill);
}

#[test]
fn a_stopped_server_ends_watches_and_keeps_its_data() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::new(Program::Ours, folder.path(), "one");
    server.start_and_wait();
    assert_eq!(server.put("/k", "1").unwrap().status, 201);
    let port = server.port;
    let watch = std::thread::spawn(move || {
        Http::connect(port)
            .unwrap()
            .request("GET", "/v2/keys/k?wait=true", "")
    });
    pause(Duration::from_millis(300));
    assert_eq!(server.stop(), Some(0), "{}", server.log());
    assert_eq!(watch.join().unwrap().unwrap().body, "");
    server.start_and_wait();
    assert_eq!(value(&server, "/k").as_deref(), Some("1"));
    let index = json(&server, "/v2/keys/k")["node"]["modifiedIndex"]
        .as_u64()
        .unwrap();
    let old = server
        .get(&format!("/v2/keys/k?wait=true&waitIndex={index}"))
        .unwrap();
    assert!(
        old.body.contains("\"value\":\"1\""),
        "the history is there again: {old:?}"
    );
}

/// Writes rising values to one key through whichever member answers; the last answered value.
fn write_through_any(ports: &[u16], key: &str, stop: &AtomicBool) -> u64 {
    let mut answered = 0;
    let mut turn = key.len();
    for value in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let asked = Http::connect(ports[turn % ports.len()]).and_then(|mut http| {
            http.request("PUT", &format!("/v2/keys{key}"), &format!("value={value}"))
        });
        match asked {
            Ok(answer) if answer.status < 300 => answered = value,
            _ => {
                turn += 1;
                pause(Duration::from_millis(20));
            }
        }
    }
    answered
}

#[test]
fn members_killed_in_turn_and_all_at_once_lose_nothing_that_was_answered() {
    let folder = TempDir::new().unwrap();
    let quick = [
        "--election-timeout=500",
        "--heartbeat-interval=50",
        "--snapshot-count=300",
    ];
    let mut servers = three(folder.path(), &quick);
    let ports: Vec<u16> = servers.iter().map(|server| server.port).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..6)
        .map(|writer| {
            let (ports, stop) = (ports.clone(), Arc::clone(&stop));
            let key = format!("/chaos/{}", "w".repeat(writer + 1));
            std::thread::spawn(move || (key.clone(), write_through_any(&ports, &key, &stop)))
        })
        .collect();
    for round in 0..9 {
        pause(Duration::from_millis(900));
        if round % 3 == 2 {
            servers.iter_mut().for_each(Server::kill);
            servers.iter_mut().for_each(Server::start);
        } else {
            let victim = if round % 3 == 0 {
                leader(&servers)
            } else {
                round % 3
            };
            servers[victim].kill();
            pause(Duration::from_millis(600));
            servers[victim].start();
        }
        servers.iter().for_each(Server::wait_healthy);
    }
    pause(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    let mut total = 0;
    for writer in writers {
        let (key, answered) = writer.join().unwrap();
        let there: u64 = value(&servers[0], &key).unwrap().parse().unwrap();
        assert!(
            there >= answered,
            "{key}: answered {answered}, there is {there}"
        );
        total += answered;
    }
    assert!(
        total > 100,
        "too few writes were answered to prove anything: {total}"
    );
    all_agree(&servers);
    for server in &servers {
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}
