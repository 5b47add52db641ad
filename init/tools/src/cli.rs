//! What all tools do alike: read a command line, print a failure, end with a code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::systemctl::{Failure, complain};

/// Runs a tool whose options are `T`.
pub(crate) fn run<T: Parser>(
    args: Vec<OsString>,
    work: impl FnOnce(T) -> Result<u8, Failure>,
) -> ExitCode {
    let options = match T::try_parse_from(args) {
        Ok(options) => options,
        Err(error) => {
            // A closed terminal is no reason to fail differently.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match work(options) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.text.is_empty() {
                complain(&failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}

pub(crate) use init_sys::configuration::folder as configuration;

/// The paths that a pattern names; the pattern itself if it has no wildcard and exists.
pub(crate) fn glob(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/")];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let mut next = Vec::new();
        for folder in found {
            if !unit_file::is_glob(part) {
                let path = folder.join(part);
                if path.symlink_metadata().is_ok() {
                    next.push(path);
                }
                continue;
            }
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            let mut names: Vec<String> = entries
                .flatten()
                .filter_map(|e| e.file_name().into_string().ok())
                .collect();
            names.sort();
            let visible = |name: &String| !name.starts_with('.') || part.starts_with('.');
            next.extend(
                names
                    .iter()
                    .filter(|n| visible(n) && unit_file::glob_matches(part, n))
                    .map(|n| folder.join(n)),
            );
        }
        found = next;
    }
    found
}
