//! The build: thirteen numbered stages, one function each. A stage's result is kept in the cache under
//! a key that covers all it depends on, so an unchanged part costs nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{Cache, Key};
use crate::deb::Deb;
use crate::disk::{Partition, Purpose};
use crate::lock::Package;
use crate::manifest::{Manifest, Sources};
use crate::programs::Built;
use crate::status::{Origin, Status, Step};
use crate::tools::{Tools, run};
use crate::tree::{Node, Tree};
use crate::{
    disk, elf, esp, fetch, filesystems, fixups, initrd, kernel, lock, merge, overlay, programs,
    qcow2, tar, units,
};

const STAGES: usize = 13;

/// What to build and where to.
#[derive(Debug)]
pub struct Options {
    /// The work tree.
    pub sources: Sources,
    /// The cache.
    pub cache: Cache,
    /// Package groups beside the default ones.
    pub with: Vec<String>,
    /// Default groups that are left out.
    pub without: Vec<String>,
    /// The qcow2 image.
    pub output: PathBuf,
    /// The raw disk too, when wanted.
    pub raw: Option<PathBuf>,
    /// Take our programs from this folder instead of building them.
    pub programs: Option<PathBuf>,
    /// No progress.
    pub quiet: bool,
}

/// What all stages look at.
struct Build<'a> {
    options: &'a Options,
    manifest: Manifest,
    manifest_text: String,
    groups: Vec<String>,
    packages: Vec<Package>,
}

/// Where the kernel stage left its parts.
struct KernelParts {
    folder: PathBuf,
    key: Key,
}

/// Builds the image; returns the path of the qcow2 file.
///
/// # Errors
/// With the stage that did not finish and why.
pub fn build(options: &Options) -> Result<PathBuf> {
    let mut status = Status::new(STAGES, options.quiet);
    let build = status.stage("lock", |step| Build::open(options, step))?;
    let epoch = build.manifest.image.epoch;
    status.stage("fetch", |step| build.fetch(step))?;
    let (tools, tools_key) = status.stage("tools", |_| build.tools())?;
    let kernel = status.stage("kernel", |step| build.kernel(&tools, &tools_key, step))?;
    let built = status.stage("programs", |step| build.programs(step))?;
    let (trees, key) = status.stage("root", |step| build.root(&kernel, &built, step))?;
    let key = key.add("tools", tools_key.text());
    let disk = &build.manifest.disk;
    let usr = status.stage("usr (erofs)", |step| {
        let made = build.stage("07-usr", &key, |out| {
            filesystems::usr(
                &tools,
                epoch,
                disk,
                &trees.join("usr.tar"),
                &out.join("usr.erofs"),
            )
        })?;
        note_size(step, &made.0.join("usr.erofs"));
        Ok(made)
    })?;
    let root = status.stage("root (ext4)", |_| {
        build.stage("08-root", &key, |out| {
            filesystems::root(
                &tools,
                epoch,
                disk,
                &trees.join("rest.tar"),
                &out.join("root.ext4"),
            )
        })
    })?;
    let initrd = status.stage("initrd", |step| build.initrd(&tools, &kernel, &built, step))?;
    let loader = status.stage("loader (GRUB)", |_| build.loader(&tools, &tools_key))?;
    let esp = status.stage("esp (FAT)", |_| {
        build.esp(&tools, &kernel, &initrd, &loader, &key)
    })?;
    let raw = status.stage("disk", |_| build.disk(&usr, &root, &loader, &esp, &key))?;
    let packed = status.stage("qcow2", |step| {
        let made = build.stage(
            "13-qcow2",
            &key.clone().add("raw", raw.to_string_lossy().as_bytes()),
            |out| qcow2::write(&raw.join("disk.raw"), &out.join("garboard.qcow2")),
        )?;
        note_size(step, &made.0.join("garboard.qcow2"));
        Ok(made)
    })?;
    deliver(&packed.join("garboard.qcow2"), &options.output)?;
    if let Some(path) = &options.raw {
        deliver(&raw.join("disk.raw"), path)?;
    }
    status.say(&format!("built in {:.1} s", status.elapsed().as_secs_f64()));
    Ok(options.output.clone())
}

