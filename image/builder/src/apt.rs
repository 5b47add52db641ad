//! Asks apt: which mirror this machine uses, and what a list of packages needs. Apt runs on folders of
//! our own in the cache, as whoever builds, and never looks at what the machine has installed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::deb::field;
use crate::lock::Package;
use crate::manifest::Manifest;

/// Releases by which an entry of the machine's apt configuration is known to be Debian's main archive.
const RELEASES: [&str; 8] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "stable",
    "testing",
    "sid",
    "oldstable",
];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The archives to fetch from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Debian's main archive.
    pub main: String,
    /// Its security archive.
    pub security: String,
}

impl Mirror {
    /// The mirror named by `GARBOARD_MIRROR` (`MAIN` or `MAIN SECURITY`), or the one that the machine's
    /// own apt uses for Debian, whatever its release.
    ///
    /// # Errors
    /// When the machine's apt names none.
    pub fn find() -> Result<Self> {
        if let Ok(value) = std::env::var("GARBOARD_MIRROR")
            && let Some(main) = value.split_whitespace().next()
        {
            return Ok(Self::new(main, value.split_whitespace().nth(1)));
        }
        let mut apt = Command::new("apt-get");
        apt.args([
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ]);
        Self::from_targets(
            &run(&mut apt)
                .context("cannot ask apt for the machine's mirror; set GARBOARD_MIRROR")?,
        )
        .context("the machine's apt names no Debian archive; set GARBOARD_MIRROR to one's address")
    }

    fn from_targets(targets: &str) -> Option<Self> {
        let lines = || {
            targets.lines().filter_map(|line| {
                let mut words = line.split_whitespace();
                let (uri, release) = (words.next()?, words.next()?);
                (words.next() == Some("main")).then_some((uri, release))
            })
        };
        let (main, _) = lines().find(|(_, release)| RELEASES.contains(release))?;
        let security = lines().find(|(_, release)| {
            release
                .split_once('-')
                .is_some_and(|(name, kind)| RELEASES.contains(&name) && kind == "security")
        });
        Some(Self::new(main, security.map(|(uri, _)| uri)))
    }

    fn new(main: &str, security: Option<&str>) -> Self {
        let main = main.trim_end_matches('/').to_owned();
        let security = security.map_or_else(
            || format!("{main}-security"),
            |uri| uri.trim_end_matches('/').to_owned(),
        );
        Self { main, security }
    }

    /// The address of a locked package.
    #[must_use]
    pub fn address(&self, package: &Package) -> String {
        let base = if package.is_security() {
            &self.security
        } else {
            &self.main
        };
        format!("{base}/{}", package.path)
    }
}

/// Works out the lock: the closure of each group of the manifest at the archive's present state.
///
/// # Errors
/// When apt cannot reach the archive or a package does not exist.
pub fn make_lock(manifest: &Manifest, mirror: &Mirror, state: &Path) -> Result<Vec<Package>> {
    let apt = Apt::new(state, mirror, &manifest.image.suite)?;
    let kernel = apt.kernel(&manifest.kernel.package)?;
    let mut members: Vec<(String, BTreeSet<(String, String)>)> = Vec::new();
    let base = &manifest
        .groups
        .get("base")
        .context("the manifest has no group base")?
        .packages;
    let base_set = apt.closure(base)?;
    for (name, group) in &manifest.groups {
        let set = match name.as_str() {
            "base" => base_set.clone(),
            "tools" => apt.closure(&group.packages)?,
            _ => {
                let both: Vec<String> = base.iter().chain(&group.packages).cloned().collect();
                apt.closure(&both)?.difference(&base_set).cloned().collect()
            }
        };
        members.push((name.clone(), set));
    }
    let mut wanted = vec![(kernel, vec!["base".to_owned()])];
    let all: BTreeSet<&(String, String)> = members.iter().flat_map(|(_, set)| set).collect();
    for one in all {
        let groups = members
            .iter()
            .filter(|(_, set)| set.contains(one))
            .map(|(name, _)| name.clone())
            .collect();
        wanted.push((format!("{}={}", one.0, one.1), groups));
    }
    apt.show(wanted)
}

/// Packages and all that they need, at the archive's present state: for programs that run here beside the
/// machine's own, and never for the image.
///
/// # Errors
/// When apt cannot reach the archive or a package does not exist.
pub fn with_needs(
    names: &[String],
    suite: &str,
    mirror: &Mirror,
    state: &Path,
) -> Result<Vec<Package>> {
    let apt = Apt::new(state, mirror, suite)?;
    let wanted = apt.closure(names)?;
    apt.show(
        wanted
            .iter()
            .map(|(name, version)| (format!("{name}={version}"), vec![]))
            .collect(),
    )
}

struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path, mirror: &Mirror, suite: &str) -> Result<Self> {
        for name in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        fs::write(folder.join("status"), "")?;
        let Mirror { main, security } = mirror;
        fs::write(
            folder.join("sources.list"),
            format!(
                "deb [signed-by={KEYRING}] {main} {suite} main\n\
                 deb [signed-by={KEYRING}] {main} {suite}-updates main\n\
                 deb [signed-by={KEYRING}] {security} {suite}-security main\n"
            ),
        )?;
        let apt = Self {
            folder: folder.to_owned(),
        };
        run(apt
            .command("apt-get")
            .args(["-qq", "-o", "APT::Update::Error-Mode=any", "update"]))
        .context("cannot read the archive's package lists")?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let at = |name: &str| self.folder.join(name).display().to_string();
        for (key, value) in [
            ("Dir::State", at("state")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache", at("cache")),
            ("Dir::Etc::sourcelist", at("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("APT::Architecture", "amd64".to_owned()),
            ("APT::Install-Recommends", "false".to_owned()),
            ("APT::Sandbox::User", String::new()),
        ] {
            command.arg("-o").arg(format!("{key}={value}"));
        }
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn kernel(&self, package: &str) -> Result<String> {
        let text = run(self.command("apt-cache").args(["depends", package]))?;
        text.lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with("linux-image-"))
            .map(str::to_owned)
            .with_context(|| format!("{package} depends on no kernel"))
    }

    fn closure(&self, roots: &[String]) -> Result<BTreeSet<(String, String)>> {
        let text = run(self.command("apt-get").args(["-s", "install"]).args(roots))?;
        let mut set = BTreeSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("Inst ")) {
            let mut words = line.split_whitespace();
            let name = words.next().context("apt's answer has no package name")?;
            let version = words
                .next()
                .and_then(|word| word.strip_prefix('('))
                .context("apt's answer has no version")?;
            set.insert((name.to_owned(), version.to_owned()));
        }
        Ok(set)
    }

    /// Asks for all packages in one call, because each call reads the whole index anew.
    fn show(&self, wanted: Vec<(String, Vec<String>)>) -> Result<Vec<Package>> {
        let names: Vec<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
        let text = run(self
            .command("apt-cache")
            .args(["show", "--no-all-versions"])
            .args(&names))?;
        let stanzas: Vec<&str> = text
            .split("\n\n")
            .filter(|stanza| !stanza.trim().is_empty())
            .collect();
        anyhow::ensure!(
            stanzas.len() == names.len(),
            "apt answered {} of {} packages",
            stanzas.len(),
            names.len()
        );
        let mut packages = Vec::new();
        for (stanza, (asked, groups)) in stanzas.iter().zip(wanted) {
            let get = |key: &str| {
                field(stanza, key)
                    .map(str::to_owned)
                    .with_context(|| format!("apt knows no {key} of {asked}"))
            };
            let (name, version) = (get("Package")?, get("Version")?);
            anyhow::ensure!(
                asked == name || asked == format!("{name}={version}"),
                "asked apt for {asked}, got {name}={version}"
            );
            packages.push(Package {
                name,
                version,
                arch: get("Architecture")?,
                size: get("Size")?.parse().context("package size")?,
                sha256: get("SHA256")?,
                groups,
                path: get("Filename")?,
            });
        }
        Ok(packages)
    }
}

fn run(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_mirror_serves_whatever_its_release() {
        let targets = "http://other.example/x/ bookworm extra\n\
                       http://mirror.example/debian/ bookworm main\n\
                       http://mirror.example/debian/ bookworm-updates main\n\
                       http://mirror.example/security/ bookworm-security main\n";
        let mirror = Mirror::from_targets(targets).unwrap();
        assert_eq!(
            mirror,
            Mirror::new(
                "http://mirror.example/debian",
                Some("http://mirror.example/security")
            )
        );
    }

    #[test]
    fn without_a_security_entry_it_is_beside_the_main_archive() {
        let mirror = Mirror::from_targets("file:/srv/debian/ trixie main\n").unwrap();
        assert_eq!(mirror.security, "file:/srv/debian-security");
        assert_eq!(
            Mirror::from_targets("http://mirror.example/ubuntu/ noble main\n"),
            None
        );
    }
}
