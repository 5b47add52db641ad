//! What a data source gives, and how its documents are read. No sockets and no devices here.

use std::net::Ipv4Addr;

use cloud_config_document::Metadata;
use serde_json::Value;

/// Everything known of this machine from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Instance {
    /// For messages: `the config drive`, `the metadata service http://…`.
    pub source: String,
    pub user_data: Vec<u8>,
    pub metadata: Metadata,
    pub uuid: Option<String>,
    pub instance_id: Option<String>,
    pub instance_type: Option<String>,
    /// Text of `network_data.json`, if there is one.
    pub network_data: Option<String>,
    /// There is user-data, but it could not be fetched.
    pub incomplete: bool,
    /// What was wrong with the source itself; warnings.
    pub warnings: Vec<String>,
}

fn text(value: &Value, key: &str) -> Option<String> {
    value
        .get(key)?
        .as_str()
        .map(str::to_owned)
        .filter(|text| !text.trim().is_empty())
}

fn address(value: &Value, key: &str) -> Option<Ipv4Addr> {
    first_line(value.get(key)?.as_str()?).parse().ok()
}

/// The first line of a body without blanks round it.
#[must_use]
pub(crate) fn first_line(body: &str) -> &str {
    body.lines().next().unwrap_or("").trim()
}

impl Instance {
    /// Takes host name, keys and ids out of `meta_data.json`.
    pub(crate) fn take_openstack(&mut self, document: &str) {
        let Some(value) = self.json(document, "meta_data.json") else {
            return;
        };
        self.metadata.hostname = text(&value, "hostname").or_else(|| text(&value, "name"));
        self.uuid = text(&value, "uuid");
        if let Some(keys) = value.get("public_keys").and_then(Value::as_object) {
            // serde_json's map is sorted by name.
            let keys = keys.values().filter_map(Value::as_str).flat_map(str::lines);
            self.metadata.keys = keys
                .map(|key| key.trim().to_owned())
                .filter(|key| !key.is_empty())
                .collect();
        }
    }

    /// Takes addresses, and what the other document did not give, from the EC2 form.
    pub(crate) fn take_ec2(&mut self, document: &str) {
        let Some(value) = self.json(document, "ec2 meta-data.json") else {
            return;
        };
        let addresses = &mut self.metadata.addresses;
        addresses.private_ipv4 = addresses
            .private_ipv4
            .or_else(|| address(&value, "local-ipv4"));
        addresses.public_ipv4 = addresses
            .public_ipv4
            .or_else(|| address(&value, "public-ipv4"));
        self.instance_id = self
            .instance_id
            .take()
            .or_else(|| text(&value, "instance-id"));
        self.instance_type = self
            .instance_type
            .take()
            .or_else(|| text(&value, "instance-type"));
        if self.uuid.is_none() {
            self.metadata.hostname = self
                .metadata
                .hostname
                .take()
                .or_else(|| text(&value, "local-hostname"))
                .or_else(|| text(&value, "hostname"));
            if let (true, Some(keys)) = (
                self.metadata.keys.is_empty(),
                value.get("public-keys").and_then(Value::as_object),
            ) {
                self.metadata.keys = keys
                    .values()
                    .filter_map(|key| text(key, "openssh-key"))
                    .collect();
            }
        }
    }

    /// Takes the fields of `-metadata-json`.
    pub(crate) fn take_plain(&mut self, document: &str) {
        let Some(value) = self.json(document, "the meta-data file") else {
            return;
        };
        let metadata = &mut self.metadata;
        metadata.hostname = text(&value, "hostname");
        metadata.addresses.private_ipv4 = address(&value, "private_ipv4");
        metadata.addresses.public_ipv4 = address(&value, "public_ipv4");
        let v6 = |key: &str| value.get(key)?.as_str()?.trim().parse().ok();
        metadata.addresses.private_ipv6 = v6("private_ipv6");
        metadata.addresses.public_ipv6 = v6("public_ipv6");
        if let Some(keys) = value.get("public_keys").and_then(Value::as_object) {
            metadata.keys = keys
                .values()
                .filter_map(Value::as_str)
                .map(|k| k.trim().to_owned())
                .collect();
        }
    }

    fn json(&mut self, document: &str, name: &str) -> Option<Value> {
        if document.trim().is_empty() {
            return None;
        }
        match serde_json::from_str(document) {
            Ok(value) => Some(value),
            Err(error) => {
                self.warnings
                    .push(format!("{name} of {} is broken: {error}", self.source));
                None
            }
        }
    }

