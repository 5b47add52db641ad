//! What a .network file says: which interfaces it is for, and what is wanted of them.
//!
//! Pure: text to values with diagnostics (systemd.network(5), the part listed in the keys below). It knows
//! neither folders nor the kernel.

use std::net::IpAddr;

use unit_file::{Assignment, Section, UnitText, glob_matches};

/// An address with its prefix length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticAddress {
    pub address: IpAddr,
    pub prefix: u8,
    pub peer: Option<IpAddr>,
    pub label: Option<String>,
}

/// A route of a `[Route]` section or of `Gateway=`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaticRoute {
    pub gateway: Option<IpAddr>,
    /// `None`: everything.
    pub destination: Option<(IpAddr, u8)>,
    pub metric: Option<u32>,
}

/// The `[Match]` section; an empty list matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Match {
    pub names: Vec<String>,
    pub macs: Vec<[u8; 6]>,
    pub drivers: Vec<String>,
    pub types: Vec<String>,
    pub virtualization: Option<String>,
}

/// What is to be taken from a DHCP lease, and what is told to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one directive of the file"
)]
pub struct DhcpOptions {
    pub use_mtu: bool,
    pub use_dns: bool,
    pub use_ntp: bool,
    pub use_domains: bool,
    pub use_routes: bool,
    pub use_hostname: bool,
    pub send_hostname: bool,
    pub hostname: Option<String>,
    pub route_metric: u32,
    pub duid: bool,
    pub request_broadcast: bool,
}

impl Default for DhcpOptions {
    fn default() -> Self {
        Self {
            use_mtu: false,
            use_dns: true,
            use_ntp: true,
            use_domains: false,
            use_routes: true,
            use_hostname: true,
            send_hostname: true,
            hostname: None,
            // systemd's default for routes that a server gave.
            route_metric: 1024,
            duid: false,
            request_broadcast: false,
        }
    }
}

/// Everything that a file wants of a matching interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkFile {
    /// File name, for state files and messages.
    pub name: String,
    pub matches: Match,
    pub dhcp4: bool,
    pub addresses: Vec<StaticAddress>,
    pub routes: Vec<StaticRoute>,
    pub dns: Vec<IpAddr>,
    pub domains: Vec<String>,
    pub ntp: Vec<String>,
    /// `IPv6AcceptRA=`; `None` leaves the kernel's choice.
    pub accept_ra: Option<bool>,
    /// False for `LinkLocalAddressing=no` or `ipv4`: no `fe80::` address.
    pub no_ipv6_link_local: bool,
    pub master: Option<String>,
    pub vlans: Vec<String>,
    pub mtu: Option<u32>,
    pub mac: Option<[u8; 6]>,
    pub unmanaged: bool,
    pub dhcp: DhcpOptions,
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub line: u32,
    pub column: u32,
    pub text: String,
}

/// What is known of an interface when a file for it is sought.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub name: String,
    pub mac: Option<[u8; 6]>,
    pub driver: Option<String>,
    pub kind: String,
    pub virtualization: Option<String>,
}

impl NetworkFile {
    /// True when the file says nothing but which interfaces it is for: they are left alone.
    #[must_use]
    pub fn leaves_alone(&self) -> bool {
        let nothing = Self {
            name: self.name.clone(),
            matches: self.matches.clone(),
            dhcp: self.dhcp.clone(),
            ..Self::default()
        };
        self.unmanaged || *self == nothing
    }

    /// Reads a file and its drop-ins, in this order.
    #[must_use]
    pub fn parse(name: &str, texts: &[&str]) -> (Self, Vec<Complaint>) {
        let mut file = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        let mut complaints = Vec::new();
        for text in texts {
            let read = UnitText::parse(text.as_bytes());
            complaints.extend(read.problems.into_iter().map(|problem| Complaint {
                line: problem.line,
                column: problem.column,
                text: problem.text,
            }));
            for section in &read.sections {
                file.section(section, &mut complaints);
            }
        }
        (file, complaints)
    }

