//! The metadata service: the `OpenStack` tree for identity, the EC2 tree for addresses and user-data.
//!
//! Retries what may pass (no route yet, refused, 5xx), takes 404 as "absent", and reports identity
//! before it asks for user-data, so that keys never wait for it.

use std::time::{Duration, Instant};

use cloud_config_document::variables::Addresses;
use http::{Client, HttpError, Limits, Method, Request, Url};

use crate::instance::{Instance, first_line};
use crate::log;
use crate::source::local;

/// First pause after a failed request; it doubles up to [`SLOWEST`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const SLOWEST: Duration = Duration::from_secs(5);
/// Without a route nobody is asked: looking again costs nothing, and an address may come any moment.
const NO_ROUTE_PAUSE: Duration = Duration::from_millis(20);
/// Longest wait for the devices of the boot; probing an empty SATA controller takes a second.
const SETTLE: Duration = Duration::from_secs(5);
/// The dated tree that the original used, and what to ask when it is gone.
const EC2_VERSIONS: [&str; 2] = ["2009-04-04", "latest"];

/// Which trees of a service are asked.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    OpenStack(String),
    Ec2(String),
}

impl Tree {
    fn base(&self) -> &str {
        let (Self::OpenStack(url) | Self::Ec2(url)) = self;
        url.trim_end_matches('/')
    }
}

fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(10),
        read: Duration::from_secs(10),
        total: Some(Duration::from_secs(10)),
        body: 8 << 20,
        redirects: 5,
    }
}

struct Service<'s> {
    client: Client,
    base: String,
    deadline: Instant,
    /// Called between two tries: something else may have come up.
    meanwhile: &'s mut dyn FnMut(Look) -> bool,
}

/// How eagerly a drive is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Now,
    Seldom,
}

/// Why an answer is not there.
enum Missing {
    Absent,
    /// The time is over, or something better was found meanwhile.
    GivenUp,
}

impl Service<'_> {
    /// A document, retried until the deadline.
    async fn get(&mut self, path: &str) -> Result<Vec<u8>, Missing> {
        let url = format!("{}/{path}", self.base);
        let mut pause = FIRST_PAUSE;
        let mut told = String::new();
        loop {
            let wait = match self.once(&url).await {
                Ok((200, body)) => return Ok(body),
                Ok((408 | 429 | 500.., _)) => {
                    say(
                        &mut told,
                        &format!("{url}: the service is not ready; trying again"),
                    );
                    pause
                }
                Ok(_) => return Err(Missing::Absent),
                Err(error) if no_route(&error) => {
                    say(&mut told, "no route to the metadata service yet");
                    NO_ROUTE_PAUSE
                }
                Err(error) => {
                    say(
                        &mut told,
                        &format!("{url}: {}; trying again", init_api::chain(&error)),
                    );
                    pause
                }
            };
            if wait != NO_ROUTE_PAUSE {
                pause = (pause * 2).min(SLOWEST);
            }
            if Instant::now() + wait >= self.deadline || (self.meanwhile)(Look::Seldom) {
                return Err(Missing::GivenUp);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn once(&self, url: &str) -> Result<(u16, Vec<u8>), HttpError> {
        let url = Url::parse(url)?;
        let request = Request::new(Method::GET, url.path_and_query());
        let response = self
            .client
            .request(url.endpoint(), request, &limits())
            .await?;
        if matches!(response.status, 301 | 302 | 303 | 307 | 308) {
            let response = http::get(&url.to_string(), &limits()).await?;
            return Ok((response.status, response.body.to_vec()));
        }
        Ok((response.status, response.body.to_vec()))
    }

    async fn text(&mut self, path: &str) -> Option<String> {
        let body = self.get(path).await.ok()?;
        Some(String::from_utf8_lossy(&body).into_owned()).filter(|text| !text.trim().is_empty())
    }
}

fn say(told: &mut String, text: &str) {
    if told != text {
        log::info(text);
        text.clone_into(told);
    }
}

/// True while the network is not up: the kernel itself refused.
fn no_route(error: &HttpError) -> bool {
    let HttpError::Connect { source, .. } = error else {
        return false;
    };
    let code = source.raw_os_error();
    [
        rustix::io::Errno::NETUNREACH,
        rustix::io::Errno::NETDOWN,
        rustix::io::Errno::ADDRNOTAVAIL,
    ]
    .iter()
    .any(|errno| code == Some(errno.raw_os_error()))
}

fn block_on<T>(future: impl Future<Output = T>) -> Option<T> {
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => Some(runtime.block_on(future)),
        Err(error) => {
            log::error(&format!("cannot start network access: {error}"));
            None
        }
    }
}

/// Finds the service before the deadline. `early` gets identity before the user-data is asked for;
/// `late_drive` is asked between tries and wins.
pub(crate) fn find(
    tree: &Tree,
    deadline: Instant,
    early: &mut dyn FnMut(&Instance),
    late_drive: Option<&mut dyn FnMut() -> Option<Instance>>,
) -> Option<Instance> {
    let looking = late_drive.is_some();
    let mut nothing = || None;
    let late_drive = late_drive.unwrap_or(&mut nothing);
    let mut drive = None;
    // A drive does not appear within milliseconds: look for it at most once a second.
    let mut next_look = Instant::now();
    let mut meanwhile = |look: Look| {
        let due = look == Look::Now || Instant::now() >= next_look;
        if due && drive.is_none() {
            next_look = Instant::now() + Duration::from_secs(1);
            drive = late_drive();
        }
        drive.is_some()
    };
    let found = block_on(async {
        let found = search(tree, deadline, early, &mut meanwhile).await;
        if found.is_some() && looking {
            settle(&mut meanwhile).await;
        }
        found
    })
    .flatten();
    if let Some(drive) = &drive {
        early(drive);
    }
    drive.or(found)
}

/// A service that answers within milliseconds must not outrun a drive on a slow bus: the
/// drive is looked for once more when all devices have their drivers.
async fn settle(meanwhile: &mut dyn FnMut(Look) -> bool) {
    let end = Instant::now() + SETTLE;
    while !local::devices_settled() && Instant::now() < end {
        tokio::time::sleep(NO_ROUTE_PAUSE).await;
    }
    meanwhile(Look::Now);
}

async fn search(
    tree: &Tree,
    deadline: Instant,
    early: &mut dyn FnMut(&Instance),
    meanwhile: &mut dyn FnMut(Look) -> bool,
) -> Option<Instance> {
    let base = tree.base().to_owned();
    let mut instance = Instance {
        source: format!("the metadata service {base}"),
        ..Instance::default()
    };
    let mut service = Service {
        client: Client::new(),
        base,
        deadline,
        meanwhile,
    };
    let mut there = false;
    if matches!(tree, Tree::OpenStack(_)) {
        match service.get("openstack/latest/meta_data.json").await {
            Ok(body) => {
                there = true;
                instance.take_openstack(&String::from_utf8_lossy(&body));
            }
            Err(Missing::Absent) => {}
            Err(Missing::GivenUp) => return None,
        }
    }
    let identified = instance.uuid.is_some();
    if identified {
        early(&instance);
    }
    let mut version = None;
    for candidate in EC2_VERSIONS {
        match service.get(&format!("{candidate}/meta-data/")).await {
            Ok(_) => {
                version = Some(candidate);
                break;
            }
            Err(Missing::Absent) => {}
            Err(Missing::GivenUp) => break,
        }
    }
    if let Some(version) = version {
        there = true;
        ec2(&mut service, version, identified, &mut instance).await;
        if !identified {
            early(&instance);
        }
    }
    if !there {
        log::warning(&format!("{} answers, but has no metadata", instance.source));
        return None;
    }
    let place = version.map_or_else(
        || "openstack/latest/user_data".to_owned(),
        |v| format!("{v}/user-data"),
    );
    match service.get(&place).await {
        Ok(body) => instance.user_data = body,
        Err(Missing::Absent) => log::info("this machine has no user-data"),
        Err(Missing::GivenUp) => {
            instance.incomplete = true;
        }
    }
    if matches!(tree, Tree::OpenStack(_)) && identified {
        instance.network_data = service.text("openstack/latest/network_data.json").await;
    }
    Some(instance)
}

async fn ec2(service: &mut Service<'_>, version: &str, identified: bool, instance: &mut Instance) {
    let base = format!("{version}/meta-data");
    let addresses = ec2_addresses(service, &base).await;
    instance.metadata.addresses.fill(&addresses);
    instance.instance_id = service
        .text(&format!("{base}/instance-id"))
        .await
        .map(|t| first_line(&t).to_owned());
    instance.instance_type = service
        .text(&format!("{base}/instance-type"))
        .await
        .map(|t| first_line(&t).to_owned());
    if identified {
        return;
    }
    instance.metadata.hostname = service.text(&format!("{base}/hostname")).await;
    let Some(list) = service.text(&format!("{base}/public-keys")).await else {
        return;
    };
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        let Some((id, _)) = line.split_once('=') else {
            instance.warnings.push(format!(
                "public-keys has a line that is no id=name: {line:?}"
            ));
            continue;
        };
        if let Some(key) = service
            .text(&format!("{base}/public-keys/{}/openssh-key", id.trim()))
            .await
        {
            instance.metadata.keys.push(first_line(&key).to_owned());
        }
    }
}

