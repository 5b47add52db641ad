//! The flags: one table, and how their values are found.
//!
//! The command line wins over the environment, and that over the configuration file. Every flag
//! `some-flag` has `ETCD_SOME_FLAG`, and is a key of the file.

use std::collections::BTreeMap;

/// What a flag wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Text,
    Switch,
}

/// A flag of the table.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) wants: Wants,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

macro_rules! flags {
    ($($name:literal, $wants:ident, $default:literal, $help:literal;)*) => {
        /// All flags that do something.
        pub(crate) const FLAGS: &[Flag] =
            &[$(Flag { name: $name, wants: Wants::$wants, default: $default, help: $help },)*];
    };
}

flags! {
    "name", Text, "default", "name of this member";
    "data-dir", Text, "", "where the data is; NAME.etcd when not given";
    "wal-dir", Text, "", "where the log is, when not in the data directory";
    "config-file", Text, "", "YAML file with flags as keys";
    "snapshot-count", Text, "10000", "entries of the log per snapshot";
    "history-events", Text, "100000", "events kept for watches that begin in the past";
    "max-value-bytes", Text, "1572864", "largest request body accepted";
    "heartbeat-interval", Text, "100", "milliseconds between heartbeats";
    "election-timeout", Text, "1000", "milliseconds without heartbeat until an election";
    "listen-peer-urls", Text, "http://localhost:2380,http://localhost:7001", "URLs to listen on for members";
    "listen-client-urls", Text, "http://localhost:2379,http://localhost:4001", "URLs to listen on for clients";
    "initial-advertise-peer-urls", Text, "http://localhost:2380,http://localhost:7001", "peer URLs told to other members";
    "advertise-client-urls", Text, "http://localhost:2379,http://localhost:4001", "client URLs told to everyone";
    "initial-cluster", Text, "", "NAME=URL,… of all members of a new cluster";
    "initial-cluster-state", Text, "new", "new, or existing to join a cluster";
    "initial-cluster-token", Text, "etcd-cluster", "makes the ids of this cluster its own";
    "discovery", Text, "", "URL by which the members of a new cluster find each other";
    "discovery-fallback", Text, "proxy", "when the discovered cluster is full: proxy or exit";
    "discovery-proxy", Text, "", "HTTP proxy to the discovery service";
    "discovery-srv", Text, "", "domain whose SRV records name the members";
    "discovery-service", Switch, "false", "serve GET /new?size=N and tokens for other clusters";
    "strict-reconfig-check", Switch, "true", "refuse changes of members that would lose the quorum";
    "force-new-cluster", Switch, "false", "start as the only member, from the data of a lost cluster";
    "default-read", Text, "local", "local, or quorum to make every read linearizable";
    "proxy", Text, "off", "off, on or readonly";
    "proxy-failure-wait", Text, "5000", "milliseconds that a failed endpoint is left out";
    "proxy-refresh-interval", Text, "30000", "milliseconds between looks at the members";
    "proxy-dial-timeout", Text, "1000", "milliseconds to connect to an endpoint";
    "proxy-write-timeout", Text, "5000", "milliseconds to send a request";
    "proxy-read-timeout", Text, "0", "milliseconds to wait for an answer, 0 for ever";
    "cert-file", Text, "", "certificate (TLS is not supported: an https URL is refused)";
    "key-file", Text, "", "key of the certificate";
    "trusted-ca-file", Text, "", "authority of client certificates";
    "ca-file", Text, "", "the same, old name";
    "client-cert-auth", Switch, "false", "demand client certificates";
    "peer-cert-file", Text, "", "certificate for members";
    "peer-key-file", Text, "", "key of it";
    "peer-trusted-ca-file", Text, "", "authority of members' certificates";
    "peer-ca-file", Text, "", "the same, old name";
    "peer-client-cert-auth", Switch, "false", "demand certificates of members";
    "cors", Text, "", "origins that may call from a browser, or *";
    "debug", Switch, "false", "log more";
    "log-package-levels", Text, "", "levels by package";
    "enable-pprof", Switch, "false", "(ignored)";
    "max-snapshots", Text, "5", "(ignored: two are kept)";
    "max-wals", Text, "5", "(ignored: what the snapshots need is kept)";
    "version", Switch, "false", "print the version and exit";
}

