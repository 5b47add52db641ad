//! The pager: long output goes through `less` when a person looks at it.

use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, Stdio};

/// Output, through a pager or straight.
pub(crate) struct Pager {
    child: Option<Child>,
    out: Box<dyn Write>,
}

impl Pager {
    /// Starts `$SYSTEMD_PAGER`, `$PAGER` or less, if `wanted` and standard output is a terminal.
    pub(crate) fn start(wanted: bool, at_end: bool) -> Self {
        let straight = || Self {
            child: None,
            out: Box::new(io::BufWriter::new(io::stdout())),
        };
        if !wanted || !io::stdout().is_terminal() {
            return straight();
        }
        let chosen = std::env::var("SYSTEMD_PAGER")
            .or_else(|_| std::env::var("PAGER"))
            .unwrap_or_else(|_| "less".into());
        if chosen.is_empty() || chosen == "cat" {
            return straight();
        }
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(&chosen).stdin(Stdio::piped());
        // The flags of systemd: quit if it fits, colours, cut long lines, leave the screen as it is.
        command.env("LESS", if at_end { "FRSXMK+G" } else { "FRSXMK" });
        match command.spawn() {
            Ok(mut child) => match child.stdin.take() {
                Some(stdin) => Self {
                    child: Some(child),
                    out: Box::new(io::BufWriter::new(stdin)),
                },
                None => straight(),
            },
            Err(_) => straight(),
        }
    }

    /// Where to write.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Lets the person look until they are done.
    pub(crate) fn finish(self) {
        drop(self.out);
        if let Some(mut child) = self.child {
            // How the pager ended says nothing about us.
            let _ = child.wait();
        }
    }
}
