//! etcd2: a member of a cluster that agrees on the v2 key space, or a proxy to one.
//!
//! Reads its flags, and does what [`run`] says. Knows nothing of the key space itself (etcd-store)
//! nor of how answers are written (etcd-api); openraft is known to [`raft`] only.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "usage and version are printed"
)]

mod api;
mod bootstrap;
mod config;
mod discovery;
mod flags;
mod ids;
mod log_line;
mod manual;
mod proxy;
mod raft;
mod run;
mod serve;

use std::process::ExitCode;

use crate::config::Config;
use crate::flags::{FlagError, Values};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(text) = manual::requested(&arguments) {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let values = match values(arguments) {
        Ok(values) => values,
        Err(FlagError::Help) => {
            print!("{}", flags::usage());
            return ExitCode::SUCCESS;
        }
        Err(error @ (FlagError::Unknown(_) | FlagError::NoValue(_) | FlagError::Stray(_))) => {
            eprintln!("etcd2: {error}\n\n{}", flags::usage());
            return ExitCode::from(2);
        }
        Err(error) => return fail(&error),
    };
    if values.switch("version") {
        println!("etcd Version: {}", api::SERVER_VERSION);
        println!("Git SHA: garboard-{}", env!("CARGO_PKG_VERSION"));
        println!("Go Version: none (Rust)");
        println!(
            "Go OS/Arch: {}/{}",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
        return ExitCode::SUCCESS;
    }
    start_log(&values);
    let config = match Config::from_values(&values) {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let ended = runtime.block_on(run::run(config));
    // A snapshot that is being written is not waited for: the log has it all.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn values(arguments: Vec<String>) -> Result<Values, FlagError> {
    let mut values = Values::default();
    values.arguments(arguments)?;
    values.environment(std::env::vars())?;
    let path = values.get("config-file").to_owned();
    if !path.is_empty() {
        values.file(read_file(&path)?, &path)?;
    }
    Ok(values)
}

/// The keys of a configuration file.
fn read_file(path: &str) -> Result<Vec<(String, String)>, FlagError> {
    let bad = |wants: String| FlagError::Value {
        source_of: "config-file".to_owned(),
        value: path.to_owned(),
        wants,
    };
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let keys: std::collections::BTreeMap<String, serde_yaml::Value> =
        serde_yaml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let as_text = |(name, value): (String, serde_yaml::Value)| match value {
        serde_yaml::Value::String(text) => Ok((name, text)),
        serde_yaml::Value::Bool(switch) => Ok((name, switch.to_string())),
        serde_yaml::Value::Number(number) => Ok((name, number.to_string())),
        _ => Err(bad(format!(
            "{name} has to be a text, a number or true or false"
        ))),
    };
    keys.into_iter().map(as_text).collect()
}

fn start_log(values: &Values) {
    let level = if values.switch("debug") {
        "debug"
    } else {
        "info"
    };
    // Of a member that is away raft warns with each heartbeat; we say it once (raft/network.rs).
    let filter = tracing_subscriber::EnvFilter::new(format!("{level},openraft=error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(log_line::LogLine)
        .init();
    // A dead task in a live process is a ghost: the service manager starts us again.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        default(info);
        std::process::abort();
    }));
    for note in &values.notes {
        tracing::warn!("{note}");
    }
}

/// Prints the chain of an error once.
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("etcd2: {}", init_api::chain(error));
    ExitCode::FAILURE
}
