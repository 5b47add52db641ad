//! `manifest.toml`: the image as data. Every key is explained in the file itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Clock of every file, ids of file systems and partitions.
    pub image: Image,
    /// Sizes on the disk.
    pub disk: Disk,
    /// The kernel.
    pub kernel: Kernel,
    /// Package groups by name.
    pub groups: BTreeMap<String, Group>,
    /// What of the packages is not shipped.
    pub drop: Drop,
    /// Kernel modules.
    pub modules: Modules,
    /// Users that exist from the start.
    pub users: Vec<User>,
    /// Groups that exist from the start, beside the distribution's own.
    pub user_groups: Vec<UserGroup>,
    /// Our programs.
    pub programs: Vec<Program>,
    /// Symbolic links by path.
    pub links: BTreeMap<String, String>,
    /// Modes and owners that git cannot keep, by path.
    pub attributes: BTreeMap<String, Attributes>,
    /// Which units start.
    pub units: Units,
}

/// `[image]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Seconds since 1970 that every file of the image carries.
    pub epoch: u64,
    /// Groups built in when nothing else is asked for.
    pub default_groups: Vec<String>,
    /// Debian's release name.
    pub suite: String,
}

/// `[disk]`, sizes in MiB.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// EFI system partition.
    pub esp_mib: u64,
    /// One slot for `/usr`; there are two.
    pub usr_mib: u64,
    /// The root as it is in the image; it grows on first boot.
    pub root_mib: u64,
    /// GUID of the disk.
    pub guid: String,
    /// UUID of the first slot's file system.
    pub usr_uuid: String,
    /// UUID of the root's file system.
    pub root_uuid: String,
    /// Seed of the root's directory hashes.
    pub root_hash_seed: String,
}

/// `[kernel]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The package that depends on the current kernel.
    pub package: String,
    /// The command line, less the slot.
    pub parameters: Vec<String>,
}

/// `[groups.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Roots of the closure.
    pub packages: Vec<String>,
    /// Kernel modules that only this group needs.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Units of `units/` that an image without the group does not have.
    #[serde(default)]
    pub units: Vec<String>,
    /// Files of `rootfs/` that an image without the group does not have.
    #[serde(default)]
    pub files: Vec<String>,
    /// As in `[units]`, for an image with the group.
    #[serde(default)]
    pub enabled: Vec<String>,
    /// As in `[units]`, for an image with the group.
    #[serde(default)]
    pub wants: BTreeMap<String, Vec<String>>,
}

/// `[drop]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// Packages of the closure of which nothing is shipped.
    pub packages: Vec<String>,
    /// Path patterns that are not shipped.
    pub paths: Vec<String>,
    /// Exceptions from `paths`.
    pub keep: Vec<String>,
}

/// `[modules]`, patterns below `kernel/`, without `.ko.xz`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modules {
    /// What is shipped, beside what these depend on.
    pub keep: Vec<String>,
    /// Exceptions from `keep`; what a kept module depends on comes all the same.
    pub except: Vec<String>,
    /// Module names of the initrd.
    pub initrd: Vec<String>,
}

/// `[[users]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the main group.
    pub gid: u32,
    /// Free text.
    pub comment: String,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// Further groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// `[[user_groups]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserGroup {
    /// Name.
    pub name: String,
    /// Id.
    pub gid: u32,
}

/// `[[programs]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Cargo package.
    pub package: String,
    /// The program, when its name is another one than the package's.
    pub program: Option<String>,
    /// Path in the image.
    pub path: String,
    /// Linked statically, as PID 1 must be.
    #[serde(default, rename = "static")]
    pub is_static: bool,
    /// Further names: symbolic links to it.
    #[serde(default)]
    pub links: Vec<String>,
}

/// A value of `[attributes]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// Permission bits in octal.
    pub mode: Option<String>,
    /// User id.
    #[serde(default)]
    pub uid: u32,
    /// Group id.
    #[serde(default)]
    pub gid: u32,
}

/// `[units]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// The default target.
    pub default: String,
    /// Further names of units, in `/usr`.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Wired in `/usr`: unit to the units that it wants.
    pub wants: BTreeMap<String, Vec<String>>,
    /// Enabled in `/etc` by their `[Install]` section: what a user may switch off.
    pub enabled: Vec<String>,
}

