//! Looks into a finished image: its disk is taken apart again by the locked tools. Our programs are
//! stand-ins here, so that no compiler runs; what they do is seen in the system tests.
//!
//! The packages come from the cache; an empty one is filled first, which needs a mirror.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use image_builder::cache::Cache;
use image_builder::manifest::{Manifest, Sources};
use image_builder::tools::{Tools, run};
use image_builder::{lock, merge, stages};

const SECTOR: u64 = 512;

/// A finished image and what was found in it.
struct Image {
    folder: PathBuf,
    /// Held until the process ends: a runner that gives each test a process of its own would have the next
    /// one write the disk while this one reads it.
    _turn: fs::File,
}

impl Image {
    fn qcow2(&self) -> PathBuf {
        self.folder.join("garboard.qcow2")
    }

    fn raw(&self) -> PathBuf {
        self.folder.join("disk.raw")
    }

    /// A file of the running system: `/usr` is the slot's, everything else the root's.
    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("usr/") {
            Some(rest) => self.folder.join("usr").join(rest),
            None => self.folder.join("root").join(path),
        }
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }
}

fn sources() -> Sources {
    Sources::find(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Files of the names that the manifest asks for. They are no ELF files, so nothing is asked of them.
fn stand_ins(folder: &Path) -> PathBuf {
    let manifest = Manifest::read(&sources().image("manifest.toml")).unwrap();
    let programs = folder.join("programs");
    fs::create_dir_all(&programs).unwrap();
    for program in &manifest.programs {
        fs::write(programs.join(program.name()), "#!/bin/true\n").unwrap();
    }
    programs
}

fn options(folder: &Path) -> stages::Options {
    stages::Options {
        sources: sources(),
        cache: Cache::open(None).unwrap(),
        with: vec![],
        without: vec![],
        output: folder.join("garboard.qcow2"),
        raw: Some(folder.join("disk.raw")),
        programs: Some(stand_ins(folder)),
        quiet: true,
    }
}

/// First and last sector of a partition, by its label, from the primary table.
fn partition(disk: &fs::File, label: &str) -> (u64, u64) {
    let mut entries = vec![0; 128 * 128];
    disk.read_exact_at(&mut entries, 2 * SECTOR).unwrap();
    let number =
        |entry: &[u8], at: usize| u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
    let name = |entry: &[u8]| {
        let units: Vec<u16> = entry[56..]
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        String::from_utf16(&units).unwrap()
    };
    let entry = entries
        .chunks(128)
        .find(|entry| name(entry) == label)
        .unwrap_or_else(|| panic!("no partition {label}"));
    (number(entry, 32), number(entry, 40))
}

fn cut(raw: &Path, label: &str, to: &Path) {
    let disk = fs::File::open(raw).unwrap();
    let (first, last) = partition(&disk, label);
    let mut bytes = vec![0; usize::try_from((last - first + 1) * SECTOR).unwrap()];
    disk.read_exact_at(&mut bytes, first * SECTOR).unwrap();
    fs::write(to, bytes).unwrap();
}

/// Takes the first slot out of `disk.raw`, and its files out of it, into `usr`.
fn extract_usr(tools: &Tools, folder: &Path) {
    let slot = folder.join("usr.erofs");
    cut(&folder.join("disk.raw"), "USR-A", &slot);
    let mut extract = tools.command("fsck.erofs", 0).unwrap();
    extract
        .arg(format!("--extract={}", folder.join("usr").display()))
        .arg("--no-preserve")
        .arg(slot);
    run(&mut extract).unwrap();
}

/// Built once for all tests of this file that share a process, always in the same folder: a static value is
/// never dropped, so that a temporary one would stay, with two gigabytes in it.
fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(place).unwrap();
        let turn = fs::File::create(place.join("image.lock")).unwrap();
        turn.lock().unwrap();
        let folder = place.join("image");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let options = options(&folder);
        stages::build(&options).unwrap();
        let tools = stages::tools(&options).unwrap();
        let at = |name: &str| folder.join(name);
        cut(&at("disk.raw"), "ROOT", &at("root.ext4"));
        cut(&at("disk.raw"), "ESP", &at("esp.fat"));
        extract_usr(&tools, &folder);
        fs::create_dir(at("root")).unwrap();
        let mut dump = tools.command("debugfs", 0).unwrap();
        run(dump
            .arg("-R")
            .arg(format!("rdump / {}", at("root").display()))
            .arg(at("root.ext4")))
        .unwrap();
        run(tools
            .command("e2fsck", 0)
            .unwrap()
            .args(["-f", "-n"])
            .arg(at("root.ext4")))
        .unwrap();
        let mut copy = tools.command("mcopy", 0).unwrap();
        run(copy
            .arg("-i")
            .arg(at("esp.fat"))
            .arg("::grub/grub.cfg")
            .arg(at("grub.cfg")))
        .unwrap();
        Image {
            folder,
            _turn: turn,
        }
    })
}

