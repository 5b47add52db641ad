//! A container image: its configuration, its layers, and the manifest that names them by digest.

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::tar;

/// An image, ready to be served.
#[derive(Clone, Debug)]
pub struct Image {
    pub(super) name: String,
    pub(super) tag: String,
    pub(super) manifest: Arc<Vec<u8>>,
    pub(super) blobs: Vec<(String, Arc<Vec<u8>>)>,
}

/// The hash as 64 hex digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

impl Image {
    /// An image of one layer. `config` is what a container is started with.
    pub(super) fn of_one_layer(name: &str, layer: Vec<u8>, config: &Value) -> Image {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))] },
        });
        Image::new(name, "latest", config.to_string().into_bytes(), vec![layer])
    }

    fn new(name: &str, tag: &str, config: Vec<u8>, layers: Vec<Vec<u8>>) -> Image {
        let mut blobs = Vec::new();
        let mut blob = |bytes: Vec<u8>, kind: &str| {
            let digest = format!("sha256:{}", sha256(&bytes));
            let described = json!({ "mediaType": kind, "size": bytes.len(), "digest": digest });
            blobs.push((digest, Arc::new(bytes)));
            described
        };
        let config = blob(config, "application/vnd.docker.container.image.v1+json");
        // Not compressed: the way is short, and an emulated machine unpacks slowly.
        let layers: Vec<Value> = layers
            .into_iter()
            .map(|layer| {
                let packed = layer.starts_with(&[0x1f, 0x8b]);
                let end = if packed { ".gzip" } else { "" };
                blob(
                    layer,
                    &format!("application/vnd.docker.image.rootfs.diff.tar{end}"),
                )
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": config,
            "layers": layers,
        });
        Image {
            name: name.to_owned(),
            tag: tag.to_owned(),
            manifest: Arc::new(manifest.to_string().into_bytes()),
            blobs,
        }
    }

    /// Reads what `docker save` writes: one or more images, each under each of its names.
    pub(super) fn read(bytes: &[u8]) -> Result<Vec<Image>, String> {
        let files = tar::read(bytes)?;
        let file = |name: &str| {
            let found = files.get(name).map(|bytes| bytes.to_vec());
            found.ok_or_else(|| format!("no image of `docker save`: it has no {name}"))
        };
        let list: Value = serde_json::from_slice(&file("manifest.json")?)
            .map_err(|error| format!("manifest.json: {error}"))?;
        let mut images = Vec::new();
        for one in list.as_array().into_iter().flatten() {
            let config = file(one["Config"].as_str().unwrap_or("Config"))?;
            let layers = one["Layers"].as_array().into_iter().flatten();
            let layers: Result<Vec<_>, _> = layers
                .map(|layer| file(layer.as_str().unwrap_or("layer")))
                .collect();
            let layers = layers?;
            for name in one["RepoTags"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                let (name, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
                images.push(Image::new(name, tag, config.clone(), layers.clone()));
            }
        }
        if images.is_empty() {
            return Err("no image with a name is in it".into());
        }
        Ok(images)
    }

    /// The image as a file that `docker load` reads.
    ///
    /// # Errors
    /// When a name is too long for a tar file.
    pub fn save(&self) -> Result<Vec<u8>, String> {
        let mut tree = tar::Tree::new();
        let mut paths = Vec::new();
        for (digest, bytes) in &self.blobs {
            let path = format!("blobs/{}", digest.replace(':', "/"));
            tar::add(
                &mut tree,
                &path,
                tar::Entry::File {
                    mode: 0o644,
                    bytes: bytes.to_vec(),
                },
            );
            paths.push(path);
        }
        let (config, layers) = paths
            .split_first()
            .ok_or("an image without a configuration")?;
        let manifest = json!([{ "Config": config, "RepoTags": [format!("{}:{}", self.name, self.tag)], "Layers": layers }]);
        tar::add(
            &mut tree,
            "manifest.json",
            tar::Entry::File {
                mode: 0o644,
                bytes: manifest.to_string().into_bytes(),
            },
        );
        tar::write(&tree)
    }

    /// Its name, as `coreos/apache`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest by which a registry knows it.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("sha256:{}", sha256(&self.manifest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_image_is_the_same_when_it_is_read_again() {
        let image = Image::of_one_layer(
            "coreos/apache",
            vec![0; 1024],
            &json!({ "Cmd": ["/bin/sh"] }),
        );
        let again = Image::read(&image.save().expect("saved")).expect("read");
        assert_eq!(again.len(), 1);
        assert_eq!(
            (again[0].name(), again[0].digest()),
            ("coreos/apache", image.digest())
        );
        let error = Image::read(&[0; 1024]).expect_err("an empty file");
        assert!(error.contains("manifest.json"), "{error}");
    }
}
