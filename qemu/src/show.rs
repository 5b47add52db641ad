//! What people see of a cluster: one line per node while it boots, and its state later. Text from data; only
//! [`Screen`] writes.

use std::fmt::Write;

use serde_json::Value;

/// The nodes' lines while they boot.
#[derive(Debug)]
pub(crate) struct Screen {
    lines: Vec<(String, String)>,
    trouble: bool,
    terminal: bool,
    drawn: bool,
}

impl Screen {
    pub(crate) fn new(names: &[String], terminal: bool) -> Screen {
        let lines = names
            .iter()
            .map(|name| (name.clone(), String::new()))
            .collect();
        Screen {
            lines,
            trouble: false,
            terminal,
            drawn: false,
        }
    }

    /// Takes what the supervisor tells of a node.
    pub(crate) fn tell(&mut self, told: &Value) {
        let name = told.get("node").and_then(Value::as_str).unwrap_or_default();
        let (words, report) = words(told);
        self.trouble |=
            told.get("trouble").is_some() || told.get("failed") == Some(&Value::Bool(true));
        if !self.terminal {
            eprintln!("{name:<8} {words}");
        } else {
            if !self.lines.iter().any(|(known, _)| known == name) {
                self.lines.push((name.to_owned(), String::new()));
                self.drawn = false;
            }
            for (known, line) in &mut self.lines {
                if known == name {
                    let _ = write!(line, "  {words}");
                }
            }
            self.draw();
        }
        if let Some(report) = report {
            eprintln!("{report}");
            self.drawn = false;
        }
    }

    /// Did a step fail, or a node end?
    pub(crate) fn failed(&self) -> bool {
        self.trouble
    }

    fn draw(&mut self) {
        let mut text = String::new();
        if self.drawn {
            let _ = write!(text, "\x1b[{}A", self.lines.len());
        }
        for (name, line) in &self.lines {
            let _ = writeln!(text, "\r\x1b[2K{name:<8}{line}");
        }
        eprint!("{text}");
        self.drawn = true;
    }
}

/// One step as words, and the report of a node that has ended.
fn words(told: &Value) -> (String, Option<&str>) {
    if let Some(trouble) = told.get("trouble").and_then(Value::as_str) {
        return (
            format!("trouble: {trouble}"),
            told.get("report").and_then(Value::as_str),
        );
    }
    let step = told.get("step").and_then(Value::as_str).unwrap_or_default();
    let age = told.get("age").and_then(Value::as_f64).unwrap_or_default();
    let failed = if told.get("failed") == Some(&Value::Bool(true)) {
        " FAILED"
    } else {
        ""
    };
    (format!("{step}{failed} {age:.1} s"), None)
}

/// What is said when all nodes stand, or as many as will.
pub(crate) fn farewell(status: &Value, program: &str, which: &str, good: bool) -> String {
    let nodes = status["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let last = nodes
        .iter()
        .map(|node| node["age"].as_f64().unwrap_or_default())
        .fold(0.0, f64::max);
    let cpu: f64 = nodes
        .iter()
        .map(|node| node["cpu"].as_f64().unwrap_or_default())
        .sum();
    let mut text = String::new();
    let state = if good { "up" } else { "not all well" };
    let _ = writeln!(
        text,
        "{} node(s) {state} after {last:.0} s ({cpu:.0} CPU s). Log in:",
        nodes.len()
    );
    for node in nodes {
        let (name, address) = (word(node, "name"), word(node, "address"));
        let _ = writeln!(text, "  {program} ssh{which} {name}    # {address}");
    }
    let first = nodes
        .first()
        .map(|node| word(node, "name"))
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "Look and end:\n  {program} status{which}\n  {program} logs{which} {first}\n  {program} console{which} {first}\n  {program} down{which}"
    );
    text
}

/// The state of a cluster.
pub(crate) fn status(status: &Value) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "cluster {} ({}), supervisor {}, {}",
        word(status, "name"),
        word(status, "accel"),
        status["pid"],
        word(status, "folder")
    );
    let _ = writeln!(
        text,
        "{:<10} {:<15} {:>6} {:>7} {:>8}  STATE",
        "NODE", "ADDRESS", "UP s", "CPU s", "MEM MiB"
    );
    for node in status["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let steps = node["steps"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let failed: Vec<&str> = steps
            .iter()
            .filter(|step| step["failed"] == true)
            .map(|step| word(step, "step"))
            .collect();
        let state = match (node["ending"].as_str(), failed.is_empty()) {
            (Some(ending), _) => ending.to_owned(),
            (None, false) => format!("running, failed: {}", failed.join(", ")),
            (None, true) => format!(
                "running, {}",
                steps
                    .last()
                    .map_or("no kernel yet", |step| word(step, "step"))
            ),
        };
        let _ = writeln!(
            text,
            "{:<10} {:<15} {:>6.0} {:>7.1} {:>8}  {state}",
            word(node, "name"),
            word(node, "address"),
            node["age"].as_f64().unwrap_or_default(),
            node["cpu"].as_f64().unwrap_or_default(),
            node["memory_kib"].as_u64().unwrap_or_default() / 1024,
        );
    }
    for rule in status["rules"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
    {
        let (from, to, what) = (word(rule, "from"), word(rule, "to"), word(rule, "rule"));
        let _ = writeln!(
            text,
            "{from} to {to}: {what} ({} frames taken)",
            rule["taken"]
        );
    }
    text
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_of_each_node_is_one_line() {
        let data = json!({ "name": "garboard", "accel": "tcg", "pid": 7, "folder": "/run/x", "nodes": [
            { "name": "node1", "address": "192.168.50.14", "age": 41.2, "cpu": 20.04, "memory_kib": 307_200,
              "ending": null, "steps": [{ "step": "ssh", "failed": false }, { "step": "etcd2", "failed": true }] },
            { "name": "node2", "address": "192.168.50.15", "age": 1.0, "cpu": 0.5, "memory_kib": 0,
              "ending": "QEMU was ended by signal 9 ", "steps": [] },
        ]});
        let wanted = "cluster garboard (tcg), supervisor 7, /run/x\n\
            NODE       ADDRESS           UP s   CPU s  MEM MiB  STATE\n\
            node1      192.168.50.14       41    20.0      300  running, failed: etcd2\n\
            node2      192.168.50.15        1     0.5        0  QEMU was ended by signal 9 \n";
        assert_eq!(status(&data), wanted);
    }

    #[test]
    fn the_farewell_says_how_to_log_in() {
        let data = json!({ "nodes": [{ "name": "node1", "address": "192.168.50.14", "age": 41.2, "cpu": 20.0 }] });
        let text = farewell(&data, "qemu-cluster", " --name a", true);
        assert!(text.starts_with("1 node(s) up after 41 s (20 CPU s). Log in:\n  qemu-cluster ssh --name a node1    # 192.168.50.14\n"), "{text}");
    }
}
