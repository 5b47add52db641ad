//! The event loop: news from the kernel, packets and timers go in; each interface's client decides;
//! what it decides is carried out here.
//!
//! One task owns all state. A stop leaves every address in place: a restart of this program (a
//! cloud-config with .network files asks for one) must not cut the connection it came over.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use rtnetlink::MulticastGroup;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::client::Event;
use crate::files::{self, Names};
use crate::kernel::{Kernel, LinkInfo, News, news};
use crate::link::{Link, Packet};
use crate::log;
use crate::netdev::NetDev;
use crate::network_file::NetworkFile;
use crate::{facts, find};

/// Where things are; another root only in tests.
#[derive(Debug, Clone)]
pub struct Paths {
    pub root: PathBuf,
}

impl Paths {
    /// A state file below /run/systemd/netif.
    #[must_use]
    pub fn state(&self, name: &str) -> PathBuf {
        self.root.join("run/systemd/netif").join(name)
    }

    fn resolv_conf(&self) -> PathBuf {
        self.root.join("run/systemd/resolve/resolv.conf")
    }
}

/// Why the loop could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot talk to the kernel's network configuration (rtnetlink)")]
    Connect(#[source] io::Error),
    #[error("cannot list the network interfaces")]
    List(#[source] rtnetlink::Error),
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
}

#[derive(Debug)]
struct Manager {
    kernel: Kernel,
    paths: Paths,
    files: Vec<NetworkFile>,
    netdevs: Vec<NetDev>,
    links: BTreeMap<u32, Link>,
    packets: mpsc::Sender<Packet>,
    began: Instant,
    virtualization: Option<String>,
}

/// Runs until SIGTERM or SIGINT; SIGHUP reads the files anew.
///
/// # Errors
/// When the kernel cannot be asked at all; trouble with one interface is logged and retried.
pub async fn run(paths: Paths, ready: impl FnOnce()) -> Result<(), RunError> {
    let groups = [
        MulticastGroup::Link,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
    ];
    let (connection, handle, mut messages) =
        rtnetlink::new_multicast_connection(&groups).map_err(RunError::Connect)?;
    tokio::spawn(connection);
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut reload = signal(SignalKind::hangup()).map_err(RunError::Signals)?;
    // Answers to a handful of questions at a time; a full queue only means that one is asked again.
    let (packets, mut arriving) = mpsc::channel(64);
    let virtualization = facts::virtualization(&paths.root);
    let mut manager = Manager {
        kernel: Kernel::new(handle),
        paths,
        files: Vec::new(),
        netdevs: Vec::new(),
        links: BTreeMap::new(),
        packets,
        began: Instant::now(),
        virtualization,
    };
    manager.read_files();
    for netdev in &manager.netdevs {
        if let Err(error) = netdev.create(manager.kernel.handle(), None).await {
            log::warning(&format!("{}: cannot create: {error}", netdev.name));
        }
    }
    for info in manager.kernel.links().await.map_err(RunError::List)? {
        manager.link_news(info).await;
    }
    if !manager.links.values().any(Link::managed) {
        log::warning("no network interface to configure yet; waiting for one to appear");
    }
    manager.write_state().await;
    ready();
    loop {
        let deadline = manager.links.values().filter_map(Link::deadline).min();
        let timer = async {
            match deadline {
                Some(at) => {
                    let wait = at.saturating_sub(manager.began.elapsed());
                    tokio::time::sleep(wait).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = messages.next() => match message {
                Some((message, _)) => manager.kernel_news(news(message)).await,
                None => return Ok(()),
            },
            Some(packet) = arriving.recv() => manager.packet(packet).await,
            () = timer => manager.timers().await,
            _ = reload.recv() => manager.reload().await,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

impl Manager {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn read_files(&mut self) {
        let (files, complaints) = find::network_files(&self.paths.root);
        for complaint in complaints {
            for one in complaint.list {
                log::warning(&format!(
                    "{}:{}:{}: {}",
                    complaint.path.display(),
                    one.line,
                    one.column,
                    one.text
                ));
            }
        }
        self.files = files;
        self.netdevs.clear();
        for (path, text) in find::netdev_files(&self.paths.root) {
            match NetDev::parse(&text) {
                Ok(netdev) => self.netdevs.push(netdev),
                Err(wrong) => log::warning(&format!("{}: {wrong}, ignored", path.display())),
            }
        }
    }

    async fn kernel_news(&mut self, news: Option<News>) {
        match news {
            None => {}
            Some(News::Link(info)) => self.link_news(info).await,
            Some(News::LinkGone(index)) => self.link_gone(index).await,
            Some(News::Addresses(index)) => self.addresses_changed(index).await,
        }
    }

    async fn link_gone(&mut self, index: u32) {
        if self.links.remove(&index).is_some_and(|link| link.managed()) {
            let _ = std::fs::remove_file(self.paths.state(&format!("links/{index}")));
            let _ = std::fs::remove_file(self.paths.state(&format!("leases/{index}")));
            self.write_state().await;
        }
    }

    async fn addresses_changed(&mut self, index: u32) {
        if self.links.get(&index).is_some_and(Link::managed) {
            self.write_state().await;
        }
    }

    async fn link_news(&mut self, info: LinkInfo) {
        let index = info.index;
        if let Some(link) = self
            .links
            .get_mut(&index)
            .filter(|link| link.info.name == info.name)
        {
            let events = link.changed(info);
            for event in events {
                self.handle(index, event).await;
            }
            return;
        }
        if info.loopback && !info.up {
            // Everything that talks to 127.0.0.1 needs it, whatever the files say.
            if let Err(error) = self.kernel.set_up(index).await {
                log::error(&format!("cannot bring up {}: {error}", info.name));
            }
        }
        let facts = facts::of_link(&self.paths.root, &info, self.virtualization.as_deref());
        let file = self
            .files
            .iter()
            .find(|file| file.matches.fits(&facts))
            .cloned();
        let file = file.filter(|file| !file.leaves_alone());
        let mut link = Link::new(info, file, &self.paths);
        let mut events = Vec::new();
        if link.managed() {
            let masters = self
                .links
                .values()
                .map(|l| (l.info.name.clone(), l.info.index))
                .collect();
            link.set_up(&self.kernel, &masters, &self.netdevs, &self.paths)
                .await;
            events = link.begin();
        }
        let name = link.info.name.clone();
        self.links.insert(index, link);
        for event in events {
            self.handle(index, event).await;
        }
        self.enslave_waiting(&name, index).await;
    }

    /// A bridge or bond has appeared: those who named it join.
    async fn enslave_waiting(&mut self, name: &str, index: u32) {
        for link in self.links.values() {
            if link.wants_master(name) && link.info.master != Some(index) {
                link.join(&self.kernel, index).await;
            }
        }
    }

    async fn handle(&mut self, index: u32, event: Event) {
        let now = self.now();
        let Some(link) = self.links.get_mut(&index) else {
            return;
        };
        if link
            .handle(now, event, &self.kernel, &self.packets, &self.paths)
            .await
        {
            self.write_state().await;
        }
    }

    async fn packet(&mut self, packet: Packet) {
        if let Some(message) = packet.message() {
            self.handle(packet.index, Event::Received(message)).await;
        }
    }

    async fn timers(&mut self) {
        let now = self.now();
        let due: Vec<u32> = self
            .links
            .iter()
            .filter(|(_, link)| link.deadline().is_some_and(|at| at <= now))
            .map(|(index, _)| *index)
            .collect();
        for index in due {
            self.handle(index, Event::Timer).await;
        }
    }

    async fn reload(&mut self) {
        log::info("reading the .network files again");
        self.read_files();
        for netdev in &self.netdevs {
            if let Err(error) = netdev.create(self.kernel.handle(), None).await {
                log::warning(&format!("{}: cannot create: {error}", netdev.name));
            }
        }
        self.links.clear();
        match self.kernel.links().await {
            Ok(links) => {
                for info in links {
                    self.link_news(info).await;
                }
            }
            Err(error) => log::error(&format!("cannot list the network interfaces: {error}")),
        }
        self.write_state().await;
    }

    async fn write_state(&mut self) {
        let mut all: Vec<Names> = Vec::new();
        let mut best = "off";
        for (index, link) in &self.links {
            if link.info.loopback {
                continue;
            }
            let (admin, oper) = link.states(&self.kernel).await;
            let names = link.names();
            let text = files::link_text(admin, oper, link.file_name(), &names);
            write(&self.paths.state(&format!("links/{index}")), &text);
            if link.managed() {
                best = better(best, oper);
                all.push(names);
            }
        }
        write(&self.paths.resolv_conf(), &files::resolv_conf(&all));
        self.write_time_sources(&all);
        let mut merged = Names::default();
        for names in all {
            merged.dns.extend(names.dns);
            merged.domains.extend(names.domains);
            merged.ntp.extend(names.ntp);
        }
        let text = format!(
            "# Written by systemd-networkd.\nOPER_STATE={best}\n{}",
            files::names_text(&merged)
        );
        write(&self.paths.state("state"), &text);
    }

    /// Debian's chrony reads its servers from /run/chrony-dhcp.
    fn write_time_sources(&self, all: &[Names]) {
        let text: String = all
            .iter()
            .flat_map(|n| &n.ntp)
            .map(|server| format!("server {server} iburst\n"))
            .collect();
        let path = self.paths.root.join("run/chrony-dhcp/networkd.sources");
        if !text.is_empty() || path.exists() {
            write(&path, &text);
        }
    }
}

fn better<'a>(a: &'a str, b: &'a str) -> &'a str {
    const ORDER: [&str; 5] = ["off", "no-carrier", "carrier", "degraded", "routable"];
    let rank = |word: &str| ORDER.iter().position(|w| *w == word);
    if rank(b) > rank(a) { b } else { a }
}

/// Writes a state file; a full or broken disk is said once per write and never fatal.
pub fn write(path: &Path, text: &str) {
    if let Err(error) = files::replace(path, text) {
        log::error(&format!("cannot write {}: {error}", path.display()));
    }
}