#[test]
fn i13_nothing_of_another_init_is_in_the_image() {
    let status = image().text(merge::STATUS);
    for name in status
        .lines()
        .filter_map(|line| line.strip_prefix("Package: "))
    {
        let other = [
            "systemd",
            "udev",
            "dbus",
            "apparmor",
            "libnss-systemd",
            "libpam-systemd",
            "sysvinit",
        ];
        assert!(
            !other.iter().any(|other| name.starts_with(other)),
            "{name} is in the image"
        );
    }
    for path in [
        "usr/bin/udevadm",
        "usr/bin/dbus-daemon",
        "usr/sbin/apparmor_parser",
        "usr/lib/udev",
        "usr/bin/systemd-sysusers",
    ] {
        assert!(!image().exists(path), "{path} is in the image");
    }
}

#[test]
fn i14_the_package_database_is_the_lock() {
    let status = image().text(merge::STATUS);
    let locked = lock::parse(
        "packages.lock",
        &fs::read_to_string(sources().image("packages.lock")).unwrap(),
    )
    .unwrap();
    let mut count = 0;
    for stanza in status.split("\n\n").filter(|stanza| !stanza.is_empty()) {
        let field = |name| image_builder::deb::field(stanza, name).unwrap();
        let package = locked
            .iter()
            .find(|package| package.name == field("Package"))
            .unwrap();
        assert_eq!(package.version, field("Version"), "{}", package.name);
        assert_eq!(field("Status"), "install ok installed");
        count += 1;
    }
    assert!(count > 80, "{count} packages");
    let link = fs::read_link(image().path("var/lib/dpkg")).unwrap();
    assert_eq!(link, Path::new("../../usr/lib/garboard/dpkg"));
    let query = Command::new("dpkg-query")
        .args(["-W", "--admindir"])
        .arg(image().path("usr/lib/garboard/dpkg"))
        .output();
    if let Ok(answer) = query {
        assert_eq!(
            String::from_utf8_lossy(&answer.stdout).lines().count(),
            count
        );
    }
}

#[test]
fn i16_the_compressed_image_is_small() {
    let size = fs::metadata(image().qcow2()).unwrap().len();
    assert!(size <= 170_000_000, "{size} bytes");
}

#[test]
fn i16_an_image_without_docker_is_smaller_and_has_none_of_its_units() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.without = vec!["docker".into()];
    stages::build(&options).unwrap();
    let size = fs::metadata(&options.output).unwrap().len();
    assert!(size <= 90_000_000, "{size} bytes");
    extract_usr(&stages::tools(&options).unwrap(), folder.path());
    let usr = folder.path().join("usr");
    assert!(usr.join("lib/systemd/system/sshd.service").exists());
    for absent in [
        "sbin/dockerd",
        "bin/docker",
        "lib/systemd/system/docker.service",
        "lib/systemd/system/docker.socket",
        "lib/systemd/system/multi-user.target.wants/docker-restart.service",
        "lib/sysctl.d/50-docker.conf",
    ] {
        assert!(fs::symlink_metadata(usr.join(absent)).is_err(), "{absent}");
    }
}

#[test]
fn docker_is_complete_starts_by_its_socket_and_brings_nothing_that_is_not_used() {
    for name in [
        "sbin/dockerd",
        "bin/docker",
        "bin/containerd",
        "bin/containerd-shim-runc-v2",
        "sbin/runc",
        "bin/docker-init",
        "sbin/docker-proxy",
        "sbin/iptables",
        "sbin/modprobe",
    ] {
        let path = fs::canonicalize(image().path(&format!("usr/{name}")));
        assert!(path.is_ok_and(|path| path.is_file()), "{name}");
    }
    for absent in [
        "bin/ctr",
        "bin/containerd-shim",
        "bin/containerd-shim-runc-v1",
        "bin/containerd-stress",
        "libexec/docker/cli-plugins",
        "lib/systemd/system/containerd.service",
        "share/bash-completion",
    ] {
        assert!(!image().exists(&format!("usr/{absent}")), "{absent}");
    }
    assert!(image().exists("etc/systemd/system/sockets.target.wants/docker.socket"));
    assert!(!image().exists("etc/systemd/system/multi-user.target.wants/docker.service"));
    let modules = image().text(&format!("usr/lib/modules/{}/modules.dep", release()));
    for module in [
        "overlay",
        "bridge",
        "br_netfilter",
        "veth",
        "nf_tables",
        "nft_compat",
        "nft_chain_nat",
        "nf_conntrack_netlink",
        "xt_addrtype",
        "xt_conntrack",
        "xt_MASQUERADE",
        "xt_nat",
        "xt_tcpudp",
        "xfrm_user",
    ] {
        assert!(modules.contains(&format!("/{module}.ko")), "{module}");
    }
}

