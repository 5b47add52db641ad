//! What packages' maintainer scripts would have done. No script runs; these small steps stand for all
//! of them, and a package that is added wants a look at its scripts.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::manifest::{Manifest, User};
use crate::tree::{Node, Tree};

/// Users of the distribution that the image keeps.
const KEPT_USERS: [&str; 7] = ["root", "daemon", "bin", "sys", "mail", "www-data", "nobody"];

/// Does all of it.
///
/// # Errors
/// When a package lacks what a step builds on.
pub fn apply(tree: &mut Tree, manifest: &Manifest) -> Result<()> {
    folders(tree);
    for (path, target) in &manifest.links {
        tree.put(path, Node::link(target.clone()));
    }
    accounts(tree, manifest)?;
    certificates(tree)?;
    Ok(())
}

/// Empty folders and mount points with their modes.
fn folders(tree: &mut Tree) {
    for (path, mode) in [
        ("dev", 0o755),
        ("proc", 0o555),
        ("sys", 0o555),
        ("run", 0o755),
        ("tmp", 0o1777),
        ("root", 0o700),
        ("mnt", 0o755),
        ("opt", 0o755),
        ("opt/bin", 0o755),
        ("srv", 0o755),
        ("home", 0o755),
        ("media", 0o755),
        ("media/configdrive", 0o755),
        ("etc/systemd/system", 0o755),
        ("etc/systemd/network", 0o755),
        ("etc/sysctl.d", 0o755),
        ("etc/modules-load.d", 0o755),
        ("etc/tmpfiles.d", 0o755),
        ("etc/profile.d", 0o755),
        ("etc/sudoers.d", 0o750),
        ("etc/ssh/sshd_config.d", 0o755),
        ("etc/ssl/certs", 0o755),
        ("etc/env.d", 0o755),
        ("etc/coreos", 0o755),
        ("var/lib/systemd", 0o755),
        ("var/lib/coreos-cloudinit", 0o700),
        ("var/lib/coreos-install", 0o755),
        ("var/log/journal", 0o2755),
        ("var/lib/etcd2", 0o700),
        ("var/lib/chrony", 0o750),
        ("var/log/chrony", 0o750),
        ("etc/chrony/conf.d", 0o755),
        ("etc/chrony/sources.d", 0o755),
        ("var/tmp", 0o1777),
        ("var/cache", 0o755),
        ("var/spool", 0o755),
        ("usr/local", 0o755),
    ] {
        tree.put(path, Node::folder(mode));
    }
    tree.remove("boot");
    tree.remove("var/run");
    tree.remove("var/lock");
    tree.put("var/run", Node::link("../run"));
    tree.put("var/lock", Node::link("../run/lock"));
}

/// passwd, group and their shadows. Nobody has a password.
fn accounts(tree: &mut Tree, manifest: &Manifest) -> Result<()> {
    let days = manifest.image.epoch / 86_400;
    let (mut passwd, mut shadow) = (String::new(), String::new());
    let masters = "usr/share/base-passwd";
    let user_master = tree.text(&format!("{masters}/passwd.master"))?.to_owned();
    for line in user_master
        .lines()
        .filter(|line| KEPT_USERS.contains(&line.split(':').next().unwrap_or("")))
    {
        let name = line.split(':').next().unwrap_or("");
        let _ = writeln!(passwd, "{}", line.replacen(":*:", ":x:", 1));
        let _ = writeln!(shadow, "{name}:*:{days}:0:99999:7:::");
    }
    for User {
        name,
        uid,
        gid,
        comment,
        home,
        shell,
        ..
    } in &manifest.users
    {
        let _ = writeln!(passwd, "{name}:x:{uid}:{gid}:{comment}:{home}:{shell}");
        let _ = writeln!(shadow, "{name}:*:{days}:0:99999:7:::");
    }
    let (mut group, mut gshadow) = (String::new(), String::new());
    let group_master = tree.text(&format!("{masters}/group.master"))?.to_owned();
    let distribution = group_master.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.to_owned()))
    });
    let ours = manifest
        .user_groups
        .iter()
        .map(|group| (group.name.clone(), group.gid.to_string()));
    for (name, gid) in distribution.chain(ours) {
        let members: Vec<&str> = manifest
            .users
            .iter()
            .filter(|user| user.groups.contains(&name))
            .map(|user| user.name.as_str())
            .collect();
        let members = members.join(",");
        let _ = writeln!(group, "{name}:x:{gid}:{members}");
        let _ = writeln!(gshadow, "{name}:*::{members}");
    }
    let shadow_group = group
        .lines()
        .find_map(|line| {
            line.strip_prefix("shadow:x:")?
                .split(':')
                .next()?
                .parse()
                .ok()
        })
        .context("the distribution has no group shadow")?;
    tree.put("etc/passwd", Node::file(passwd.into_bytes(), 0o644));
    tree.put("etc/group", Node::file(group.into_bytes(), 0o644));
    tree.put(
        "etc/shadow",
        Node::file(shadow.into_bytes(), 0o640).owned(0, shadow_group),
    );
    tree.put(
        "etc/gshadow",
        Node::file(gshadow.into_bytes(), 0o640).owned(0, shadow_group),
    );
    homes(tree, manifest);
    Ok(())
}

/// Homes below /home with the skeleton's files.
fn homes(tree: &mut Tree, manifest: &Manifest) {
    let skeleton: Vec<(String, Node)> = tree
        .below("etc/skel")
        .map(|(path, node)| (path.to_owned(), node.clone()))
        .collect();
    for user in manifest
        .users
        .iter()
        .filter(|user| user.home.starts_with("/home/"))
    {
        let home = user.home.trim_start_matches('/');
        tree.put(home, Node::folder(0o755).owned(user.uid, user.gid));
        for (path, node) in &skeleton {
            tree.put(
                &format!("{home}/{path}"),
                node.clone().owned(user.uid, user.gid),
            );
        }
    }
}

/// One file with all certification authorities; it lives in /usr, where an update renews it.
fn certificates(tree: &mut Tree) -> Result<()> {
    let folder = "usr/share/ca-certificates/mozilla";
    let mut bundle = Vec::new();
    for (path, _) in tree
        .below(folder)
        .filter(|(path, _)| path.ends_with(".crt"))
    {
        let bytes = tree
            .bytes(&format!("{folder}/{path}"))
            .context("certificate without bytes")?;
        bundle.extend_from_slice(bytes);
        if !bytes.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    anyhow::ensure!(!bundle.is_empty(), "no certificates in {folder}");
    tree.remove(folder);
    tree.put(
        "usr/share/ca-certificates/ca-certificates.crt",
        Node::file(bundle, 0o644),
    );
    tree.put(
        "etc/ssl/certs/ca-certificates.crt",
        Node::link("../../../usr/share/ca-certificates/ca-certificates.crt"),
    );
    Ok(())
}
