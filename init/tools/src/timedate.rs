//! timedatectl: clock and time zone.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use init_client::{Manager, names};
use jiff::tz::TimeZone;

use crate::cli;
use crate::clock;
use crate::systemctl::Failure;

/// Query or change system time and date settings.
#[derive(Debug, Parser)]
#[command(
    name = "timedatectl",
    after_help = "Examples:\n  timedatectl\n  timedatectl set-timezone Asia/Taipei\n  timedatectl set-ntp yes"
)]
pub(crate) struct Options {
    /// Do not ask for passwords
    #[arg(long)]
    no_ask_password: bool,
    /// Straight to the terminal
    #[arg(long)]
    no_pager: bool,
    /// status (default), show, set-timezone ZONE, list-timezones, set-ntp BOOL
    verb: Option<String>,
    /// Zone or boolean
    value: Option<String>,
}

const ZONES: &str = "/usr/share/zoneinfo";
/// Units that keep the clock, the first that exists counts.
const KEEPERS: [&str; 4] = [
    "systemd-timesyncd.service",
    "chrony.service",
    "chronyd.service",
    "ntp.service",
];

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let verb = options.verb.as_deref().unwrap_or("status");
    match (verb, options.value.as_deref()) {
        ("status" | "show", _) => {
            let facts = Facts::read();
            let text = if verb == "status" {
                status(&facts)
            } else {
                show(&facts)
            };
            write!(std::io::stdout(), "{text}")?;
            Ok(0)
        }
        ("list-timezones", _) => list(),
        ("set-timezone", Some(zone)) => set_zone(zone),
        ("set-ntp", Some(on)) => set_ntp(matches!(on, "yes" | "true" | "1" | "on" | "y")),
        ("set-timezone" | "set-ntp", None) => Err(Failure::new("Too few arguments.")),
        _ => Err(Failure::new(format!("Unknown command verb {verb}."))),
    }
}

#[derive(Debug)]
struct Facts {
    now: u64,
    zone: TimeZone,
    zone_name: String,
    synchronized: bool,
    keeper: Option<bool>,
    rtc: Option<String>,
}

impl Facts {
    fn read() -> Self {
        let link = fs::read_link("/etc/localtime").unwrap_or_default();
        let text = link.to_string_lossy();
        let zone_name = text
            .split_once("zoneinfo/")
            .map_or("Etc/UTC", |(_, zone)| zone)
            .to_owned();
        let read = |name: &str| fs::read_to_string(Path::new("/sys/class/rtc/rtc0").join(name));
        let rtc = read("date")
            .and_then(|date| Ok(format!("{} {}", date.trim(), read("time")?.trim())))
            .ok();
        Self {
            now: clock::now(),
            zone: TimeZone::system(),
            zone_name,
            synchronized: Path::new("/run/systemd/timesync/synchronized").exists(),
            keeper: keeper_runs(),
            rtc,
        }
    }
}

/// Whether the unit that keeps the clock is active; nothing if there is none.
fn keeper_runs() -> Option<bool> {
    let mut manager = Manager::connect().ok()?;
    let mut found = None;
    for unit in KEEPERS {
        let load = manager.unit_property(unit, names::UNIT, "LoadState").ok()?;
        if load.as_str() == Some("loaded") {
            let state = manager
                .unit_property(unit, names::UNIT, "ActiveState")
                .ok()?;
            let active = state.as_str() == Some("active");
            found = Some(found.unwrap_or(false) || active);
        }
    }
    found
}

fn status(facts: &Facts) -> String {
    let offset = journal::render::time(facts.now, &facts.zone, "(%Z, %z)");
    let service = match facts.keeper {
        Some(true) => "active",
        Some(false) => "inactive",
        None => "n/a",
    };
    let universal = clock::stamp(facts.now, &TimeZone::UTC);
    let mut out = String::new();
    for (label, value) in [
        ("Local time", clock::stamp(facts.now, &facts.zone)),
        ("Universal time", universal),
        (
            "RTC time",
            facts.rtc.clone().unwrap_or_else(|| "n/a".into()),
        ),
        ("Time zone", format!("{} {offset}", facts.zone_name)),
        (
            "System clock synchronized",
            if facts.synchronized { "yes" } else { "no" }.into(),
        ),
        ("NTP service", service.into()),
        ("RTC in local TZ", "no".into()),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{label:>25}: {value}");
    }
    out
}

fn show(facts: &Facts) -> String {
    let yes = |on: bool| if on { "yes" } else { "no" };
    format!(
        "Timezone={}\nLocalRTC=no\nCanNTP={}\nNTP={}\nNTPSynchronized={}\nTimeUSec={}\n",
        facts.zone_name,
        yes(facts.keeper.is_some()),
        yes(facts.keeper == Some(true)),
        yes(facts.synchronized),
        clock::stamp(facts.now, &facts.zone)
    )
}

fn list() -> Result<u8, Failure> {
    let text = fs::read_to_string(format!("{ZONES}/tzdata.zi"))
        .map_err(|e| Failure::new(format!("cannot read the list of time zones: {e}")))?;
    let mut zones: Vec<&str> = text
        .lines()
        .filter_map(
            |line| match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["Z", name, ..] | ["L", _, name] => Some(*name),
                _ => None,
            },
        )
        .collect();
    zones.sort_unstable();
    let mut out = std::io::stdout().lock();
    for zone in zones {
        writeln!(out, "{zone}")?;
    }
    Ok(0)
}

fn set_zone(zone: &str) -> Result<u8, Failure> {
    let sound =
        !zone.starts_with('/') && !zone.split('/').any(|part| part.is_empty() || part == "..");
    let path = format!("{ZONES}/{zone}");
    if !sound || !Path::new(&path).is_file() {
        return Err(Failure::new(format!(
            "Failed to set time zone: Invalid or not installed time zone '{zone}'"
        )));
    }
    let fail = |e: std::io::Error| Failure::new(format!("Failed to set time zone: {e}"));
    let temporary = "/etc/.localtime.new";
    let _ = fs::remove_file(temporary);
    std::os::unix::fs::symlink(format!("..{path}"), temporary).map_err(fail)?;
    fs::rename(temporary, "/etc/localtime").map_err(fail)?;
    let _ = fs::write("/etc/timezone", format!("{zone}\n"));
    Ok(0)
}

fn set_ntp(on: bool) -> Result<u8, Failure> {
    let mut manager = Manager::connect()?;
    for unit in KEEPERS {
        let load = manager.unit_property(unit, names::UNIT, "LoadState")?;
        if load.as_str() != Some("loaded") {
            continue;
        }
        let job = if on {
            manager.enable_unit_files(&[unit], false, false)?;
            manager.reload()?;
            manager.start_unit(unit, "replace")?
        } else {
            manager.disable_unit_files(&[unit], false)?;
            manager.reload()?;
            manager.stop_unit(unit, "replace")?
        };
        manager.wait_for_job(&job, None)?;
        return Ok(0);
    }
    Err(Failure::new(
        "Failed to set ntp: NTP not supported: no unit that keeps the clock is installed",
    ))
}
