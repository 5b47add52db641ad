//! The paths whose file systems a unit needs.

use crate::config::{DirectorySet, ExecConfig, KindConfig, ListenAddress, UnitConfig};

/// Paths that must be mounted.
pub(super) fn required(config: &UnitConfig) -> Vec<String> {
    let mut paths = config.unit.requires_mounts_for.clone();
    if config.name.kind().has_exec() {
        of_exec(&config.exec, &mut paths);
    }
    match &config.kind {
        KindConfig::Mount(mount) => {
            paths.extend(parent(&mount.r#where));
            if mount.has_option("bind") || mount.has_option("rbind") || is_file(&mount.what) {
                paths.push(mount.what.clone());
            }
        }
        KindConfig::Automount(automount) => paths.extend(parent(&automount.r#where)),
        KindConfig::Swap(swap) if is_file(&swap.what) => paths.push(swap.what.clone()),
        // Where the stamp is that says when it last elapsed.
        KindConfig::Timer(timer) if timer.persistent => {
            paths.push("/var/lib/systemd/timers".to_owned());
        }
        KindConfig::Path(path) => paths.extend(path.watches.iter().map(|one| one.path.clone())),
        KindConfig::Socket(socket) => {
            paths.extend(socket.listen.iter().filter_map(|one| match &one.address {
                ListenAddress::Path(path) => Some(path.clone()),
                _ => None,
            }));
        }
        _ => {}
    }
    paths
}

fn of_exec(exec: &ExecConfig, paths: &mut Vec<String>) {
    if let Some(folder) = &exec.working_directory
        && !folder.optional
        && folder.path != "~"
    {
        paths.push(folder.path.clone());
    }
    paths.extend(exec.root_directory.clone());
    let sets: [(&str, &DirectorySet); 5] = [
        ("/run", &exec.runtime_directory),
        ("/var/lib", &exec.state_directory),
        ("/var/cache", &exec.cache_directory),
        ("/var/log", &exec.logs_directory),
        ("/etc", &exec.configuration_directory),
    ];
    for (base, set) in sets {
        paths.extend(set.names.iter().map(|name| format!("{base}/{name}")));
    }
    if exec.private_tmp {
        paths.extend(["/tmp".to_owned(), "/var/tmp".to_owned()]);
    }
}

fn is_file(what: &str) -> bool {
    what.starts_with('/') && !what.starts_with("/dev/")
}

fn parent(path: &str) -> Option<String> {
    let (parent, _) = path.rsplit_once('/')?;
    (path != "/").then(|| {
        if parent.is_empty() {
            "/".to_owned()
        } else {
            parent.to_owned()
        }
    })
}
