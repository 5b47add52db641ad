//! PID 1, and by `argv[0]` the exec helper, the shutdown program and the initramfs's /init.
//!
//! One static executable. This file only chooses the part:
//! `/init` → [`initramfs`], `garboard-exec` → the exec helper, `garboard-shutdown` → the last
//! program of a machine, anything else as PID 1 → the manager.

mod boot;
mod bus;
mod cmdline;
mod devices;
mod exec;
mod initramfs;
mod manager;
mod run;
mod say;
mod shutdown;
mod spare;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let name = words.first().map(String::as_str).unwrap_or_default();
    let first = words.get(1).map(String::as_str).unwrap_or_default();
    let code = match name {
        "/init" => {
            initramfs::run();
            1
        }
        "garboard-exec" => exec::run(),
        "garboard-shutdown" => shutdown::run(first, false),
        "garboard-shutdown-container" => shutdown::run(first, true),
        _ if rustix::process::getpid().as_raw_nonzero().get() == 1 => run::run(&words),
        _ => {
            say::log(
                say::Level::Error,
                "this program is PID 1; systemctl talks to it",
            );
            1
        }
    };
    ExitCode::from(code)
}
