//! loginctl: who is logged in. There is no logind; sessions are the login shells below sshd and on
//! consoles, found in /proc.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use init_sys::accounts::Accounts;

use crate::cli;
use crate::systemctl::Failure;
use crate::table::Table;

/// Show the sessions of this machine.
#[derive(Debug, Parser)]
#[command(name = "loginctl")]
pub(crate) struct Options {
    /// No header and footer
    #[arg(long)]
    no_legend: bool,
    /// Straight to the terminal
    #[arg(long)]
    no_pager: bool,
    /// list-sessions (default) or list-users
    verb: Option<String>,
}

/// The leader of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    leader: u32,
    uid: u32,
    tty: String,
}

pub(crate) fn main(args: Vec<OsString>) -> ExitCode {
    cli::run(args, |options: Options| {
        let sessions = sessions();
        let accounts = Accounts::read(std::path::Path::new("/"))?;
        let name = |uid: u32| {
            accounts
                .user_name(uid)
                .map_or_else(|| uid.to_string(), str::to_owned)
        };
        let (table, what) = match options.verb.as_deref().unwrap_or("list-sessions") {
            "list-sessions" => {
                let mut table = Table::new(&["SESSION", "UID", "USER", "SEAT", "TTY"]);
                for s in &sessions {
                    table.row(vec![
                        s.leader.to_string(),
                        s.uid.to_string(),
                        name(s.uid),
                        String::new(),
                        s.tty.clone(),
                    ]);
                }
                (table, "sessions")
            }
            "list-users" => {
                let mut table = Table::new(&["UID", "USER"]);
                let mut uids: Vec<u32> = sessions.iter().map(|s| s.uid).collect();
                uids.sort_unstable();
                uids.dedup();
                for uid in uids {
                    table.row(vec![uid.to_string(), name(uid)]);
                }
                (table, "users")
            }
            other => return Err(Failure::new(format!("Unknown command verb {other}."))),
        };
        let mut out = std::io::stdout().lock();
        if table.len() == 0 {
            writeln!(out, "No {what}.")?;
            return Ok(0);
        }
        out.write_all(
            table
                .render(!options.no_legend, |_| String::new())
                .as_bytes(),
        )?;
        if !options.no_legend {
            writeln!(out, "\n{} {what} listed.", table.len())?;
        }
        Ok(0)
    })
}

/// Processes that lead a session on a terminal and are login shells (`-bash`).
fn sessions() -> Vec<Session> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|e| e.file_name().to_string_lossy().parse::<u32>().ok());
    let mut found: Vec<Session> = pids.filter_map(session).collect();
    found.sort_by_key(|s| s.leader);
    found
}

fn session(pid: u32) -> Option<Session> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let (leader, tty) = (
        fields.get(3)?.parse::<u32>().ok()?,
        fields.get(4)?.parse::<u64>().ok()?,
    );
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    if leader != pid || tty == 0 || command.first() != Some(&b'-') {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let uid = status
        .lines()
        .find_map(|l| l.strip_prefix("Uid:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(Session {
        leader,
        uid,
        tty: tty_name(tty),
    })
}

/// The terminal's name by its device number.
fn tty_name(number: u64) -> String {
    let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xf_ff00);
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        5 if minor == 1 => "console".into(),
        _ => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::tty_name;

    #[test]
    fn terminals_are_named_by_their_numbers() {
        assert_eq!(tty_name(136 << 8 | 3), "pts/3");
        assert_eq!(tty_name(4 << 8 | 1), "tty1");
        assert_eq!(tty_name(4 << 8 | 64), "ttyS0");
    }
}
