//! A container image for machines that reach no registry: made on the machine itself, of the host's busybox, by tar,
//! sha256sum and printf. Knows the form that `docker load` takes and nothing of Docker.

use std::path::Path;

use qemu_harness::{HarnessError, Ssh};

/// Where the image lies on the machine: `busybox:latest`, with a page in /www.
pub const IMAGE: &str = "/tmp/busybox.tar";

/// What its web server answers.
pub const PAGE: &str = "<html><body><h1>It works!</h1></body></html>";

/// A layer, a configuration that names the layer's digest, and a manifest that names both.
const MAKE: &str = r#"set -eu
cd "$(mktemp -d)"
mkdir -p layer/bin layer/etc layer/tmp layer/root layer/www image
install -m 755 /tmp/busybox layer/bin/busybox
for name in $(layer/bin/busybox --list); do ln -sf busybox "layer/bin/$name"; done
install -m 755 /tmp/busybox layer/bin/busybox
echo root:x:0:0:root:/root:/bin/sh >layer/etc/passwd
echo "$PAGE" >layer/www/index.html
tar -C layer --owner=0 --group=0 -cf image/layer.tar .
digest=$(sha256sum image/layer.tar | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["sh"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$digest" >config
config=$(sha256sum config | cut -d' ' -f1).json
mv config "image/$config"
printf '[{"Config":"%s","RepoTags":["busybox:latest"],"Layers":["layer.tar"]}]' "$config" >image/manifest.json
tar -C image -cf /tmp/busybox.tar .
"#;

/// Puts the image on a machine, ready for `docker load -i`.
///
/// # Errors
/// When the machine does not take it.
///
/// # Panics
/// When the host has no busybox-static.
pub fn put_image(ssh: &Ssh) -> Result<(), HarnessError> {
    let busybox = ["/usr/bin/busybox", "/bin/busybox"]
        .iter()
        .map(Path::new)
        .find_map(|path| std::fs::read(path).ok())
        .expect("busybox on this host: apt-get install busybox-static");
    ssh.put(&busybox, "/tmp/busybox")?;
    let script = format!("PAGE='{PAGE}'\n{MAKE}");
    ssh.put(script.as_bytes(), "/tmp/make-image")?;
    ssh.check("sh /tmp/make-image").map(drop)
}
