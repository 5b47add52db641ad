//! The command line of `journalctl`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Parser;

const EXAMPLES: &str = "Examples:
  journalctl -u etcd2 -n 20        the last lines of a unit
  journalctl -u etcd2 -f           follow a unit
  journalctl -b -p err             errors since boot
  journalctl --since -1h -o json   the last hour, for programs
  journalctl _UID=500              what a user's processes said";

/// Show the journal.
#[derive(Debug, Parser)]
#[command(name = "journalctl", version = crate::VERSION, after_help = EXAMPLES, disable_version_flag = true)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Options {
    /// Show entries of this unit (may be repeated; patterns are allowed)
    #[arg(short, long, value_name = "UNIT")]
    pub(crate) unit: Vec<String>,
    /// Show entries with this identifier
    #[arg(short = 't', long, value_name = "ID")]
    pub(crate) identifier: Vec<String>,
    /// Show entries of this priority (name or number) and above, or a range A..B
    #[arg(short, long, value_name = "PRIORITY")]
    pub(crate) priority: Option<String>,
    /// Show entries of one boot: its id, or an offset (0 is the current one, -1 the one before)
    #[arg(short, long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "0", allow_hyphen_values = true)]
    pub(crate) boot: Option<String>,
    /// Show messages of the kernel, of the current boot
    #[arg(short = 'k', long)]
    pub(crate) dmesg: bool,
    /// Show entries from this moment on
    #[arg(short = 'S', long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Show entries up to this moment
    #[arg(short = 'U', long, value_name = "WHEN", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Show entries whose message matches this regular expression
    #[arg(short, long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// Start at this cursor
    #[arg(short, long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
    /// Start after this cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after_cursor: Option<String>,
    /// Start after the cursor in this file, and write the last one there
    #[arg(long, value_name = "FILE")]
    pub(crate) cursor_file: Option<PathBuf>,
    /// Print the cursor of the last entry
    #[arg(long)]
    pub(crate) show_cursor: bool,
    /// Go on showing new entries
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// With --follow, show all entries so far
    #[arg(long)]
    pub(crate) no_tail: bool,
    /// Show this many of the newest entries (+N: of the oldest)
    #[arg(short = 'n', long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "10")]
    pub(crate) lines: Option<String>,
    /// Newest entries first
    #[arg(short, long)]
    pub(crate) reverse: bool,
    /// How entries are printed
    #[arg(short, long, value_name = "FORMAT", default_value = "short")]
    pub(crate) output: String,
    /// Print these fields only (with verbose, export, json, cat)
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) output_fields: Vec<String>,
    /// Show all fields and values, however long or unprintable
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Go to the end in the pager
    #[arg(short = 'e', long)]
    pub(crate) pager_end: bool,
    /// Print no remarks
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print times in UTC
    #[arg(long)]
    pub(crate) utc: bool,
    /// Leave the host name out
    #[arg(long)]
    pub(crate) no_hostname: bool,
    /// Do not use a pager
    #[arg(long)]
    pub(crate) no_pager: bool,
    /// Accepted for compatibility: lines are always whole
    #[arg(short = 'l', long)]
    pub(crate) full: bool,
    /// Accepted for compatibility
    #[arg(long)]
    pub(crate) no_full: bool,
    /// Accepted for compatibility: there is no catalog
    #[arg(short = 'x', long)]
    pub(crate) catalog: bool,
    /// Accepted for compatibility: all files are always merged
    #[arg(short, long)]
    pub(crate) merge: bool,
    /// Accepted for compatibility: there is one journal
    #[arg(long)]
    pub(crate) system: bool,
    /// Read files in this folder
    #[arg(short = 'D', long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Read this file (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Read the journal below this folder
    #[arg(long, value_name = "ROOT")]
    pub(crate) root: Option<PathBuf>,
    /// List all values of a field
    #[arg(short = 'F', long, value_name = "FIELD")]
    pub(crate) field: Option<String>,
    /// List the names of all fields
    #[arg(short = 'N', long)]
    pub(crate) fields: bool,
    /// List the boots
    #[arg(long)]
    pub(crate) list_boots: bool,
    /// Say how much room the journal takes
    #[arg(long)]
    pub(crate) disk_usage: bool,
    /// Remove closed files until the rest takes at most this much
    #[arg(long, value_name = "BYTES")]
    pub(crate) vacuum_size: Option<String>,
    /// Remove closed files that ended longer ago than this
    #[arg(long, value_name = "SPAN")]
    pub(crate) vacuum_time: Option<String>,
    /// Remove closed files until at most this many are left
    #[arg(long, value_name = "N")]
    pub(crate) vacuum_files: Option<usize>,
    /// Check the files
    #[arg(long)]
    pub(crate) verify: bool,
    /// Print the header of each file
    #[arg(long)]
    pub(crate) header: bool,
    /// Have the daemon write everything to the disk
    #[arg(long)]
    pub(crate) sync: bool,
    /// Have the daemon move what is in memory to /var
    #[arg(long)]
    pub(crate) flush: bool,
    /// Have the daemon close its files and begin new ones
    #[arg(long)]
    pub(crate) rotate: bool,
    /// Print the version
    #[arg(long)]
    pub(crate) version: bool,
    /// FIELD=VALUE, a path of a program, or + between alternatives
    #[arg(value_name = "MATCH")]
    pub(crate) matches: Vec<String>,
}

