//! Reads `cases.txt` and runs a case in a lab.

use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::Signal;
use system_tests::etcd::{built, pause};
use system_tests::flannel::{Lab, Machine, encode};
use system_tests::netns;

const CASES: &str = include_str!("cases.txt");

/// A check is repeated for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// What must not be is looked at again after this time.
const TWICE: Duration = Duration::from_millis(500);

pub(crate) struct Case {
    pub(crate) id: &'static str,
    title: &'static str,
    steps: Vec<&'static str>,
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(head) = line.strip_prefix("@ ") {
            let (id, title) = head.split_once(' ').unwrap();
            cases.push(Case {
                id,
                title,
                steps: Vec::new(),
            });
        } else {
            cases.last_mut().unwrap().steps.push(line);
        }
    }
    cases
}

impl Case {
    /// Runs the steps; the first that fails, with what was there instead.
    pub(crate) fn run(&self, lab: &mut Lab) -> Result<(), String> {
        for step in &self.steps {
            if let Err(text) = do_step(lab, step) {
                let log = |(name, machine): (&String, &Machine)| {
                    format!("log of {name}:\n{}", machine.log())
                };
                let logs: Vec<String> = lab.machines.iter().map(log).collect();
                return Err(format!(
                    "{} {}\n  {step}\n  {}\n{}",
                    self.id,
                    self.title,
                    text.trim(),
                    logs.join("\n")
                ));
            }
        }
        eprintln!("ok {} {}", self.id, self.title);
        Ok(())
    }
}

fn do_step(lab: &mut Lab, step: &str) -> Result<(), String> {
    let (patience, step) = match step
        .strip_prefix("within ")
        .and_then(|rest| rest.split_once(' '))
    {
        Some((seconds, step)) => (Duration::from_secs(seconds.parse().unwrap()), step),
        None => (PATIENCE, step),
    };
    let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
    match word {
        "config" => lab.configure(rest),
        "lease" => {
            let rest = expand(lab, rest);
            let (key, rest) = rest.split_once(' ').unwrap();
            let (ttl, value) = match rest
                .strip_prefix("ttl=")
                .and_then(|rest| rest.split_once(' '))
            {
                Some((ttl, value)) => (format!("&ttl={ttl}"), value),
                None => (String::new(), rest),
            };
            lab.ask(
                "PUT",
                &format!("/subnets/{key}"),
                &format!("value={}{ttl}", encode(value)),
            );
        }
        "unlease" => {
            let key = expand(lab, rest);
            lab.ask(
                "DELETE",
                &format!("/subnets/{}?recursive=true", key.trim_start_matches('/')),
                "",
            );
        }
        "etcd" => match rest {
            "stop" => lab.stop_etcd(),
            "start" => lab.start_etcd(),
            "freeze" => lab.signal_etcd(Signal::STOP),
            "thaw" => lab.signal_etcd(Signal::CONT),
            _ => panic!("{step}"),
        },
        "noise" => noise(lab, rest.parse().unwrap()),
        "sleep" => pause(Duration::from_secs_f64(rest.parse().unwrap())),
        "leases" => return check(patience, || Ok(found(&expand(lab, rest), &leases(lab)))),
        _ => return machine_step(lab, word, rest, patience),
    }
    Ok(())
}

fn noise(lab: &Lab, count: usize) {
    lab.talk(|http| {
        for number in 0..count {
            http.request("PUT", "/v2/keys/noise", &format!("value={number}"))
                .unwrap();
        }
    });
}

fn leases(lab: &Lab) -> String {
    lab.leases()
        .into_iter()
        .map(|(key, value, _)| format!("{key} {value}\n"))
        .collect()
}

fn machine_step(lab: &mut Lab, name: &str, step: &str, patience: Duration) -> Result<(), String> {
    lab.machine(name);
    let expanded = expand(lab, step);
    let (word, rest) = expanded.split_once(' ').unwrap_or((&expanded, ""));
    match word {
        "start" => lab
            .machine(name)
            .start(&rest.split_whitespace().collect::<Vec<_>>()),
        "variable" => {
            let (variable, value) = rest.split_once('=').unwrap();
            lab.machine(name).variable(variable, value);
        }
        "left" => std::fs::write(&lab.machine(name).env_file, rest.replace("\\n", "\n")).unwrap(),
        "stop" => {
            let seconds = rest.parse().unwrap_or(3);
            if !lab.machine(name).stop(Duration::from_secs(seconds)) {
                return Err(format!("it still runs {seconds} s after SIGTERM"));
            }
        }
        "freeze" => lab.machine(name).signal(Signal::STOP),
        "thaw" => lab.machine(name).signal(Signal::CONT),
        "run" => drop(lab.machine(name).namespace.shell(rest)?),
        "container" => lab.machine(name).make_container(),
        "ping" => return ping(lab, name, rest, patience),
        "ttl" => return check(patience, || Ok(time_to_live(lab, name, rest))),
        "alive" => {
            return check(patience, || {
                Ok(twice(
                    lab,
                    |lab| lab.machine(name).is_alive(),
                    "it has ended",
                ))
            });
        }
        "dead" => {
            return check(patience, || {
                Ok((!lab.machine(name).is_alive(), "it runs".to_owned()))
            });
        }
        // Patterns have variables that may get their value only while we wait.
        _ => {
            return check(patience, || {
                let expanded = expand(lab, step);
                let (what, rest) = expanded.split_once(' ').unwrap_or_default();
                Ok(found(rest, &look(lab, name, what)?))
            });
        }
    }
    Ok(())
}

