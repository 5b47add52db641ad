//! Debian packages of this host's own release, fetched by its own apt and unpacked below the cache. Nothing is installed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::image::sha256;
use crate::error::HarnessError;

/// The unpacked files of some packages and of the libraries that they depend on.
#[derive(Debug)]
pub(super) struct Pool {
    root: PathBuf,
    /// Libraries by file name.
    libraries: BTreeMap<String, PathBuf>,
}

impl Pool {
    /// Fetches and unpacks the packages, once for each state of apt's lists.
    pub(super) fn of(packages: &BTreeSet<&str>, cache: &Path) -> Result<Pool, HarnessError> {
        let lists = fs::metadata("/var/lib/apt/lists")
            .and_then(|facts| facts.modified())
            .ok();
        let key = sha256(format!("{packages:?} {lists:?}").as_bytes());
        let root = cache.join("unpacked").join(&key[..16]);
        if !root.exists() {
            let draft = root.with_extension(format!("draft-{}", std::process::id()));
            fetch(packages, &cache.join("packages"), &draft)?;
            if let Err(error) = fs::rename(&draft, &root)
                && !root.exists()
            {
                return Err(HarnessError::io(format!("make {}", root.display()))(error));
            }
        }
        let mut libraries = BTreeMap::new();
        collect(&root, &mut libraries);
        Ok(Pool { root, libraries })
    }

    /// A file by its path in the installed system, with or without the merge of /usr.
    pub(super) fn file(&self, path: &str) -> Result<Vec<u8>, HarnessError> {
        let bare = path.strip_prefix("usr/").unwrap_or(path);
        let found = [path, bare]
            .iter()
            .find_map(|path| fs::read(self.root.join(path)).ok());
        found.ok_or_else(|| HarnessError::Image {
            path: self.root.clone(),
            text: format!("the packages have no {path}"),
        })
    }

    /// A library by its name.
    pub(super) fn library(&self, name: &str) -> Result<Vec<u8>, HarnessError> {
        let path = self
            .libraries
            .get(name)
            .ok_or_else(|| HarnessError::Image {
                path: self.root.clone(),
                text: format!("the packages have no {name}"),
            })?;
        fs::read(path).map_err(HarnessError::io(format!("read {}", path.display())))
    }
}

fn fetch(packages: &BTreeSet<&str>, archives: &Path, to: &Path) -> Result<(), HarnessError> {
    let versions = versions(&with_libraries(packages)?)?;
    for folder in [archives, to] {
        fs::create_dir_all(folder)
            .map_err(HarnessError::io(format!("make {}", folder.display())))?;
    }
    run(Command::new("apt-get")
        .args(["-q", "-o", "APT::Sandbox::User=root", "download"])
        .args(&versions)
        .current_dir(archives))?;
    for one in &versions {
        let archive = archive(archives, one)?;
        run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(to))?;
    }
    Ok(())
}

/// The packages and, level by level, the libraries they depend on.
fn with_libraries(packages: &BTreeSet<&str>) -> Result<BTreeSet<String>, HarnessError> {
    let mut all: BTreeSet<String> = packages.iter().map(|name| (*name).to_owned()).collect();
    let mut new = all.clone();
    while !new.is_empty() {
        let said = run(Command::new("apt-cache")
            .args([
                "depends",
                "--no-recommends",
                "--no-suggests",
                "--no-conflicts",
                "--no-breaks",
            ])
            .args(["--no-replaces", "--no-enhances"])
            .args(&new))?;
        let names = said
            .lines()
            .filter_map(|line| line.split_once("Depends: ")?.1.split(':').next());
        let library = |name: &&str| {
            (name.starts_with("lib") || *name == "zlib1g" || *name == "redis-tools")
                && !name.starts_with("libperl")
        };
        new = names
            .filter(library)
            .map(str::to_owned)
            .filter(|name| !all.contains(name))
            .collect();
        all.extend(new.iter().cloned());
    }
    Ok(all)
}

/// Each as `name=version`, so that what is fetched is known before.
fn versions(names: &BTreeSet<String>) -> Result<Vec<String>, HarnessError> {
    let said = run(Command::new("apt-cache")
        .args(["show", "--no-all-versions"])
        .args(names))?;
    let mut versions = Vec::new();
    let mut name = "";
    for line in said.lines() {
        if let Some(value) = line.strip_prefix("Package: ") {
            name = value;
        } else if let Some(value) = line.strip_prefix("Version: ") {
            versions.push(format!("{name}={value}"));
        }
    }
    versions.sort();
    versions.dedup();
    Ok(versions)
}

/// Where apt has put a package: `NAME_VERSION_ARCH.deb`, with the colon of an epoch escaped.
fn archive(folder: &Path, package: &str) -> Result<PathBuf, HarnessError> {
    let start = format!("{}_", package.replacen('=', "_", 1).replace(':', "%3a"));
    let found = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&start))
        });
    found.ok_or_else(|| HarnessError::Image {
        path: folder.to_owned(),
        text: format!("apt has not fetched {package}"),
    })
}

/// Shared libraries of a tree. A link that leaves the tree is passed over: what it leads to is in the tree too.
fn collect(folder: &Path, libraries: &mut BTreeMap<String, PathBuf>) {
    for path in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
    {
        let link = fs::read_link(&path).ok();
        if link.is_none() && path.is_dir() {
            collect(&path, libraries);
        } else if link.is_none_or(|to| to.is_relative()) && path.is_file() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.contains(".so") {
                libraries.entry(name).or_insert(path);
            }
        }
    }
}

fn run(command: &mut Command) -> Result<String, HarnessError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C")
        .output()
        .map_err(HarnessError::io(format!("start {program}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().last().unwrap_or("nothing said").to_owned();
    let hint = format!("{reason} (are apt's lists there? apt-get update)");
    Err(HarnessError::io(format!("fetch packages with {program}"))(
        std::io::Error::other(hint),
    ))
}