/// Flags that the original knew once and ignores; so do we, with a word about it.
pub(crate) const IGNORED: &[&str] = &[
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
    "max-retry-attempts",
    "peer-heartbeat-interval",
    "peer-election-timeout",
    "retry-interval",
    "snapshot",
    "v",
    "vv",
    "experimental-v3demo",
    "experimental-gRPC-addr",
    "experimental-auto-compaction-retention",
    "unsupported-arch",
];

/// Flags of the time before URLs: `host:port` instead.
const ADDRESSES: &[(&str, &str)] = &[
    ("addr", "advertise-client-urls"),
    ("bind-addr", "listen-client-urls"),
    ("peer-addr", "initial-advertise-peer-urls"),
    ("peer-bind-addr", "listen-peer-urls"),
];

/// What a switch may be set to.
const BOOLEANS: [&str; 12] = [
    "1", "t", "T", "true", "True", "TRUE", "0", "f", "F", "false", "False", "FALSE",
];

/// What was found: values by flag, and what to say in the log about it.
#[derive(Debug, Default)]
pub(crate) struct Values {
    values: BTreeMap<&'static str, String>,
    pub(crate) notes: Vec<String>,
}

/// Why the flags are of no use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    #[error("{0:?} is not a flag")]
    Stray(String),
    #[error("help requested")]
    Help,
    #[error("invalid value {value:?} for {source_of}: {wants}")]
    Value {
        source_of: String,
        value: String,
        wants: String,
    },
    #[error("flag -{0} is no longer supported: use -initial-cluster or -discovery")]
    Gone(&'static str),
}

impl Values {
    /// The value of a flag of the table; its default when none was given.
    pub(crate) fn get(&self, name: &str) -> &str {
        let default = || {
            FLAGS
                .iter()
                .find(|flag| flag.name == name)
                .map_or("", |flag| flag.default)
        };
        self.values.get(name).map_or_else(default, String::as_str)
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    pub(crate) fn switch(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1" | "t" | "T" | "TRUE" | "True")
    }

    /// Takes the command line, without the program's name.
    pub(crate) fn arguments(
        &mut self,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<(), FlagError> {
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument
                .strip_prefix("--")
                .or_else(|| argument.strip_prefix('-'))
            else {
                return Err(FlagError::Stray(argument));
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (flag.to_owned(), None),
            };
            if name == "h" || name == "help" {
                return Err(FlagError::Help);
            }
            let switch = FLAGS
                .iter()
                .any(|flag| flag.name == name && flag.wants == Wants::Switch)
                || matches!(name.as_str(), "force" | "v" | "vv" | "snapshot");
            let value = match value {
                Some(value) => value,
                None if switch => "true".to_owned(),
                None => arguments
                    .next()
                    .ok_or_else(|| FlagError::NoValue(name.clone()))?,
            };
            self.put(&name, value, &format!("flag -{name}"))?;
        }
        Ok(())
    }

    /// Takes `ETCD_*` of the environment, where the command line says nothing.
    pub(crate) fn environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), FlagError> {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix("ETCD_") else {
                continue;
            };
            let name = name.to_lowercase().replace('_', "-");
            if value.is_empty() {
                continue;
            }
            if self.is_set(&name) {
                let note = format!(
                    "recognized environment variable {variable}, but unused: shadowed by corresponding flag"
                );
                self.notes.push(note);
                continue;
            }
            match self.put(&name, value, &variable) {
                Err(FlagError::Unknown(_)) => self
                    .notes
                    .push(format!("unrecognized environment variable {variable}")),
                other => other?,
            }
        }
        Ok(())
    }

    /// Takes the keys of a configuration file, where nothing else says anything.
    pub(crate) fn file(
        &mut self,
        entries: impl IntoIterator<Item = (String, String)>,
        path: &str,
    ) -> Result<(), FlagError> {
        for (name, value) in entries {
            if !self.is_set(&name) {
                self.put(&name, value, &format!("{name} in {path}"))?;
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, value: String, source: &str) -> Result<(), FlagError> {
        if let Some(gone) = ["peers", "peers-file"]
            .into_iter()
            .find(|gone| *gone == name)
        {
            return Err(FlagError::Gone(gone));
        }
        if IGNORED.contains(&name) {
            self.notes.push(format!(
                "flag \"-{name}\" is no longer supported - ignoring."
            ));
            return Ok(());
        }
        if let Some((_, url)) = ADDRESSES.iter().find(|(old, _)| *old == name) {
            self.notes
                .push(format!("flag \"-{name}\" is deprecated, use -{url}"));
            return self.put(url, format!("http://{value}"), source);
        }
        let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
            return Err(FlagError::Unknown(name.to_owned()));
        };
        if flag.wants == Wants::Switch && !BOOLEANS.contains(&value.as_str()) {
            let wants = "true or false expected".to_owned();
            return Err(FlagError::Value {
                source_of: source.to_owned(),
                value,
                wants,
            });
        }
        self.values.insert(flag.name, value);
        Ok(())
    }
}