/// The kernel's release: the one folder of modules.
fn release() -> String {
    let mut folders = fs::read_dir(image().path("usr/lib/modules")).unwrap();
    folders
        .next()
        .unwrap()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap()
}

#[test]
fn i20_the_last_console_is_the_serial_port() {
    let config = fs::read_to_string(image().folder.join("grub.cfg")).unwrap();
    let line = config
        .lines()
        .find(|line| line.starts_with("set args="))
        .unwrap();
    let last = line
        .split_whitespace()
        .rfind(|word| word.contains("console="))
        .unwrap();
    assert_eq!(last, "console=ttyS0,115200n8");
    assert!(
        line.contains(" panic=10 ") && line.contains(" gpt "),
        "{line}"
    );
    let emergency = image().text("usr/lib/systemd/system/emergency.service");
    assert!(emergency.contains("sulogin --force"));
}

#[test]
fn i09_no_secret_and_nothing_of_one_machine_is_in_the_image() {
    let ssh: Vec<String> = fs::read_dir(image().path("etc/ssh"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("ssh_host_"))
        .collect();
    assert!(ssh.is_empty(), "{ssh:?}");
    assert_eq!(image().text("etc/machine-id"), "");
    assert!(!image().exists("var/lib/systemd/random-seed"));
    for line in image().text("etc/shadow").lines() {
        assert_eq!(line.split(':').nth(1), Some("*"), "{line}");
    }
}

#[test]
fn core_may_do_what_the_tutorial_does() {
    let group = image().text("etc/group");
    for name in ["sudo", "docker", "fleet", "systemd-journal"] {
        let line = group
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))
            .unwrap();
        assert!(line.ends_with(":core"), "{line}");
    }
    assert!(
        image()
            .text("etc/passwd")
            .contains("core:x:500:500:Administrator:/home/core:/bin/bash")
    );
    assert_eq!(
        image().text("etc/environment"),
        "",
        "units name it without a dash: it has to be there"
    );
    assert!(
        image()
            .text("etc/sudoers.d/core")
            .contains("core ALL=(ALL) NOPASSWD: ALL")
    );
    assert!(image().exists("home/core/.bashrc"));
}

#[test]
fn ssh_serves_by_a_daemon_and_the_socket_is_shipped_disabled() {
    let units = "usr/lib/systemd/system";
    for name in [
        "sshd.service",
        "ssh.service",
        "sshd.socket",
        "sshd@.service",
        "sshd-keygen.service",
        "etcd2.service",
        "flanneld.service",
    ] {
        assert!(image().exists(&format!("{units}/{name}")), "{name}");
    }
    assert!(image().exists("etc/systemd/system/multi-user.target.wants/sshd.service"));
    assert!(!image().exists("etc/systemd/system/sockets.target.wants/sshd.socket"));
    assert!(!image().exists("etc/systemd/system/multi-user.target.wants/etcd2.service"));
    assert!(
        !image().exists(&format!("{units}/fleet.service")),
        "it would be a stub"
    );
    assert!(
        image()
            .text("usr/lib/systemd/system-preset/99-default.preset")
            .ends_with("disable *\n")
    );
}

#[test]
fn both_partition_tables_are_valid_and_there_are_two_slots() {
    let disk = fs::File::open(image().raw()).unwrap();
    let (a, b, root) = (
        partition(&disk, "USR-A"),
        partition(&disk, "USR-B"),
        partition(&disk, "ROOT"),
    );
    assert_eq!(a.1 - a.0, b.1 - b.0, "an update of one slot fits the other");
    let sectors = disk.metadata().unwrap().len() / SECTOR;
    assert!(
        root.1 > b.1 && sectors - root.1 < 4096,
        "the root is last: it grows"
    );
    if let Ok(answer) = Command::new("sgdisk").arg("-v").arg(image().raw()).output() {
        let said = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(said.contains("No problems found"), "{said}");
    }
    if let Ok(answer) = Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "qcow2"])
        .args([image().raw(), image().qcow2()])
        .output()
    {
        assert!(
            answer.status.success(),
            "{}",
            String::from_utf8_lossy(&answer.stdout)
        );
    }
}

