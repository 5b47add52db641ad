//! The commands of `coreos.units`, run outside the boot transaction by a unit of their own: nothing
//! that a user must be able to reach waits for them.

use std::io;
use std::path::Path;
use std::time::Duration;

use cloud_config_document::Diagnostic;
use init_client::Manager;
use serde_json::{Value, json};

use crate::files;
use crate::log;
use crate::report::{self, Report, Status};

/// The unit that runs them.
const RUNNER: &str = "coreos-cloudinit-commands.service";
/// Longest wait for one command; a shorter start limit of its unit comes first.
const PATIENCE: Duration = Duration::from_secs(90);

/// One command that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queued {
    pub verb: String,
    pub unit: String,
    pub line: usize,
    /// Asked for by `coreos.update`: a unit that does not exist is no mistake.
    pub generated: bool,
}

/// Leaves the commands for the runner and starts it without waiting.
///
/// # Errors
/// When they cannot be written or PID 1 refuses.
pub(crate) fn hand_over(root: &Path, queue: &[Queued]) -> io::Result<()> {
    let list: Vec<Value> = queue
        .iter()
        .map(|q| json!({"verb": q.verb, "unit": q.unit, "line": q.line, "generated": q.generated}))
        .collect();
    let path = files::below(root, report::RUN).join("commands.json");
    files::write(
        &path,
        &serde_json::to_vec_pretty(&list).unwrap_or_default(),
        0o600,
        None,
    )?;
    if queue.is_empty() {
        return Ok(());
    }
    let mut manager =
        Manager::connect().map_err(|error| io::Error::other(init_api::chain(&error)))?;
    // restart: a run by hand replaces the runner of an earlier one.
    manager
        .restart_unit(RUNNER, "replace")
        .map(|_| ())
        .map_err(|error| io::Error::other(init_api::chain(&error)))
}

fn waiting(root: &Path) -> Vec<Queued> {
    let text =
        std::fs::read(files::below(root, report::RUN).join("commands.json")).unwrap_or_default();
    let value: Value = serde_json::from_slice(&text).unwrap_or_default();
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| {
            Some(Queued {
                verb: item.get("verb")?.as_str()?.to_owned(),
                unit: item.get("unit")?.as_str()?.to_owned(),
                line: item
                    .get("line")
                    .and_then(Value::as_u64)
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(0),
                generated: item
                    .get("generated")
                    .and_then(Value::as_bool)
                    .unwrap_or(false),
            })
        })
        .collect()
}

/// The D-Bus method of a command word.
#[must_use]
pub(crate) fn method(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "start" => "StartUnit",
        "stop" => "StopUnit",
        "restart" => "RestartUnit",
        "reload" => "ReloadUnit",
        "try-restart" => "TryRestartUnit",
        "reload-or-restart" => "ReloadOrRestartUnit",
        "reload-or-try-restart" => "ReloadOrTryRestartUnit",
        _ => return None,
    })
}

/// Runs the waiting commands in order; true if all could be asked for.
pub(crate) fn run(root: &Path) -> bool {
    let mut status = Status::read(root);
    let mut found = Report::default();
    for command in waiting(root) {
        let shown = format!("{} {}", command.verb, command.unit);
        let result = match one(&command) {
            Ok(result) => {
                if result == "done" {
                    log::info(&format!("{shown}: done"));
                } else {
                    log::warning(&format!("{shown}: {result}"));
                }
                result
            }
            Err(refusal) if command.generated => {
                log::info(&format!("{shown}: skipped: {refusal}"));
                continue;
            }
            Err(refusal) => {
                let diagnostic = Diagnostic::error(command.line, format!("{shown}: {refusal}"));
                log::diagnostic(&diagnostic);
                found.diagnostics.push(diagnostic);
                refusal
            }
        };
        status.commands.push((shown, result));
        publish(root, &status);
    }
    if found.failed() {
        "failed".clone_into(&mut status.state);
    }
    publish(root, &status);
    !found.failed()
}

fn publish(root: &Path, status: &Status) {
    if let Err(error) = report::publish(root, status) {
        log::error(&format!(
            "cannot write the status below {}: {error}",
            report::RUN
        ));
    }
}

/// Asks for one job and waits for its end, within bounds.
fn one(command: &Queued) -> Result<String, String> {
    let method = method(&command.verb).ok_or("unknown command")?;
    // A connection for each: one that broke must not cost the commands after it.
    let mut manager = Manager::connect().map_err(|error| init_api::chain(&error))?;
    let job = manager
        .queue_job(method, &command.unit, "replace")
        .map_err(|error| init_api::chain(&error))?;
    match manager.wait_for_job(&job, Some(PATIENCE)) {
        Ok(Some(result)) => Ok(result),
        Ok(None) => Ok(format!(
            "not finished after {} s, it goes on in the background",
            PATIENCE.as_secs()
        )),
        Err(error) => Ok(format!("not known: {}", init_api::chain(&error))),
    }
}

#[cfg(test)]
mod tests {
    use cloud_config_document::patterns::COMMANDS;

    use super::*;

    #[test]
    fn every_word_of_the_document_has_a_method() {
        assert!(COMMANDS.iter().all(|verb| method(verb).is_some()));
        assert_eq!(method("enable"), None);
    }

    #[test]
    fn what_is_handed_over_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        assert!(waiting(root.path()).is_empty());
        hand_over(root.path(), &[]).unwrap();
        assert!(waiting(root.path()).is_empty());
    }
}
