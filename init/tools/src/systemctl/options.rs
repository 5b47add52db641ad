//! The command line of systemctl.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser};

/// Query or send control commands to the system manager.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "systemctl",
    disable_version_flag = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  systemctl status docker\n  systemctl enable --now etcd2.service\n  systemctl list-units --failed\n  systemctl show -p MainPID fleet.service\n  systemctl cat flanneld.service"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each, as users type them"
)]
pub(crate) struct Options {
    /// What to do; list-units if nothing is given
    pub(crate) verb: Option<String>,
    /// Units, patterns, or what the command takes
    pub(crate) args: Vec<String>,
    /// Only units of these types
    #[arg(short = 't', long = "type", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Only units in these load, sub or active states
    #[arg(long = "state", value_delimiter = ',')]
    pub(crate) states: Vec<String>,
    /// Only failed units
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only these properties
    #[arg(short = 'p', long = "property", value_delimiter = ',')]
    pub(crate) property: Vec<String>,
    /// Only these properties, values alone
    #[arg(short = 'P', value_delimiter = ',')]
    pub(crate) value_of: Vec<String>,
    /// Values without their names
    #[arg(long)]
    pub(crate) value: bool,
    /// Inactive units and empty properties too
    #[arg(short = 'a', long)]
    pub(crate) all: bool,
    /// Do not shorten lines
    #[arg(short = 'l', long)]
    pub(crate) full: bool,
    /// Do not wait for jobs
    #[arg(long)]
    pub(crate) no_block: bool,
    /// Wait until the unit has stopped again, or the system has started
    #[arg(long)]
    pub(crate) wait: bool,
    /// How to treat queued jobs: replace, fail, isolate, …
    #[arg(long, default_value = "replace")]
    pub(crate) job_mode: String,
    /// As --job-mode=fail
    #[arg(long)]
    pub(crate) fail: bool,
    /// Start or stop as well
    #[arg(long)]
    pub(crate) now: bool,
    /// Until the next boot only
    #[arg(long)]
    pub(crate) runtime: bool,
    /// Override what is there; twice: at once, without stopping anything
    #[arg(short = 'f', long, action = ArgAction::Count)]
    pub(crate) force: u8,
    /// Signal for kill
    #[arg(short = 's', long, default_value = "TERM")]
    pub(crate) signal: String,
    /// Which processes: main, control, all
    #[arg(long, visible_alias = "kill-who", default_value = "all")]
    pub(crate) kill_whom: String,
    /// Lines of log in status
    #[arg(short = 'n', long, default_value = "10")]
    pub(crate) lines: usize,
    /// Format of the log in status
    #[arg(short = 'o', long, default_value = "short")]
    pub(crate) output: String,
    /// Print nothing that is not asked for
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// No header and footer
    #[arg(long)]
    pub(crate) no_legend: bool,
    /// Header and footer: yes or no
    #[arg(long)]
    pub(crate) legend: Option<String>,
    /// No bullets, no tree
    #[arg(long)]
    pub(crate) plain: bool,
    /// Straight to the terminal
    #[arg(long)]
    pub(crate) no_pager: bool,
    /// Work on the files below a directory, without a running manager
    #[arg(long)]
    pub(crate) root: Option<PathBuf>,
    /// Which changes presets make: full, enable-only, disable-only
    #[arg(long, default_value = "full")]
    pub(crate) preset_mode: String,
    /// Do not reload the manager after changing unit files
    #[arg(long)]
    pub(crate) no_reload: bool,
    /// Dependents in place of dependencies
    #[arg(long)]
    pub(crate) reverse: bool,
    /// Units ordered before
    #[arg(long)]
    pub(crate) after: bool,
    /// Units ordered after
    #[arg(long)]
    pub(crate) before: bool,
    /// Units of other users and containers (accepted)
    #[arg(short = 'r', long)]
    pub(crate) recursive: bool,
    /// With the units that the named ones need
    #[arg(long)]
    pub(crate) with_dependencies: bool,
    /// Name of the drop-in that edit makes
    #[arg(long, default_value = "override.conf")]
    pub(crate) drop_in: String,
    /// Take the text for edit from standard input
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Send no message to terminals
    #[arg(long)]
    pub(crate) no_wall: bool,
    /// Do not ask for passwords
    #[arg(long)]
    pub(crate) no_ask_password: bool,
    /// The system manager (the only one there is)
    #[arg(long)]
    pub(crate) system: bool,
    /// For all users' managers (accepted)
    #[arg(long)]
    pub(crate) global: bool,
    /// The user's manager (there is none)
    #[arg(long)]
    pub(crate) user: bool,
    /// Show the types of sockets
    #[arg(long)]
    pub(crate) show_types: bool,
    /// Ignore inhibitors (there are none)
    #[arg(short = 'i', long)]
    pub(crate) ignore_inhibitors: bool,
    /// Whether to check inhibitors (there are none)
    #[arg(long)]
    pub(crate) check_inhibitors: Option<String>,
    /// Reason for a reboot
    #[arg(long)]
    pub(crate) message: Option<String>,
    /// How points in time are written (accepted)
    #[arg(long)]
    pub(crate) timestamp: Option<String>,
    /// On another machine, over ssh
    #[arg(short = 'H', long)]
    pub(crate) host: Option<String>,
    /// In a container (not available)
    #[arg(short = 'M', long)]
    pub(crate) machine: Option<String>,
    /// Print the version
    #[arg(long)]
    pub(crate) version: bool,
}

impl Options {
    /// Reads a command line. A list option given empty, such as `-p ""`, means the whole list.
    pub(crate) fn read(args: &[OsString]) -> Result<Self, clap::Error> {
        let name = std::iter::once(OsString::from("systemctl"));
        let mut options = Self::try_parse_from(name.chain(args.iter().cloned()))?;
        if !options.value_of.is_empty() {
            options.property.append(&mut options.value_of);
            options.value = true;
        }
        if options.failed {
            options.states.push("failed".into());
        }
        if options.fail {
            options.job_mode = "fail".into();
        }
        if let Some(legend) = &options.legend {
            options.no_legend = matches!(legend.as_str(), "no" | "false" | "0" | "off" | "n" | "f");
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str]) -> Options {
        Options::read(&args.iter().map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn options_may_stand_anywhere_and_lists_may_be_split_by_commas() {
        let options = read(&[
            "show",
            "-p",
            "Id,LoadState",
            "c-d",
            "-p",
            "Job",
            "--no-pager",
        ]);
        assert_eq!(options.verb.as_deref(), Some("show"));
        assert_eq!(options.args, ["c-d"]);
        assert_eq!(options.property, ["Id", "LoadState", "Job"]);
        assert!(read(&["show", "-P", "Id", "x"]).value);
        assert_eq!(read(&["reboot", "-ff"]).force, 2);
        assert_eq!(read(&["kill", "--kill-who=main", "x"]).kill_whom, "main");
        assert_eq!(read(&["status", "--", "-.mount"]).args, ["-.mount"]);
    }
}
