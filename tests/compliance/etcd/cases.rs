//! Runs the cases of `cases.txt` against an endpoint.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use regex::Regex;
use system_tests::etcd::pause;

const CASES: &str = include_str!("cases.txt");

/// Longest time for one command, by `timeout`.
const LIMIT: &str = "60";

pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) tags: Vec<&'static str>,
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
            let (id, rest) = head.split_once(' ').unwrap();
            let (title, tags) = match rest.rsplit_once(" [") {
                Some((title, tags)) => (title, tags.trim_end_matches(']').split(',').collect()),
                None => (rest, Vec::new()),
            };
            cases.push(Case {
                id,
                title,
                tags,
                steps: Vec::new(),
            });
        } else {
            cases.last_mut().unwrap().steps.push(line);
        }
    }
    cases
}

/// What the last command gave.
#[derive(Default)]
struct Seen {
    stdout: String,
    stderr: String,
    code: Option<i32>,
    lines_read: usize,
}

struct Run {
    variables: BTreeMap<String, String>,
    numbers: BTreeMap<String, i64>,
    background: BTreeMap<String, Child>,
    seen: Seen,
}

impl Drop for Run {
    fn drop(&mut self) {
        for child in self.background.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Case {
    /// Runs it; the step that failed and why.
    pub(crate) fn run(&self, endpoint: &str, ctl: &str, number: usize) -> Result<(), String> {
        let prefix = format!("t{:05x}{number:02x}", std::process::id() & 0xf_ffff);
        let variables = [
            ("E", endpoint.to_owned()),
            ("K", format!("{endpoint}/v2/keys/{prefix}")),
            ("P", prefix),
            ("CTL", ctl.to_owned()),
            ("ETCDCTL_ENDPOINTS", endpoint.to_owned()),
            ("ETCDCTL_API", "2".to_owned()),
        ];
        let mut run = Run {
            variables: variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            numbers: BTreeMap::new(),
            background: BTreeMap::new(),
            seen: Seen::default(),
        };
        for step in &self.steps {
            run.step(step).map_err(|why| {
                format!("{}  {}\n      at: {step}\n      {why}", self.id, self.title)
            })?;
        }
        Ok(())
    }
}

impl Run {
    fn bash(&self, command: &str) -> Command {
        let mut bash = Command::new("timeout");
        bash.args([LIMIT, "bash", "-c", command])
            .stdin(Stdio::null())
            .envs(&self.variables);
        bash
    }

    fn take(&mut self, output: &Output) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.seen = Seen {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code(),
            lines_read: 0,
        };
    }

    fn step(&mut self, step: &str) -> Result<(), String> {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            "$" => {
                let output = self
                    .bash(rest)
                    .output()
                    .map_err(|error| error.to_string())?;
                self.take(&output);
                Ok(())
            }
            "&" => {
                let (name, command) = rest
                    .split_once(' ')
                    .ok_or("a name and a command expected")?;
                let mut command = self.bash(command);
                let child = command
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn();
                self.background
                    .insert(name.to_owned(), child.map_err(|error| error.to_string())?);
                pause(Duration::from_millis(400));
                Ok(())
            }
            "wait" => {
                let child = self
                    .background
                    .remove(rest)
                    .ok_or("nothing of that name runs")?;
                let output = child
                    .wait_with_output()
                    .map_err(|error| error.to_string())?;
                self.take(&output);
                Ok(())
            }
            "sleep" => {
                pause(Duration::from_secs_f64(
                    rest.parse().map_err(|_| "seconds expected")?,
                ));
                Ok(())
            }
            "set" => {
                let (name, command) = rest.split_once(" = ").ok_or("VAR = CMD expected")?;
                let output = self
                    .bash(command)
                    .output()
                    .map_err(|error| error.to_string())?;
                let value = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                self.variables.insert(name.to_owned(), value);
                Ok(())
            }
            "x" => {
                let Seen {
                    stdout,
                    stderr,
                    code,
                    ..
                } = &self.seen;
                let good = code.map(|code| code.to_string()).as_deref() == Some(rest);
                good.then_some(())
                    .ok_or_else(|| format!("exit {code:?}\n      {stdout}\n      {stderr}"))
            }
            "e" => {
                let stderr = self.seen.stderr.trim_end_matches('\n').to_owned();
                self.same(&rest.replace("\\n", "\n").replace("\\t", "\t"), &stderr)
            }
            "o" => {
                let line = self
                    .seen
                    .stdout
                    .lines()
                    .nth(self.seen.lines_read)
                    .map(str::to_owned);
                self.seen.lines_read += 1;
                self.same(
                    &rest.replace("\\t", "\t"),
                    &line.ok_or("the output has ended")?,
                )
            }
            _ => self.check_answer(word, rest),
        }
    }