/// The table as help.
pub(crate) fn usage() -> String {
    let mut text = String::from(
        "usage: etcd2 [flags]\n\nEvery --some-flag can also be given as ETCD_SOME_FLAG.\n\n",
    );
    for Flag {
        name,
        default,
        help,
        ..
    } in FLAGS
    {
        let default = if default.is_empty() {
            String::new()
        } else {
            format!(" (default {default})")
        };
        text.push_str(&format!("  --{name}\n        {help}{default}\n"));
    }
    text.push_str("\nexample: etcd2 --name node1 --data-dir /var/lib/etcd2 --discovery https://discovery.example/TOKEN\n");
    text
}

#[cfg(test)]
mod tests {
    use super::{FlagError, Values};

    fn strings(of: &[&str]) -> Vec<String> {
        of.iter().map(|text| (*text).to_owned()).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let mut values = Values::default();
        values
            .arguments(strings(&["--name=a", "-debug", "-proxy", "on"]))
            .unwrap();
        values
            .environment(pairs(&[
                ("ETCD_NAME", "b"),
                ("ETCD_DATA_DIR", "/d"),
                ("ETCD_CORS", ""),
                ("ETCD_X", "1"),
                ("HOME", "/"),
            ]))
            .unwrap();
        values
            .file(pairs(&[("data-dir", "/f"), ("cors", "*")]), "f.yaml")
            .unwrap();
        assert_eq!(
            (
                values.get("name"),
                values.get("data-dir"),
                values.get("cors")
            ),
            ("a", "/d", "*")
        );
        assert_eq!(
            (
                values.switch("debug"),
                values.get("proxy"),
                values.get("election-timeout")
            ),
            (true, "on", "1000")
        );
        assert_eq!(
            values.notes,
            [
                "recognized environment variable ETCD_NAME, but unused: shadowed by corresponding flag",
                "unrecognized environment variable ETCD_X",
            ]
        );
    }

    #[test]
    fn what_the_original_ignores_is_ignored_and_old_addresses_become_urls() {
        let mut values = Values::default();
        values
            .arguments(strings(&[
                "-cluster-active-size=3",
                "-addr",
                "1.2.3.4:4001",
                "-force",
            ]))
            .unwrap();
        assert_eq!(values.get("advertise-client-urls"), "http://1.2.3.4:4001");
        assert_eq!(values.notes.len(), 3);
    }

    #[test]
    fn bad_flags_are_refused() {
        let mut values = Values::default();
        assert_eq!(
            values.arguments(strings(&["--no-such=1"])),
            Err(FlagError::Unknown("no-such".into()))
        );
        assert_eq!(
            values.arguments(strings(&["--name"])),
            Err(FlagError::NoValue("name".into()))
        );
        assert_eq!(
            values.arguments(strings(&["name"])),
            Err(FlagError::Stray("name".into()))
        );
        assert_eq!(
            values.arguments(strings(&["-peers", "x"])),
            Err(FlagError::Gone("peers"))
        );
        assert_eq!(values.arguments(strings(&["-h"])), Err(FlagError::Help));
        assert!(matches!(
            values.environment(pairs(&[("ETCD_DEBUG", "yes")])),
            Err(FlagError::Value { .. })
        ));
    }
}
