//! systemd-delta: which configuration of this machine differs from what the image brought.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::cli;

/// Find overridden configuration files.
#[derive(Debug, Parser)]
#[command(name = "systemd-delta")]
pub(crate) struct Options {
    /// Only these kinds: masked, equivalent, redirected, overridden, extended
    #[arg(short = 't', long = "type", value_delimiter = ',')]
    types: Vec<String>,
    /// Show the differences
    #[arg(long, default_value = "no")]
    diff: String,
    /// Straight to the terminal
    #[arg(long)]
    no_pager: bool,
    /// Folders to look at, such as systemd/system
    folders: Vec<String>,
}

const BASES: [&str; 4] = ["/etc", "/run", "/usr/local/lib", "/usr/lib"];
const FOLDERS: [&str; 7] = [
    "sysctl.d",
    "tmpfiles.d",
    "modules-load.d",
    "systemd/system",
    "systemd/network",
    "systemd/system-preset",
    "udev/rules.d",
];

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| {
        let folders: Vec<String> = if options.folders.is_empty() {
            FOLDERS.iter().map(|f| (*f).to_owned()).collect()
        } else {
            options.folders.clone()
        };
        let mut found = 0;
        let mut out = std::io::stdout().lock();
        for folder in &folders {
            for (kind, text) in compare(folder) {
                if options.types.is_empty() && kind == "EQUIVALENT" {
                    continue;
                }
                if options.types.is_empty()
                    || options.types.iter().any(|t| t.eq_ignore_ascii_case(kind))
                {
                    writeln!(out, "{:<12} {text}", format!("[{kind}]"))?;
                    found += 1;
                }
            }
        }
        writeln!(out, "\n{found} overridden configuration files found.")?;
        Ok(0)
    })
}

/// Each file that hides another, and each drop-in, with its kind.
fn compare(folder: &str) -> Vec<(&'static str, String)> {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut out = Vec::new();
    for base in BASES {
        let Ok(entries) = fs::read_dir(Path::new(base).join(folder)) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".d") {
                out.extend(drop_ins(folder, &name, &entry.path()));
            } else if !(name.ends_with(".wants") || name.ends_with(".requires")) {
                files.entry(name).or_default().push(entry.path());
            }
        }
    }
    for paths in files.into_values() {
        for pair in paths.windows(2) {
            let [top, below] = pair else { continue };
            out.push(relation(top, below));
        }
    }
    out
}

fn relation(top: &Path, below: &Path) -> (&'static str, String) {
    let text = format!("{} → {}", top.display(), below.display());
    let kind = match fs::read_link(top) {
        Ok(target) if target == Path::new("/dev/null") => "MASKED",
        Ok(target) if target == below => "EQUIVALENT",
        Ok(_) => "REDIRECTED",
        Err(_) if fs::read(top).is_ok_and(|t| fs::read(below).is_ok_and(|b| t == b)) => {
            "EQUIVALENT"
        }
        Err(_) => "OVERRIDDEN",
    };
    (kind, text)
}

fn drop_ins(folder: &str, name: &str, path: &Path) -> Vec<(&'static str, String)> {
    let unit = name.trim_end_matches(".d");
    let file = BASES
        .iter()
        .map(|base| Path::new(base).join(folder).join(unit))
        .find(|p| p.exists());
    let (Some(file), Ok(entries)) = (file, fs::read_dir(path)) else {
        return Vec::new();
    };
    let confs = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "conf"));
    confs
        .map(|p| ("EXTENDED", format!("{} → {}", file.display(), p.display())))
        .collect()
}