    fn section(&mut self, section: &Section, complaints: &mut Vec<Complaint>) {
        let (name, assignments) = (section.name.as_str(), &section.assignments);
        match name {
            "Route" => self.routes.push(StaticRoute::default()),
            "Address" => return self.address_section(assignments, complaints),
            "Match" | "Network" | "Link" | "DHCP" | "DHCPv4" => {}
            _ if name.starts_with("X-") => return,
            // IPv6 is the kernel's: its sections are accepted without effect.
            "DHCPv6" | "IPv6AcceptRA" | "IPv6SendRA" => return,
            _ => {
                complaints.push(Complaint {
                    line: section.line,
                    column: 1,
                    text: format!("unknown section [{name}], ignored"),
                });
                return;
            }
        }
        for assignment in assignments {
            let Assignment {
                key,
                value,
                line,
                column,
            } = assignment;
            let result = match name {
                "Match" => self.match_key(key, value),
                "Network" => self.network_key(key, value),
                "Route" => self.route_key(key, value),
                "Link" => self.link_key(key, value),
                _ => self.dhcp_key(key, value),
            };
            if let Err(text) = result {
                complaints.push(Complaint {
                    line: *line,
                    column: *column,
                    text: format!("[{name}] {key}=: {text}"),
                });
            }
        }
    }

    fn match_key(&mut self, key: &str, value: &str) -> Result<(), String> {
        let words = || value.split_whitespace().map(str::to_owned);
        let matches = &mut self.matches;
        match key {
            "Name" | "OriginalName" => extend_or_clear(&mut matches.names, value, words()),
            "Driver" => extend_or_clear(&mut matches.drivers, value, words()),
            "Type" => extend_or_clear(&mut matches.types, value, words()),
            "Virtualization" => matches.virtualization = Some(value.to_owned()),
            "MACAddress" | "PermanentMACAddress" => {
                for word in value.split_whitespace() {
                    matches.macs.push(mac(word)?);
                }
            }
            _ => return unknown(),
        }
        Ok(())
    }

    fn network_key(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "DHCP" => {
                self.dhcp4 = match value {
                    "ipv4" | "v4" | "both" => true,
                    "ipv6" | "v6" | "none" => false,
                    _ => boolean(value)?,
                }
            }
            "Address" => self.addresses.push(address(value)?),
            "Gateway" => self.routes.push(StaticRoute {
                gateway: Some(ip(value)?),
                ..StaticRoute::default()
            }),
            "DNS" => {
                for word in value.split_whitespace() {
                    self.dns.push(ip(word)?);
                }
            }
            "Domains" => {
                let words = value
                    .split_whitespace()
                    .map(|w| w.trim_start_matches('~').to_owned());
                extend_or_clear(&mut self.domains, value, words.filter(|w| !w.is_empty()));
            }
            "NTP" => extend_or_clear(
                &mut self.ntp,
                value,
                value.split_whitespace().map(str::to_owned),
            ),
            "LinkLocalAddressing" => {
                self.no_ipv6_link_local = match value {
                    "ipv6" => false,
                    "ipv4" | "ipv4-fallback" | "fallback" => true,
                    _ => !boolean(value)?,
                }
            }
            "IPv6AcceptRA" | "IPv6AcceptRouterAdvertisements" => {
                self.accept_ra = Some(boolean(value)?);
            }
            "Bridge" | "Bond" | "VRF" => self.master = Some(value.to_owned()),
            "VLAN" | "MACVLAN" | "VXLAN" => self.vlans.push(value.to_owned()),
            "Description"
            | "LLDP"
            | "EmitLLDP"
            | "IPForward"
            | "IPMasquerade"
            | "KeepConfiguration"
            | "ConfigureWithoutCarrier"
            | "IPv6PrivacyExtensions"
            | "MulticastDNS"
            | "LLMNR" => {}
            "IPv4LL" => {
                if boolean(value)? {
                    return Err("link-local IPv4 addresses are not supported".into());
                }
            }
            _ => return unknown(),
        }
        Ok(())
    }

    fn route_key(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some(route) = self.routes.last_mut() else {
            return Ok(());
        };
        match key {
            "Gateway" => route.gateway = Some(ip(value)?),
            "Destination" => {
                let found = address(value)?;
                route.destination = Some((found.address, found.prefix));
            }
            "Metric" => route.metric = Some(number(value)?),
            _ => return unknown(),
        }
        Ok(())
    }

    fn link_key(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "MTUBytes" => self.mtu = Some(size(value)?),
            "MACAddress" => self.mac = Some(mac(value)?),
            "Unmanaged" => self.unmanaged = boolean(value)?,
            "RequiredForOnline" | "ActivationPolicy" | "ARP" | "Multicast" => {}
            _ => return unknown(),
        }
        Ok(())
    }

    fn dhcp_key(&mut self, key: &str, value: &str) -> Result<(), String> {
        let dhcp = &mut self.dhcp;
        match key {
            "UseMTU" => dhcp.use_mtu = boolean(value)?,
            "UseDNS" => dhcp.use_dns = boolean(value)?,
            "UseNTP" => dhcp.use_ntp = boolean(value)?,
            "UseDomains" | "UseDomainName" => {
                dhcp.use_domains = value == "route" || boolean(value)?;
            }
            "UseRoutes" => dhcp.use_routes = boolean(value)?,
            "UseHostname" => dhcp.use_hostname = boolean(value)?,
            "SendHostname" => dhcp.send_hostname = boolean(value)?,
            "Hostname" => dhcp.hostname = Some(value.to_owned()),
            "RouteMetric" => dhcp.route_metric = number(value)?,
            "RequestBroadcast" => dhcp.request_broadcast = boolean(value)?,
            "ClientIdentifier" => {
                dhcp.duid = match value {
                    "mac" => false,
                    "duid" | "duid-only" => true,
                    _ => return Err(format!("wants mac or duid, got {value:?}")),
                }
            }
            // An address is never taken away at a stop here: what this asks for is always so.
            "CriticalConnection"
            | "SendRelease"
            | "VendorClassIdentifier"
            | "UseGateway"
            | "UseTimezone" => {}
            _ => return unknown(),
        }
        Ok(())
    }

    fn address_section(&mut self, assignments: &[Assignment], complaints: &mut Vec<Complaint>) {
        let (mut whole, mut peer, mut label) = (None, None, None);
        for Assignment {
            key,
            value,
            line,
            column,
        } in assignments
        {
            let result = match key.as_str() {
                "Address" => address(value).map(|a| whole = Some(a)),
                "Peer" => address(value).map(|a| peer = Some(a)),
                "Label" => {
                    label = Some(value.clone());
                    Ok(())
                }
                _ => unknown(),
            };
            if let Err(text) = result {
                complaints.push(Complaint {
                    line: *line,
                    column: *column,
                    text: format!("[Address] {key}=: {text}"),
                });
            }
        }
        if let Some(mut whole) = whole {
            if let Some(peer) = peer {
                whole.prefix = peer.prefix;
                whole.peer = Some(peer.address);
            }
            whole.label = label;
            self.addresses.push(whole);
        }
    }
}

