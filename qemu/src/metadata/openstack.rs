//! The documents of an `OpenStack` machine, filled into the forms in `tests/testdata/openstack`: for the metadata
//! service and for the config drive.

use std::net::Ipv4Addr;

/// Who a machine is, as its cloud tells it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Name of the server in `OpenStack`.
    pub name: String,
    /// Host name, with the domain that Nova appends.
    pub hostname: String,
    /// The machine's id.
    pub uuid: String,
    /// Its fixed address.
    pub address: Ipv4Addr,
    /// Its floating address, if it has one.
    pub public_address: Option<Ipv4Addr>,
    /// Hardware address of its network card.
    pub mac: String,
    /// Key pairs by name.
    pub keys: Vec<(String, String)>,
    /// What the user gave at launch.
    pub user_data: Option<Vec<u8>>,
}

impl Identity {
    /// A machine without key and user-data.
    #[must_use]
    pub fn example() -> Identity {
        Identity {
            name: "coreos".into(),
            hostname: "coreos.novalocal".into(),
            uuid: "0682a8f2-4b2c-4d9e-8a53-5d7c2f1e9b60".into(),
            address: Ipv4Addr::new(192, 168, 50, 14),
            public_address: None,
            mac: "fa:16:3e:00:00:01".into(),
            keys: Vec::new(),
            user_data: None,
        }
    }

    fn fill(&self, form: &str) -> String {
        let first = self.keys.first();
        let public_keys: serde_json::Map<String, serde_json::Value> = self
            .keys
            .iter()
            .map(|(name, key)| {
                (
                    name.clone(),
                    serde_json::Value::String(format!("{}\n", key.trim_end())),
                )
            })
            .collect();
        let keys: Vec<serde_json::Value> = self
            .keys
            .iter()
            .map(|(name, key)| serde_json::json!({ "name": name, "type": "ssh", "data": format!("{}\n", key.trim_end()) }))
            .collect();
        [
            ("{{name}}", self.name.clone()),
            ("{{hostname}}", self.hostname.clone()),
            ("{{uuid}}", self.uuid.clone()),
            ("{{address}}", self.address.to_string()),
            (
                "{{public_address}}",
                self.public_address
                    .map(|address| address.to_string())
                    .unwrap_or_default(),
            ),
            ("{{mac}}", self.mac.clone()),
            (
                "{{key_name}}",
                first.map(|(name, _)| name.clone()).unwrap_or_default(),
            ),
            (
                "{{key}}",
                first
                    .map(|(_, key)| key.trim_end().to_owned())
                    .unwrap_or_default(),
            ),
            (
                "{{public_keys}}",
                serde_json::Value::Object(public_keys).to_string(),
            ),
            ("{{keys}}", serde_json::Value::Array(keys).to_string()),
        ]
        .iter()
        .fold(form.to_owned(), |text, (mark, value)| {
            text.replace(mark, value)
        })
    }
}

const META_DATA: &str = include_str!("../../../tests/testdata/openstack/meta_data.json");
const NETWORK_DATA: &str = include_str!("../../../tests/testdata/openstack/network_data.json");
const VENDOR_DATA: &str = include_str!("../../../tests/testdata/openstack/vendor_data.json");
const EC2_META_DATA: &str = include_str!("../../../tests/testdata/openstack/ec2-meta-data.json");
const EC2_TREE: &str = include_str!("../../../tests/testdata/openstack/ec2-tree.txt");

const EC2_VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];
const OPENSTACK_VERSIONS: [&str; 10] = [
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
];

fn ec2_roots() -> impl Iterator<Item = String> {
    EC2_VERSIONS
        .iter()
        .copied()
        .chain(["latest"])
        .map(|version| format!("/{version}"))
}

fn openstack_roots() -> impl Iterator<Item = String> {
    OPENSTACK_VERSIONS
        .iter()
        .copied()
        .chain(["latest"])
        .map(|version| format!("/openstack/{version}"))
}

