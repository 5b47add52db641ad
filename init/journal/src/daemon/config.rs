//! `journald.conf` and its drop-ins: which of journald.conf(5)'s settings hold here.

use std::fs;
use std::path::Path;

use init_api::TimeSpan;
use unit_file::UnitText;

use super::room::Room;

/// Where entries are to go (`Storage=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    /// Below `/var/log/journal`, where that folder exists.
    Auto,
    Volatile,
    /// As `Auto`, and the folder is made.
    Persistent,
    None,
}

/// All settings that are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) storage: Storage,
    pub(crate) system: Room,
    pub(crate) runtime: Room,
    /// Microseconds.
    pub(crate) sync_interval: u64,
    pub(crate) rate_interval: u64,
    /// Zero for no limit.
    pub(crate) rate_burst: u32,
    /// What could not be followed, as `PATH:LINE:COLUMN: why`.
    pub(crate) problems: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            storage: Storage::Auto,
            system: Room::default(),
            runtime: Room::default(),
            sync_interval: 300_000_000,
            rate_interval: 30_000_000,
            rate_burst: 10_000,
            problems: Vec::new(),
        }
    }
}

impl Config {
    /// Reads what is configured below `root`.
    pub(crate) fn read(root: &Path) -> Self {
        let mut config = Self::default();
        for path in init_sys::configuration::files(root, "systemd/journald.conf") {
            match fs::read(&path) {
                Ok(bytes) => config.take(&path, &UnitText::parse(&bytes)),
                Err(e) => config.problems.push(format!("{}: {e}", path.display())),
            }
        }
        config
    }

    fn take(&mut self, path: &Path, text: &UnitText) {
        let place = |line: u32, column: u32| format!("{}:{line}:{column}", path.display());
        for problem in &text.problems {
            let at = place(problem.line, problem.column);
            self.problems.push(format!("{at}: {}", problem.text));
        }
        for section in text.sections.iter().filter(|s| s.name == "Journal") {
            for one in &section.assignments {
                if let Err(why) = self.set(&one.key, &one.value) {
                    let at = place(one.line, one.column);
                    self.problems
                        .push(format!("{at}: {}={}: {why}; ignored", one.key, one.value));
                }
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        const NOT_HERE: &str = "this setting is not known here";
        let default = Self::default();
        let span = |or: u64| match value {
            "" => Ok(or),
            text => TimeSpan::parse(text)
                .map(TimeSpan::as_micros)
                .map_err(|_| "expected a time span"),
        };
        match key {
            "Storage" => {
                self.storage = match value {
                    "" | "auto" => Storage::Auto,
                    "volatile" => Storage::Volatile,
                    "persistent" => Storage::Persistent,
                    "none" => Storage::None,
                    _ => return Err("expected auto, volatile, persistent or none"),
                };
            }
            "SyncIntervalSec" => self.sync_interval = span(default.sync_interval)?,
            "RateLimitIntervalSec" => self.rate_interval = span(default.rate_interval)?,
            "RateLimitBurst" => {
                self.rate_burst = if value.is_empty() {
                    default.rate_burst
                } else {
                    value.parse().map_err(|_| "expected a number")?
                };
            }
            _ => {
                let (room, key) = match (key.strip_prefix("System"), key.strip_prefix("Runtime")) {
                    (Some(key), _) => (&mut self.system, key),
                    (_, Some(key)) => (&mut self.runtime, key),
                    _ => return Err(NOT_HERE),
                };
                let place = match key {
                    "MaxUse" => &mut room.max_use,
                    "KeepFree" => &mut room.keep_free,
                    "MaxFileSize" => &mut room.max_file_size,
                    "MaxFiles" => &mut room.max_files,
                    _ => return Err(NOT_HERE),
                };
                *place = if value.is_empty() {
                    None
                } else {
                    let number = init_api::bytes::parse_bytes(value);
                    Some(number.ok_or("expected a number of bytes, with K, M, G or T")?)
                };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_files_win_empty_values_go_back_and_mistakes_are_said_with_their_place() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "etc/systemd/journald.conf",
            "[Journal]\nStorage=volatile\nSystemMaxUse=50M\nRuntimeMaxFileSize=2M\nMaxUse=1\n",
        );
        write(
            "usr/lib/systemd/journald.conf.d/10-a.conf",
            "[Journal]\nSystemMaxUse=\nSystemKeepFree=1G\nRateLimitBurst=0\nSyncIntervalSec=soon\n",
        );
        let config = Config::read(root.path());
        assert_eq!(config.storage, Storage::Volatile);
        assert_eq!(config.system.max_use, None);
        assert_eq!(config.system.keep_free, Some(1 << 30));
        assert_eq!(config.runtime.max_file_size, Some(2 << 20));
        assert_eq!((config.rate_burst, config.sync_interval), (0, 300_000_000));
        let all = config.problems.join("\n");
        assert!(all.contains("journald.conf:5:1: MaxUse=1"), "{all}");
        assert!(
            all.contains("10-a.conf:5:1: SyncIntervalSec=soon: expected a time span"),
            "{all}"
        );
    }
}