    fn check_answer(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let (status, headers, body) = answer(&self.seen.stdout);
        match word {
            "<" if status == Some(rest) => Ok(()),
            "<" => Err(format!("status {status:?}: {body}")),
            "h" => {
                let (name, wanted) = rest.split_once(": ").ok_or("Name: value expected")?;
                let value = headers
                    .iter()
                    .find(|(other, _)| other.eq_ignore_ascii_case(name));
                self.same(wanted, &value.ok_or("the header is absent")?.1.clone())
            }
            "!h" => {
                let there = headers
                    .iter()
                    .any(|(other, _)| other.eq_ignore_ascii_case(rest));
                if there {
                    Err("the header is there".to_owned())
                } else {
                    Ok(())
                }
            }
            "=" => self.same(rest, body.strip_suffix('\n').unwrap_or(&body)),
            "~" | "!~" => {
                let pattern = Regex::new(&format!("(?s){}", self.expand(rest)))
                    .map_err(|error| error.to_string())?;
                let found = pattern.is_match(&body);
                if found == (word == "~") {
                    Ok(())
                } else {
                    Err(format!("the body is {body:?}"))
                }
            }
            _ => Err("no such step".to_owned()),
        }
    }

    /// `$NAME` by its value, where it has one.
    fn expand(&self, text: &str) -> String {
        let name = Regex::new(r"\$([A-Za-z_]+)").unwrap();
        name.replace_all(text, |found: &regex::Captures<'_>| {
            self.variables
                .get(&found[1])
                .cloned()
                .unwrap_or_else(|| found[0].to_owned())
        })
        .into_owned()
    }

    /// That a text is what a template says; numbers that it captures are kept.
    fn same(&mut self, template: &str, text: &str) -> Result<(), String> {
        let template = self.expand(template);
        let hole = Regex::new(r"\{([a-z]+)([+-]\d+)?\}|\{\*\}").unwrap();
        let mut pattern = String::from("(?s)^");
        let mut captured: Vec<(String, i64)> = Vec::new();
        let mut from = 0;
        for found in hole.captures_iter(&template) {
            let whole = found.get(0).unwrap();
            pattern.push_str(&regex::escape(&template[from..whole.start()]));
            from = whole.end();
            let plus: i64 = found
                .get(2)
                .map_or(0, |plus| plus.as_str().parse().unwrap());
            match found.get(1).map(|name| name.as_str()) {
                None => pattern.push_str(".*"),
                Some("time") => pattern.push_str(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"),
                Some(name) => match self.numbers.get(name) {
                    Some(number) => write!(pattern, "{}", number + plus).unwrap(),
                    None => {
                        pattern.push_str(r"(\d+)");
                        captured.push((name.to_owned(), plus));
                    }
                },
            }
        }
        pattern.push_str(&regex::escape(&template[from..]));
        pattern.push('$');
        let wrong = || format!("wanted {template:?}\n      got    {text:?}");
        let found = Regex::new(&pattern)
            .unwrap()
            .captures(text)
            .ok_or_else(wrong)?;
        for (at, (name, plus)) in captured.iter().enumerate() {
            let number = found[at + 1].parse::<i64>().map_err(|_| wrong())? - plus;
            if *self.numbers.entry(name.clone()).or_insert(number) != number {
                return Err(wrong());
            }
        }
        Ok(())
    }
}

/// Status, headers and body of what `curl -i` printed; without `-i` all is body.
fn answer(stdout: &str) -> (Option<&str>, Vec<(String, String)>, String) {
    let mut text = stdout;
    while text.starts_with("HTTP/1.1 100") {
        text = text.split_once("\r\n\r\n").map_or("", |(_, rest)| rest);
    }
    if !text.starts_with("HTTP/") {
        return (None, Vec::new(), text.to_owned());
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1);
    let pair = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    (
        status,
        head.lines().skip(1).filter_map(pair).collect(),
        body.to_owned(),
    )
}