impl Match {
    /// True if the file is for this interface. A file without conditions is for all but loopback,
    /// as in the systemd of 2016.
    #[must_use]
    pub fn fits(&self, facts: &Facts) -> bool {
        let empty = *self == Self::default();
        let patterns = |patterns: &[String], text: &str| {
            let (no, yes): (Vec<&String>, Vec<&String>) =
                patterns.iter().partition(|p| p.starts_with('!'));
            !no.iter()
                .any(|p| glob_matches(p.trim_start_matches('!'), text))
                && (yes.is_empty() || yes.iter().any(|p| glob_matches(p, text)))
        };
        !(empty && facts.kind == "loopback")
            && patterns(&self.names, &facts.name)
            && (self.macs.is_empty() || facts.mac.is_some_and(|mac| self.macs.contains(&mac)))
            && (self.drivers.is_empty()
                || patterns(&self.drivers, facts.driver.as_deref().unwrap_or("")))
            && (self.types.is_empty() || patterns(&self.types, &facts.kind))
            && self
                .virtualization
                .as_ref()
                .is_none_or(|want| virtualized(want, facts.virtualization.as_deref()))
    }
}

fn virtualized(want: &str, have: Option<&str>) -> bool {
    let (negated, word) = want
        .strip_prefix('!')
        .map_or((false, want), |rest| (true, rest));
    let container =
        |name: &str| matches!(name, "docker" | "lxc" | "systemd-nspawn" | "rkt" | "podman");
    let hit = match (boolean(word), have) {
        (Ok(yes), have) => yes == have.is_some(),
        (Err(_), None) => false,
        (Err(_), Some(have)) => match word {
            "vm" => !container(have),
            "container" => container(have),
            _ => word == have,
        },
    };
    hit != negated
}

