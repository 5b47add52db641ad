//! A second set of programs beside the machine's own: packages of some Debian release with all they need, in a
//! folder of the cache, and scripts that start a program there by that folder's own loader. It installs nothing and
//! runs no package's script.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::apt::{self, Mirror};
use crate::cache::{Cache, Key};
use crate::lock::Package;
use crate::manifest::Drop;
use crate::status::{Origin, Status};
use crate::tree::Tree;
use crate::{fetch, merge, overlay};

const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Raise it when the result for the same packages changes.
const FORM: &str = "1";

/// What to unpack.
#[derive(Debug)]
pub struct Options {
    /// The cache.
    pub cache: Cache,
    /// Debian's name of the release.
    pub suite: String,
    /// The packages.
    pub packages: Vec<String>,
    /// Programs that get a script in `bin/`: a name, and words that come before the user's, where `@` at the
    /// beginning of a word is the folder.
    pub programs: Vec<String>,
    /// No progress.
    pub quiet: bool,
}

/// Unpacks; gives the folder. The same packages are unpacked once.
///
/// # Errors
/// When the archive, a package or the disk refuses, or a program is in none of the packages.
pub fn unpack(options: &Options) -> Result<PathBuf> {
    let mut status = Status::new(3, options.quiet);
    let cache = &options.cache;
    let suite = &options.suite;
    let packages = status.stage("packages", |step| {
        let state = cache.folder(&format!("apt-{suite}"))?;
        let packages = apt::with_needs(&options.packages, suite, &Mirror::find()?, &state)?;
        step.note(&format!("{} of {suite}", packages.len()));
        Ok((packages, Origin::Made))
    })?;
    let packages: Vec<&Package> = packages.iter().collect();
    status.stage("fetch", |step| {
        fetch::all(cache, &packages, step)?;
        Ok(((), Origin::Made))
    })?;
    let named = Key::new().add("form", FORM);
    let named = options
        .programs
        .iter()
        .fold(named, |key, program| key.add("program", program));
    let key = packages.iter().fold(named, |key, package| {
        key.add(&package.name, &package.sha256)
    });
    status.stage("unpack", |_| {
        let (folder, made) = cache.stage("unpacked", &key, |out| {
            let opened = merge::open_all(cache, &packages)?;
            let all: Vec<_> = packages.iter().copied().zip(opened).collect();
            let nothing = Drop {
                packages: vec![],
                paths: vec!["usr/share/doc".into(), "usr/share/man".into()],
                keep: vec![],
            };
            let tree = merge::merge(&all, &nothing)?;
            overlay::write(&tree, out)?;
            let home = cache.folder("stages/unpacked")?.join(key.text());
            fs::create_dir_all(out.join("bin"))?;
            options
                .programs
                .iter()
                .try_for_each(|program| write_script(&tree, program, &home, out))
        })?;
        Ok((folder, Origin::made(made)))
    })
}

/// One script in `bin/`. `home` is where the folder will lie, `out` where it is being made.
fn write_script(tree: &Tree, program: &str, home: &Path, out: &Path) -> Result<()> {
    let mut words = program.split_whitespace();
    let name = words.next().context("a program without a name")?;
    let path = format!("usr/bin/{name}");
    if !tree.resolves(&path) {
        bail!("none of the packages has {path}");
    }
    let loader = tree
        .resolve(LOADER)
        .context("none of the packages has a loader")?;
    let home = home.to_str().context("the cache's path is no UTF-8")?;
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    let at = |path: &str| quoted(&format!("{home}/{path}"));
    let mut script = format!(
        "#!/bin/sh\nexec {} --library-path {} --argv0 {} {}",
        at(&loader),
        at(LIBRARIES),
        quoted(name),
        at(&path)
    );
    for word in words {
        let word = word
            .strip_prefix('@')
            .map_or_else(|| quoted(word), |rest| at(rest.trim_start_matches('/')));
        let _ = write!(script, " {word}");
    }
    script.push_str(" \"$@\"\n");
    let to = out.join("bin").join(name);
    fs::write(&to, script)
        .and_then(|()| fs::set_permissions(&to, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Node;

    #[test]
    fn a_program_is_started_by_the_folders_own_loader_with_its_words_before_the_users() {
        let mut tree = Tree::default();
        tree.put("usr/bin/show", Node::file(vec![], 0o755));
        tree.put("usr/lib/x86_64-linux-gnu/ld.so", Node::file(vec![], 0o755));
        tree.put(LOADER, Node::link("/lib/x86_64-linux-gnu/ld.so"));
        tree.put("lib", Node::link("usr/lib"));
        let out = tempfile::tempdir().unwrap();
        fs::create_dir(out.path().join("bin")).unwrap();
        let home = Path::new("/home/it's me");
        write_script(&tree, "show -L @/usr/share/show", home, out.path()).unwrap();
        assert_eq!(
            fs::read_to_string(out.path().join("bin/show")).unwrap(),
            "#!/bin/sh\nexec '/home/it'\\''s me/usr/lib/x86_64-linux-gnu/ld.so' \
             --library-path '/home/it'\\''s me/usr/lib/x86_64-linux-gnu' --argv0 'show' \
             '/home/it'\\''s me/usr/bin/show' '-L' '/home/it'\\''s me/usr/share/show' \"$@\"\n"
        );
        let error = write_script(&tree, "absent", home, out.path()).unwrap_err();
        assert_eq!(error.to_string(), "none of the packages has usr/bin/absent");
    }
}
