//! Kernel settings (`sysctl.d`) and modules that somebody wants in any case (`modules-load.d`).

use std::fs;
use std::path::{Path, PathBuf};

use super::dropins;
use crate::devices::modules::Modules;
use crate::say::{self, Level};

/// One setting: where its file is, what to write, and whether a failure is to be ignored.
fn setting(line: &str) -> Option<(String, String, bool)> {
    let (line, quiet) = line
        .strip_prefix('-')
        .map_or((line, false), |rest| (rest, true));
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    // With a slash first, dots belong to the name (net/ipv4/conf/eth0.1/…); else they separate.
    let first = key
        .find(['.', '/'])
        .and_then(|at| key.get(at..=at))
        .unwrap_or(".");
    let path = if first == "/" {
        key.to_owned()
    } else {
        key.chars().map(swap).collect()
    };
    Some((path, value.trim().to_owned(), quiet))
}

fn swap(c: char) -> char {
    match c {
        '.' => '/',
        '/' => '.',
        other => other,
    }
}

/// Writes every setting below /proc/sys.
pub(crate) fn apply_sysctl() {
    let mut lines = dropins::lines(Path::new("/"), "sysctl.d");
    lines.extend(
        fs::read_to_string("/etc/sysctl.conf")
            .unwrap_or_default()
            .lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])),
    );
    for line in lines {
        let Some((path, value, quiet)) = setting(&line) else {
            if !line.starts_with('-') {
                say::log(
                    Level::Warning,
                    &format!("sysctl.d: {line:?} is no assignment"),
                );
            }
            continue;
        };
        for file in expand(&path) {
            if let (Err(e), false) = (fs::write(&file, &value), quiet) {
                say::log(
                    Level::Warning,
                    &format!("cannot write {value:?} to {}: {e}", file.display()),
                );
            }
        }
    }
}

/// Files that a key names; a `*` stands for any one folder.
fn expand(path: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("/proc/sys")];
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part.contains('*') {
            found = found
                .iter()
                .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
                .filter(|entry| {
                    crate::devices::modules::matches(part, &entry.file_name().to_string_lossy())
                })
                .map(|entry| entry.path())
                .collect();
        } else {
            found = found.into_iter().map(|folder| folder.join(part)).collect();
        }
    }
    found
}

/// Loads the modules that `modules-load.d` and the kernel command line name.
pub(crate) fn load_modules(modules: &mut Modules, cmdline: &crate::cmdline::Cmdline) {
    let mut names = dropins::lines(Path::new("/"), "modules-load.d");
    names.extend(
        cmdline
            .values("modules_load")
            .chain(cmdline.values("modules-load"))
            .flat_map(|list| list.split(','))
            .map(str::to_owned),
    );
    for name in names {
        if let Err(e) = modules.load(&name) {
            say::log(Level::Warning, &format!("module {name}: {e}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn dots_separate_unless_a_slash_came_first() {
        let path = |line| setting(line).unwrap().0;
        assert_eq!(path("net.ipv4.ip_forward = 1"), "net/ipv4/ip_forward");
        assert_eq!(
            path("net/ipv4/conf/eth0.1/rp_filter=2"),
            "net/ipv4/conf/eth0.1/rp_filter"
        );
        assert_eq!(
            path("net.ipv4.conf.eth0/1.rp_filter=2"),
            "net/ipv4/conf/eth0.1/rp_filter"
        );
    }

    #[test]
    fn a_dash_makes_failure_quiet() {
        assert_eq!(
            setting("-kernel.x = a b"),
            Some(("kernel/x".into(), "a b".into(), true))
        );
        assert_eq!(setting("nonsense"), None);
    }
}
