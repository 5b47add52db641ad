//! systemd-sysctl: kernel settings from sysctl.d(5).

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::cli;
use crate::systemctl::{Failure, complain};

/// Apply kernel sysctl settings.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-sysctl",
    after_help = "Example:\n  systemd-sysctl --prefix=net.ipv4"
)]
pub(crate) struct Options {
    /// Only settings below this one
    #[arg(long)]
    prefix: Vec<String>,
    /// Files in place of the configuration folders; - for standard input
    files: Vec<String>,
}

/// One setting, or (without a value) a pattern that later patterns leave out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    key: String,
    value: Option<String>,
    may_fail: bool,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let mut settings: Vec<Setting> = Vec::new();
    let mut bad = false;
    let paths: Vec<PathBuf> = if options.files.is_empty() {
        cli::configuration(Path::new("/"), "sysctl.d")
    } else {
        options.files.iter().map(PathBuf::from).collect()
    };
    for path in paths {
        let text = if path == Path::new("-") {
            std::io::read_to_string(std::io::stdin())?
        } else {
            fs::read_to_string(&path)?
        };
        for (at, line) in text.lines().enumerate() {
            match parse(line) {
                Ok(Some(setting)) => {
                    // A later file says the last word.
                    settings.retain(|s| s.key != setting.key);
                    settings.push(setting);
                }
                Ok(None) => {}
                Err(problem) => {
                    complain(&format!("{}:{}: {problem}", path.display(), at + 1));
                    bad = true;
                }
            }
        }
    }
    let prefixes: Vec<String> = options.prefix.iter().map(|p| key_path(p)).collect();
    for setting in settings
        .iter()
        .filter(|s| prefixes.is_empty() || prefixes.iter().any(|p| s.key.starts_with(p)))
    {
        bad |= !apply(setting, &settings);
    }
    Ok(u8::from(bad))
}

fn parse(line: &str) -> Result<Option<Setting>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';']) {
        return Ok(None);
    }
    let (may_fail, line) = line
        .strip_prefix('-')
        .map_or((false, line), |rest| (true, rest));
    let (key, value) = match line.split_once('=') {
        Some((key, value)) => (key, Some(value.trim().to_owned())),
        None if may_fail => (line, None),
        None => return Err(format!("{line:?} is no setting, expected KEY=VALUE")),
    };
    Ok(Some(Setting {
        key: key_path(key.trim()),
        value,
        may_fail,
    }))
}

/// `net.ipv4.conf.eth0/1.x` and `net/ipv4/…` as a path below /proc/sys: whichever separator comes
/// first is the separator, the other is part of names.
fn key_path(key: &str) -> String {
    match key.find(['.', '/']) {
        Some(at) if key.get(at..).is_some_and(|rest| rest.starts_with('.')) => key
            .chars()
            .map(|c| {
                if c == '.' {
                    '/'
                } else if c == '/' {
                    '.'
                } else {
                    c
                }
            })
            .collect(),
        _ => key.to_owned(),
    }
}

/// Writes one setting wherever its pattern fits; whether all went well.
fn apply(setting: &Setting, all: &[Setting]) -> bool {
    let Some(value) = &setting.value else {
        return true;
    };
    let pattern = format!("/proc/sys/{}", setting.key);
    let is_glob = unit_file::is_glob(&pattern);
    let paths = if is_glob {
        cli::glob(&pattern)
    } else {
        vec![PathBuf::from(&pattern)]
    };
    let mut good = true;
    for path in paths {
        let key = path
            .strip_prefix("/proc/sys")
            .map(|p| p.to_string_lossy().into_owned())
            .unwrap_or_default();
        if is_glob && all.iter().any(|other| other.key == key) {
            continue;
        }
        if let Err(error) = fs::write(&path, format!("{value}\n")) {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            if !setting.may_fail && !missing {
                complain(&format!("Couldn't write '{value}' to '{key}': {error}"));
                good = false;
            }
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides_and_a_dash_forgives() {
        assert_eq!(key_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(key_path("net/ipv4/conf/eth0.1/x"), "net/ipv4/conf/eth0.1/x");
        assert_eq!(key_path("net.ipv4.conf.eth0/1.x"), "net/ipv4/conf/eth0.1/x");
        let setting = parse("-a.b = c d").unwrap().unwrap();
        assert_eq!(
            (
                setting.key.as_str(),
                setting.value.as_deref(),
                setting.may_fail
            ),
            ("a/b", Some("c d"), true)
        );
        assert_eq!(parse("# x").unwrap(), None);
        assert!(parse("nonsense").unwrap_err().contains("KEY=VALUE"));
    }
}
