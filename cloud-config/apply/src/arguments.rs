//! The command line: the original's flags with one or two dashes, and a few of ours.

use std::path::PathBuf;
use std::time::Duration;

/// Text of `-help`.
pub(crate) const HELP: &str = "\
coreos-cloudinit: applies a cloud-config to this machine

Sources (the order of search is fixed, whatever their order here):
  -from-proc-cmdline            cloud-config-url= of the kernel's command line
  -from-url URL                 user-data from a URL
  -from-configdrive DIR         a config drive that is already mounted
  -from-openstack-metadata URL  OpenStack metadata service, e.g. http://169.254.169.254/
  -from-ec2-metadata URL        the same by its EC2 tree alone
  -from-file FILE               user-data from a file
  -oem openstack|ec2-compat     config drive, else the metadata service
  -boot                         all of the above by this system's defaults; a kept copy if none answers

Actions:
  -validate [-json]             only check the document: line N: kind: message
  -dry-run                      print what would be done
  -early                        before the network: drive's host name, keys and static addresses
  -run-commands                 start what the last run left to be started
  -version, -help

Settings:
  -workspace DIR                persistent state (/var/lib/coreos-cloudinit)
  -ssh-key-name NAME            name of the key set (coreos-cloudinit)
  -timeout SECONDS              longest search for a source (300)
  -ignore-failure               exit 0 although something in the user-data failed
  -root DIR                     all files below DIR
  -offline                      run no command, call no PID 1: record instead
  -metadata-json FILE           meta-data for -from-file
  -report FILE                  what was done, as JSON

Examples:
  coreos-cloudinit -validate -from-file user-data.yaml
  coreos-cloudinit -dry-run -from-file user-data.yaml -metadata-json node.json
  sudo coreos-cloudinit -from-file user-data.yaml
";

/// What was asked for.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one flag of the command line"
)]
pub(crate) struct Arguments {
    pub proc_cmdline: bool,
    pub url: Option<String>,
    pub config_drive: Option<PathBuf>,
    /// Find a labelled drive among the block devices.
    pub find_drive: bool,
    pub openstack: Option<String>,
    pub ec2: Option<String>,
    pub file: Option<PathBuf>,
    /// The file is looked at only if it exists.
    pub file_optional: bool,
    pub boot: bool,
    pub validate: bool,
    pub json: bool,
    pub dry_run: bool,
    pub early: bool,
    pub run_commands: bool,
    pub version: bool,
    pub help: bool,
    pub workspace: Option<PathBuf>,
    pub key_name: Option<String>,
    pub timeout: Option<Duration>,
    pub ignore_failure: bool,
    pub root: Option<PathBuf>,
    pub offline: bool,
    pub metadata_json: Option<PathBuf>,
    pub report: Option<PathBuf>,
}

/// The metadata service of clouds.
pub(crate) const SERVICE: &str = "http://169.254.169.254/";