async fn ec2_addresses(service: &mut Service<'_>, base: &str) -> Addresses {
    let mut address = async |name: &str| {
        let text = service.text(&format!("{base}/{name}")).await?;
        first_line(&text).parse().ok()
    };
    let private_ipv4 = address("local-ipv4").await;
    let public_ipv4 = address("public-ipv4").await;
    Addresses {
        private_ipv4,
        public_ipv4,
        ..Addresses::default()
    }
}

/// Only the addresses, for a source that has none.
#[must_use]
pub(crate) fn addresses(tree: &Tree, deadline: Instant) -> Option<Addresses> {
    let mut never = |_| false;
    let base = tree.base().to_owned();
    block_on(async {
        let mut service = Service {
            client: Client::new(),
            base,
            deadline,
            meanwhile: &mut never,
        };
        ec2_addresses(&mut service, "latest/meta-data").await
    })
}

/// A document at any URL, retried until the deadline; absent is empty.
#[must_use]
pub(crate) fn fetch_url(url: &str, deadline: Instant) -> Option<Vec<u8>> {
    let (base, path) = split(url)?;
    let mut never = |_| false;
    block_on(async {
        let mut service = Service {
            client: Client::new(),
            base,
            deadline,
            meanwhile: &mut never,
        };
        match service.get(&path).await {
            Ok(body) => Some(body),
            Err(Missing::Absent) => {
                log::error(&format!("{url}: not found"));
                Some(Vec::new())
            }
            Err(Missing::GivenUp) => None,
        }
    })
    .flatten()
}

fn split(url: &str) -> Option<(String, String)> {
    if Url::parse(url).is_err() {
        log::error(&format!("{url:?} is no http:// URL"));
        return None;
    }
    let start = url.find("://")? + 3;
    let slash = url.get(start..)?.find('/').map(|n| n + start);
    match slash {
        Some(slash) => Some((
            url.get(..slash)?.to_owned(),
            url.get(slash + 1..)?.to_owned(),
        )),
        None => Some((url.to_owned(), String::new())),
    }
}
