//! How this member begins: from its data, as part of a new cluster, or by joining one that runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Client, Limits, Method, Request, Url};
use serde::{Deserialize, Serialize};

use crate::config::{Beginning, Config, ProxyMode, parse_cluster};
use crate::discovery::{Discovery, DiscoveryError, Found};
use crate::ids::{cluster_id, member_id};
use crate::raft::{Peer, sync_folder};

/// What this process is to be.
#[derive(Debug)]
pub(crate) enum Start {
    Member {
        member: u64,
        cluster: u64,
        /// All members of a new cluster, for a log that has nothing yet.
        initial: Option<BTreeMap<u64, Peer>>,
        /// Whether there was something in the log once.
        started: bool,
    },
    Proxy {
        peers: Vec<String>,
    },
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BootstrapError {
    #[error("cannot {what} {}", path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is used by another etcd2", path.display())]
    InUse { path: PathBuf },
    #[error("{} was written by etcd, not by this program: import it, or choose another data directory", path.display())]
    Foreign { path: PathBuf },
    #[error("invalid datadir: both member and proxy folders exist in {}", path.display())]
    Both { path: PathBuf },
    #[error("{} is damaged; remove this member and add it again", path.display())]
    Identity { path: PathBuf },
    #[error("couldn't find local name {name:?} in the initial cluster configuration")]
    NameMissing { name: String },
    #[error(
        "--initial-cluster must include {name}={url} given --initial-advertise-peer-urls={url}"
    )]
    UrlsDiffer { name: String, url: String },
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("discovery: the cluster is full")]
    Full,
    #[error("{0}")]
    Cluster(String),
    #[error(
        "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given urls"
    )]
    NobodyAnswers,
    #[error("error validating peerURLs: member count is unequal")]
    CountDiffers,
    #[error("error validating peerURLs: unmatched member while checking PeerURLs")]
    Unmatched,
    #[error("member {0} has already been bootstrapped")]
    AlreadyBootstrapped(String),
}

/// A member as the peer port shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PeerMember {
    pub(crate) id: u64,
    #[serde(rename = "peerURLs")]
    pub(crate) peer_urls: Vec<String>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(rename = "clientURLs", default)]
    pub(crate) client_urls: Vec<String>,
}

