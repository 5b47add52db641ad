//! The images that are made here, each from a few programs of Debian packages and files of our own.

use serde_json::json;

use super::image::Image;
use super::needs::needs;
use super::packages::Pool;
use super::tar::{self, Entry, Tree};
use crate::error::HarnessError;

/// What an image is made of.
#[derive(Debug)]
pub(super) struct Recipe {
    name: &'static str,
    pub(super) packages: &'static [&'static str],
    /// Programs and modules, by their path below /; what they need comes with them.
    programs: &'static [&'static str],
    /// Libraries that no ELF file names, opened while the program runs.
    libraries: &'static [&'static str],
    files: &'static [(&'static str, u32, &'static str)],
    command: &'static [&'static str],
}

const APPLETS: &str = "[ awk basename cat chmod chown cp cut date dd df dirname du echo env expr false find free grep gunzip \
    gzip head hostname id ifconfig ip kill killall ln ls md5sum mkdir mktemp more mount mv nc netstat nslookup pgrep ping \
    printenv printf ps pwd readlink realpath rm rmdir route sed seq sh sha256sum sleep sort stat stty sync tail tar tee \
    telnet test time timeout top touch tr true tty umount uname uniq uptime usleep vi watch wc wget which whoami xargs yes";

pub(super) const ALL: [Recipe; 4] = [
    Recipe {
        name: "busybox",
        packages: &["busybox-static"],
        programs: &[],
        libraries: &[],
        files: &[],
        command: &["sh"],
    },
    Recipe {
        name: "redis",
        packages: &["busybox-static", "redis-server"],
        programs: &["usr/bin/redis-server", "usr/bin/redis-cli"],
        libraries: &[],
        files: &[],
        command: &["redis-server", "--protected-mode", "no"],
    },
    Recipe {
        name: "coreos/apache",
        packages: &["busybox-static", "apache2-bin", "libgcc-s1"],
        programs: &[
            "usr/sbin/apache2",
            "usr/lib/apache2/modules/mod_mpm_event.so",
            "usr/lib/apache2/modules/mod_authz_core.so",
            "usr/lib/apache2/modules/mod_dir.so",
            "usr/lib/apache2/modules/mod_mime.so",
        ],
        libraries: &["libgcc_s.so.1"],
        files: &[
            (
                "usr/sbin/apache2ctl",
                0o755,
                "#!/bin/sh\nexec /usr/sbin/apache2 -f /etc/apache2/apache2.conf \"$@\"\n",
            ),
            ("etc/apache2/apache2.conf", 0o644, APACHE),
            ("etc/apache2/mime.types", 0o644, "text/html html\n"),
            ("var/www/html/index.html", 0o644, PAGE),
            ("var/log/apache2/.keep", 0o644, ""),
            ("run/apache2/.keep", 0o644, ""),
        ],
        command: &["/usr/sbin/apache2ctl", "-D", "FOREGROUND"],
    },
    Recipe {
        name: "toolbox",
        packages: &["busybox-static", "bash", "curl"],
        programs: &["usr/bin/bash", "usr/bin/curl"],
        libraries: &[],
        files: &[],
        command: &["bash"],
    },
];

const APACHE: &str = "ServerRoot /etc/apache2\nServerName localhost\nPidFile /run/apache2/apache2.pid\nDefaultRuntimeDir /run/apache2\n\
    LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
    LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
    LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\n\
    LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so\n\
    TypesConfig /etc/apache2/mime.types\nListen 80\nUser www-data\nGroup www-data\nErrorLog /dev/stderr\n\
    DocumentRoot /var/www/html\nDirectoryIndex index.html\n<Directory /var/www/html>\n    Require all granted\n</Directory>\n";
const PAGE: &str = "<html><body><h1>It works!</h1>\n<p>This is the default web page for this server.</p>\n\
    <p>The web server software is running but no content has been added, yet.</p>\n</body></html>\n";

/// Makes an image: the same packages give the same bytes.
pub(super) fn make(recipe: &Recipe, pool: &Pool) -> Result<Image, HarnessError> {
    let layer = layer(recipe, pool)?;
    let image = Image::of_one_layer(
        recipe.name,
        layer,
        &json!({ "Cmd": recipe.command, "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] }),
    );
    Ok(image)
}

fn layer(recipe: &Recipe, pool: &Pool) -> Result<Vec<u8>, HarnessError> {
    let mut tree = Tree::new();
    for folder in [
        "dev",
        "etc",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "var/tmp",
    ] {
        tar::add(&mut tree, folder, Entry::Folder);
    }
    for link in ["bin", "sbin", "lib", "lib64"] {
        tar::add(&mut tree, link, Entry::Link(format!("usr/{link}")));
    }
    let own = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534::/:/bin/false\n";
    put(&mut tree, "etc/passwd", 0o644, own.into());
    put(
        &mut tree,
        "etc/group",
        0o644,
        "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n".into(),
    );
    put(
        &mut tree,
        "usr/bin/busybox",
        0o755,
        pool.file("usr/bin/busybox")?,
    );
    for applet in APPLETS.split_whitespace() {
        tar::add(
            &mut tree,
            &format!("usr/bin/{applet}"),
            Entry::Link("busybox".into()),
        );
    }
    let mut wanted: Vec<String> = recipe
        .libraries
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    for path in recipe.programs {
        let bytes = pool.file(path)?;
        wanted.extend(loader_and_libraries(&bytes));
        put(&mut tree, path, 0o755, bytes);
    }
    while let Some(name) = wanted.pop() {
        let place = if name.starts_with("ld-linux") {
            "usr/lib64"
        } else {
            "usr/lib/x86_64-linux-gnu"
        };
        let path = format!("{place}/{name}");
        if !tree.contains_key(&path) {
            let bytes = pool.library(&name)?;
            wanted.extend(loader_and_libraries(&bytes));
            put(&mut tree, &path, 0o755, bytes);
        }
    }
    for (path, mode, text) in recipe.files {
        put(&mut tree, path, *mode, text.as_bytes().to_vec());
    }
    tar::write(&tree).map_err(|text| HarnessError::Image {
        path: recipe.name.into(),
        text,
    })
}

fn put(tree: &mut Tree, path: &str, mode: u32, bytes: Vec<u8>) {
    tar::add(tree, path, Entry::File { mode, bytes });
}

fn loader_and_libraries(file: &[u8]) -> Vec<String> {
    let Some((loader, mut names)) = needs(file) else {
        return Vec::new();
    };
    names.extend(loader.and_then(|path| Some(path.rsplit('/').next()?.to_owned())));
    names
}