/// The build tools of the lock, for whoever wants to look into an image.
///
/// # Errors
/// Those of the first three stages.
pub fn tools(options: &Options) -> Result<Tools> {
    let mut status = Status::new(3, options.quiet);
    let build = status.stage("lock", |step| Build::open(options, step))?;
    status.stage("fetch", |step| build.fetch(step))?;
    Ok(status.stage("tools", |_| build.tools())?.0)
}

fn note_size(step: &Step, path: &Path) {
    if let Ok(meta) = fs::metadata(path) {
        let tenths = meta.len() * 10 / (1 << 20);
        step.note(&format!("{}.{} MiB", tenths / 10, tenths % 10));
    }
}

/// Copies (or links, on the same file system) a result to where it is wanted, in one step.
fn deliver(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let beside = to.with_extension(format!("part-{}", std::process::id()));
    fs::copy(from, &beside)
        .and_then(|_| fs::rename(&beside, to))
        .with_context(|| format!("cannot write {}", to.display()))
}

impl<'a> Build<'a> {
    /// Stage 1: manifest and lock, and whether they belong together.
    fn open(options: &'a Options, step: &Step) -> Result<(Self, Origin)> {
        let manifest_path = options.sources.image("manifest.toml");
        let manifest = Manifest::read(&manifest_path)?;
        let manifest_text = fs::read_to_string(&manifest_path)?;
        let groups = manifest.choose_groups(&options.with, &options.without)?;
        let lock_path = options.sources.image("packages.lock");
        let text = fs::read_to_string(&lock_path).with_context(|| {
            format!(
                "cannot read {}; `image-builder lock` makes it",
                lock_path.display()
            )
        })?;
        let all = lock::parse(&lock_path.display().to_string(), &text)?;
        for name in groups.iter().map(String::as_str).chain(["tools"]) {
            let group = manifest
                .groups
                .get(name)
                .with_context(|| format!("the manifest has no group {name}"))?;
            for root in &group.packages {
                let locked = all.iter().any(|package| {
                    package.name == *root
                        && package.groups.iter().any(|of| of == name || of == "base")
                });
                anyhow::ensure!(
                    locked,
                    "{root} of group {name} is not in the lock; run `image-builder lock` and review the difference"
                );
            }
        }
        let packages: Vec<Package> = all
            .into_iter()
            .filter(|package| {
                package.in_any(&groups) || package.groups.iter().any(|group| group == "tools")
            })
            .collect();
        step.note(&format!(
            "{} packages, groups {}",
            packages.len(),
            groups.join(", ")
        ));
        Ok((
            Self {
                options,
                manifest,
                manifest_text,
                groups,
                packages,
            },
            Origin::Made,
        ))
    }

