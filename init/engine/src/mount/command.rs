//! The commands that mounts and swaps stand for.

use crate::action::ExecKind;
use unit_file::{Command, CommandFlags, KindConfig, UnitConfig};

pub(super) fn command(words: Vec<String>) -> Command {
    Command {
        path: words.first().cloned().unwrap_or_default(),
        written: words.join(" "),
        argv: words,
        flags: CommandFlags {
            no_expansion: true,
            ..CommandFlags::default()
        },
    }
}

/// The command that a mount or swap stands for.
pub(super) fn implied(config: &UnitConfig, kind: ExecKind) -> Option<Command> {
    let mut words: Vec<String> = Vec::new();
    match &config.kind {
        KindConfig::Mount(mount) if kind == ExecKind::Stop => {
            words.extend([
                "/bin/umount".to_owned(),
                mount.r#where.clone(),
                "-c".to_owned(),
            ]);
            words.extend(mount.lazy_unmount.then(|| "-l".to_owned()));
            words.extend(mount.force_unmount.then(|| "-f".to_owned()));
        }
        KindConfig::Mount(mount) => {
            words.extend([
                "/bin/mount".to_owned(),
                mount.what.clone(),
                mount.r#where.clone(),
            ]);
            words.extend(mount.sloppy_options.then(|| "-s".to_owned()));
            words.extend(mount.read_write_only.then(|| "-w".to_owned()));
            if !mount.fs_type.is_empty() {
                words.extend(["-t".to_owned(), mount.fs_type.clone()]);
            }
            let mut options = mount.options.clone();
            if kind == ExecKind::Reload {
                options = if options.is_empty() {
                    "remount".to_owned()
                } else {
                    format!("remount,{options}")
                };
            }
            if !options.is_empty() {
                words.extend(["-o".to_owned(), options]);
            }
        }
        KindConfig::Swap(swap) if kind == ExecKind::Stop => {
            words.extend(["/sbin/swapoff".to_owned(), swap.what.clone()]);
        }
        KindConfig::Swap(swap) => {
            words.extend(["/sbin/swapon".to_owned(), "--fixpgsz".to_owned()]);
            if let Some(priority) = swap.priority {
                words.extend(["-p".to_owned(), priority.to_string()]);
            }
            if !swap.options.is_empty() {
                words.extend(["-o".to_owned(), swap.options.clone()]);
            }
            words.push(swap.what.clone());
        }
        _ => return None,
    }
    Some(command(words))
}

pub(super) fn timeout(config: &UnitConfig) -> u64 {
    match &config.kind {
        KindConfig::Mount(mount) => mount.timeout.as_micros(),
        KindConfig::Swap(swap) => swap.timeout.as_micros(),
        _ => u64::MAX,
    }
}
