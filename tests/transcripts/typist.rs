//! Types a document's commands on a terminal of fixed width and compares what appears.

use std::time::Duration;

use qemu_harness::pause::pause;
use qemu_harness::{HarnessError, Output, Ssh};

use crate::document::{Document, Step};
use crate::pattern;

const COLUMNS: u16 = 120;
/// Seconds after which a second terminal gets Ctrl-C, if its command has not ended by itself.
const WATCHING: u32 = 40;
/// How long a background command has to begin before the next one is typed, beyond the time of a login.
const BEGIN: Duration = Duration::from_secs(2);

/// Types everything, each step on its machine; returns what was wrong, one text a step.
pub(crate) fn type_in(machines: &[&Ssh], document: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    std::thread::scope(|scope| {
        let mut waiting = Vec::new();
        for step in &document.steps {
            let Some(&ssh) = machines.get(step.machine) else {
                faults.push(format!("line {}: there is no such machine", step.line));
                continue;
            };
            if step.background {
                let command = format!("timeout --foreground -s INT {WATCHING} {}", step.command);
                waiting.push((
                    step,
                    scope.spawn(move || ssh.run_on_terminal(&command, COLUMNS)),
                ));
                // A machine that is slow to log in is slow to begin.
                if let Err(error) = ssh.run_on_terminal("etcdctl --version", COLUMNS) {
                    faults.push(format!("line {}: {error}", step.line));
                }
                pause(BEGIN);
                continue;
            }
            match type_one(ssh, &step.command) {
                Ok(output) => faults.extend(compare(step, &output.text())),
                Err(error) => {
                    faults.push(format!("line {}: $ {}\n{error}", step.line, step.command));
                }
            }
        }
        for (step, typed) in waiting {
            match typed.join() {
                Ok(Ok(output)) => faults.extend(compare(step, &output.text())),
                Ok(Err(error)) => {
                    faults.push(format!("line {}: $ {}\n{error}", step.line, step.command));
                }
                Err(_) => faults.push(format!(
                    "line {}: the second terminal broke down",
                    step.line
                )),
            }
        }
    });
    faults
}

/// On a terminal, as the tutorial was typed, but without a pager and colours; Docker without one, because its progress
/// would be drawn over itself there.
fn type_one(ssh: &Ssh, command: &str) -> Result<Output, HarnessError> {
    if command.starts_with("docker ") {
        return ssh.run(command);
    }
    let plain = format!(
        "export SYSTEMD_PAGER= NO_COLOR=1; sudo() {{ command sudo --preserve-env=SYSTEMD_PAGER,NO_COLOR \"$@\"; }}; {command}"
    );
    ssh.run_on_terminal(&plain, COLUMNS)
}

fn compare(step: &Step, said: &str) -> Option<String> {
    let got: Vec<&str> = said.trim_end_matches('\n').lines().collect();
    let got = if said.trim().is_empty() {
        Vec::new()
    } else {
        got
    };
    if pattern::lines(&step.output, &got) {
        return None;
    }
    let show = |lines: &[String]| {
        lines
            .iter()
            .map(|line| format!("  | {line}\n"))
            .collect::<String>()
    };
    let got: Vec<String> = got.into_iter().map(str::to_owned).collect();
    Some(format!(
        "line {}: $ {}\nthe document says:\n{}the machine printed:\n{}",
        step.line,
        step.command,
        show(&step.output),
        show(&got)
    ))
}