/// Keeps others off the data directory while it lives.
#[derive(Debug)]
pub(crate) struct DataLock(#[expect(dead_code, reason = "the open file is the lock")] File);

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BootstrapError {
    let path = path.to_owned();
    move |source| BootstrapError::Io { what, path, source }
}

/// Makes and locks the data directory.
pub(crate) fn lock(config: &Config) -> Result<DataLock, BootstrapError> {
    use std::os::unix::fs::DirBuilderExt;
    let data = &config.data;
    let new = !data.exists();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(io_error("make", data))?;
    if new
        && let Some(parent) = data.parent()
        && let Err(error) = sync_folder(parent)
    {
        // We may have no right to read it.
        tracing::debug!(%error, "cannot sync the folder of the data directory");
    }
    let path = data.join("lock");
    let file = File::create(&path).map_err(io_error("make", &path))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(DataLock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(BootstrapError::InUse { path: data.clone() }),
        Err(error) => Err(io_error("lock", &path)(error.into())),
    }
}

/// Decides, and writes down who we are before anyone else is told.
pub(crate) async fn bootstrap(config: &Config, client: &Client) -> Result<Start, BootstrapError> {
    let (identity, proxy) = (config.data.join("member/id"), config.data.join("proxy"));
    refuse_foreign(&config.data)?;
    if identity.exists() && proxy.exists() {
        return Err(BootstrapError::Both {
            path: config.data.clone(),
        });
    }
    if identity.exists() {
        if let Beginning::Discovery(_) = &config.beginning {
            tracing::info!(
                "discovery token ignored since a cluster has already been initialized. Valid log found at {:?}",
                config.data.join("member/wal")
            );
        }
        let (member, cluster, initial) = read_identity(&identity)?;
        return Ok(Start::Member {
            member,
            cluster,
            initial,
            started: config.data.join(STARTED).exists(),
        });
    }
    if config.proxy != ProxyMode::Off || proxy.exists() {
        return Ok(Start::Proxy {
            peers: proxy_peers(config, client).await?,
        });
    }
    let (member, cluster, initial) = match &config.beginning {
        Beginning::Static(members) => new_cluster(config, members, &config.token, client).await?,
        Beginning::Discovery(url) => {
            let discovery = Discovery::new(url, config.discovery_proxy.as_deref(), client.clone())?;
            let id = member_id(&config.peer_urls, url, None);
            let urls = config
                .peer_urls
                .iter()
                .map(|peer| format!("{}={peer}", config.name));
            match discovery
                .join(id, &urls.collect::<Vec<_>>().join(","))
                .await?
            {
                Found::Cluster(text) => {
                    let members = parse_cluster(&text).map_err(BootstrapError::Cluster)?;
                    new_cluster(config, &members, url, client).await?
                }
                Found::Full(_) if config.discovery_fallback_exit => {
                    return Err(BootstrapError::Full);
                }
                Found::Full(text) => {
                    tracing::info!("discovery cluster full, falling back to proxy");
                    let members = parse_cluster(&text).map_err(BootstrapError::Cluster)?;
                    return Ok(Start::Proxy {
                        peers: members.into_values().flatten().collect(),
                    });
                }
            }
        }
        Beginning::Existing(members) => join_cluster(config, members, client).await?,
    };
    write_identity(&identity, member, cluster, initial.as_ref())?;
    Ok(Start::Member {
        member,
        cluster,
        initial,
        started: false,
    })
}

/// Is there once the log has something: an empty log then is a lost one, and a member that lost its
/// log must not vote again as if it had never voted.
const STARTED: &str = "member/started";

/// Notes that the log has something.
pub(crate) fn mark_started(data: &Path) {
    let path = data.join(STARTED);
    if path.exists() {
        return;
    }
    let made = File::create(&path).and_then(|_| sync_folder(path.parent().unwrap_or(data)));
    if let Err(error) = made {
        tracing::warn!(path = %path.display(), %error, "cannot note that the log has begun");
    }
}

/// The Go program's logs end in `.wal`.
fn refuse_foreign(data: &Path) -> Result<(), BootstrapError> {
    let wal = data.join("member/wal");
    let mut files = fs::read_dir(&wal).into_iter().flatten().flatten();
    if files.any(|file| {
        file.path()
            .extension()
            .is_some_and(|extension| extension == "wal")
    }) {
        return Err(BootstrapError::Foreign { path: wal });
    }
    Ok(())
}

/// Member, cluster and, when this member was there from the beginning, all initial members: a first
/// start that ended before its log had anything is repeated with them.
fn read_identity(path: &Path) -> Result<Identity, BootstrapError> {
    let text = fs::read_to_string(path).map_err(io_error("read", path))?;
    let parsed = || {
        let (mut member, mut cluster, mut initial) = (None, None, BTreeMap::new());
        for line in text.lines() {
            let (name, value) = line.split_once('=')?;
            let id = |text| u64::from_str_radix(text, 16).ok();
            match name {
                "member" => member = Some(id(value)?),
                "cluster" => cluster = Some(id(value)?),
                "initial" => {
                    let (of, urls) = value.split_once(' ')?;
                    let urls = urls.split(' ').map(str::to_owned).collect();
                    initial.insert(id(of)?, Peer { urls });
                }
                _ => return None,
            }
        }
        Some((
            member?,
            cluster?,
            Some(initial).filter(|all| !all.is_empty()),
        ))
    };
    parsed().ok_or_else(|| BootstrapError::Identity {
        path: path.to_owned(),
    })
}

fn write_identity(
    path: &Path,
    member: u64,
    cluster: u64,
    initial: Option<&BTreeMap<u64, Peer>>,
) -> Result<(), BootstrapError> {
    let folder = path.parent().unwrap_or(path);
    let temporary = path.with_extension("tmp");
    let mut text = format!("member={member:x}\ncluster={cluster:x}\n");
    for (id, peer) in initial.into_iter().flatten() {
        text.push_str(&format!("initial={id:x} {}\n", peer.urls.join(" ")));
    }
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = File::create(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(folder)?;
        sync_folder(folder.parent().unwrap_or(folder))
    };
    write().map_err(io_error("write", path))
}

type Identity = (u64, u64, Option<BTreeMap<u64, Peer>>);

async fn new_cluster(
    config: &Config,
    members: &BTreeMap<String, Vec<String>>,
    token: &str,
    client: &Client,
) -> Result<Identity, BootstrapError> {
    let name = &config.name;
    let own = members
        .get(name)
        .ok_or_else(|| BootstrapError::NameMissing { name: name.clone() })?;
    if *own != config.peer_urls {
        let url = config.peer_urls.join(",");
        return Err(BootstrapError::UrlsDiffer {
            name: name.clone(),
            url,
        });
    }
    let peers: BTreeMap<u64, Peer> = members
        .values()
        .map(|urls| (member_id(urls, token, None), Peer { urls: urls.clone() }))
        .collect();
    let member = member_id(own, token, None);
    let cluster = cluster_id(peers.keys().copied());
    // A member that lost its data must not vote again as if it had never voted.
    let others = members
        .iter()
        .filter(|(other, _)| *other != name)
        .flat_map(|(_, urls)| urls.clone());
    if let Some(list) = ask_peers(others, client, Duration::from_secs(1)).await
        && list
            .iter()
            .any(|known| known.id == member && !known.client_urls.is_empty())
    {
        return Err(BootstrapError::AlreadyBootstrapped(format!("{member:x}")));
    }
    Ok((member, cluster, Some(peers)))
}

async fn join_cluster(
    config: &Config,
    members: &BTreeMap<String, Vec<String>>,
    client: &Client,
) -> Result<Identity, BootstrapError> {
    let name = &config.name;
    if !members.contains_key(name) {
        return Err(BootstrapError::NameMissing { name: name.clone() });
    }
    let others = members
        .iter()
        .filter(|(other, _)| *other != name)
        .flat_map(|(_, urls)| urls.clone());
    let known = ask_peers(others, client, Duration::from_secs(10))
        .await
        .ok_or(BootstrapError::NobodyAnswers)?;
    if known.len() != members.len() {
        return Err(BootstrapError::CountDiffers);
    }
    let mut own = None;
    for (other, urls) in members {
        let sorted = |member: &PeerMember| {
            let mut urls = member.peer_urls.clone();
            urls.sort();
            urls
        };
        let found = known
            .iter()
            .find(|member| sorted(member) == *urls)
            .ok_or(BootstrapError::Unmatched)?;
        if other == name {
            own = Some(found.id);
        }
    }
    let member = own.ok_or(BootstrapError::Unmatched)?;
    let cluster = cluster_of(members, name, client)
        .await
        .ok_or(BootstrapError::NobodyAnswers)?;
    Ok((member, cluster, None))
}

/// The member list of the first peer that answers.
pub(crate) async fn ask_peers(
    urls: impl IntoIterator<Item = String>,
    client: &Client,
    within: Duration,
) -> Option<Vec<PeerMember>> {
    for url in urls {
        if let Some(answer) = ask(&url, client, within).await
            && let Ok(list) = serde_json::from_slice(&answer.body)
        {
            return Some(list);
        }
    }
    None
}

async fn cluster_of(
    members: &BTreeMap<String, Vec<String>>,
    own: &str,
    client: &Client,
) -> Option<u64> {
    for url in members
        .iter()
        .filter(|(name, _)| *name != own)
        .flat_map(|(_, urls)| urls)
    {
        if let Some(answer) = ask(url, client, Duration::from_secs(10)).await {
            let id = answer
                .header("x-etcd-cluster-id")
                .and_then(etcd_api::parse_member_id);
            if id.is_some() {
                return id;
            }
        }
    }
    None
}

async fn ask(url: &str, client: &Client, within: Duration) -> Option<http::Response> {
    let url = Url::parse(url).ok()?;
    let limits = Limits {
        connect: within,
        read: within,
        total: Some(within),
        ..Limits::default()
    };
    let answer = client
        .request(
            url.endpoint(),
            Request::new(Method::GET, "/members"),
            &limits,
        )
        .await
        .ok()?;
    (answer.status == 200).then_some(answer)
}

#[derive(Debug, Serialize, Deserialize)]
struct ProxyCluster {
    #[serde(rename = "PeerURLs")]
    peer_urls: Vec<String>,
}

/// The peers that a proxy asks for the members: those of its last run, else as configured.
async fn proxy_peers(config: &Config, client: &Client) -> Result<Vec<String>, BootstrapError> {
    let path = config.data.join("proxy/cluster");
    if let Ok(text) = fs::read(&path)
        && let Ok(cluster) = serde_json::from_slice::<ProxyCluster>(&text)
    {
        return Ok(cluster.peer_urls);
    }
    let members = match &config.beginning {
        Beginning::Static(members) | Beginning::Existing(members) => members.clone(),
        Beginning::Discovery(url) => {
            let discovery = Discovery::new(url, config.discovery_proxy.as_deref(), client.clone())?;
            parse_cluster(&discovery.members().await?).map_err(BootstrapError::Cluster)?
        }
    };
    Ok(members.into_values().flatten().collect())
}

/// Remembers the peers of a proxy.
pub(crate) fn save_proxy_peers(data: &Path, peers: &[String]) -> io::Result<()> {
    let folder = data.join("proxy");
    fs::create_dir_all(&folder)?;
    let text = serde_json::to_vec(&ProxyCluster {
        peer_urls: peers.to_vec(),
    })
    .map_err(io::Error::other)?;
    let temporary = folder.join("cluster.bak");
    fs::write(&temporary, text)?;
    fs::rename(temporary, folder.join("cluster"))?;
    sync_folder(&folder)
}

#[cfg(test)]
mod tests {
    use super::{BootstrapError, Peer, read_identity, write_identity};

    #[test]
    fn who_we_are_is_read_as_it_was_written_with_the_initial_members() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("member/id");
        let peer = |urls: &[&str]| Peer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        };
        let initial = [
            (1, peer(&["http://10.0.0.1:2380", "http://[::1]:2380"])),
            (0xff, peer(&["unix:///run/p"])),
        ];
        for initial in [Some(initial.into()), None] {
            write_identity(&path, 1, 2, initial.as_ref()).unwrap();
            assert_eq!(read_identity(&path).unwrap(), (1, 2, initial));
        }
        for text in ["", "member=1", "member=1\ncluster=2\ninitial=1", "\0"] {
            std::fs::write(&path, text).unwrap();
            assert!(
                matches!(read_identity(&path), Err(BootstrapError::Identity { .. })),
                "{text:?}"
            );
        }
    }
}