/// Where user-data is served.
pub(super) fn user_data_paths() -> Vec<String> {
    ec2_roots()
        .map(|root| format!("{root}/user-data"))
        .chain(openstack_roots().map(|root| format!("{root}/user_data")))
        .collect()
}

/// Everything that the metadata service offers.
pub(super) fn service(identity: &Identity) -> Vec<(String, Vec<u8>)> {
    let mut documents = Vec::new();
    let tree = identity.fill(EC2_TREE);
    for root in ec2_roots() {
        for line in tree.lines().filter(|line| line.starts_with('/')) {
            let (path, value) = line.split_once(' ').unwrap_or((line, ""));
            documents.push((format!("{root}/meta-data{path}"), value.as_bytes().to_vec()));
        }
        if !identity.keys.is_empty() {
            let list: Vec<String> = identity
                .keys
                .iter()
                .enumerate()
                .map(|(index, (name, _))| format!("{index}={name}"))
                .collect();
            documents.push((
                format!("{root}/meta-data/public-keys"),
                list.join("\n").into_bytes(),
            ));
            for (index, (_, key)) in identity.keys.iter().enumerate() {
                let path = format!("{root}/meta-data/public-keys/{index}/openssh-key");
                documents.push((path, format!("{}\n", key.trim_end()).into_bytes()));
            }
        }
    }
    for root in openstack_roots() {
        documents.push((
            format!("{root}/meta_data.json"),
            identity.fill(META_DATA).into_bytes(),
        ));
        documents.push((
            format!("{root}/network_data.json"),
            identity.fill(NETWORK_DATA).into_bytes(),
        ));
        documents.push((
            format!("{root}/vendor_data.json"),
            VENDOR_DATA.as_bytes().to_vec(),
        ));
        documents.push((
            format!("{root}/vendor_data2.json"),
            VENDOR_DATA.as_bytes().to_vec(),
        ));
    }
    if let Some(user_data) = &identity.user_data {
        documents.extend(
            user_data_paths()
                .into_iter()
                .map(|path| (path, user_data.clone())),
        );
    }
    documents
}

/// Everything that Nova writes on a config drive, with paths relative to its root.
pub(crate) fn drive(identity: &Identity) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![("openstack/content/0000".to_owned(), Vec::new())];
    for root in ["openstack/2018-08-27", "openstack/latest"] {
        files.push((
            format!("{root}/meta_data.json"),
            identity.fill(META_DATA).into_bytes(),
        ));
        files.push((
            format!("{root}/network_data.json"),
            identity.fill(NETWORK_DATA).into_bytes(),
        ));
        files.push((
            format!("{root}/vendor_data.json"),
            VENDOR_DATA.as_bytes().to_vec(),
        ));
        files.push((
            format!("{root}/vendor_data2.json"),
            VENDOR_DATA.as_bytes().to_vec(),
        ));
        if let Some(user_data) = &identity.user_data {
            files.push((format!("{root}/user_data"), user_data.clone()));
        }
    }
    for root in ["ec2/2009-04-04", "ec2/latest"] {
        files.push((
            format!("{root}/meta-data.json"),
            identity.fill(EC2_META_DATA).into_bytes(),
        ));
        if let Some(user_data) = &identity.user_data {
            files.push((format!("{root}/user-data"), user_data.clone()));
        }
    }
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filled_form_is_sound_json() {
        let identity = Identity {
            keys: vec![("a \"b\"".into(), "ssh-ed25519 AAAA".into())],
            ..Identity::example()
        };
        for (path, document) in drive(&identity) {
            if path.contains("openstack") && path.ends_with("meta_data.json") {
                let value: serde_json::Value = serde_json::from_slice(&document).expect("JSON");
                assert_eq!(value["public_keys"]["a \"b\""], "ssh-ed25519 AAAA\n");
            }
        }
    }
}
