//! The configuration: flags checked once, and turned into types that cannot be wrong.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use http::{Endpoint, Url};

use crate::flags::Values;

/// How a member begins when it has no data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With these members.
    Static(BTreeMap<String, Vec<String>>),
    /// With whom a discovery service names.
    Discovery(String),
    /// As another member of a cluster that runs, known by these URLs.
    Existing(BTreeMap<String, Vec<String>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyMode {
    Off,
    On,
    ReadOnly,
}

/// All settings.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Config {
    pub(crate) name: String,
    pub(crate) data: PathBuf,
    pub(crate) wal: Option<PathBuf>,
    pub(crate) listen_peers: Vec<Url>,
    pub(crate) listen_clients: Vec<Url>,
    pub(crate) peer_urls: Vec<String>,
    pub(crate) client_urls: Vec<String>,
    pub(crate) beginning: Beginning,
    pub(crate) token: String,
    pub(crate) discovery_fallback_exit: bool,
    pub(crate) discovery_proxy: Option<String>,
    pub(crate) discovery_service: bool,
    pub(crate) strict: bool,
    pub(crate) force_new_cluster: bool,
    pub(crate) quorum_reads: bool,
    pub(crate) heartbeat: Duration,
    pub(crate) election: Duration,
    pub(crate) snapshot_count: u64,
    pub(crate) history_events: usize,
    pub(crate) body_limit: usize,
    pub(crate) proxy: ProxyMode,
    pub(crate) proxy_failure_wait: Duration,
    pub(crate) proxy_refresh: Duration,
    pub(crate) proxy_dial: Duration,
    pub(crate) proxy_read: Option<Duration>,
    pub(crate) cors: Vec<String>,
}

/// What is wrong with a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("-{flag}: {problem}")]
    Flag { flag: &'static str, problem: String },
    #[error("{0}")]
    Text(String),
}

fn flag(flag: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Flag {
        flag,
        problem: problem.into(),
    }
}

