//! Many small expectations of one machine: all are tried, and all that fail are told together, because the boot that
//! they share is dear.

use qemu_harness::pause::pause;
use qemu_harness::{Machine, Ssh};
use std::time::{Duration, Instant};

/// Expectations of one machine, over ssh.
pub(crate) struct Checks<'a> {
    ssh: &'a Ssh,
    failures: Vec<String>,
    count: usize,
}

impl<'a> Checks<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Checks<'a> {
        Checks {
            ssh: machine.ssh(),
            failures: Vec::new(),
            count: 0,
        }
    }

    fn look(&self, command: &str) -> (i32, String) {
        match self.ssh.run(command) {
            Ok(output) => (output.code, output.all()),
            Err(error) => (-2, error.to_string()),
        }
    }

    fn expect(&mut self, good: bool, what: impl FnOnce() -> String) {
        self.count += 1;
        if !good {
            self.failures.push(what());
        }
    }

    /// The command succeeds and prints exactly this, on either output.
    pub(crate) fn is(&mut self, command: &str, wanted: &str) {
        let (code, said) = self.look(command);
        let good = code == 0 && said.trim_end_matches('\n') == wanted.trim_end_matches('\n');
        self.expect(good, || {
            format!("$ {command}\n  wanted: {wanted}\n  code {code}: {said}")
        });
    }

    /// The command succeeds and what it prints contains this.
    pub(crate) fn has(&mut self, command: &str, wanted: &str) {
        let (code, said) = self.look(command);
        let good = code == 0 && said.contains(wanted);
        self.expect(good, || {
            format!("$ {command}\n  wanted in it: {wanted}\n  code {code}: {said}")
        });
    }

    /// The command succeeds.
    pub(crate) fn works(&mut self, command: &str) {
        self.has(command, "");
    }

    /// The command ends with this code and what it prints contains this.
    pub(crate) fn fails(&mut self, command: &str, wanted_code: i32, wanted: &str) {
        let (code, said) = self.look(command);
        let good = code == wanted_code && said.contains(wanted);
        self.expect(good, || {
            format!("$ {command}\n  wanted code {wanted_code} and: {wanted}\n  code {code}: {said}")
        });
    }

    /// The command succeeds and prints this in the end: for what goes on in the background.
    pub(crate) fn soon(&mut self, command: &str, wanted: &str) {
        let begun = Instant::now();
        let mut last = self.look(command);
        while !(last.0 == 0 && last.1.contains(wanted)) && begun.elapsed() < Duration::from_secs(90)
        {
            pause(Duration::from_millis(500));
            last = self.look(command);
        }
        let (code, said) = last;
        let good = code == 0 && said.contains(wanted);
        self.expect(good, || {
            format!("$ {command}\n  wanted soon: {wanted}\n  code {code}: {said}")
        });
    }

    /// Something that the test has found out itself.
    pub(crate) fn that(&mut self, good: bool, what: &str) {
        self.expect(good, || what.to_owned());
    }

    /// Tells all failures.
    pub(crate) fn finish(self) {
        let (failed, count) = (self.failures.len(), self.count);
        assert!(
            failed == 0,
            "{failed} of {count} checks failed:\n\n{}",
            self.failures.join("\n\n")
        );
    }
}