/// Repeats until it holds.
fn check(
    patience: Duration,
    mut holds: impl FnMut() -> Result<(bool, String), String>,
) -> Result<(), String> {
    let end = Instant::now() + patience;
    loop {
        let (good, text) = holds()?;
        if good {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("there is instead:\n{text}"));
        }
        pause(Duration::from_millis(100));
    }
}

fn twice(lab: &mut Lab, holds: impl Fn(&mut Lab) -> bool, not: &str) -> (bool, String) {
    let first = holds(lab);
    pause(TWICE);
    (first && holds(lab), not.to_owned())
}

/// `~ REGEX` or `!~ REGEX` on a text.
fn found(condition: &str, text: &str) -> (bool, String) {
    let (wanted, pattern) = match condition.strip_prefix("!~ ") {
        Some(pattern) => (false, pattern),
        None => (true, condition.strip_prefix("~ ").unwrap()),
    };
    let pattern = Regex::new(&format!("(?m){pattern}")).unwrap();
    let good = pattern.is_match(text) == wanted;
    if good && !wanted {
        // It may be about to come.
        pause(TWICE);
    }
    (good, text.to_owned())
}

fn look(lab: &mut Lab, name: &str, what: &str) -> Result<String, String> {
    let machine = lab.machine(name);
    let command = match what {
        "env" => return Ok(std::fs::read_to_string(&machine.env_file).unwrap_or_default()),
        "log" => return Ok(machine.log()),
        "route" => "ip route",
        "neigh" => "ip neigh",
        "fdb" => "bridge fdb | grep ' dst ' || true",
        "addr" => "ip -o -4 addr",
        "link" => "ip -d -o link",
        "nat" => "iptables -t nat -S",
        "filter" => "iptables -S",
        _ => panic!("{what} is nothing to look at"),
    };
    machine.namespace.shell(command)
}

fn ping(lab: &mut Lab, from: &str, to: &str, patience: Duration) -> Result<(), String> {
    let (to, ttl) = to.split_once(' ').unwrap_or((to, ""));
    let to = match to {
        "a" | "b" | "c" => lab.machine(to).container().1.to_string(),
        address => address.to_owned(),
    };
    let (container, _) = lab.machine(from).container();
    let command = format!("ping -c 1 -W 1 {to}");
    check(patience, || {
        let answer = container.shell(&command);
        let good = answer
            .as_ref()
            .is_ok_and(|text| ttl.is_empty() || text.contains(&format!("ttl={ttl} ")));
        Ok((good, answer.unwrap_or_else(|text| text)))
    })
}

fn time_to_live(lab: &mut Lab, name: &str, wanted: &str) -> (bool, String) {
    let own = format!("\"PublicIP\":\"{}\"", lab.machine(name).address);
    let found = lab
        .leases()
        .into_iter()
        .find(|(_, value, _)| value.contains(&own))
        .map(|(_, _, ttl)| ttl);
    let good = match (wanted.split_once(' '), found) {
        (None, Some(None)) => wanted == "none",
        (Some((least, most)), Some(Some(ttl))) => {
            (least.parse().unwrap()..=most.parse().unwrap()).contains(&ttl)
        }
        _ => false,
    };
    (good, format!("{found:?}"))
}

/// Puts in the variables of the file's head; what has no value yet stands as it is.
fn expand(lab: &mut Lab, text: &str) -> String {
    let mut text = text.replace("$W", &lab.folder());
    if text.contains("$MK") {
        // The program by its other name.
        let link = format!("{}/mk-docker-opts.sh", lab.folder());
        let _ = netns::shell(&format!("ln -sf {} {link}", built("flanneld").display()));
        text = text.replace("$MK", &link);
    }
    for name in ["a", "b", "c"] {
        if !text.contains(&format!("${name}.")) {
            continue;
        }
        let machine = lab.machine(name);
        if let Some((first, len)) = machine.first() {
            let base = std::net::Ipv4Addr::from(u32::from(first) - 1);
            for (variable, value) in [
                ("sub", format!("{base}/{len}")),
                ("key", format!("{base}-{len}")),
                ("first", first.to_string()),
            ] {
                text = text.replace(&format!("${name}.{variable}"), &value);
            }
        }
        if text.contains(&format!("${name}.mac")) {
            let links = machine.namespace.run("ip -o link");
            let device = links.lines().find(|line| line.contains(": flannel."));
            let mac = device.and_then(|line| line.split("link/ether ").nth(1)?.split(' ').next());
            if let Some(mac) = mac {
                text = text.replace(&format!("${name}.mac"), mac);
            }
        }
    }
    text
}
