//! flanneld: a subnet for this machine, and the way to all others; by the name mk-docker-opts it
//! writes Docker's options.
//!
//! Decides nothing that flannel-core could decide; talks to etcd through etcd-client, to the kernel
//! through rtnetlink, and to the packet filter through `iptables-restore`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "usage and mistakes are printed"
)]

mod acquire;
mod backend;
mod bridge;
mod daemon;
mod docker_opts;
mod files;
mod firewall;
mod interface;
mod kernel;
mod manual;
mod options;
mod overlay;
mod proxy;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let name = words
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_owned();
    if name.to_string_lossy().starts_with("mk-docker-opts") {
        return docker_opts::main(words);
    }
    if let Some(text) = manual::requested(words.get(1..).unwrap_or_default()) {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let options = match Options::try_parse_from(Options::words(words)) {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Err(error) = options.check() {
        return fail(&error);
    }
    start_log(&options);
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let ended = runtime.block_on(daemon::run(options));
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn start_log(options: &Options) {
    let level = if options.v > 0 {
        "flanneld=debug,etcd_client=debug,info"
    } else {
        "info"
    };
    // The journal adds the time.
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(format!(
            "{level},netlink_proto=error"
        )))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        .init();
    // A dead task in a live process is a ghost: the service manager starts us again.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        default(info);
        std::process::abort();
    }));
    for note in options.notes() {
        tracing::warn!("{note}");
    }
}

/// Prints the chain of an error once.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("flanneld: {}", chain(error));
    ExitCode::FAILURE
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text.replace('\n', " ").trim_end().to_owned()
}
