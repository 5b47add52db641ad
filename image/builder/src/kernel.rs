//! The kernel package: vmlinuz, the modules that are shipped, and those of the initrd.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use crate::overlay;
use crate::pattern;
use crate::tools::{Tools, run};
use crate::tree::{Kind, Node, Tree};

/// What the kernel package gives.
#[derive(Debug)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The kernel as a boot loader takes it.
    pub vmlinuz: Vec<u8>,
    /// `usr/lib/modules/…` as shipped.
    pub modules: Tree,
    /// `m/…` of the initrd: plain modules with their dependencies and aliases.
    pub initrd: Tree,
}

/// Index files that neither modprobe nor our init reads.
const UNUSED: [&str; 4] = [
    "modules.symbols",
    "modules.symbols.bin",
    "modules.builtin.modinfo",
    "modules.order",
];

/// Chooses modules, with all that they depend on, and indexes them with the locked depmod.
///
/// # Errors
/// When a pattern matches no module: a name that a newer kernel has lost must be seen.
pub fn take(
    package: &Tree,
    keep: &[String],
    except: &[String],
    initrd: &[String],
    tools: &Tools,
    work: &Path,
) -> Result<Kernel> {
    let release = package
        .below("usr/lib/modules")
        .find_map(|(path, _)| path.strip_suffix("/kernel"))
        .context("the kernel package has no usr/lib/modules/RELEASE/kernel")?
        .to_owned();
    let vmlinuz = package
        .bytes(&format!("boot/vmlinuz-{release}"))
        .context("the kernel package has no vmlinuz")?
        .to_vec();
    let folder = format!("usr/lib/modules/{release}");

    let mut all = package.clone();
    all.retain(|path, _| {
        path.starts_with(&folder) || matches!(path, "usr" | "usr/lib" | "usr/lib/modules")
    });
    let dependencies = depmod(&all, &release, tools, &work.join("all"))?;
    let dependencies = parse_dep(dependencies.text(&format!("{folder}/modules.dep"))?);

    let wanted = closure(&choose(&dependencies, keep, except)?, &dependencies);
    let mut shipped = all;
    shipped.retain(|path, node| {
        matches!(node.kind, Kind::Folder)
            || path
                .strip_prefix(&folder)
                .and_then(|path| path.strip_prefix('/'))
                .is_none_or(|path| {
                    if path.starts_with("kernel/") {
                        wanted.contains(path)
                    } else {
                        true
                    }
                })
    });
    let mut modules = depmod(&shipped, &release, tools, &work.join("shipped"))?;
    modules.prune_empty(&folder);
    for name in UNUSED {
        modules.remove(&format!("{folder}/{name}"));
    }
    let initrd = initrd_modules(&modules, &folder, &dependencies, initrd)?;
    Ok(Kernel {
        release,
        vmlinuz,
        modules,
        initrd,
    })
}

fn depmod(tree: &Tree, release: &str, tools: &Tools, work: &Path) -> Result<Tree> {
    let mut with_link = tree.clone();
    with_link.put("lib", Node::link("usr/lib"));
    overlay::write(&with_link, work)?;
    run(tools.command("depmod", 0)?.arg("-b").arg(work).arg(release))?;
    let mut result = overlay::read(work)?;
    result.remove("lib");
    Ok(result)
}

/// `path: path path…` of modules.dep.
fn parse_dep(text: &str) -> BTreeMap<String, Vec<String>> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(path, needs)| {
            (
                path.to_owned(),
                needs.split_whitespace().map(str::to_owned).collect(),
            )
        })
        .collect()
}

fn choose(
    dependencies: &BTreeMap<String, Vec<String>>,
    keep: &[String],
    except: &[String],
) -> Result<BTreeSet<String>> {
    let short = |path: &str| {
        path.trim_start_matches("kernel/")
            .trim_end_matches(".xz")
            .trim_end_matches(".ko")
            .to_owned()
    };
    let mut chosen = BTreeSet::new();
    for one in keep {
        let before = chosen.len();
        let mut met = false;
        for path in dependencies
            .keys()
            .filter(|path| pattern::matches(one, &short(path)))
        {
            met = true;
            if !pattern::any(except, &short(path)) {
                chosen.insert(path.clone());
            }
        }
        anyhow::ensure!(
            met,
            "manifest [modules]: {one:?} matches no module of this kernel ({before} chosen before it)"
        );
    }
    Ok(chosen)
}

fn closure(
    chosen: &BTreeSet<String>,
    dependencies: &BTreeMap<String, Vec<String>>,
) -> BTreeSet<String> {
    // modules.dep lists what a module needs in full, so one step is enough.
    chosen
        .iter()
        .flat_map(|path| dependencies.get(path).into_iter().flatten().chain([path]))
        .cloned()
        .collect()
}

/// A module's name: file name without suffixes, `-` as `_`.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

fn initrd_modules(
    modules: &Tree,
    folder: &str,
    dependencies: &BTreeMap<String, Vec<String>>,
    names: &[String],
) -> Result<Tree> {
    let mut chosen = BTreeSet::new();
    for name in names {
        let path = dependencies
            .keys()
            .find(|path| name_of(path) == *name)
            .with_context(|| {
                format!("manifest [modules] initrd: no module {name} in this kernel")
            })?;
        chosen.insert(path.clone());
    }
    let chosen = closure(&chosen, dependencies);
    let mut tree = Tree::default();
    let mut dep = String::new();
    let plain = |path: &str| format!("{}.ko", name_of(path));
    for path in &chosen {
        let packed = modules
            .bytes(&format!("{folder}/{path}"))
            .with_context(|| {
                format!("the initrd wants {path}, which [modules] keep does not ship")
            })?;
        let mut bytes = Vec::new();
        liblzma::read::XzDecoder::new(&packed[..])
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot unpack {path}"))?;
        tree.put(&format!("m/{}", plain(path)), Node::file(bytes, 0o644));
        let needs: String = dependencies
            .get(path)
            .into_iter()
            .flatten()
            .map(|need| format!(" {}", plain(need)))
            .collect();
        dep.push_str(&format!("{}:{needs}\n", plain(path)));
    }
    let names: BTreeSet<String> = chosen.iter().map(|path| name_of(path)).collect();
    let alias: String = modules
        .text(&format!("{folder}/modules.alias"))?
        .lines()
        .filter(|line| {
            line.rsplit(' ')
                .next()
                .is_some_and(|name| names.contains(name))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    tree.put("m/modules.dep", Node::file(dep.into_bytes(), 0o644));
    tree.put("m/modules.alias", Node::file(alias.into_bytes(), 0o644));
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_with_what_they_need_even_when_that_is_excepted() {
        let dep = parse_dep(
            "kernel/a/one.ko.xz: kernel/b/two.ko.xz\nkernel/b/two.ko.xz:\nkernel/a/three.ko.xz:\n",
        );
        let chosen = choose(&dep, &["a".into()], &["a/three".into()]).unwrap();
        let all: Vec<_> = closure(&chosen, &dep).into_iter().collect();
        assert_eq!(all, ["kernel/a/one.ko.xz", "kernel/b/two.ko.xz"]);
        assert!(
            choose(&dep, &["gone".into()], &[])
                .unwrap_err()
                .to_string()
                .contains("\"gone\" matches no module")
        );
    }

    #[test]
    fn a_modules_name_has_underscores() {
        assert_eq!(
            name_of("kernel/drivers/block/xen-blkfront.ko.xz"),
            "xen_blkfront"
        );
    }
}
