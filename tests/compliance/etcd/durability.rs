//! A write that was answered is there after a kill -9, whenever it comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use system_tests::etcd::{Http, Program, Server, pause};
use tempfile::TempDir;

const CLIENTS: usize = 8;

/// Writes with several clients until the server is killed; the last answered value of each key.
fn write_until_killed(
    server: &mut Server,
    round: usize,
    time: Duration,
) -> BTreeMap<String, usize> {
    let stop = Arc::new(AtomicBool::new(false));
    let port = server.port;
    let writers: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let key = format!("/r{round}/c{client}");
                let mut answered = None;
                let Ok(mut http) = Http::connect(port) else {
                    return (key, answered);
                };
                for value in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let asked =
                        http.request("PUT", &format!("/v2/keys{key}"), &format!("value={value}"));
                    match asked {
                        Ok(answer) if answer.status < 300 => answered = Some(value),
                        _ => break,
                    }
                }
                (key, answered)
            })
        })
        .collect();
    pause(time);
    server.kill();
    stop.store(true, Ordering::Relaxed);
    let done = writers.into_iter().map(|writer| writer.join().unwrap());
    done.filter_map(|(key, answered)| Some((key, answered?)))
        .collect()
}

/// Keys whose value is older than what was answered.
fn lost(server: &Server, answered: &BTreeMap<String, usize>) -> Vec<String> {
    let mut lost = Vec::new();
    for (key, value) in answered {
        let body = server.get(&format!("/v2/keys{key}")).unwrap().body;
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let there = json["node"]["value"]
            .as_str()
            .and_then(|text| text.parse::<usize>().ok());
        // One more than was answered is fine: the answer was on its way.
        if there.is_none_or(|there| there < *value) {
            lost.push(format!("{key}: answered {value}, there is {there:?}"));
        }
    }
    lost
}

fn rounds(server: &mut Server, count: usize) -> Vec<String> {
    let mut all_lost = Vec::new();
    let mut all_answered = BTreeMap::new();
    for round in 0..count {
        server.start_and_wait();
        let millis = 150 + 97 * u64::try_from(round).unwrap() % 300;
        all_answered.extend(write_until_killed(
            server,
            round,
            Duration::from_millis(millis),
        ));
    }
    server.start_and_wait();
    assert!(
        all_answered.len() > CLIENTS,
        "too few writes were answered to prove anything"
    );
    all_lost.extend(lost(server, &all_answered));
    all_lost
}

#[test]
fn kill_9_during_writes_loses_nothing_that_was_answered() {
    let folder = TempDir::new().unwrap();
    let mut server =
        Server::new(Program::Ours, folder.path(), "one").with(&["--snapshot-count=200"]);
    let lost = rounds(&mut server, 8);
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn a_first_start_without_room_for_its_log_is_repeated_and_a_lost_log_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut without_room =
        Server::new(Program::Ours, folder.path(), "one").with_variable("GARBOARD_FAULT", "no-room");
    for _ in 0..2 {
        without_room.start();
        let ended = without_room.wait_end(Duration::from_secs(20));
        assert_eq!(ended, Some(1), "{}", without_room.log());
    }
    let mut server = Server::new(Program::Ours, folder.path(), "one");
    server.start_and_wait();
    assert_eq!(server.put("/k", "1").unwrap().status, 201);
    server.kill();
    assert!(server.log().lines().all(|line| !line.starts_with(' ')));

    std::fs::remove_dir_all(folder.path().join("one/data/member/wal")).unwrap();
    server.start();
    assert_eq!(server.wait_end(Duration::from_secs(20)), Some(1));
    assert!(server.log().contains("is gone"), "{}", server.log());
}

#[test]
fn a_key_too_deep_is_refused_and_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::new(Program::Ours, folder.path(), "one");
    server.start_and_wait();
    let refused = server.put(&"/b".repeat(257), "1").unwrap();
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(
        refused.body.contains("\"errorCode\":209"),
        "{}",
        refused.body
    );
    assert_eq!(server.put(&"/b".repeat(256), "1").unwrap().status, 201);
}

#[test]
fn only_a_snapshot_may_be_large_on_the_peer_port() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::new(Program::Ours, folder.path(), "one");
    server.start_and_wait();
    let large = "x".repeat((64 << 20) + 1);
    let status = |path: &str| {
        let mut http = Http::connect(server.peer_port).unwrap();
        http.request("POST", path, &large).unwrap().status
    };
    assert_eq!(status("/raft/append"), 413);
    // It was read, and then refused for want of a cluster.
    assert_eq!(status("/raft/snapshot"), 412);
}

#[test]
fn the_test_for_lost_writes_finds_a_server_that_answers_before_it_writes() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::new(Program::Ours, folder.path(), "one")
        .with_variable("GARBOARD_FAULT", "answer-before-write");
    let lost = rounds(&mut server, 8);
    assert!(!lost.is_empty(), "the planted fault was not found");
}