impl Program {
    /// The program's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.program.as_deref().unwrap_or(&self.package)
    }
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// With file, line and column of what is wrong.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is no manifest", path.display()))
    }

    /// The groups to build: the default ones and `more`, except `fewer`.
    ///
    /// # Errors
    /// When a group is not there, or is `tools`, which is no part of an image, or when `base` is to be left out.
    pub fn choose_groups(&self, more: &[String], fewer: &[String]) -> Result<Vec<String>> {
        for group in more.iter().chain(fewer) {
            if !self.groups.contains_key(group) || group == "tools" {
                let known: Vec<&str> = self
                    .groups
                    .keys()
                    .map(String::as_str)
                    .filter(|name| *name != "tools")
                    .collect();
                bail!(
                    "no package group {group:?}; the manifest has {}",
                    known.join(", ")
                );
            }
        }
        if fewer.iter().any(|group| group == "base") {
            bail!("group base is every image's: only others can be left out");
        }
        let mut groups = Vec::new();
        for group in self.image.default_groups.iter().chain(more) {
            if !groups.contains(group) && !fewer.contains(group) {
                groups.push(group.clone());
            }
        }
        Ok(groups)
    }

    /// Units and files of groups that are not built.
    pub fn left_out<'a>(
        &'a self,
        groups: &'a [String],
    ) -> impl Iterator<Item = (&'a [String], &'a [String])> {
        self.groups
            .iter()
            .filter(|(name, _)| !groups.contains(name))
            .map(|(_, group)| (group.units.as_slice(), group.files.as_slice()))
    }

    /// Which units start in an image of these groups.
    #[must_use]
    pub fn units_of(&self, groups: &[String]) -> Units {
        let mut units = self.units.clone();
        for group in groups.iter().filter_map(|name| self.groups.get(name)) {
            units.enabled.extend(group.enabled.iter().cloned());
            for (unit, wants) in &group.wants {
                let all = units.wants.entry(unit.clone()).or_default();
                all.extend(wants.iter().cloned());
            }
        }
        units
    }
}

/// Where the parts of the image lie in a work tree.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The work tree's root.
    pub root: PathBuf,
}

impl Sources {
    /// Finds the work tree: the given folder, or the nearest one above it that has a manifest.
    ///
    /// # Errors
    /// When there is none.
    pub fn find(start: &Path) -> Result<Self> {
        let start = std::path::absolute(start)?;
        start
            .ancestors()
            .find(|folder| folder.join("image/manifest.toml").is_file())
            .map(|root| Self {
                root: root.to_owned(),
            })
            .with_context(|| {
                format!(
                    "no image/manifest.toml in {} or above it; run from the work tree",
                    start.display()
                )
            })
    }

    /// `image/NAME`.
    #[must_use]
    pub fn image(&self, name: &str) -> PathBuf {
        self.root.join("image").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let root = Sources::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        Manifest::read(&root.image("manifest.toml")).unwrap()
    }

    #[test]
    fn docker_is_in_the_image_unless_it_is_left_out() {
        let manifest = manifest();
        let none: &[String] = &[];
        assert_eq!(
            manifest.choose_groups(none, none).unwrap(),
            ["base", "docker"]
        );
        let without = manifest.choose_groups(none, &["docker".into()]).unwrap();
        assert_eq!(without, ["base"]);
        let enabled = |groups: &[String]| manifest.units_of(groups).enabled;
        let socket = "docker.socket".to_owned();
        assert!(enabled(&["base".into(), "docker".into()]).contains(&socket));
        assert!(!enabled(&without).contains(&socket));
        assert!(
            manifest
                .left_out(&without)
                .any(|(units, _)| units.contains(&socket))
        );
    }

    #[test]
    fn a_group_that_is_not_there_or_must_stay_is_refused() {
        let manifest = manifest();
        for (more, fewer, says) in [
            (
                vec!["dokcer".to_owned()],
                vec![],
                "no package group \"dokcer\"",
            ),
            (
                vec![],
                vec!["tools".to_owned()],
                "no package group \"tools\"",
            ),
            (
                vec![],
                vec!["base".to_owned()],
                "group base is every image's",
            ),
        ] {
            let error = manifest
                .choose_groups(&more, &fewer)
                .unwrap_err()
                .to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
