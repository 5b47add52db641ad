//! systemd-tmpfiles: makes, cleans and removes files as tmpfiles.d(5) says. Needed at boot.

mod clean;
mod create;
mod line;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use init_sys::accounts::Accounts;

use crate::cli;
use crate::systemctl::{Failure, complain};
use line::{Facts, Item};

/// Create, delete and clean up files and directories.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-tmpfiles",
    after_help = "Examples:\n  systemd-tmpfiles --create --boot\n  systemd-tmpfiles --clean\n  echo 'd /run/mine 0755 root root' | systemd-tmpfiles --create -"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, as users type them"
)]
pub(crate) struct Options {
    /// Make what is missing
    #[arg(long)]
    create: bool,
    /// Remove what is older than its age
    #[arg(long)]
    clean: bool,
    /// Remove what is marked for removal
    #[arg(long)]
    remove: bool,
    /// Lines for the boot (marked !) too
    #[arg(long)]
    boot: bool,
    /// Accepted
    #[arg(long)]
    graceful: bool,
    /// Only paths below this one
    #[arg(long)]
    prefix: Vec<String>,
    /// No paths below this one
    #[arg(long)]
    exclude_prefix: Vec<String>,
    /// Leave /dev, /proc, /run and /sys alone
    #[arg(short = 'E')]
    exclude_api: bool,
    /// Work below this directory
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// Print the configuration
    #[arg(long)]
    cat_config: bool,
    /// Print the version
    #[arg(long)]
    version: bool,
    /// Files in place of the configuration folders; - for standard input
    files: Vec<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    if options.version {
        complain(crate::VERSION);
        return Ok(0);
    }
    if !(options.create || options.clean || options.remove || options.cat_config) {
        return Err(Failure::new(
            "You need to specify at least one of --clean, --create, --remove, or --cat-config.",
        ));
    }
    let texts = texts(options)?;
    if options.cat_config {
        return cat(&texts);
    }
    let facts = Facts::read(&options.root);
    let accounts = Accounts::read(&options.root)?;
    let mut bad = false;
    let mut items = Vec::new();
    for (path, text) in &texts {
        for (at, line) in text.lines().enumerate() {
            match Item::parse(line, &facts) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => {}
                Err(problem) => {
                    complain(&format!("{}:{}: {problem}", path.display(), at + 1));
                    bad = true;
                }
            }
        }
    }
    items.retain(|item| wanted(options, item));
    let mut run = |on: bool, work: &dyn Fn(&Item) -> Result<(), String>| {
        for item in items.iter().filter(|_| on) {
            if let Err(problem) = work(item) {
                complain(&format!("{}: {problem}", item.path));
                bad |= !item.may_fail;
            }
        }
    };
    run(options.remove, &|item| create::remove(item, &options.root));
    run(options.clean, &|item| {
        clean::clean(item, &items, &options.root)
    });
    run(options.create, &|item| {
        create::create(item, &options.root, &accounts)
    });
    // 65: some lines of the configuration could not be used (sysexits EX_DATAERR).
    Ok(if bad { 65 } else { 0 })
}

fn wanted(options: &Options, item: &Item) -> bool {
    let below = |prefix: &str| {
        item.path == prefix
            || item
                .path
                .strip_prefix(prefix.trim_end_matches('/'))
                .is_some_and(|r| r.starts_with('/'))
    };
    let api = ["/dev", "/proc", "/run", "/sys"];
    (options.boot || !item.at_boot_only)
        && (options.prefix.is_empty() || options.prefix.iter().any(|p| below(p)))
        && !options.exclude_prefix.iter().any(|p| below(p))
        && !(options.exclude_api && api.iter().any(|p| below(p)))
}

/// The texts with where they are from.
fn texts(options: &Options) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut out = Vec::new();
    if options.files.is_empty() {
        for path in cli::configuration(&options.root, "tmpfiles.d") {
            let text = fs::read_to_string(&path)
                .map_err(|e| Failure::new(format!("cannot read {}: {e}", path.display())))?;
            out.push((path, text));
        }
        return Ok(out);
    }
    for name in &options.files {
        let text = if name == "-" {
            std::io::read_to_string(std::io::stdin())?
        } else {
            fs::read_to_string(find(&options.root, name))?
        };
        out.push((name.into(), text));
    }
    Ok(out)
}

/// A file by its path, or by its name in the configuration folders.
fn find(root: &Path, name: &str) -> PathBuf {
    if name.contains('/') {
        return name.into();
    }
    let known = cli::configuration(root, "tmpfiles.d");
    known
        .into_iter()
        .find(|p| p.file_name().is_some_and(|n| n == name))
        .unwrap_or_else(|| name.into())
}

fn cat(texts: &[(PathBuf, String)]) -> Result<u8, Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    for (at, (path, text)) in texts.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        writeln!(out, "{gap}# {}\n{}", path.display(), text.trim_end())?;
    }
    Ok(0)
}

/// An item's path below the root we work on.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
