//! Our own programs: built by cargo, locked, without the build folder's name in them.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::elf;
use crate::manifest::Program;
use crate::status::Step;
use crate::tree::{Kind, Node, Tree};

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// PID 1 and the initrd's /init must not need a loader.
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";

/// Built programs by name.
pub type Built = BTreeMap<String, Vec<u8>>;

/// Builds them in a folder of the cache, the static ones apart: other compiler flags.
///
/// # Errors
/// With all that cargo said when it fails.
pub fn build(root: &Path, programs: &[Program], target: &Path, step: &Step) -> Result<Built> {
    let mut built = Built::new();
    for (is_static, folder, profile) in [(true, "static", "pid1"), (false, "dynamic", "release")] {
        let some: Vec<&Program> = programs
            .iter()
            .filter(|program| program.is_static == is_static)
            .collect();
        if some.is_empty() {
            continue;
        }
        let target = target.join(folder);
        cargo(
            root,
            &some,
            (if is_static { STATIC } else { "" }, profile),
            &target,
            step,
        )?;
        for program in some {
            let path = target.join(TARGET).join(profile).join(program.name());
            let bytes = std::fs::read(&path)
                .with_context(|| format!("cargo made no {}", path.display()))?;
            built.insert(program.name().to_owned(), bytes);
        }
    }
    Ok(built)
}

/// Takes programs that are built already from a folder.
///
/// # Errors
/// When one is missing.
pub fn take(folder: &Path, programs: &[Program]) -> Result<Built> {
    programs
        .iter()
        .map(|program| {
            let path = folder.join(program.name());
            let bytes = std::fs::read(&path)
                .with_context(|| format!("no program at {}", path.display()))?;
            Ok((program.name().to_owned(), bytes))
        })
        .collect()
}

fn cargo(
    root: &Path,
    programs: &[&Program],
    (flags, profile): (&str, &str),
    target: &Path,
    step: &Step,
) -> Result<()> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")?;
    let rename = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let flags = [
        flags.to_owned(),
        rename(root, "/garboard"),
        rename(&home, "/cargo"),
        rename(target, "/target"),
    ]
    .join(" ");
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(root)
        .args([
            "build",
            "--profile",
            profile,
            "--locked",
            "--color=never",
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(target)
        .env("RUSTFLAGS", flags.trim())
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    for program in programs {
        command.args(["-p", &program.package, "--bin", program.name()]);
    }
    let mut child = command.spawn().context("cannot run cargo")?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            step.note(line.trim());
            said.push_str(&line);
            said.push('\n');
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo ended with {status}:\n{said}");
    }
    step.note("");
    Ok(())
}

/// Puts programs and their further names into the image.
///
/// # Errors
/// When a program is not static though it must be, or wants a newer C library than the image has.
pub fn install(tree: &mut Tree, programs: &[Program], built: &Built) -> Result<()> {
    let library = tree
        .bytes("usr/lib/x86_64-linux-gnu/libc.so.6")
        .and_then(|bytes| elf::c_library_wanted(bytes))
        .context("the image has no C library")?;
    for program in programs {
        let bytes = built
            .get(program.name())
            .with_context(|| format!("{} was not built", program.name()))?;
        if program.is_static {
            anyhow::ensure!(
                elf::dynamic(bytes).is_none_or(|wants| wants.needed.is_empty()),
                "{} is not statically linked",
                program.name()
            );
        } else if let Some(wanted) = elf::c_library_wanted(bytes).filter(|wanted| *wanted > library)
        {
            bail!(
                "{} was built for C library {}.{}, the image has {}.{}: build on an older system",
                program.name(),
                wanted.0,
                wanted.1,
                library.0,
                library.1
            );
        }
        tree.put(&program.path, Node::file(bytes.as_slice(), 0o755));
        for link in &program.links {
            if tree
                .get(link)
                .is_some_and(|there| matches!(there.kind, Kind::File(_)))
            {
                bail!("manifest [[programs]]: {link} is already a file of a package");
            }
            tree.put(link, Node::link(relative(link, &program.path)));
        }
    }
    Ok(())
}

/// The way from a link to its target, both paths of the tree.
#[must_use]
pub fn relative(link: &str, target: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) =
        (link.split('/').collect(), target.split('/').collect());
    let common = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = from.len().saturating_sub(common + 1);
    std::iter::repeat_n("..", up)
        .chain(to[common..].iter().copied())
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_the_short_way() {
        assert_eq!(
            relative("usr/bin/systemctl", "usr/lib/garboard/tools"),
            "../lib/garboard/tools"
        );
        assert_eq!(relative("usr/bin/b", "usr/bin/a"), "a");
        assert_eq!(relative("init", "usr/lib/x"), "usr/lib/x");
    }
}
