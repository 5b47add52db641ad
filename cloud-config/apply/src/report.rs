//! What was done, for people and programs: the report file, the status file, the login message.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use cloud_config_document::{Diagnostic, Severity};
use serde_json::{Value, json};

use crate::files;

/// Volatile state of this program.
pub(crate) const RUN: &str = "/run/coreos-cloudinit";
/// More lines would push the prompt off the screen; the journal has the rest.
const MOST_LINES: usize = 12;

/// Everything that one run did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub source: String,
    pub hostname: Option<String>,
    pub ssh_keys: BTreeMap<String, Vec<String>>,
    pub useradd: Vec<String>,
    pub scripts: Vec<String>,
    pub actions: Vec<String>,
    /// (path, mode, action)
    pub files: Vec<(String, String, String)>,
    pub diagnostics: Vec<Diagnostic>,
    /// What the command runner found out: (command, result).
    pub commands: Vec<(String, String)>,
}

impl Report {
    /// True if something that was asked for was not done.
    #[must_use]
    pub(crate) fn failed(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|d| d.severity == Severity::Error)
    }

    /// The report of `-report`.
    #[must_use]
    pub(crate) fn json(&self, exit: u8) -> Value {
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|(path, mode, action)| json!({"path": path, "mode": mode, "action": action}))
            .collect();
        json!({
            "exit": exit,
            "source": self.source,
            "hostname": self.hostname,
            "ssh_keys": self.ssh_keys,
            "useradd": self.useradd,
            "scripts": self.scripts,
            "actions": self.actions,
            "files": files,
            "diagnostics": self.diagnostics,
        })
    }
}

/// Status for programs and the login message for people, below /run.
///
/// # Errors
/// What writing says.
pub(crate) fn publish(root: &Path, status: &Status) -> io::Result<()> {
    let run = files::below(root, RUN);
    files::write(
        &run.join("status.json"),
        &serde_json::to_vec_pretty(&status.json()).unwrap_or_default(),
        0o644,
        None,
    )?;
    files::write(&run.join("motd"), status.message().as_bytes(), 0o644, None).map(|_| ())
}

/// The state of a boot's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// `running`, `done`, `failed`.
    pub state: String,
    pub source: String,
    /// One line per finding that a person should see.
    pub problems: Vec<String>,
    pub commands: Vec<(String, String)>,
}

impl Status {
    /// The status after a run.
    #[must_use]
    pub(crate) fn of(report: &Report) -> Self {
        let seen = |d: &&Diagnostic| d.severity != Severity::Info;
        Self {
            state: if report.failed() { "failed" } else { "done" }.into(),
            source: report.source.clone(),
            problems: report
                .diagnostics
                .iter()
                .filter(seen)
                .map(ToString::to_string)
                .collect(),
            commands: report.commands.clone(),
        }
    }

    fn json(&self) -> Value {
        let commands: Vec<Value> = self
            .commands
            .iter()
            .map(|(c, r)| json!({"command": c, "result": r}))
            .collect();
        json!({"state": self.state, "source": self.source, "problems": self.problems, "commands": commands})
    }

    /// Reads what [`publish`] wrote.
    #[must_use]
    pub(crate) fn read(root: &Path) -> Self {
        let text = std::fs::read(files::below(root, RUN).join("status.json")).unwrap_or_default();
        let value: Value = serde_json::from_slice(&text).unwrap_or_default();
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or("")
                .to_owned()
        };
        let list = value
            .get("problems")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        Self {
            state: text("state"),
            source: text("source"),
            problems: list.filter_map(Value::as_str).map(str::to_owned).collect(),
            commands: vec![],
        }
    }

    /// Text for logins: empty when all is well.
    #[must_use]
    pub(crate) fn message(&self) -> String {
        let mut lines: Vec<String> = self.problems.clone();
        lines.extend(
            self.commands
                .iter()
                .filter(|(_, r)| r != "done")
                .map(|(c, r)| format!("{c}: {r}")),
        );
        if lines.is_empty() {
            return String::new();
        }
        let head = match self.state.as_str() {
            "running" => "user-data is not applied yet:".to_owned(),
            "failed" => format!("user-data from {} was applied only in part:", self.source),
            _ => format!("user-data from {} was applied with remarks:", self.source),
        };
        let more = lines.len().saturating_sub(MOST_LINES);
        lines.truncate(MOST_LINES);
        let mut text = head + "\n";
        for line in lines {
            text.push_str(&format!("  {line}\n"));
        }
        if more > 0 {
            text.push_str(&format!("  and {more} more\n"));
        }
        text + "  (journalctl -u coreos-cloudinit -u coreos-cloudinit-commands)\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_empty_when_all_is_well_and_bounded_otherwise() {
        let mut report = Report {
            source: "x".into(),
            ..Report::default()
        };
        assert_eq!(Status::of(&report).message(), "");
        report.diagnostics = (1..40).map(|n| Diagnostic::error(n, "bad")).collect();
        let text = Status::of(&report).message();
        assert!(
            text.starts_with("user-data from x was applied only in part:\n  line 1: error: bad\n")
        );
        assert!(text.contains("and 27 more") && text.lines().count() == 15);
    }

    #[test]
    fn what_is_published_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let status = Status {
            state: "done".into(),
            source: "s".into(),
            problems: vec!["p".into()],
            commands: vec![],
        };
        publish(root.path(), &status).unwrap();
        assert_eq!(Status::read(root.path()), status);
    }
}
