//! Leases as etcd has them: a key per subnet, a record per key, and the table of all.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::Value;

use crate::json::get;
use crate::{Mac, Subnet};

/// What a machine writes about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub public_ip: Ipv4Addr,
    /// `vxlan`, `host-gw`; empty for udp and alloc.
    pub kind: String,
    /// vxlan's `VtepMAC`.
    pub mac: Option<Mac>,
    /// vxlan's `VNI`, which older versions do not write.
    pub vni: Option<u32>,
}

impl Record {
    /// Reads a value; `None` when it is no record.
    #[must_use]
    pub fn parse(text: &str) -> Option<Record> {
        let Value::Object(object) = serde_json::from_str(text).ok()? else {
            return None;
        };
        let data = get(&object, "BackendData").and_then(Value::as_object);
        let field = |name| data.and_then(|data| get(data, name));
        Some(Record {
            public_ip: get(&object, "PublicIP")?.as_str()?.parse().ok()?,
            kind: get(&object, "BackendType")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            mac: field("VtepMAC")
                .and_then(Value::as_str)
                .and_then(|mac| mac.parse().ok()),
            vni: field("VNI")
                .and_then(Value::as_u64)
                .and_then(|vni| u32::try_from(vni).ok()),
        })
    }

    /// The value, in the original's order of names.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = format!("{{\"PublicIP\":\"{}\"", self.public_ip);
        if !self.kind.is_empty() {
            text.push_str(&format!(
                ",\"BackendType\":{}",
                Value::from(self.kind.as_str())
            ));
        }
        if let Some(mac) = self.mac {
            let vni = self
                .vni
                .map(|vni| format!("\"VNI\":{vni},"))
                .unwrap_or_default();
            text.push_str(&format!(",\"BackendData\":{{{vni}\"VtepMAC\":\"{mac}\"}}"));
        }
        text.push('}');
        text
    }
}

/// One key below `subnets`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub subnet: Subnet,
    /// `None` when the value is no record; the subnet is taken all the same.
    pub record: Option<Record>,
    /// Seconds left when it was read; `None` for a reservation.
    pub ttl: Option<u64>,
    pub index: u64,
}

/// All leases, by the last part of their keys. Keys that are no subnets are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases {
    map: BTreeMap<String, Lease>,
}

impl Leases {
    /// Takes a key as it was read or changed; whether anything but its time changed.
    pub fn put(&mut self, key: &str, value: &str, ttl: Option<u64>, index: u64) -> bool {
        let key = name(key);
        let Some(subnet) = Subnet::from_key(key) else {
            return false;
        };
        let lease = Lease {
            subnet,
            record: Record::parse(value),
            ttl,
            index,
        };
        let record = lease.record.clone();
        match self.map.insert(key.to_owned(), lease) {
            Some(old) => old.record != record,
            None => true,
        }
    }

    /// Forgets a key; whether it was there. With the directory itself everything goes.
    pub fn remove(&mut self, key: &str) -> bool {
        let key = name(key);
        if Subnet::from_key(key).is_some() {
            self.map.remove(key).is_some()
        } else {
            false
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.map.clear();
    }

    /// The lease of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Lease> {
        self.map.get(name(key))
    }

    /// All, with the last part of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Lease)> {
        self.map.iter().map(|(key, lease)| (key.as_str(), lease))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// The leases of the other machines that can be used: their keys' subnets and records.
    pub fn peers(&self, own_key: &str) -> impl Iterator<Item = (Subnet, &Record)> {
        let own_key = name(own_key).to_owned();
        self.map
            .iter()
            .filter(move |(key, _)| **key != own_key)
            .filter_map(|(_, lease)| Some((lease.subnet, lease.record.as_ref()?)))
    }
}

/// The last part of a key.
fn name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::{Leases, Record};

    #[test]
    fn a_record_is_written_as_the_original_does() {
        let mut record = Record {
            public_ip: "192.168.50.14".parse().unwrap(),
            kind: String::new(),
            mac: None,
            vni: None,
        };
        assert_eq!(record.to_json(), r#"{"PublicIP":"192.168.50.14"}"#);
        record.kind = "host-gw".into();
        assert_eq!(
            record.to_json(),
            r#"{"PublicIP":"192.168.50.14","BackendType":"host-gw"}"#
        );
        record.kind = "vxlan".into();
        record.mac = Some("c6:be:26:37:d9:11".parse().unwrap());
        record.vni = Some(1);
        let text = r#"{"PublicIP":"192.168.50.14","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"c6:be:26:37:d9:11"}}"#;
        assert_eq!(record.to_json(), text);
        assert_eq!(Record::parse(text), Some(record));
    }

    #[test]
    fn records_of_every_version_are_read() {
        for text in [
            r#"{"PublicIP":"192.0.2.9","BackendType":"vxlan","BackendData":{"VtepMAC":"02:00:00:00:00:98"}}"#,
            r#"{"PublicIP":"192.0.2.9","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:98"}}"#,
            r#"{"publicip":"192.0.2.9","backendtype":"vxlan","backenddata":{"vtepmac":"02-00-00-00-00-98"},"Foo":1}"#,
        ] {
            let record = Record::parse(text).unwrap();
            assert_eq!(
                (
                    record.kind.as_str(),
                    record.mac.unwrap().to_string().as_str()
                ),
                ("vxlan", "02:00:00:00:00:98"),
                "{text}"
            );
        }
        for text in [
            "nonsense",
            "{}",
            "[]",
            r#"{"PublicIP":"fc00::1"}"#,
            r#"{"PublicIP":7}"#,
        ] {
            assert_eq!(Record::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_key_without_a_record_takes_its_subnet_and_one_that_is_no_subnet_takes_nothing() {
        let mut leases = Leases::default();
        assert!(leases.put(
            "/coreos.com/network/subnets/10.1.5.0-24",
            "nonsense",
            Some(9),
            3
        ));
        assert!(!leases.put("/coreos.com/network/subnets/foo", "bar", None, 4));
        assert_eq!(leases.len(), 1);
        assert_eq!(leases.peers("x").count(), 0);
        assert!(!leases.remove("/coreos.com/network/subnets/foo"));
        assert!(leases.remove("/coreos.com/network/subnets/10.1.5.0-24"));
    }

    #[test]
    fn a_renewal_changes_nothing_and_another_record_does() {
        let mut leases = Leases::default();
        leases.put("10.1.5.0-24", r#"{"PublicIP":"192.0.2.1"}"#, Some(5), 3);
        assert!(!leases.put(
            "10.1.5.0-24",
            r#"{"PublicIP":"192.0.2.1"}"#,
            Some(86_400),
            4
        ));
        assert!(leases.put(
            "10.1.5.0-24",
            r#"{"PublicIP":"192.0.2.2"}"#,
            Some(86_400),
            5
        ));
    }
}
