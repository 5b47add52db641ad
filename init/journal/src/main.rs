//! systemd-journald: the one writer of the journal.

fn main() {}
