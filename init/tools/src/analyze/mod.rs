//! systemd-analyze: how the boot went, and what texts mean.

mod boot;
mod chain;
mod words;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use init_client::{Manager, Value, names};

use crate::cli;
use crate::systemctl::Failure;

/// Profile the boot, inspect and verify units.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-analyze",
    after_help = "Commands: time blame critical-chain plot verify calendar timespan timestamp unit-paths dump condition cat-config\n\nExamples:\n  systemd-analyze blame\n  systemd-analyze verify ./web.service\n  systemd-analyze calendar 'Mon *-*-* 06:00'"
)]
pub(crate) struct Options {
    /// Straight to the terminal
    #[arg(long)]
    no_pager: bool,
    /// How many times calendar shows
    #[arg(long, default_value = "1")]
    iterations: u32,
    /// Work on the files below this directory
    #[arg(long)]
    root: Option<PathBuf>,
    /// Accepted
    #[arg(long)]
    man: Option<String>,
    /// The system manager
    #[arg(long)]
    system: bool,
    /// What to do, time if nothing is given
    verb: Option<String>,
    /// What the command takes
    #[arg(allow_hyphen_values = true)]
    args: Vec<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let verb = options.verb.as_deref().unwrap_or("time");
    let mut pager = crate::pager::Pager::start(
        !options.no_pager && matches!(verb, "blame" | "dump" | "critical-chain"),
        false,
    );
    let out = pager.out();
    let result = match verb {
        "time" => boot::time(out),
        "blame" => boot::blame(out),
        "critical-chain" => chain::run(out, &options.args),
        "plot" => boot::plot(out),
        "verify" => words::verify(out, options.root.as_deref(), &options.args),
        "calendar" => words::calendar(out, &options.args, options.iterations),
        "timespan" => words::timespan(out, &options.args),
        "timestamp" => words::timestamp(out, &options.args),
        "condition" => words::condition(out, &options.args),
        "unit-paths" => words::unit_paths(out),
        "cat-config" => words::cat_config(out, options.root.as_deref(), &options.args),
        "dump" => dump(out, &options.args),
        other => Err(Failure::new(format!("Unknown command verb {other}."))),
    };
    out.flush()?;
    pager.finish();
    result
}

fn dump(out: &mut dyn Write, patterns: &[String]) -> Result<u8, Failure> {
    let mut manager = Manager::connect()?;
    let answer = if patterns.is_empty() {
        manager.call("Dump", vec![])?
    } else {
        manager.call("DumpUnitsMatchingPatterns", vec![Value::strings(patterns)])?
    };
    write!(
        out,
        "{}",
        answer.first().and_then(Value::as_str).unwrap_or_default()
    )?;
    Ok(0)
}

/// One unit's times in microseconds since boot.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnitTimes {
    name: String,
    began: u64,
    active: u64,
}

impl UnitTimes {
    fn took(&self) -> u64 {
        self.active.saturating_sub(self.began)
    }
}

/// The times of all units that have become active.
fn unit_times(manager: &mut Manager) -> Result<Vec<UnitTimes>, Failure> {
    let mut found = Vec::new();
    for unit in manager.list_units()? {
        let mut time = |name: &str| {
            let value = manager.property(&unit.path, names::UNIT, name);
            value.ok().and_then(|v| v.as_u64()).unwrap_or(0)
        };
        let (began, active) = (
            time("InactiveExitTimestampMonotonic"),
            time("ActiveEnterTimestampMonotonic"),
        );
        // A oneshot without RemainAfterExit is never active: it ends inactive.
        let ended = time("InactiveEnterTimestampMonotonic");
        let active = if active == 0 { ended } else { active };
        if began > 0 && active >= began {
            found.push(UnitTimes {
                name: unit.name,
                began,
                active,
            });
        }
    }
    Ok(found)
}