    fn stage(
        &self,
        name: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<(PathBuf, Origin)> {
        let (path, made) = self.options.cache.stage(name, key, make)?;
        Ok((path, Origin::made(made)))
    }

    fn of_groups<'b>(&'b self, groups: &[String]) -> Vec<&'b Package> {
        self.packages
            .iter()
            .filter(|package| package.in_any(groups))
            .collect()
    }

    /// Stage 2: every package is in the cache and is the locked one.
    fn fetch(&self, step: &Step) -> Result<((), Origin)> {
        fetch::all(
            &self.options.cache,
            &self.packages.iter().collect::<Vec<_>>(),
            step,
        )?;
        Ok(((), Origin::Made))
    }

    fn open_packages<'b>(&self, packages: &[&'b Package]) -> Result<Vec<(&'b Package, Deb)>> {
        let opened = merge::open_all(&self.options.cache, packages)?;
        Ok(packages.iter().copied().zip(opened).collect())
    }

    /// Stage 3: the build tools.
    fn tools(&self) -> Result<((Tools, Key), Origin)> {
        let packages = self.of_groups(&["tools".to_owned()]);
        let key = packages.iter().fold(Key::new(), |key, package| {
            key.add(&package.name, &package.sha256)
        });
        let (root, origin) = self.stage("03-tools", &key, |out| {
            let drop = crate::manifest::Drop {
                packages: vec![],
                paths: vec!["etc/pam.d".into()],
                keep: vec![],
            };
            let mut tree = merge::merge(&self.open_packages(&packages)?, &drop)?;
            tree.retain(|path, _| crate::tools::is_wanted(path));
            Tools::install(&tree, out)
        })?;
        Ok(((Tools::at(&root), key), origin))
    }

    /// Stage 4: kernel, its modules, and those of the initrd.
    fn kernel(&self, tools: &Tools, tools_key: &Key, step: &Step) -> Result<(KernelParts, Origin)> {
        let package = self
            .packages
            .iter()
            .find(|package| package.name.starts_with("linux-image-"))
            .context("the lock has no kernel; run `image-builder lock`")?;
        let modules = &self.manifest.modules;
        let mut keep = modules.keep.clone();
        for group in &self.groups {
            keep.extend(
                self.manifest
                    .groups
                    .get(group)
                    .into_iter()
                    .flat_map(|group| group.modules.clone()),
            );
        }
        let key = Key::new()
            .add("kernel", &package.sha256)
            .add("tools", tools_key.text())
            .add(
                "modules",
                format!("{keep:?} {:?} {:?}", modules.except, modules.initrd),
            );
        let (folder, origin) = self.stage("04-kernel", &key, |out| {
            let mut opened = self.open_packages(&[package])?;
            let (_, deb) = opened.pop().context("kernel package")?;
            let mut tree = Tree::default();
            for (path, node) in deb.files {
                let path = path
                    .strip_prefix("lib/")
                    .map_or_else(|| path.clone(), |rest| format!("usr/lib/{rest}"));
                tree.put(&path, node);
            }
            let work = out.join("work");
            let parts = kernel::take(&tree, &keep, &modules.except, &modules.initrd, tools, &work)?;
            fs::remove_dir_all(&work)?;
            fs::write(out.join("vmlinuz"), &parts.vmlinuz)?;
            fs::write(out.join("release"), &parts.release)?;
            fs::write(
                out.join("modules.tar"),
                tar::write(&parts.modules, self.manifest.image.epoch)?,
            )?;
            fs::write(
                out.join("initrd.tar"),
                tar::write(&parts.initrd, self.manifest.image.epoch)?,
            )?;
            Ok(())
        })?;
        step.note(&fs::read_to_string(folder.join("release"))?);
        Ok((KernelParts { folder, key }, origin))
    }

    /// Stage 5: our programs.
    fn programs(&self, step: &Step) -> Result<(Built, Origin)> {
        let wanted = &self.manifest.programs;
        let built = match &self.options.programs {
            Some(folder) => programs::take(folder, wanted)?,
            None => programs::build(
                &self.options.sources.root,
                wanted,
                &self.options.cache.folder("cargo")?,
                step,
            )?,
        };
        let bytes: usize = built.values().map(Vec::len).sum();
        step.note(&format!("{} programs, {} KiB", built.len(), bytes / 1024));
        Ok((built, Origin::Made))
    }

    /// Stage 6: everything in its place, cut into `/usr` and the rest.
    fn root(
        &self,
        kernel: &KernelParts,
        built: &Built,
        step: &Step,
    ) -> Result<((PathBuf, Key), Origin)> {
        let sources = &self.options.sources;
        let packages: Vec<&Package> = self
            .of_groups(&self.groups)
            .into_iter()
            .filter(|package| !package.name.starts_with("linux-image-"))
            .collect();
        let mut key = Key::new()
            .add("manifest", &self.manifest_text)
            .add("groups", self.groups.join(" "))
            .add("kernel", kernel.key.text())
            .add_folder(&sources.image("rootfs"))?
            .add_folder(&sources.image("units"))?
            .add_file(&sources.image("grub.cfg"))?;
        for package in &packages {
            key = key.add(&package.name, &package.sha256);
        }
        for (name, bytes) in built {
            key = key.add(name, bytes);
        }
        let (folder, origin) = self.stage("06-root", &key, |out| {
            let epoch = self.manifest.image.epoch;
            let mut root = self.assemble(&packages, kernel, built, step)?;
            let usr = root.split_off("usr");
            step.note(&format!(
                "/usr {} entries, {} KiB; rest {} KiB",
                usr.len(),
                usr.size() / 1024,
                root.size() / 1024
            ));
            fs::write(out.join("usr.tar"), tar::write(&usr, epoch)?)?;
            fs::write(out.join("rest.tar"), tar::write(&root, epoch)?)?;
            Ok(())
        })?;
        Ok(((folder, key), origin))
    }

    fn assemble(
        &self,
        packages: &[&Package],
        kernel: &KernelParts,
        built: &Built,
        step: &Step,
    ) -> Result<Tree> {
        let manifest = &self.manifest;
        let sources = &self.options.sources;
        step.note("unpack");
        let opened = self.open_packages(packages)?;
        step.note("merge");
        let mut root = merge::merge(&opened, &manifest.drop)?;
        drop(opened);
        let mut files = overlay::read(&sources.image("rootfs"))?;
        let mut shipped = overlay::read(&sources.image("units"))?;
        for (units, paths) in manifest.left_out(&self.groups) {
            for (tree, paths) in [(&mut shipped, units), (&mut files, paths)] {
                for path in paths {
                    anyhow::ensure!(
                        tree.remove(path),
                        "manifest [groups]: there is no {path} to leave out"
                    );
                }
            }
        }
        overlay::lay(&files, &mut root, "");
        step.note("fix-ups");
        fixups::apply(&mut root, manifest)?;
        tar::read(
            &fs::read(kernel.folder.join("modules.tar"))?,
            |path, node| {
                if path != "." && root.get(&path).is_none() {
                    root.put(&path, node);
                }
                Ok(())
            },
        )?;
        units::install(&mut root, &shipped, &manifest.units_of(&self.groups))?;
        programs::install(&mut root, &manifest.programs, built)?;
        overlay::set_attributes(&mut root, &manifest.attributes)?;
        root.prune_empty("usr/share");
        root.prune_empty("usr/lib");
        step.note("checks");
        units::check(&root)?;
        elf::check(&root)?;
        factory(&mut root);
        Ok(root)
    }

    /// Stage 9: our init and the modules that lead to the root.
    fn initrd(
        &self,
        tools: &Tools,
        kernel: &KernelParts,
        built: &Built,
        step: &Step,
    ) -> Result<(PathBuf, Origin)> {
        let init = built
            .get("init")
            .context("manifest [[programs]] has no init")?;
        let key = Key::new()
            .add("kernel", kernel.key.text())
            .add("init", init);
        let made = self.stage("09-initrd", &key, |out| {
            let mut modules = Tree::default();
            tar::read(
                &fs::read(kernel.folder.join("initrd.tar"))?,
                |path, node| {
                    if path != "." {
                        modules.put(&path, node);
                    }
                    Ok(())
                },
            )?;
            let plain = out.join("initrd.cpio");
            fs::write(&plain, initrd::archive(&initrd::tree(init, &modules)?)?)?;
            let mut pack = tools.command("zstd", self.manifest.image.epoch)?;
            run(pack
                .args(["-q", "-19", "--single-thread", "--rm", "-o"])
                .arg(out.join("initrd"))
                .arg(&plain))?;
            Ok(())
        })?;
        note_size(step, &made.0.join("initrd"));
        Ok(made)
    }

    /// Stage 10: GRUB for both firmwares.
    fn loader(&self, tools: &Tools, tools_key: &Key) -> Result<(PathBuf, Origin)> {
        let early = self.options.sources.image("grub-early.cfg");
        let key = Key::new().add("tools", tools_key.text()).add_file(&early)?;
        self.stage("10-loader", &key, |out| {
            esp::grub(tools, self.manifest.image.epoch, &early, out)
        })
    }

    /// Stage 11: the EFI system partition, with slot A's kernel and initrd.
    fn esp(
        &self,
        tools: &Tools,
        kernel: &KernelParts,
        initrd: &Path,
        loader: &Path,
        key: &Key,
    ) -> Result<(PathBuf, Origin)> {
        let config = fs::read_to_string(self.options.sources.image("grub.cfg"))?;
        let config = config.replace("@PARAMETERS@", &self.manifest.kernel.parameters.join(" "));
        let key = key
            .clone()
            .add("initrd", initrd.to_string_lossy().as_bytes())
            .add("loader", loader.to_string_lossy().as_bytes());
        self.stage("11-esp", &key, |out| {
            let files = [
                (
                    "EFI/BOOT/BOOTX64.EFI",
                    fs::read(loader.join("BOOTX64.EFI"))?,
                ),
                ("grub/grub.cfg", config.into_bytes()),
                ("grub/grubenv", esp::environment()),
                ("A/vmlinuz", fs::read(kernel.folder.join("vmlinuz"))?),
                ("A/initrd", fs::read(initrd.join("initrd"))?),
            ];
            esp::esp(
                tools,
                self.manifest.image.epoch,
                self.manifest.disk.esp_mib,
                &files,
                out,
                &out.join("esp.fat"),
            )
        })
    }

    /// Stage 12: partitions in their places.
    fn disk(
        &self,
        usr: &Path,
        root: &Path,
        loader: &Path,
        esp: &Path,
        key: &Key,
    ) -> Result<(PathBuf, Origin)> {
        let sizes = &self.manifest.disk;
        let mut key = key.clone();
        for part in [usr, root, loader, esp] {
            key = key.add("part", part.to_string_lossy().as_bytes());
        }
        self.stage("12-disk", &key, |out| {
            let (core, esp) = (loader.join("core.img"), esp.join("esp.fat"));
            let (usr, root) = (usr.join("usr.erofs"), root.join("root.ext4"));
            let partitions = [
                Partition {
                    label: "BIOS",
                    purpose: Purpose::BiosBoot,
                    mib: 1,
                    content: Some(&core),
                },
                Partition {
                    label: "ESP",
                    purpose: Purpose::Esp,
                    mib: sizes.esp_mib,
                    content: Some(&esp),
                },
                Partition {
                    label: "USR-A",
                    purpose: Purpose::Usr,
                    mib: sizes.usr_mib,
                    content: Some(&usr),
                },
                Partition {
                    label: "USR-B",
                    purpose: Purpose::Usr,
                    mib: sizes.usr_mib,
                    content: None,
                },
                Partition {
                    label: "ROOT",
                    purpose: Purpose::Root,
                    mib: sizes.root_mib,
                    content: Some(&root),
                },
            ];
            disk::write(
                &out.join("disk.raw"),
                &sizes.guid,
                &partitions,
                &fs::read(loader.join("boot.img"))?,
            )
        })
    }
}

/// `/etc` as shipped, once more in `/usr`: what a later image takes missing files from, and what shows
/// an administrator how a file was. Files with secrets are left out.
fn factory(root: &mut Tree) {
    const SECRET: [&str; 2] = ["shadow", "gshadow"];
    let shipped: Vec<(String, Node)> = root
        .below("etc")
        .filter(|(path, _)| !SECRET.contains(path))
        .map(|(path, node)| (path.to_owned(), node.clone()))
        .collect();
    for (path, node) in shipped {
        root.put(&format!("usr/share/factory/etc/{path}"), node);
    }
}
