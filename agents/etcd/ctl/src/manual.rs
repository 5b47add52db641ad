//! `etcdctl completion SHELL` and `etcdctl manual`: made from the table of commands, for packaging.

use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;

use crate::table::{COMMANDS, Flag, GLOBAL};

/// The text that these words ask for, if they do.
pub(crate) fn requested(first: &str, second: Option<&str>) -> Option<String> {
    let mut out = Vec::new();
    match (first, second) {
        ("manual", None) => clap_mangen::Man::new(command()).render(&mut out).ok()?,
        ("completion", Some(shell)) => {
            clap_complete::generate(
                shell.parse::<Shell>().ok()?,
                &mut command(),
                "etcdctl",
                &mut out,
            );
        }
        _ => return None,
    }
    String::from_utf8(out).ok()
}

fn command() -> Command {
    let mut etcdctl = Command::new("etcdctl")
        .about("A simple command line client for etcd.")
        .disable_version_flag(true)
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .args(GLOBAL.iter().map(argument));
    let mut member = Command::new("member")
        .about("member add, remove, update and list subcommands")
        .disable_help_flag(true);
    for spec in COMMANDS {
        let name = spec.name.strip_prefix("member ").unwrap_or(spec.name);
        let command = Command::new(name)
            .about(spec.help)
            .disable_help_flag(true)
            .args(spec.flags.iter().map(argument));
        if name == spec.name {
            etcdctl = etcdctl.subcommand(command);
        } else {
            member = member.subcommand(command);
        }
    }
    etcdctl.subcommand(member)
}

fn argument(flag: &'static Flag) -> Arg {
    let action = if flag.value {
        ArgAction::Set
    } else {
        ArgAction::SetTrue
    };
    let mut argument = Arg::new(flag.key()).help(flag.help).action(action);
    if let Some(long) = flag.long() {
        argument = argument.long(long);
    }
    if let Some(short) = flag.short() {
        argument = argument.short(short);
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::{command, requested};

    #[test]
    fn the_table_makes_a_sound_command_line() {
        command().debug_assert();
        assert!(
            requested("completion", Some("bash"))
                .unwrap()
                .contains("exec-watch")
        );
        assert!(requested("manual", None).unwrap().contains("etcdctl"));
    }
}