impl Config {
    pub(crate) fn from_values(values: &Values) -> Result<Config, ConfigError> {
        let name = values.get("name").to_owned();
        let data = match values.get("data-dir") {
            "" => PathBuf::from(format!("{name}.etcd")),
            given => PathBuf::from(given),
        };
        let heartbeat = millis(values, "heartbeat-interval")?;
        let election = millis(values, "election-timeout")?;
        check_times(heartbeat, election)?;
        let proxy = match values.get("proxy") {
            "off" => ProxyMode::Off,
            "on" => ProxyMode::On,
            "readonly" => ProxyMode::ReadOnly,
            other => {
                return Err(flag(
                    "proxy",
                    format!("off, on or readonly expected, not {other:?}"),
                ));
            }
        };
        let fallback_exit = one_of(values, "discovery-fallback", ["proxy", "exit"])? == "exit";
        let discovers = values.is_set("discovery") || values.is_set("discovery-srv");
        if values.is_set("listen-client-urls")
            && !values.is_set("advertise-client-urls")
            && proxy == ProxyMode::Off
            && (!discovers || fallback_exit)
        {
            return Err(ConfigError::Text(
                "-advertise-client-urls is required when -listen-client-urls is set explicitly"
                    .to_owned(),
            ));
        }
        let peer_urls = urls(values, "initial-advertise-peer-urls")?;
        let read = millis(values, "proxy-read-timeout")?;
        Ok(Config {
            data,
            wal: Some(values.get("wal-dir"))
                .filter(|wal| !wal.is_empty())
                .map(PathBuf::from),
            listen_peers: listen(values, "listen-peer-urls")?,
            listen_clients: listen(values, "listen-client-urls")?,
            client_urls: urls(values, "advertise-client-urls")?,
            beginning: beginning(values, &name, &peer_urls)?,
            peer_urls,
            name,
            token: values.get("initial-cluster-token").to_owned(),
            discovery_fallback_exit: fallback_exit,
            discovery_proxy: Some(values.get("discovery-proxy"))
                .filter(|url| !url.is_empty())
                .map(str::to_owned),
            discovery_service: values.switch("discovery-service"),
            strict: values.switch("strict-reconfig-check"),
            force_new_cluster: values.switch("force-new-cluster"),
            quorum_reads: one_of(values, "default-read", ["local", "quorum"])? == "quorum",
            heartbeat,
            election,
            snapshot_count: number(values, "snapshot-count")?.max(1),
            history_events: usize::try_from(number(values, "history-events")?)
                .unwrap_or(usize::MAX),
            body_limit: usize::try_from(number(values, "max-value-bytes")?).unwrap_or(usize::MAX),
            proxy,
            proxy_failure_wait: millis(values, "proxy-failure-wait")?,
            proxy_refresh: millis(values, "proxy-refresh-interval")?,
            proxy_dial: millis(values, "proxy-dial-timeout")?,
            proxy_read: Some(read).filter(|read| !read.is_zero()),
            cors: values
                .get("cors")
                .split(',')
                .filter(|origin| !origin.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }
}

fn check_times(heartbeat: Duration, election: Duration) -> Result<(), ConfigError> {
    let (heartbeat, election) = (heartbeat.as_millis(), election.as_millis());
    if heartbeat == 0 || 5 * heartbeat > election {
        return Err(ConfigError::Text(format!(
            "-election-timeout[{election}ms] should be at least as 5 times as -heartbeat-interval[{heartbeat}ms]"
        )));
    }
    if election > 50_000 {
        return Err(ConfigError::Text(format!(
            "-election-timeout[{election}ms] is too long, and should be set less than 50000ms"
        )));
    }
    Ok(())
}

fn one_of<'a, const N: usize>(
    values: &'a Values,
    name: &'static str,
    words: [&str; N],
) -> Result<&'a str, ConfigError> {
    let value = values.get(name);
    if words.contains(&value) {
        return Ok(value);
    }
    Err(flag(
        name,
        format!("{} expected, not {value:?}", words.join(" or ")),
    ))
}

fn number(values: &Values, name: &'static str) -> Result<u64, ConfigError> {
    let text = values.get(name);
    text.parse()
        .map_err(|_| flag(name, format!("a whole number expected, not {text:?}")))
}

fn millis(values: &Values, name: &'static str) -> Result<Duration, ConfigError> {
    Ok(Duration::from_millis(number(values, name)?))
}

/// URLs to tell others, checked and sorted.
fn urls(values: &Values, name: &'static str) -> Result<Vec<String>, ConfigError> {
    let urls: Vec<String> = values
        .get(name)
        .split(',')
        .map(|url| url.trim().to_owned())
        .collect();
    let urls = etcd_api::check_peer_urls(&urls).map_err(|problem| flag(name, problem))?;
    no_tls(name, &urls)?;
    Ok(urls)
}

fn no_tls(name: &'static str, urls: &[String]) -> Result<(), ConfigError> {
    match urls.iter().find(|url| url.starts_with("https://")) {
        Some(url) => Err(flag(
            name,
            format!("TLS is not supported, use http instead of {url}"),
        )),
        None => Ok(()),
    }
}

/// URLs to listen on.
fn listen(values: &Values, name: &'static str) -> Result<Vec<Url>, ConfigError> {
    let mut found = Vec::new();
    for text in values.get(name).split(',').map(str::trim) {
        if !text.starts_with("unix:") {
            etcd_api::check_peer_urls(&[text.to_owned()]).map_err(|problem| flag(name, problem))?;
        }
        found.push(Url::parse(text).map_err(|error| flag(name, error.to_string()))?);
    }
    Ok(found)
}

/// The address behind a URL to listen on; IPv4 first where a name has both.
pub(crate) fn listen_address(endpoint: &Endpoint) -> std::io::Result<SocketAddr> {
    let Endpoint::Tcp { host, port } = endpoint else {
        return Err(std::io::Error::other("not an address"));
    };
    let found: Vec<SocketAddr> = (host.as_str(), *port).to_socket_addrs()?.collect();
    let first = found
        .iter()
        .find(|address| address.is_ipv4())
        .or_else(|| found.first());
    first
        .copied()
        .ok_or_else(|| std::io::Error::other("the name has no address"))
}

fn beginning(values: &Values, name: &str, peer_urls: &[String]) -> Result<Beginning, ConfigError> {
    let given = |name| values.is_set(name) && !values.get(name).is_empty();
    let count = ["initial-cluster", "discovery", "discovery-srv"]
        .into_iter()
        .filter(|name| given(name))
        .count();
    if count > 1 {
        return Err(ConfigError::Text(
            "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", \"discovery\" or \
             \"discovery-srv\""
                .to_owned(),
        ));
    }
    if given("discovery-srv") {
        return Err(flag(
            "discovery-srv",
            "SRV records are not supported, use -discovery or -initial-cluster",
        ));
    }
    let existing = one_of(values, "initial-cluster-state", ["new", "existing"])? == "existing";
    if given("discovery") {
        return Ok(Beginning::Discovery(values.get("discovery").to_owned()));
    }
    let cluster = match values.get("initial-cluster") {
        "" => BTreeMap::from([(name.to_owned(), peer_urls.to_vec())]),
        given => parse_cluster(given).map_err(|problem| flag("initial-cluster", problem))?,
    };
    Ok(if existing {
        Beginning::Existing(cluster)
    } else {
        Beginning::Static(cluster)
    })
}

/// `NAME=URL,NAME=URL,…`; a name may occur more than once.
pub(crate) fn parse_cluster(text: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (name, url) = part
            .split_once('=')
            .ok_or_else(|| format!("NAME=URL expected, not {part:?}"))?;
        etcd_api::check_peer_urls(&[url.to_owned()])?;
        members
            .entry(name.to_owned())
            .or_default()
            .push(url.to_owned());
    }
    let mut all: Vec<&String> = members.values().flatten().collect();
    all.sort();
    if let Some(pair) = all.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("the URL {} occurs twice", pair[0]));
    }
    for urls in members.values_mut() {
        urls.sort();
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::{Beginning, Config};
    use crate::flags::Values;

    fn config(arguments: &[&str]) -> Result<Config, String> {
        let mut values = Values::default();
        values
            .arguments(arguments.iter().map(|text| (*text).to_owned()))
            .unwrap();
        Config::from_values(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_make_a_cluster_of_one() {
        let config = config(&[]).unwrap();
        let Beginning::Static(members) = config.beginning else {
            panic!("not static")
        };
        assert_eq!(
            members["default"],
            ["http://localhost:2380", "http://localhost:7001"]
        );
        assert_eq!(config.data.to_str(), Some("default.etcd"));
    }

    #[test]
    fn bad_values_are_refused_with_the_flag_and_what_was_expected() {
        for (arguments, want) in [
            (
                vec!["--snapshot-count=x"],
                "-snapshot-count: a whole number expected, not \"x\"",
            ),
            (
                vec!["--listen-client-urls=http://1.1.1.1:1"],
                "-advertise-client-urls is required when -listen-client-urls is set explicitly",
            ),
            (
                vec!["--heartbeat-interval=300"],
                "-election-timeout[1000ms] should be at least as 5 times as -heartbeat-interval[300ms]",
            ),
            (
                vec!["--election-timeout=60000"],
                "-election-timeout[60000ms] is too long, and should be set less than 50000ms",
            ),
            (
                vec!["--initial-cluster=a"],
                "-initial-cluster: NAME=URL expected, not \"a\"",
            ),
            (
                vec!["--initial-cluster=a=http://h:1,b=http://h:1"],
                "-initial-cluster: the URL http://h:1 occurs twice",
            ),
            (
                vec!["--proxy=x"],
                "-proxy: off, on or readonly expected, not \"x\"",
            ),
            (
                vec!["--advertise-client-urls=http://h"],
                "-advertise-client-urls: URL address does not have the form \"host:port\": http://h",
            ),
            (
                vec!["--advertise-client-urls=https://h:1"],
                "-advertise-client-urls: TLS is not supported, use http instead of https://h:1",
            ),
        ] {
            assert_eq!(config(&arguments).unwrap_err(), want);
        }
        assert!(
            config(&["--discovery=http://d/t", "--initial-cluster=a=http://h:1"])
                .unwrap_err()
                .contains("Choose one of")
        );
    }

    #[test]
    fn a_name_may_have_several_urls() {
        let config = config(&["--initial-cluster=a=http://h:2,b=http://i:1,a=http://h:1"]).unwrap();
        let Beginning::Static(members) = config.beginning else {
            panic!("not static")
        };
        assert_eq!(members["a"], ["http://h:1", "http://h:2"]);
    }
}
