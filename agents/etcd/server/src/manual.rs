//! `etcd2 completion SHELL` and `etcd2 manual`: made from the table of flags, for packaging.

use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;

use crate::flags::{FLAGS, Wants};

/// The text that these arguments ask for, if they do.
pub(crate) fn requested(arguments: &[String]) -> Option<String> {
    let mut out = Vec::new();
    match arguments {
        [word] if word == "manual" => clap_mangen::Man::new(command()).render(&mut out).ok()?,
        [word, shell] if word == "completion" => {
            clap_complete::generate(
                shell.parse::<Shell>().ok()?,
                &mut command(),
                "etcd2",
                &mut out,
            );
        }
        _ => return None,
    }
    String::from_utf8(out).ok()
}

fn command() -> Command {
    let arguments = FLAGS.iter().map(|flag| {
        let action = if flag.wants == Wants::Switch {
            ArgAction::SetTrue
        } else {
            ArgAction::Set
        };
        Arg::new(flag.name)
            .long(flag.name)
            .help(flag.help)
            .action(action)
    });
    Command::new("etcd2")
        .about("a member of a cluster that agrees on the v2 key space, or a proxy to one")
        .disable_version_flag(true)
        .args(arguments)
}
