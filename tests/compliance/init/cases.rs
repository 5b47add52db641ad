//! Cases as data: files, a script, and exactly what it prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;

use super::guest::{self, Guest};

/// One case of `cases/*.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    id: String,
    title: String,
    /// `modern`: the words of systemd 252 instead of 2016's; `era`: 2016's, which no systemd of
    /// today can be compared with.
    #[serde(default)]
    text: String,
    /// Why the reference cannot run this case, when it cannot.
    #[serde(default)]
    not_on_reference: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
    run: String,
    out: String,
    #[serde(default)]
    noreload: bool,
    #[serde(default = "sixty")]
    timeout: u64,
}

fn sixty() -> u64 {
    60
}

/// Small programs that the cases call, in /opt/t.
const HELPERS: [(&str, &str); 6] = [
    (
        "args",
        r#"for a in "$@"; do printf "<%s>\n" "$a"; done >>/run/t/out"#,
    ),
    ("log", r#"printf "%s\n" "$*" >>/run/t/log"#),
    (
        "env",
        r#"for v in "$@"; do eval "printf '%s=%s\n' \"$v\" \"\${$v-(unset)}\""; done >>/run/t/out"#,
    ),
    (
        "until",
        r#"i=0; while [ $i -lt ${3:-80} ]; do [ "$(systemctl is-active $1)" = "$2" ] && exit 0; sleep 0.1; i=$((i+1)); done; echo "timeout: $1 is $(systemctl is-active $1), wanted $2"; exit 1"#,
    ),
    (
        "p",
        r#"u=$1; shift; for k in "$@"; do printf "%s=%s\n" "$k" "$(systemctl show --value -p $k -- $u)"; done"#,
    ),
    (
        "die",
        "case $1 in [0-9]*) exit $1;; *) kill -$1 $$; sleep 5;; esac",
    ),
];

const CLEAN: &str = r"systemctl stop 'c-*' 2>/dev/null; systemctl kill -s KILL 'c-*' 2>/dev/null
for d in /etc /run /usr/lib; do rm -rf $d/systemd/system/c-* $d/systemd/system/*/c-* $d/systemd/system/service.d; done
rm -rf /run/systemd/transient/c-* /etc/systemd/system.control/c-* /run/systemd/system.control/c-*
systemctl daemon-reload; systemctl reset-failed
";

/// A word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Shell lines that make a file: a link, or a text that is a program when it begins with `#!`.
fn put(path: &str, text: &str) -> String {
    let path = quoted(path);
    let mut script = format!("mkdir -p \"$(dirname {path})\"\n");
    if let Some(target) = text.strip_prefix("->") {
        let _ = writeln!(script, "ln -sfn {} {path}", quoted(target.trim()));
        return script;
    }
    let mode = if text.starts_with("#!") { "755" } else { "644" };
    let _ = writeln!(
        script,
        "rm -f {path}; printf %s {} >{path}; chmod {mode} {path}",
        quoted(text)
    );
    script
}

impl Case {
    fn script(&self) -> String {
        let mut script =
            String::from("rm -rf /run/t; mkdir -m 1777 /run/t; date +%s >/run/t-now; cd /\n");
        if self.text == "modern" {
            script.push_str("export SYSTEMCTL_STYLE=modern\n");
        }
        for (path, text) in &self.files {
            script.push_str(&put(path, text));
        }
        if !self.noreload {
            script.push_str("systemctl daemon-reload\n");
        }
        script.push_str(&put("/run/t-case", &self.run));
        script.push_str("echo @@BEGIN; sh /run/t-case </dev/null 2>&1; echo; echo @@END\n");
        let _ = write!(script, "({CLEAN}");
        for path in self.files.keys() {
            let _ = writeln!(script, "rm -f {}", quoted(path));
        }
        script.push_str("systemctl daemon-reload) >/dev/null 2>&1\n");
        script
    }

    /// None when the output is as wanted, else what is wrong.
    fn check(&self, guest: &Guest) -> Option<String> {
        let raw = guest.run(&self.script(), Duration::from_secs(self.timeout + 30));
        let got = raw
            .split_once("@@BEGIN\n")
            .and_then(|(_, rest)| rest.split_once("@@END"))
            .map_or(raw.as_str(), |(text, _)| {
                text.strip_suffix('\n').unwrap_or(text)
            });
        let lines = |text: &str| -> Vec<String> {
            text.trim_end_matches('\n')
                .split('\n')
                .map(|line| line.trim_end().to_owned())
                .collect()
        };
        if lines(&self.out) == lines(got) {
            return None;
        }
        Some(format!(
            "{} {}\n--- want\n{}--- got\n{got}\n",
            self.id, self.title, self.out
        ))
    }
}

/// Runs all cases of one file in one guest.
pub(crate) fn run(name: &str, text: &str) {
    if guest::skipped(false) {
        return;
    }
    let only = std::env::var("CASE").unwrap_or_default();
    let cases: Vec<Case> = serde_yaml::from_str(text).unwrap();
    let guest = Guest::start(name);
    let helpers: String = HELPERS
        .iter()
        .map(|(name, body)| put(&format!("/opt/t/{name}"), &format!("#!/bin/sh\n{body}\n")))
        .collect();
    guest.run(&helpers, Duration::from_secs(20));
    let mut failed = Vec::new();
    let reference = guest::under_test() == "reference";
    // Only our own systemctl speaks as in 2016.
    let ours = guest::under_test() == "ours";
    let applies = |case: &&Case| case.id.contains(&only) && (ours || case.text != "era");
    for case in cases.iter().filter(applies) {
        if reference && !case.not_on_reference.is_empty() {
            eprintln!("skip {}: {}", case.id, case.not_on_reference);
            continue;
        }
        let wrong = case.check(&guest);
        if wrong.is_some() && std::env::var_os("VERBOSE").is_some() {
            eprintln!(
                "{}",
                guest.run("journalctl --no-pager -n 60", Duration::from_secs(10))
            );
        }
        eprintln!(
            "{} {}",
            if wrong.is_some() { "FAIL" } else { "ok  " },
            case.id
        );
        failed.extend(wrong);
    }
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}
