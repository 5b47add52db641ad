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
fn the_test_for_lost_writes_finds_a_server_that_answers_before_it_writes() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::new(Program::Ours, folder.path(), "one")
        .with_variable("GARBOARD_FAULT", "answer-before-write");
    let lost = rounds(&mut server, 8);
    assert!(!lost.is_empty(), "the planted fault was not found");
}