    /// Files for the network daemon from `network_data.json`: (name, text) for each card with a fixed
    /// address. Cards that use DHCP need none.
    #[must_use]
    pub(crate) fn static_networks(&self) -> Vec<(String, String)> {
        let Some(value) = self
            .network_data
            .as_deref()
            .and_then(|t| serde_json::from_str::<Value>(t).ok())
        else {
            return vec![];
        };
        let list = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let global: Vec<String> = list("services").iter().filter_map(dns).collect();
        let mut files = Vec::new();
        for link in list("links") {
            let (Some(id), Some(mac)) = (text(&link, "id"), text(&link, "ethernet_mac_address"))
            else {
                continue;
            };
            let networks: Vec<Value> = list("networks")
                .into_iter()
                .filter(|n| text(n, "link").as_deref() == Some(&id))
                .filter(|n| matches!(text(n, "type").as_deref(), Some("ipv4" | "ipv6")))
                .collect();
            let clean = |t: &str| {
                t.bytes()
                    .all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
            };
            if networks.is_empty() || !clean(&mac) {
                continue;
            }
            let mut file = format!("[Match]\nMACAddress={mac}\n");
            if let Some(mtu) = link.get("mtu").and_then(Value::as_u64) {
                file.push_str(&format!("\n[Link]\nMTUBytes={mtu}\n"));
            }
            file.push_str("\n[Network]\n");
            let mut routes = String::new();
            for network in &networks {
                let Some(own) = text(network, "ip_address").filter(|t| clean(t)) else {
                    continue;
                };
                let prefix = text(network, "netmask")
                    .and_then(|mask| prefix_length(&mask))
                    .unwrap_or(32);
                file.push_str(&format!("Address={own}/{prefix}\n"));
                let servers = network
                    .get("services")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                for server in servers.iter().filter_map(dns).filter(|t| clean(t)) {
                    file.push_str(&format!("DNS={server}\n"));
                }
                for route in network
                    .get("routes")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default()
                {
                    let parts = (
                        text(&route, "network"),
                        text(&route, "netmask"),
                        text(&route, "gateway"),
                    );
                    let (Some(to), Some(mask), Some(via)) = parts else {
                        continue;
                    };
                    let Some(prefix) = prefix_length(&mask).filter(|_| clean(&to) && clean(&via))
                    else {
                        continue;
                    };
                    routes.push_str(&format!(
                        "\n[Route]\nDestination={to}/{prefix}\nGateway={via}\n"
                    ));
                }
            }
            for server in global.iter().filter(|t| clean(t)) {
                file.push_str(&format!("DNS={server}\n"));
            }
            let name = format!("10-cloud-{}.network", mac.replace(':', ""));
            files.push((name, file + &routes));
        }
        files
    }

    /// The first fixed IPv4 address of `network_data.json`.
    #[must_use]
    pub(crate) fn static_address(&self) -> Option<Ipv4Addr> {
        let value: Value = serde_json::from_str(self.network_data.as_deref()?).ok()?;
        let networks = value.get("networks")?.as_array()?;
        networks
            .iter()
            .filter(|n| text(n, "type").as_deref() == Some("ipv4"))
            .find_map(|n| text(n, "ip_address")?.parse().ok())
    }
}

fn dns(service: &Value) -> Option<String> {
    (text(service, "type")? == "dns").then(|| text(service, "address"))?
}

/// `255.255.255.0`, `ffff:ffff::` or a number of bits.
fn prefix_length(mask: &str) -> Option<u8> {
    if let Ok(mask) = mask.parse::<Ipv4Addr>() {
        return u8::try_from(u32::from(mask).count_ones()).ok();
    }
    if let Ok(mask) = mask.parse::<std::net::Ipv6Addr>() {
        return u8::try_from(u128::from(mask).count_ones()).ok();
    }
    mask.parse().ok().filter(|bits| *bits <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_documents_of_a_drive_are_joined_and_a_broken_one_is_a_warning() {
        let mut instance = Instance {
            source: "the drive".into(),
            ..Instance::default()
        };
        instance.take_openstack("{broken");
        instance.take_ec2(
            r#"{"local-ipv4":"10.0.0.5","public-ipv4":"","local-hostname":"n1.novalocal",
                "public-keys":{"0":{"_name":"0=k","openssh-key":"ssh-rsa A k\n"}}}"#,
        );
        assert_eq!(instance.warnings.len(), 1);
        assert_eq!(instance.metadata.short_name().as_deref(), Some("n1"));
        assert_eq!(instance.metadata.keys, ["ssh-rsa A k\n"]);
        assert_eq!(
            instance.metadata.addresses.private_ipv4,
            Some(Ipv4Addr::new(10, 0, 0, 5))
        );
        assert_eq!(instance.metadata.addresses.public_ipv4, None);
    }

    #[test]
    fn fixed_addresses_become_files_by_hardware_address() {
        let text = r#"{"links":[{"id":"a","ethernet_mac_address":"fa:16:3e:00:00:01","mtu":1450},{"id":"b","ethernet_mac_address":"fa:16:3e:00:00:02","mtu":null}],
            "networks":[{"type":"ipv4","link":"a","ip_address":"10.0.0.9","netmask":"255.255.255.0","routes":[{"network":"0.0.0.0","netmask":"0.0.0.0","gateway":"10.0.0.1"}]},
            {"type":"ipv4_dhcp","link":"b"}],"services":[{"type":"dns","address":"10.0.0.3"}]}"#;
        let instance = Instance {
            network_data: Some(text.into()),
            ..Instance::default()
        };
        let files = instance.static_networks();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].0, "10-cloud-fa163e000001.network");
        assert!(files[0].1.contains("Address=10.0.0.9/24\nDNS=10.0.0.3\n"));
        assert!(
            files[0]
                .1
                .ends_with("[Route]\nDestination=0.0.0.0/0\nGateway=10.0.0.1\n")
        );
        assert_eq!(instance.static_address(), Some(Ipv4Addr::new(10, 0, 0, 9)));
    }
}
