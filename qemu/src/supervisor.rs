//! The process that holds a cluster. It has the folder's lock, is every QEMU's parent, and answers `qemu-cluster`'s other
//! commands on a unix socket: a JSON line asks, JSON lines answer, the last of which has `done` or `error`.
//! It ends when it is told to, and while the `up` that started it has not let go, when that ends.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use qemu_harness::cluster::{self, Cluster, NodeSpec, Passed};
use qemu_harness::network::Rule;
use qemu_harness::{HarnessError, Lab, Machine, PowerCut, RunDir, registry, report};
use serde_json::{Value, json};

use crate::arguments::Up;
use crate::up::spec;

/// The socket's name in the cluster's folder.
pub(crate) const SOCKET: &str = "control.sock";

#[derive(Debug)]
struct Supervisor {
    cluster: Cluster,
    name: String,
    /// What is known of each node's way, and where it stands now.
    ways: Mutex<BTreeMap<String, Vec<Passed>>>,
    /// The rules that hold between nodes, in words.
    cuts: Mutex<BTreeMap<(String, String), String>>,
    over: Sender<()>,
}

/// Holds a cluster until its end; the first answers go to standard output, which `up` reads.
pub(crate) fn supervise(arguments: &Up) -> anyhow::Result<u8> {
    let (over, end) = channel();
    let attended = over.clone();
    std::thread::spawn(move || {
        let mut word = String::new();
        // An `up` that is gone without having let go takes its cluster with it.
        if !matches!(std::io::stdin().read_line(&mut word), Ok(count) if count > 0) {
            let _ = attended.send(());
        }
    });
    let say = |value: &Value| {
        // Nobody needs to listen any more.
        let _ = writeln!(std::io::stdout(), "{value}");
    };
    let held = match hold(arguments, over) {
        Ok(held) => Arc::new(held),
        Err(error) => {
            say(&json!({ "error": format!("{error:#}") }));
            return Ok(1);
        }
    };
    held.record()?;
    let listener = UnixListener::bind(held.cluster.lab().folder().short(SOCKET))
        .context("cannot listen for commands")?;
    let for_clients = Arc::downgrade(&held);
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let Some(held) = for_clients.upgrade() else {
                return;
            };
            std::thread::spawn(move || held.serve(&stream));
        }
    });
    let for_boot = Arc::clone(&held);
    std::thread::spawn(move || for_boot.boot(&say));
    // The sender lives in `held`: this is only over when somebody says so.
    let _ = end.recv();
    held.finish();
    Ok(0)
}

fn hold(arguments: &Up, over: Sender<()>) -> anyhow::Result<Supervisor> {
    let mut spec = spec(arguments)?;
    if arguments.registry {
        spec.images.extend(registry::own_images()?);
    }
    let folder = RunDir::take(&arguments.which.folder())?;
    let lab = Lab::in_folder(folder)?;
    Ok(Supervisor {
        cluster: Cluster::start_in(lab, spec)?,
        name: arguments.which.name.clone(),
        ways: Mutex::default(),
        cuts: Mutex::default(),
        over,
    })
}

impl Supervisor {
    /// Follows all nodes until they stand, and tells what happens.
    fn boot(&self, say: &(impl Fn(&Value) + Sync)) {
        let nodes = self.cluster.nodes();
        let failed = std::thread::scope(|scope| {
            let ways: Vec<_> = nodes
                .iter()
                .map(|node| scope.spawn(|| self.follow(node, say).err()))
                .collect();
            ways.into_iter()
                .filter_map(|way| way.join().ok().flatten())
                .count()
        });
        say(&json!({ "done": failed == 0, "status": self.status() }));
    }

    fn follow(&self, node: &Machine, say: &impl Fn(&Value)) -> Result<(), HarnessError> {
        self.ways().insert(node.name().to_owned(), Vec::new());
        let spec = self.cluster.spec();
        let own = spec.nodes.iter().find(|one| one.name == node.name());
        let user_data = own
            .and_then(|one| one.user_data.as_deref())
            .or(spec.user_data.as_deref());
        let user_data = String::from_utf8_lossy(user_data.unwrap_or_default());
        let result = cluster::follow(node, &user_data, |passed| {
            let (step, age, cpu, failed) = (&passed.step, passed.age, passed.cpu, passed.failed);
            say(
                &json!({ "node": node.name(), "step": step, "age": age, "cpu": cpu, "failed": failed }),
            );
            self.ways()
                .entry(node.name().to_owned())
                .or_default()
                .push(passed);
        });
        if let Err(error) = &result {
            say(
                &json!({ "node": node.name(), "trouble": chain(error), "report": report::text(node) }),
            );
        }
        result
    }

