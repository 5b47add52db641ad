//! What is kept from run to run: the last good user-data and meta-data, and a manifest of the unit
//! files that were made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::files;
use crate::instance::Instance;

/// Unit files and masks made by a run: path to a mark of their content. What was enabled stands
/// there too, under `enable NAME` or `enable-runtime NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub made: BTreeMap<String, String>,
}

/// A mark that changes when content does (FNV-1a; a mistake here only leaves a file in place).
#[must_use]
pub(crate) fn mark(content: &[u8]) -> String {
    let hash = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
    format!("{}:{hash:016x}", content.len())
}

/// The mark of a link to /dev/null.
pub(crate) const MASK: &str = "mask";

impl Manifest {
    /// The last run's manifest; none is an empty one.
    #[must_use]
    pub(crate) fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("manifest.json")).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let made = value.as_object().into_iter().flatten();
        Self {
            made: made
                .filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned())))
                .collect(),
        }
    }

    /// Keeps this run's manifest.
    ///
    /// # Errors
    /// What writing says.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.made).unwrap_or_default();
        files::write(&folder.join("manifest.json"), &text, 0o600, None).map(|_| ())
    }

    /// Units that the earlier run enabled and this one did not ask for: name, and whether for one boot.
    #[must_use]
    pub(crate) fn stale_enables(&self, now: &Self) -> Vec<(String, bool)> {
        let gone = self.made.keys().filter(|key| !now.made.contains_key(*key));
        gone.filter_map(|key| {
            let runtime = key
                .strip_prefix("enable-runtime ")
                .map(|name| (name.to_owned(), true));
            runtime.or_else(|| {
                key.strip_prefix("enable ")
                    .map(|name| (name.to_owned(), false))
            })
        })
        .collect()
    }

    /// What the earlier run made, this one did not ask for, and nobody changed since.
    #[must_use]
    pub(crate) fn stale(&self, now: &Self, root: &Path) -> Vec<PathBuf> {
        self.made
            .iter()
            .filter(|(path, _)| !now.made.contains_key(*path))
            .map(|(path, mark)| (files::below(root, path), mark))
            .filter(|(path, mark)| unchanged(path, mark))
            .map(|(path, _)| path)
            .collect()
    }
}

fn unchanged(path: &Path, expected: &str) -> bool {
    if expected == MASK {
        return fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null"));
    }
    let plain = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    plain && fs::read(path).is_ok_and(|content| mark(&content) == expected)
}

/// Keeps a good instance for a boot at which no source answers.
///
/// # Errors
/// What writing says.
pub(crate) fn keep(folder: &Path, instance: &Instance) -> io::Result<()> {
    let metadata = &instance.metadata;
    let addresses: BTreeMap<&str, String> = metadata.addresses.environment().into_iter().collect();
    let keys: BTreeMap<String, &String> = metadata
        .keys
        .iter()
        .enumerate()
        .map(|(n, key)| (format!("{n:04}"), key))
        .collect();
    let value = json!({
        "source": instance.source,
        "uuid": instance.uuid,
        "instance_id": instance.instance_id,
        "instance_type": instance.instance_type,
        "hostname": metadata.hostname,
        "public_keys": keys,
        "private_ipv4": addresses.get("COREOS_PRIVATE_IPV4"),
        "public_ipv4": addresses.get("COREOS_PUBLIC_IPV4"),
        "private_ipv6": addresses.get("COREOS_PRIVATE_IPV6"),
        "public_ipv6": addresses.get("COREOS_PUBLIC_IPV6"),
    });
    let text = serde_json::to_vec_pretty(&value).unwrap_or_default();
    files::write(&folder.join("user-data"), &instance.user_data, 0o600, None)?;
    files::write(&folder.join("instance.json"), &text, 0o600, None).map(|_| ())
}

/// The kept instance, if there is one.
#[must_use]
pub(crate) fn kept(folder: &Path) -> Option<Instance> {
    let text = fs::read_to_string(folder.join("instance.json")).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let field = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut instance = Instance {
        source: format!("the copy kept from {}", field("source").unwrap_or_default()),
        user_data: fs::read(folder.join("user-data")).unwrap_or_default(),
        uuid: field("uuid"),
        instance_id: field("instance_id"),
        instance_type: field("instance_type"),
        ..Instance::default()
    };
    instance.take_plain(&text);
    Some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut instance = Instance {
            source: "the config drive".into(),
            user_data: b"#cloud-config\n".to_vec(),
            uuid: Some("u".into()),
            ..Instance::default()
        };
        instance.metadata.hostname = Some("n".into());
        instance.metadata.keys = vec!["b".into(), "a".into()];
        instance.metadata.addresses.private_ipv4 = Some(std::net::Ipv4Addr::new(10, 0, 0, 5));
        keep(folder.path(), &instance).unwrap();
        let mut back = kept(folder.path()).unwrap();
        assert_eq!(back.source, "the copy kept from the config drive");
        back.source.clone_from(&instance.source);
        assert_eq!(back, instance);
    }

    #[test]
    fn only_unchanged_things_are_stale() {
        let root = tempfile::tempdir().unwrap();
        let made = |name: &str, content: &str| {
            fs::write(root.path().join(name), content).unwrap();
            (format!("/{name}"), mark(content.as_bytes()))
        };
        let old = Manifest {
            made: [made("a", "1"), made("b", "2"), made("c", "3")].into(),
        };
        fs::write(root.path().join("b"), "changed").unwrap();
        let now = Manifest {
            made: [("/c".to_owned(), String::new())].into(),
        };
        assert_eq!(old.stale(&now, root.path()), [root.path().join("a")]);
        let enabled = |key: &str| Manifest {
            made: [(key.to_owned(), String::new())].into(),
        };
        let old = enabled("enable-runtime a.service");
        assert_eq!(old.stale_enables(&now), [("a.service".to_owned(), true)]);
        assert_eq!(old.stale_enables(&old), []);
    }
}
