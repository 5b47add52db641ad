//! systemd-escape: texts as parts of unit names, and back.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use init_api::UnitType;
use unit_file::{UnitName, escape};

use crate::cli;
use crate::systemctl::Failure;

/// Escape strings for usage in unit names.
#[derive(Debug, Parser)]
#[command(
    name = "systemd-escape",
    after_help = "Examples:\n  systemd-escape 'Hallöchen, Meister'\n  systemd-escape -p --suffix=mount /tmp/waldi/foobar\n  systemd-escape --template=systemd-nspawn@.service 'My Container 1'"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, as users type them"
)]
pub(crate) struct Options {
    /// Append this suffix
    #[arg(long)]
    suffix: Option<String>,
    /// Insert as the instance of this template
    #[arg(long)]
    template: Option<String>,
    /// Take apart the instances of unit names
    #[arg(long)]
    instance: bool,
    /// The way back
    #[arg(short = 'u', long)]
    unescape: bool,
    /// Make a unit name of it as systemctl would
    #[arg(short = 'm', long)]
    mangle: bool,
    /// The text is a path
    #[arg(short = 'p', long)]
    path: bool,
    /// The texts
    #[arg(required = true)]
    texts: Vec<String>,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| work(&options))
}

fn work(options: &Options) -> Result<u8, Failure> {
    let mut out = Vec::new();
    for text in &options.texts {
        out.push(one(options, text)?);
    }
    writeln!(std::io::stdout(), "{}", out.join(" "))?;
    Ok(0)
}

fn one(options: &Options, text: &str) -> Result<String, Failure> {
    let bad = |what: &str| Failure::new(format!("{what}: {text:?}"));
    if options.mangle {
        let kind = options
            .suffix
            .as_deref()
            .and_then(UnitType::from_suffix)
            .unwrap_or(UnitType::Service);
        return UnitName::mangle(text, kind)
            .map(|n| n.as_str().to_owned())
            .map_err(|_| bad("Failed to mangle name"));
    }
    if options.unescape {
        let mut inner = text.to_owned();
        if options.instance || options.template.is_some() {
            let name = UnitName::new(text).map_err(|_| bad("no unit name"))?;
            inner = name
                .instance()
                .ok_or_else(|| bad("no instance"))?
                .to_owned();
        } else if let Some(suffix) = &options.suffix {
            inner = inner.trim_end_matches(&format!(".{suffix}")).to_owned();
        }
        let back = if options.path {
            escape::unescape_path(&inner)
        } else {
            escape::unescape(&inner)
        };
        return back.ok_or_else(|| bad("Failed to unescape string"));
    }
    let escaped = if options.path {
        escape::escape_path(text).ok_or_else(|| bad("Input is not a valid path"))?
    } else {
        escape::escape(text)
    };
    if let Some(template) = &options.template {
        let name = UnitName::new(template.as_str()).map_err(|_| bad("no template"))?;
        return name
            .with_instance(&escaped)
            .map(|n| n.as_str().to_owned())
            .map_err(|_| bad("Failed to replace instance"));
    }
    Ok(match &options.suffix {
        Some(suffix) => format!("{escaped}.{suffix}"),
        None => escaped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(args: &[&str]) -> String {
        let options =
            Options::try_parse_from(std::iter::once("x").chain(args.iter().copied())).unwrap();
        one(&options, &options.texts[0]).unwrap()
    }

    #[test]
    fn texts_and_paths_are_escaped_and_back() {
        assert_eq!(run(&["a b/c"]), "a\\x20b-c");
        assert_eq!(
            run(&["-p", "--suffix=mount", "/tmp//waldi/foobar/"]),
            "tmp-waldi-foobar.mount"
        );
        assert_eq!(
            run(&["--template=x@.service", "My 1"]),
            "x@My\\x201.service"
        );
        assert_eq!(run(&["-u", "a\\x20b-c"]), "a b/c");
        assert_eq!(run(&["-u", "-p", "tmp-a"]), "/tmp/a");
    }
}
