//! What a failed test prints about a machine, so that it can be understood without running it again.

use std::fmt::Write;
use std::time::Duration;

use crate::machine::Machine;

/// Everything worth knowing about a machine that may be broken.
#[must_use]
pub fn text(machine: &Machine) -> String {
    let mut text = String::new();
    let name = machine.name();
    section(&mut text, name, "state");
    let ending = machine
        .ending()
        .map_or_else(|| "running".to_owned(), |ending| ending.to_string());
    let (age, cpu) = (machine.age().as_secs(), machine.cpu_seconds());
    let _ = writeln!(text, "{ending}; {age} s old, {cpu:.1} CPU s");
    if let Some(port) = machine.port() {
        let (from, to, dropped) = port.frames();
        let _ = writeln!(
            text,
            "frames: {from} from the guest, {to} to it, {dropped} dropped"
        );
        let requests = port.metadata().requests();
        let _ = writeln!(text, "metadata: {} requests", requests.len());
        for request in requests.iter().rev().take(12).rev() {
            let _ = writeln!(
                text,
                "  {:7.2} s  {}  {}",
                request.at.as_secs_f64(),
                request.status,
                request.path
            );
        }
    }
    if let Some(counts) = machine.disk_counts() {
        let _ = writeln!(text, "disk: {counts:?}");
    }
    section(&mut text, name, "console, last lines");
    let _ = writeln!(text, "{}", machine.console().last_lines(60));
    if machine.ending().is_none() && machine.port().is_some() {
        for (title, command) in [
            ("failed units", "systemctl --no-pager --failed"),
            (
                "journal, last lines",
                "sudo -n journalctl --no-pager -b -n 60",
            ),
        ] {
            section(&mut text, name, title);
            match machine
                .ssh()
                .run_with(command, &[], Duration::from_secs(40))
            {
                Ok(output) => text.push_str(&output.all()),
                Err(error) => {
                    let _ = writeln!(text, "{error}");
                }
            }
        }
    }
    section(&mut text, name, "QEMU");
    let _ = writeln!(text, "{}\n{}", machine.stderr(), machine.command_line());
    let _ = writeln!(
        text,
        "everything is in {} (console.log, qemu.err, disk.qcow2)",
        machine.folder().display()
    );
    text
}

fn section(text: &mut String, name: &str, title: &str) {
    let _ = writeln!(text, "==== {name}: {title} ====");
}

/// Prints the report on standard error.
#[expect(
    clippy::print_stderr,
    reason = "the test runner shows a failed test's standard error"
)]
pub fn print(machine: &Machine) {
    eprintln!("{}", text(machine));
}