fn extend_or_clear(list: &mut Vec<String>, value: &str, words: impl Iterator<Item = String>) {
    if value.is_empty() {
        list.clear();
    } else {
        list.extend(words);
    }
}

fn unknown() -> Result<(), String> {
    Err("unknown here, ignored".into())
}

fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(format!("wants yes or no, got {value:?}")),
    }
}

fn ip(value: &str) -> Result<IpAddr, String> {
    value
        .parse()
        .map_err(|_| format!("wants an IP address, got {value:?}"))
}

fn number(value: &str) -> Result<u32, String> {
    value
        .parse()
        .map_err(|_| format!("wants a number, got {value:?}"))
}

fn size(value: &str) -> Result<u32, String> {
    match value.strip_suffix('K') {
        Some(kibi) => number(kibi).map(|n| n.saturating_mul(1024)),
        None => number(value),
    }
}

/// `10.0.0.5/24`; without a prefix it is a single host.
fn address(value: &str) -> Result<StaticAddress, String> {
    let (text, prefix) = value
        .split_once('/')
        .map_or((value, None), |(a, p)| (a, Some(p)));
    let address = ip(text)?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => whole,
        Some(text) => text
            .parse()
            .ok()
            .filter(|p| *p <= whole)
            .ok_or_else(|| format!("wants a prefix length up to {whole}, got {text:?}"))?,
    };
    Ok(StaticAddress {
        address,
        prefix,
        peer: None,
        label: None,
    })
}

fn mac(value: &str) -> Result<[u8; 6], String> {
    let wrong = || format!("wants a hardware address, got {value:?}");
    let bytes: Vec<u8> = value
        .split([':', '-'])
        .map(|part| u8::from_str_radix(part, 16).map_err(|_| wrong()))
        .collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_era_s_files_are_understood() {
        let text = "[Match]\nName=eth* ens?\n\n[Network]\nDHCP=v4\nAddress=10.1.0.2/24\nGateway=10.1.0.1\nDNS=8.8.8.8 1.1.1.1\nDomains=a.example\n\n[Route]\nDestination=10.9.0.0/16\nGateway=10.1.0.9\nMetric=5\n\n[Route]\nGateway=10.1.0.8\n\n[DHCP]\nUseMTU=true\nUseDomains=true\nClientIdentifier=duid\n";
        let (file, complaints) = NetworkFile::parse("10-static.network", &[text]);
        assert_eq!(complaints, []);
        assert!(file.dhcp4 && file.dhcp.use_mtu && file.dhcp.use_domains && file.dhcp.duid);
        assert_eq!(file.routes.len(), 3);
        assert_eq!((file.dns.len(), file.addresses[0].prefix), (2, 24));
        let facts = |name: &str| Facts {
            name: name.into(),
            kind: "ether".into(),
            ..Facts::default()
        };
        assert!(file.matches.fits(&facts("eth0")) && file.matches.fits(&facts("ens3")));
        assert!(!file.matches.fits(&facts("docker0")));
    }

    #[test]
    fn each_mistake_has_its_line_and_the_rest_still_counts() {
        let (file, complaints) = NetworkFile::parse(
            "x",
            &["[Network]\nAdress=1.2.3.4\nAddress=1.2.3.4/40\nDHCP=maybe\nDNS=9.9.9.9\nnonsense\n"],
        );
        let lines: Vec<_> = complaints.iter().map(|c| c.line).collect();
        assert_eq!(lines, [6, 2, 3, 4]);
        assert_eq!(file.dns.len(), 1);
    }

    #[test]
    fn a_file_that_only_matches_leaves_its_interfaces_alone() {
        let (file, _) = NetworkFile::parse("50-docker.network", &["[Match]\nName=docker* veth*\n"]);
        assert!(file.leaves_alone());
        let (file, _) = NetworkFile::parse("z", &["[Network]\nDHCP=yes\n"]);
        assert!(!file.leaves_alone());
        let loopback = Facts {
            name: "lo".into(),
            kind: "loopback".into(),
            ..Facts::default()
        };
        assert!(!file.matches.fits(&loopback));
    }

    #[test]
    fn virtualization_words_are_classes_or_names() {
        assert!(virtualized("vm", Some("kvm")) && !virtualized("!kvm", Some("kvm")));
        assert!(virtualized("no", None) && virtualized("!container", Some("vmware")));
    }
}
