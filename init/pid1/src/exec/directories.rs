//! `RuntimeDirectory=` and its siblings: made as root, given to the user, named in the environment.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use init_sys::folders;
use unit_file::{DirectorySet, ExecConfig};

use super::credentials::Who;
use super::{Failed, Step, code};

/// A directory that was made, by the variable that names it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made {
    /// Variable and its folders.
    pub(crate) sets: Vec<(&'static str, Vec<PathBuf>)>,
}

/// Each directive with its place, variable and exit code.
fn kinds(config: &ExecConfig) -> [(&DirectorySet, &'static str, &'static str, u8); 5] {
    [
        (
            &config.runtime_directory,
            "/run",
            "RUNTIME_DIRECTORY",
            code::RUNTIME_DIRECTORY,
        ),
        (
            &config.state_directory,
            "/var/lib",
            "STATE_DIRECTORY",
            code::STATE_DIRECTORY,
        ),
        (
            &config.cache_directory,
            "/var/cache",
            "CACHE_DIRECTORY",
            code::CACHE_DIRECTORY,
        ),
        (
            &config.logs_directory,
            "/var/log",
            "LOGS_DIRECTORY",
            code::LOGS_DIRECTORY,
        ),
        (
            &config.configuration_directory,
            "/etc",
            "CONFIGURATION_DIRECTORY",
            code::CONFIGURATION_DIRECTORY,
        ),
    ]
}

/// Makes all of them.
pub(crate) fn make(config: &ExecConfig, who: &Who) -> Result<Made, Failed> {
    let mut made = Made::default();
    for (set, place, variable, exit) in kinds(config) {
        let mut folders = Vec::new();
        for name in &set.names {
            let path = Path::new(place).join(name);
            // A configuration folder belongs to root, as systemd leaves it.
            let owner = (place != "/etc").then_some(who);
            one(Path::new(place), Path::new(name), set.mode, owner)
                .step(exit, || format!("make {}", path.display()))?;
            folders.push(path);
        }
        for (name, link) in &set.links {
            let path = Path::new(place).join(link);
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(Path::new(place).join(name), &path)
                .step(exit, || format!("make {}", path.display()))?;
        }
        if !folders.is_empty() {
            made.sets.push((variable, folders));
        }
    }
    Ok(made)
}

/// One folder below its place. What lies between may belong to the unit's user, so a link there is
/// an error and no way.
fn one(place: &Path, name: &Path, mode: u32, owner: Option<&Who>) -> io::Result<()> {
    let folder = folders::make_below(place, name, mode)?;
    rustix::fs::fchmod(&folder, rustix::fs::Mode::from_raw_mode(mode))?;
    match owner {
        Some(who) => folders::give_tree(folder, who.uid(), who.gid),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_link_in_the_place_of_a_units_folder_is_refused_and_its_target_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("target");
        fs::create_dir_all(target.join("bar")).unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(place.path().join("foo")).unwrap();
        std::os::unix::fs::symlink(&target, place.path().join("foo/bar")).unwrap();
        std::os::unix::fs::symlink(&target, place.path().join("link")).unwrap();
        for name in ["foo/bar", "link", "link/bar"] {
            let refused = one(place.path(), Path::new(name), 0o755, None).unwrap_err();
            assert!(matches!(refused.raw_os_error(), Some(20 | 40)), "{name}");
        }
        let mode = fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        one(place.path(), Path::new("new/sub"), 0o750, None).unwrap();
        let mode = fs::metadata(place.path().join("new/sub")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o750);
    }
}