    fn serve(&self, stream: &UnixStream) {
        let Ok(copy) = stream.try_clone() else { return };
        for line in BufReader::new(copy).lines().map_while(Result::ok) {
            let say = |value: &Value| {
                // A client that is gone wants no answer.
                let _ = writeln!(&*stream, "{value}");
            };
            let answer = serde_json::from_str::<Value>(&line)
                .map_err(anyhow::Error::from)
                .and_then(|request| self.obey(&request, &say));
            match answer {
                Ok(answer) => say(&answer),
                Err(error) => say(&json!({ "error": format!("{error:#}") })),
            }
        }
    }

    fn obey(&self, request: &Value, say: &impl Fn(&Value)) -> anyhow::Result<Value> {
        let word = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or_default();
        match word("order") {
            "status" => return Ok(json!({ "done": true, "status": self.status() })),
            "down" => self
                .over
                .send(())
                .context("the cluster is ending already")?,
            "kill" => drop(self.node(word("node"))?.power_cut(PowerCut::LoseAll)?),
            "cut" => self.cut(request)?,
            "heal" => {
                self.cluster.heal()?;
                self.cuts().clear();
            }
            "start" => {
                let node = self.node(word("node"))?;
                if node.ending().is_none() {
                    return Err(anyhow!("{} is running", node.name()));
                }
                node.start_again()?;
                self.record()?;
                self.follow(&node, say)?;
            }
            "add" => {
                let taken: Vec<String> = self
                    .cluster
                    .nodes()
                    .iter()
                    .map(|node| node.name().to_owned())
                    .collect();
                let mut spec: NodeSpec = self.cluster.spec().next(&taken);
                if !word("node").is_empty() {
                    word("node").clone_into(&mut spec.name);
                }
                let node = self.cluster.add(&spec)?;
                self.record()?;
                self.follow(&node, say)?;
            }
            "type" => self.node(word("node"))?.console().type_in(word("text"))?,
            other => return Err(anyhow!("no order {other:?} is known")),
        }
        Ok(json!({ "done": true }))
    }

    /// One name: from all others. Several: each from each other.
    fn cut(&self, request: &Value) -> anyhow::Result<()> {
        let names = request["nodes"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let names = names.iter().filter_map(Value::as_str);
        let chosen = names
            .map(|name| self.node(name))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let all = self.cluster.nodes();
        let others: Vec<&Arc<Machine>> = match chosen.as_slice() {
            [one] => all
                .iter()
                .filter(|node| node.name() != one.name())
                .collect(),
            _ => chosen.iter().skip(1).collect(),
        };
        let one_way = request["one_way"] == true;
        let rule = rule(request);
        let mut pairs: Vec<(&Machine, &Machine)> = Vec::new();
        for (index, from) in chosen.iter().enumerate() {
            let to = if index == 0 {
                others.as_slice()
            } else {
                &others[index..]
            };
            for to in to {
                pairs.push((from, to));
                if !one_way {
                    pairs.push((to, from));
                }
            }
            if one_way {
                break;
            }
        }
        for (from, to) in pairs {
            self.cluster.rule(from, to, rule)?;
            self.cuts()
                .insert((from.name().to_owned(), to.name().to_owned()), words(&rule));
        }
        Ok(())
    }

    fn cuts(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), String>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, name: &str) -> anyhow::Result<Arc<Machine>> {
        self.cluster.node(name).ok_or_else(|| {
            let names: Vec<String> = self
                .cluster
                .nodes()
                .iter()
                .map(|node| node.name().to_owned())
                .collect();
            anyhow!("there is no node {name:?}, only {}", names.join(", "))
        })
    }

