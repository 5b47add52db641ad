//! `flanneld completion SHELL` and `flanneld manual`, for packaging.

use std::ffi::OsString;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::options::Options;

/// The text that these arguments ask for, if they do.
pub(crate) fn requested(arguments: &[OsString]) -> Option<String> {
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|word| word.to_str())
        .collect::<Option<_>>()?;
    let mut out = Vec::new();
    match arguments.as_slice() {
        ["manual"] => clap_mangen::Man::new(Options::command())
            .render(&mut out)
            .ok()?,
        ["completion", shell] => {
            clap_complete::generate(
                shell.parse::<Shell>().ok()?,
                &mut Options::command(),
                "flanneld",
                &mut out,
            );
        }
        _ => return None,
    }
    String::from_utf8(out).ok()
}
