//! Conformance suites: our programs seen from outside, beside their originals.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test program: a failure is a panic, progress goes to stderr"
)]

#[cfg(test)]
mod init;
