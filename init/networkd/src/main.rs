//! systemd-networkd: brings up interfaces as .network files say: `DHCPv4`, static addresses, names.
//!
//! Never part of PID 1. IPv6 autoconfiguration is left to the kernel. By the name
//! `systemd-networkd-wait-online` (or `--wait-online`) it only waits until a link is routable.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use systemd_networkd::log;
use systemd_networkd::manager::{self, Paths};
use systemd_networkd::wait_online::{self, Wanted};

const HELP: &str = "\
systemd-networkd [--root=DIR]
    Configures the interfaces by /etc, /run and /usr/lib/systemd/network/*.network.

systemd-networkd-wait-online [--timeout=SECONDS] [--interface=NAME]...
    Ends with 0 as soon as an interface (all named ones) is routable, with 1 when the time is over.
    --timeout=0 waits for ever; without it the limit is 120 seconds.

Example: systemd-networkd-wait-online --interface=eth0 --timeout=30
";

/// systemd-networkd-wait-online's own limit.
const WAIT: Duration = Duration::from_secs(120);

#[derive(Debug)]
struct Arguments {
    wait_online: bool,
    paths: Paths,
    wanted: Wanted,
}

fn main() -> ExitCode {
    let mut words = std::env::args();
    let name = words.next().unwrap_or_default();
    match arguments(&name, words) {
        Ok(Some(arguments)) if arguments.wait_online => wait_online(&arguments),
        Ok(Some(arguments)) => serve(&arguments),
        Ok(None) => {
            let _ = std::io::stdout().write_all(HELP.as_bytes());
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            let _ = writeln!(std::io::stderr(), "{wrong}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn arguments(name: &str, words: impl Iterator<Item = String>) -> Result<Option<Arguments>, String> {
    let mut arguments = Arguments {
        wait_online: name.ends_with("wait-online"),
        paths: Paths {
            root: PathBuf::from("/"),
        },
        wanted: Wanted {
            interfaces: Vec::new(),
            timeout: Some(WAIT),
        },
    };
    let mut words = words;
    while let Some(word) = words.next() {
        let (flag, value) = word
            .split_once('=')
            .map_or((word.as_str(), None), |(f, v)| (f, Some(v.to_owned())));
        let mut value = || {
            value
                .clone()
                .or_else(|| words.next())
                .ok_or_else(|| format!("{flag} wants a value"))
        };
        match flag {
            "-h" | "--help" => return Ok(None),
            "--wait-online" => arguments.wait_online = true,
            // Any interface is enough here in every case.
            "--any" | "-q" | "--quiet" => {}
            "--root" => arguments.paths.root = value()?.into(),
            "-i" | "--interface" => {
                let text = value()?;
                arguments
                    .wanted
                    .interfaces
                    .push(text.split(':').next().unwrap_or(&text).to_owned());
            }
            "--timeout" => {
                let text = value()?;
                let seconds: u64 = text
                    .trim_end_matches('s')
                    .parse()
                    .map_err(|_| format!("--timeout wants seconds, got {text:?}"))?;
                arguments.wanted.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            _ => return Err(format!("unknown argument {word:?}")),
        }
    }
    Ok(Some(arguments))
}

fn serve(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let ready = || {
        if let Err(error) =
            init_client::notify::notify("READY=1\nSTATUS=Configuring network interfaces")
        {
            log::warning(&format!("cannot tell PID 1 that we are ready: {error}"));
        }
    };
    match runtime.block_on(manager::run(arguments.paths.clone(), ready)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error(&init_api::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn wait_online(arguments: &Arguments) -> ExitCode {
    match wait_online::wait(&arguments.paths, &arguments.wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            log::error("no network interface became routable in time; see networkd's journal");
            ExitCode::FAILURE
        }
        Err(error) => {
            log::error(&format!("cannot watch the network's state files: {error}"));
            ExitCode::FAILURE
        }
    }
}