impl Arguments {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// A text for the user: unknown flag, missing or bad value, no source.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut found = Self::default();
        let mut words = words;
        while let Some(word) = words.next() {
            let Some(bare) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
                return Err(format!("unexpected argument {word:?}"));
            };
            let (flag, value) = bare
                .split_once('=')
                .map_or((bare, None), |(flag, value)| (flag, Some(value.to_owned())));
            if found.switch(flag, value.as_deref())? {
                continue;
            }
            let value = value
                .or_else(|| words.next())
                .ok_or_else(|| format!("flag needs an argument: -{flag}"))?;
            found.setting(flag, value)?;
        }
        found.check()
    }

    fn switch(&mut self, flag: &str, value: Option<&str>) -> Result<bool, String> {
        let target = match flag {
            "from-proc-cmdline" => &mut self.proc_cmdline,
            "boot" => &mut self.boot,
            "validate" => &mut self.validate,
            "json" => &mut self.json,
            "dry-run" => &mut self.dry_run,
            "early" => &mut self.early,
            "run-commands" => &mut self.run_commands,
            "version" => &mut self.version,
            "help" | "h" => &mut self.help,
            "ignore-failure" => &mut self.ignore_failure,
            "offline" => &mut self.offline,
            _ => return Ok(false),
        };
        *target = match value {
            None | Some("true" | "1" | "t") => true,
            Some("false" | "0" | "f") => false,
            Some(other) => return Err(format!("invalid boolean value {other:?} for -{flag}")),
        };
        Ok(true)
    }

    fn setting(&mut self, flag: &str, value: String) -> Result<(), String> {
        match flag {
            "from-url" => self.url = Some(value),
            "from-configdrive" => self.config_drive = Some(value.into()),
            "from-openstack-metadata" => self.openstack = Some(value),
            "from-ec2-metadata" => self.ec2 = Some(value),
            "from-file" => self.file = Some(value.into()),
            "workspace" => self.workspace = Some(value.into()),
            "ssh-key-name"
                if !value.is_empty() && !value.contains('/') && !value.starts_with('.') =>
            {
                self.key_name = Some(value);
            }
            "root" => self.root = Some(value.into()),
            "metadata-json" => self.metadata_json = Some(value.into()),
            "report" => self.report = Some(value.into()),
            "timeout" => {
                let seconds = value
                    .parse()
                    .map_err(|_| format!("-timeout wants seconds, got {value:?}"))?;
                self.timeout = Some(Duration::from_secs(seconds));
            }
            "oem" => match value.as_str() {
                "openstack" | "ec2-compat" => {
                    self.find_drive = true;
                    self.openstack = Some(SERVICE.into());
                }
                _ => {
                    return Err(format!(
                        "invalid value {value:?} for -oem: openstack or ec2-compat"
                    ));
                }
            },
            "ssh-key-name" => return Err(format!("invalid value {value:?} for -ssh-key-name")),
            _ => return Err(format!("flag provided but not defined: -{flag}")),
        }
        Ok(())
    }

    fn check(mut self) -> Result<Self, String> {
        if self.boot || self.early {
            self.proc_cmdline = true;
            self.find_drive = true;
            self.openstack = Some(SERVICE.into());
            self.file = self
                .file
                .or_else(|| Some("/var/lib/coreos-install/user_data".into()));
            self.file_optional = true;
        }
        let any = self.proc_cmdline
            || self.find_drive
            || self.url.is_some()
            || self.config_drive.is_some()
            || self.openstack.is_some()
            || self.ec2.is_some()
            || self.file.is_some();
        if !any && !self.version && !self.help && !self.run_commands {
            return Err("provide at least one source: -from-file, -from-configdrive, -from-ec2-metadata, -from-openstack-metadata, -from-url, -from-proc-cmdline, -oem or -boot".into());
        }
        Ok(self)
    }

    /// Where files are; `/` on a running system.
    #[must_use]
    pub(crate) fn root(&self) -> PathBuf {
        self.root.clone().unwrap_or_else(|| PathBuf::from("/"))
    }

    /// True if the running system may be touched: commands, PID 1, its interfaces.
    #[must_use]
    pub(crate) fn live(&self) -> bool {
        !self.offline && self.root.is_none() && !self.dry_run
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(words.iter().map(|w| (*w).to_owned()))
    }

    #[test]
    fn one_dash_two_dashes_equals_sign_and_blank_mean_the_same() {
        for words in [
            &["-from-file=a", "-validate"][..],
            &["--from-file", "a", "--validate=true"],
        ] {
            let found = parse(words).unwrap();
            assert_eq!(found.file.as_deref(), Some(std::path::Path::new("a")));
            assert!(found.validate);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (words, text) in [
            (&[][..], "at least one source"),
            (&["-nope"], "needs an argument: -nope"),
            (&["-nope=x"], "not defined: -nope"),
            (&["-from-file"], "needs an argument"),
            (&["-oem", "azure"], "invalid value \"azure\""),
            (&["-validate=perhaps", "-from-file=a"], "invalid boolean"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(text), "{words:?}: {error}");
        }
    }
}
