//! The boot's lines on the console: `[  OK  ] Started X.`

use unit_engine::ConsoleStatus;

use crate::cmdline::Cmdline;
use crate::say;

/// Whether status lines are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    on: bool,
}

impl Status {
    /// Shown unless the kernel command line says `quiet` or switches them off.
    pub(crate) fn new(cmdline: &Cmdline, machine: bool) -> Status {
        Status {
            on: machine && cmdline.switch("systemd.show_status", !cmdline.has("quiet")),
        }
    }

    pub(crate) fn switch(&mut self, on: bool) {
        self.on = on;
    }

    pub(crate) fn line(self, status: ConsoleStatus, text: &str) {
        if self.on {
            say::console(&render(status, text));
        }
    }
}

fn render(status: ConsoleStatus, text: &str) -> String {
    match status {
        ConsoleStatus::Begin => format!("         {text}"),
        other => format!("[{}] {text}", other.word()),
    }
}

#[cfg(test)]
mod tests {
    use unit_engine::ConsoleStatus;

    use super::render;

    #[test]
    fn the_word_stands_in_brackets_and_a_beginning_is_indented() {
        assert_eq!(
            render(ConsoleStatus::Ok, "Started X."),
            "[  OK  ] Started X."
        );
        assert_eq!(
            render(ConsoleStatus::Begin, "Starting X..."),
            "         Starting X..."
        );
    }
}
