//! PID 1, and by argv[0] the exec helper, the shutdown program and the initramfs's /init.
//!
//! One static executable. This file only chooses the part:
//! `/init` → [`initramfs`], `garboard-exec` → the exec helper, `garboard-shutdown` → the last
//! program of a machine, anything else as PID 1 → the manager.

mod cmdline;
mod devices;
mod initramfs;
mod say;

use std::process::ExitCode;

/// An error with its causes on one line, as programs print it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    match name.as_str() {
        "/init" => {
            initramfs::run();
            ExitCode::FAILURE
        }
        _ => {
            say::open_kmsg();
            say::log(say::Level::Notice, "init on the real root");
            let _ = rustix::system::reboot(rustix::system::RebootCommand::PowerOff);
            ExitCode::FAILURE
        }
    }
}