/// `-b -1`, `-n 5` and `-n5` as `--boot=-1`, `--lines=5`: their values are optional, so that clap takes them only
/// behind an equals sign.
pub(crate) fn joined(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let is_count =
        |text: &str| text == "all" || text.trim_start_matches('+').parse::<u64>().is_ok();
    let is_boot = |text: &str| {
        let (id, offset) = text.split_at_checked(32).unwrap_or(("", text));
        let id_fits = id.bytes().all(|b| b.is_ascii_hexdigit());
        id_fits && (offset.is_empty() || offset.parse::<i64>().is_ok()) && !text.is_empty()
    };
    let mut all: Vec<OsString> = Vec::new();
    for argument in arguments {
        let text = argument.to_string_lossy().into_owned();
        let previous = all.last().map(|last| last.to_string_lossy().into_owned());
        let joined = match previous.as_deref() {
            Some("-n" | "--lines") if is_count(&text) => Some(format!("--lines={text}")),
            Some("-b" | "--boot") if is_boot(&text) => Some(format!("--boot={text}")),
            _ => None,
        };
        if let Some(joined) = joined {
            all.pop();
            all.push(joined.into());
            continue;
        }
        let glued = [("-n", "--lines="), ("-b", "--boot=")]
            .iter()
            .find_map(|(short, long)| {
                let value = text
                    .strip_prefix(short)
                    .filter(|value| !value.is_empty() && !text.starts_with("--"))?;
                let fits = if *short == "-n" {
                    is_count(value)
                } else {
                    is_boot(value)
                };
                fits.then(|| format!("{long}{value}"))
            });
        all.push(glued.map_or(argument, Into::into));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Options {
        let words = std::iter::once("journalctl").chain(line.split_whitespace());
        Options::parse_from(joined(words.map(OsString::from)))
    }

    #[test]
    fn optional_values_may_follow_their_flags() {
        assert_eq!(parse("-n 5 -u x").lines.as_deref(), Some("5"));
        assert_eq!(parse("-n5").lines.as_deref(), Some("5"));
        assert_eq!(parse("-n0 -f").lines.as_deref(), Some("0"));
        assert_eq!(parse("-n -u x").lines.as_deref(), Some("10"));
        assert_eq!(parse("-b").boot.as_deref(), Some("0"));
        assert_eq!(parse("-b -1").boot.as_deref(), Some("-1"));
        let options = parse("-b _UID=0");
        assert_eq!(
            (options.boot.as_deref(), options.matches.len()),
            (Some("0"), 1)
        );
        assert_eq!(parse("--since=@5 -u x").since.as_deref(), Some("@5"));
        assert_eq!(parse("--since -1h").since.as_deref(), Some("-1h"));
    }
}
