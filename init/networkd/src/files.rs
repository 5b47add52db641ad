//! The texts that others read: resolv.conf, /run/systemd/netif, chrony's sources.
//!
//! Text building is pure; `replace` writes a file so that readers see the old or the new one whole.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::Path;

use crate::lease::Lease;

/// resolver(3) looks at no more than three.
const MOST_SERVERS: usize = 3;
/// and at no more than six search domains in older programs.
const MOST_DOMAINS: usize = 6;

/// What one interface adds to the name resolution of the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    pub dns: Vec<IpAddr>,
    pub domains: Vec<String>,
    pub ntp: Vec<String>,
}

/// The text of resolv.conf from all interfaces, in their order.
#[must_use]
pub fn resolv_conf(all: &[Names]) -> String {
    let mut text =
        String::from("# Written by systemd-networkd from DHCP leases and .network files.\n");
    for server in first_of(all.iter().flat_map(|n| &n.dns), MOST_SERVERS) {
        let _ = writeln!(text, "nameserver {server}");
    }
    let domains = first_of(all.iter().flat_map(|n| &n.domains), MOST_DOMAINS);
    if !domains.is_empty() {
        let words: Vec<_> = domains.iter().map(|d| d.as_str()).collect();
        let _ = writeln!(text, "search {}", words.join(" "));
    }
    text
}

fn first_of<'a, T: PartialEq>(items: impl Iterator<Item = &'a T>, most: usize) -> Vec<&'a T> {
    let mut found: Vec<&T> = Vec::new();
    for item in items {
        if found.len() < most && !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// The text of /run/systemd/netif/leases/INDEX.
#[must_use]
pub fn lease_text(lease: &Lease) -> String {
    let mut text = String::from("# Written by systemd-networkd.\n");
    let list = |addresses: &[std::net::Ipv4Addr]| {
        addresses
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let mask = crate::lease::network(std::net::Ipv4Addr::BROADCAST, lease.prefix);
    let _ = writeln!(
        text,
        "ADDRESS={}\nNETMASK={mask}\nSERVER_ADDRESS={}",
        lease.address, lease.server
    );
    if let Some(router) = lease
        .routes
        .iter()
        .find(|r| r.prefix == 0)
        .and_then(|r| r.gateway)
    {
        let _ = writeln!(text, "ROUTER={router}");
    }
    if let Some(lifetime) = lease.lifetime {
        let _ = writeln!(
            text,
            "T1={}\nT2={}\nLIFETIME={}",
            lease.t1.as_secs(),
            lease.t2.as_secs(),
            lifetime.as_secs()
        );
    }
    let routes: Vec<String> = lease
        .routes
        .iter()
        .map(|r| {
            let gateway = r.gateway.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED);
            format!("{}/{},{gateway}", r.destination, r.prefix)
        })
        .collect();
    for (key, value) in [
        ("DNS", list(&lease.dns)),
        ("NTP", list(&lease.ntp)),
        ("DOMAINNAME", lease.domain.clone().unwrap_or_default()),
        ("DOMAIN_SEARCH_LIST", lease.search.join(" ")),
        ("HOSTNAME", lease.host_name.clone().unwrap_or_default()),
        ("MTU", lease.mtu.map(|m| m.to_string()).unwrap_or_default()),
        ("ROUTES", routes.join(" ")),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{key}={value}");
        }
    }
    text
}

/// The text of /run/systemd/netif/links/INDEX.
#[must_use]
pub fn link_text(admin: &str, oper: &str, network_file: Option<&str>, names: &Names) -> String {
    let mut text = String::from("# Written by systemd-networkd.\n");
    let _ = writeln!(text, "ADMIN_STATE={admin}\nOPER_STATE={oper}");
    if let Some(file) = network_file {
        let _ = writeln!(text, "NETWORK_FILE={file}");
    }
    text.push_str(&names_text(names));
    text
}

/// The lines DNS=, NTP= and DOMAINS= of state files.
#[must_use]
pub fn names_text(names: &Names) -> String {
    let mut text = String::new();
    let dns: Vec<String> = names.dns.iter().map(ToString::to_string).collect();
    for (key, value) in [
        ("DNS", dns),
        ("NTP", names.ntp.clone()),
        ("DOMAINS", names.domains.clone()),
    ] {
        if !value.is_empty() {
            let _ = writeln!(text, "{key}={}", value.join(" "));
        }
    }
    text
}

/// The value of `KEY=` in a state file.
#[must_use]
pub fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// Writes a file beside its place and renames it; an unchanged file is not touched.
///
/// # Errors
/// What creating the folder, writing or renaming report.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text.as_bytes()) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = folder.join(format!(".{}", name.to_string_lossy()));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_names_each_of_at_most_three_servers_once() {
        let names = |dns: &[&str]| Names {
            dns: dns.iter().map(|d| d.parse().unwrap()).collect(),
            domains: vec!["a.example".into()],
            ntp: vec![],
        };
        let text = resolv_conf(&[
            names(&["1.1.1.1", "2.2.2.2"]),
            names(&["1.1.1.1", "3.3.3.3", "4.4.4.4"]),
        ]);
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "nameserver 1.1.1.1",
                "nameserver 2.2.2.2",
                "nameserver 3.3.3.3",
                "search a.example"
            ]
        );
    }

    #[test]
    fn values_are_found_by_their_whole_key() {
        assert_eq!(value("X_ADDRESS=1\nADDRESS=2\n", "ADDRESS"), Some("2"));
        assert_eq!(value("ADDRESSES=2\n", "ADDRESS"), None);
    }
}
