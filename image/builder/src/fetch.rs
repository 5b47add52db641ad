//! Brings locked packages into the cache. A file counts only by its SHA-256; nothing newer is ever
//! taken in its place.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::apt::Mirror;
use crate::cache::{Cache, hex};
use crate::lock::Package;
use crate::status::Step;

/// How many packages one call of the downloader gets.
const AT_ONCE: usize = 24;

/// Fetches what the cache lacks and checks every package.
///
/// # Errors
/// When a package in the cache is damaged or one cannot be had; both name it.
pub fn all(cache: &Cache, packages: &[&Package], step: &Step) -> Result<()> {
    let mut missing = Vec::new();
    for package in packages {
        if cache.package(&package.sha256)?.is_file() {
            check(cache, package)?;
        } else {
            missing.push(*package);
        }
    }
    if missing.is_empty() {
        step.note(&format!("{} packages in the cache", packages.len()));
        return Ok(());
    }
    let mirror = Mirror::find()?;
    let mut done = packages.len() - missing.len();
    for some in missing.chunks(AT_ONCE) {
        download(cache, &mirror, some)?;
        done += some.len();
        step.note(&format!("{done} of {} packages", packages.len()));
    }
    Ok(())
}

/// The bytes of a package that was fetched.
///
/// # Errors
/// When it cannot be read or its SHA-256 is another one.
pub fn read(cache: &Cache, package: &Package) -> Result<Vec<u8>> {
    let path = cache.package(&package.sha256)?;
    let bytes = fs::read(&path).with_context(|| {
        format!(
            "cannot read {} {} at {}",
            package.name,
            package.version,
            path.display()
        )
    })?;
    let sum = hex(&Sha256::digest(&bytes));
    if sum != package.sha256 {
        bail!(
            "{} {} is damaged: {} has SHA-256 {sum}; remove the file, the next build fetches it again",
            package.name,
            package.version,
            path.display()
        );
    }
    Ok(bytes)
}

fn check(cache: &Cache, package: &Package) -> Result<()> {
    read(cache, package).map(drop)
}

fn download(cache: &Cache, mirror: &Mirror, packages: &[&Package]) -> Result<()> {
    let folder = cache.folder("packages")?;
    let unfinished =
        |package: &Package| folder.join(format!(".{}-{}", package.sha256, std::process::id()));
    let mut apt = Command::new("/usr/lib/apt/apt-helper");
    apt.args([
        "-o",
        "APT::Sandbox::User=",
        "-o",
        "Acquire::Retries=3",
        "download-file",
    ])
    .env("LC_ALL", "C.UTF-8");
    for package in packages {
        apt.arg(mirror.address(package))
            .arg(unfinished(package))
            .arg(format!("SHA256:{}", package.sha256));
    }
    let output = apt
        .output()
        .context("cannot run apt-helper, which comes with apt")?;
    let mut gone = Vec::new();
    for package in packages {
        let from = unfinished(package);
        if from.is_file() {
            fs::rename(&from, cache.package(&package.sha256)?)?;
            check(cache, package)?;
        } else {
            gone.push(format!("{} {}", package.name, package.version));
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with(['E', 'W']))
        .collect();
    if said
        .iter()
        .any(|line| line.contains("404") || line.contains("File not found"))
        || said.is_empty()
    {
        bail!(
            "{} gone from the mirror; run `image-builder lock` and review the difference",
            is_are(&gone)
        );
    }
    bail!("{} not fetched: {}", is_are(&gone), said.join("; "));
}

fn is_are(names: &[String]) -> String {
    format!(
        "{} {}",
        names.join(", "),
        if names.len() == 1 { "is" } else { "are" }
    )
}