#[test]
fn i07_a_warm_cache_needs_no_network() {
    let first = image();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("again.qcow2");
    let answer = Command::new(env!("CARGO_BIN_EXE_image-builder"))
        .args(["build", "--quiet", "--programs"])
        .arg(stand_ins(folder.path()))
        .arg("--output")
        .arg(&output)
        .current_dir(&sources().root)
        .env("GARBOARD_MIRROR", "http://127.0.0.1:9/nothing")
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&answer.stdout).trim(),
        output.to_str().unwrap()
    );
    assert!(
        fs::read(&output).unwrap() == fs::read(first.qcow2()).unwrap(),
        "the same image"
    );
}

#[test]
#[ignore = "minutes: builds everything anew twice and compares (make full)"]
fn i06_builds_in_two_folders_and_as_an_ordinary_user_are_equal() {
    let base = tempfile::tempdir().unwrap();
    let raw: Vec<Vec<u8>> = ["one", "two"]
        .iter()
        .map(|name| {
            let folder = base.path().join(name);
            copy_work_tree(&sources().root, &folder.join("tree"));
            let cache = folder.join("cache");
            copy_packages(&cache);
            build_in(&folder.join("tree"), &cache, &folder, None);
            fs::read(folder.join("disk.raw")).unwrap()
        })
        .collect();
    assert!(raw[0] == raw[1], "two folders, two disks");
    // The ordinary user's compiler may not be reachable for others; its programs are the same ones.
    let one = base.path().join("one/cache/cargo");
    let programs = base.path().join("programs");
    fs::create_dir(&programs).unwrap();
    for program in &Manifest::read(&sources().image("manifest.toml"))
        .unwrap()
        .programs
    {
        let place = if program.is_static {
            "static/x86_64-unknown-linux-gnu/pid1"
        } else {
            "dynamic/x86_64-unknown-linux-gnu/release"
        };
        let built = one.join(place).join(program.name());
        fs::copy(built, programs.join(program.name())).unwrap();
    }
    let folder = base.path().join("user");
    copy_packages(&folder.join("cache"));
    build_in(
        &base.path().join("one/tree"),
        &folder.join("cache"),
        &folder,
        Some(&programs),
    );
    assert!(
        fs::read(folder.join("disk.raw")).unwrap() == raw[0],
        "as another user, another disk"
    );
}

fn copy_work_tree(from: &Path, to: &Path) {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(from)
        .output()
        .unwrap();
    for name in listed
        .stdout
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let name = std::str::from_utf8(name).unwrap();
        let target = to.join(name);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(name), target).unwrap();
    }
}

fn copy_packages(cache: &Path) {
    fs::create_dir_all(cache.join("packages")).unwrap();
    for entry in fs::read_dir(Cache::open(None).unwrap().folder("packages").unwrap()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), cache.join("packages").join(entry.file_name())).unwrap();
    }
}

/// Builds; with programs given as an ordinary user when that can be arranged, else as whoever this is.
fn build_in(tree: &Path, cache: &Path, out: &Path, programs: Option<&Path>) {
    let builder = env!("CARGO_BIN_EXE_image-builder");
    let mut command = Command::new(builder);
    if let Some(programs) = programs {
        let owner = Command::new("chown")
            .args(["-R", "65534:65534"])
            .arg(out)
            .status();
        if owner.is_ok_and(|status| status.success()) {
            let base = out.parent().unwrap();
            let copy = base.join("image-builder");
            fs::copy(builder, &copy).unwrap();
            for path in [base, programs, tree] {
                Command::new("chmod")
                    .args(["-R", "a+rX"])
                    .arg(path)
                    .status()
                    .unwrap();
            }
            command = Command::new("setpriv");
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(copy);
        }
        command
            .args(["build", "--quiet", "--programs"])
            .arg(programs);
    } else {
        command.args(["build", "--quiet"]);
    }
    command
        .arg("--source")
        .arg(tree)
        .arg("--cache")
        .arg(cache)
        .arg("--output")
        .arg(out.join("garboard.qcow2"));
    let answer = command
        .arg("--raw")
        .arg(out.join("disk.raw"))
        .current_dir("/")
        .output()
        .unwrap();
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
}