    fn status(&self) -> Value {
        let ways = self.ways();
        let nodes: Vec<Value> = self
            .cluster
            .nodes()
            .iter()
            .map(|node| {
                let way = ways.get(node.name()).map(Vec::as_slice).unwrap_or_default();
                let steps: Vec<Value> = way
                    .iter()
                    .map(|passed| json!({ "step": passed.step, "age": passed.age, "failed": passed.failed }))
                    .collect();
                let ending = node.ending().map(|ending| ending.to_string());
                let frames = node.port().map(qemu_harness::network::Port::frames).unwrap_or_default();
                json!({
                    "name": node.name(),
                    "address": node.address().to_string(),
                    "id": node.id(),
                    "ssh": node.port().map(|port| port.ssh().to_string()),
                    "console": node.console().path(),
                    "pid": node.pid(),
                    "ending": ending,
                    "age": node.age().as_secs_f64(),
                    "cpu": node.cpu_seconds(),
                    "memory_kib": node.resident_kib(),
                    "frames": [frames.0, frames.1, frames.2],
                    "steps": steps,
                })
            })
            .collect();
        json!({
            "name": self.name,
            "pid": std::process::id(),
            "folder": self.cluster.lab().folder().path(),
            "key": self.cluster.lab().key(),
            "accel": self.cluster.spec().accel.word(),
            "discovery": self.cluster.discovery().map(|service| service.url()),
            "rules": self.rules(),
            "nodes": nodes,
        })
    }

    fn rules(&self) -> Vec<Value> {
        let cuts = self.cuts();
        let rules = cuts.iter().filter_map(|((from, to), words)| {
            let (one, other) = (self.cluster.node(from)?, self.cluster.node(to)?);
            let traffic = self.cluster.traffic(&one, &other);
            Some(
                json!({ "from": from, "to": to, "rule": words, "passed": traffic.passed,
                "taken": traffic.cut + traffic.lost + traffic.overrun }),
            )
        });
        rules.collect()
    }

    /// Writes down what runs, each process with its start time, for whoever finds the folder.
    fn record(&self) -> anyhow::Result<()> {
        let folder = self.cluster.lab().folder().path();
        let processes: Vec<Value> = self
            .cluster
            .nodes()
            .iter()
            .map(
                |node| json!({ "name": node.name(), "pid": node.pid(), "started": node.started() }),
            )
            .collect();
        let own = std::process::id();
        let state =
            json!({ "pid": own, "started": qemu_harness::start_time(own), "nodes": processes });
        write_whole(&folder.join("state.json"), &format!("{state:#}\n"))
    }

    fn ways(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<Passed>>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the machines while other threads may still hold the cluster; the folder goes with the process.
    fn finish(&self) {
        for node in self.cluster.nodes() {
            node.kill();
        }
        let folder = self.cluster.lab().folder().path();
        // Whoever waits for the end of the cluster waits for its folder too; the caretaker removes what this leaves.
        for _ in 0..20 {
            if std::fs::remove_dir_all(folder).is_ok() || !folder.exists() {
                return;
            }
            qemu_harness::pause::pause(Duration::from_millis(50));
        }
    }
}

/// A cut, unless something milder is asked for.
fn rule(request: &Value) -> Rule {
    let milliseconds = |key: &str| Duration::from_millis(request[key].as_u64().unwrap_or(0));
    let mild = ["delay", "loss", "rate"]
        .iter()
        .any(|key| !request[*key].is_null());
    Rule {
        cut: !mild,
        delay: milliseconds("delay"),
        jitter: milliseconds("jitter"),
        loss: request["loss"].as_f64().unwrap_or(0.0).clamp(0.0, 1.0),
        seed: request["seed"].as_u64().unwrap_or(0),
        rate: request["rate"]
            .as_u64()
            .map(|kilobytes| kilobytes.saturating_mul(1000)),
    }
}

fn words(rule: &Rule) -> String {
    if rule.cut {
        return "cut".into();
    }
    let mut words = Vec::new();
    if !rule.delay.is_zero() {
        words.push(format!(
            "{} to {} ms later",
            rule.delay.as_millis(),
            (rule.delay + rule.jitter).as_millis()
        ));
    }
    if rule.loss > 0.0 {
        words.push(format!("{} lost", rule.loss));
    }
    if let Some(rate) = rule.rate {
        words.push(format!("{} kB/s", rate / 1000));
    }
    words.join(", ")
}

fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text)
        .and_then(|()| std::fs::rename(&draft, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn chain(error: &HarnessError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
