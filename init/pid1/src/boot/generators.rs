//! Units that are made from other things at each start: /etc/fstab, the consoles, the kernel
//! command line. Facts in, files (path below /run/systemd, text or link) out; `run` writes them.

use std::fs;
use std::path::Path;

use unit_file::escape::escape_path;

use super::Place;
use crate::cmdline::Cmdline;

/// A file to be made below /run/systemd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// A file with its text.
    Text(String, String),
    /// A link.
    Link(String, String),
}

/// `/dev/disk/by-label/x` and the like for what fstab may write in its first column.
fn device(spec: &str) -> String {
    for (key, folder) in [
        ("LABEL=", "by-label"),
        ("UUID=", "by-uuid"),
        ("PARTLABEL=", "by-partlabel"),
        ("PARTUUID=", "by-partuuid"),
    ] {
        if let Some(value) = spec.strip_prefix(key) {
            return format!("/dev/disk/{folder}/{}", value.trim_matches('"'));
        }
    }
    spec.to_owned()
}

/// fstab writes blanks and the like as `\ooo`.
fn unescape(word: &str) -> String {
    word.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

/// Mount and swap units of /etc/fstab.
pub(crate) fn fstab(text: &str) -> Vec<Made> {
    let mut made = Vec::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [what, place, kind, rest @ ..] = fields.as_slice() else {
            continue;
        };
        let options = rest.first().copied().unwrap_or("defaults");
        let checked = rest.get(2).is_some_and(|pass| *pass != "0");
        entry(
            &mut made,
            &device(&unescape(what)),
            &unescape(place),
            (kind, options),
            checked,
        );
    }
    made
}

fn entry(
    made: &mut Vec<Made>,
    what: &str,
    place: &str,
    (kind, options): (&str, &str),
    checked: bool,
) {
    let words: Vec<&str> = options.split(',').collect();
    let has = |word: &str| words.contains(&word);
    let kept: Vec<&str> = words
        .iter()
        .copied()
        .filter(|word| {
            !["noauto", "auto", "nofail", "defaults", "_netdev"].contains(word)
                && !word.starts_with("x-systemd.")
        })
        .collect();
    let swap = kind == "swap";
    // The root and /usr are mounted already, and the initramfs decides about them.
    if !swap && (place == "/" || place == "/usr" || place == "none") {
        return;
    }
    let (suffix, target) = if swap {
        ("swap", "swap.target")
    } else if has("_netdev") || ["nfs", "nfs4", "cifs", "ceph", "glusterfs"].contains(&kind) {
        ("mount", "remote-fs.target")
    } else {
        ("mount", "local-fs.target")
    };
    let Some(escaped) = escape_path(if swap { what } else { place }) else {
        return;
    };
    let name = format!("{escaped}.{suffix}");
    let mut unit = String::from("# Made from /etc/fstab.\n[Unit]\nSourcePath=/etc/fstab\n");
    if !has("nofail") {
        unit.push_str(&format!("Before={target}\n"));
    }
    for word in &words {
        if let Some(unit_name) = word.strip_prefix("x-systemd.requires=") {
            unit.push_str(&format!("Requires={unit_name}\nAfter={unit_name}\n"));
        }
        if let Some(unit_name) = word.strip_prefix("x-systemd.after=") {
            unit.push_str(&format!("After={unit_name}\n"));
        }
    }
    if checked
        && !swap
        && what.starts_with("/dev/")
        && let Some(device) = escape_path(what)
    {
        let fsck = format!("systemd-fsck@{device}.service");
        unit.push_str(&format!("Wants={fsck}\nAfter={fsck}\n"));
    }
    if swap {
        unit.push_str(&format!("\n[Swap]\nWhat={what}\n"));
    } else {
        unit.push_str(&format!("\n[Mount]\nWhat={what}\nWhere={place}\n"));
        if kind != "auto" {
            unit.push_str(&format!("Type={kind}\n"));
        }
    }
    if !kept.is_empty() {
        unit.push_str(&format!("Options={}\n", kept.join(",")));
    }
    if let Some(time) = words
        .iter()
        .find_map(|word| word.strip_prefix("x-systemd.mount-timeout="))
    {
        unit.push_str(&format!("TimeoutSec={time}\n"));
    }
    made.push(Made::Text(format!("generator/{name}"), unit));
    if !has("noauto") {
        let kind = if has("nofail") { "wants" } else { "requires" };
        made.push(Made::Link(
            format!("generator/{target}.{kind}/{name}"),
            format!("../{name}"),
        ));
    }
}

/// Makes all of them anew.
pub(crate) fn run(cmdline: &Cmdline, place: Place) {
    let base = Path::new("/run/systemd");
    for folder in ["generator", "generator.early", "generator.late"] {
        let _ = fs::remove_dir_all(base.join(folder));
        let _ = fs::create_dir_all(base.join(folder));
    }
    let mut made = Vec::new();
    if place == Place::Machine {
        made.extend(fstab(&fs::read_to_string("/etc/fstab").unwrap_or_default()));
        let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
        made.extend(gettys(&active));
        made.extend(from_cmdline(cmdline));
    }
    for file in made {
        if let Err(e) = write(base, &file) {
            crate::say::log(
                crate::say::Level::Warning,
                &format!("cannot make {file:?}: {e}"),
            );
        }
    }
}

fn write(base: &Path, file: &Made) -> std::io::Result<()> {
    let (Made::Text(path, _) | Made::Link(path, _)) = file;
    let path = base.join(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match file {
        Made::Text(_, text) => fs::write(path, text),
        Made::Link(_, target) => match std::os::unix::fs::symlink(target, path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        },
    }
}

/// Logins on the consoles that the kernel prints to, as getty.target wants them. Who logs in there
/// without a password (`coreos.autologin`) is decided by the program of those units.
pub(crate) fn gettys(active: &str) -> Vec<Made> {
    let mut made = Vec::new();
    for tty in active.split_whitespace().filter(|tty| *tty != "tty0") {
        let screen = tty
            .strip_prefix("tty")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()));
        let template = if screen { "getty" } else { "serial-getty" };
        made.push(Made::Link(
            format!("generator/getty.target.wants/{template}@{tty}.service"),
            format!("/usr/lib/systemd/system/{template}@.service"),
        ));
    }
    made
}

/// The target that the kernel command line asks for, if it asks.
pub(crate) fn default_target(cmdline: &Cmdline) -> Option<String> {
    if let Some(unit) = cmdline.value("systemd.unit") {
        return Some(unit.to_owned());
    }
    let word = cmdline
        .words()
        .iter()
        .rev()
        .find_map(|word| match word.as_str() {
            "single" | "1" | "s" | "S" | "rescue" | "-s" => Some("rescue.target"),
            "emergency" | "-b" => Some("emergency.target"),
            "2" | "3" | "4" => Some("multi-user.target"),
            "5" => Some("graphical.target"),
            _ => None,
        });
    word.map(str::to_owned)
}

/// Units masked or wanted by the kernel command line, and the debug shell.
pub(crate) fn from_cmdline(cmdline: &Cmdline) -> Vec<Made> {
    let full = |name: &str| {
        if name.contains('.') {
            name.to_owned()
        } else {
            format!("{name}.service")
        }
    };
    let mut made = Vec::new();
    for name in cmdline.values("systemd.mask") {
        made.push(Made::Link(
            format!("generator.early/{}", full(name)),
            "/dev/null".to_owned(),
        ));
    }
    let target = default_target(cmdline).unwrap_or_else(|| "default.target".to_owned());
    for name in cmdline.values("systemd.wants") {
        let name = full(name);
        made.push(Made::Link(
            format!("generator.early/{target}.wants/{name}"),
            format!("/usr/lib/systemd/system/{name}"),
        ));
    }
    made
}

#[cfg(test)]
mod tests {
    use super::{Made, default_target, from_cmdline, fstab, gettys};
    use crate::cmdline::Cmdline;

    #[test]
    fn a_line_of_fstab_becomes_a_mount_unit_that_its_target_requires() {
        let made = fstab("# c\nLABEL=data /var/lib/docker ext4 defaults,noatime 0 2\n");
        let [Made::Text(path, text), Made::Link(link, to)] = made.as_slice() else {
            panic!("{made:?}")
        };
        assert_eq!(path, "generator/var-lib-docker.mount");
        assert!(
            text.contains(
                "What=/dev/disk/by-label/data\nWhere=/var/lib/docker\nType=ext4\nOptions=noatime\n"
            ),
            "{text}"
        );
        assert!(text.contains("Before=local-fs.target\n"));
        assert_eq!(
            (link.as_str(), to.as_str()),
            (
                "generator/local-fs.target.requires/var-lib-docker.mount",
                "../var-lib-docker.mount"
            )
        );
    }

    #[test]
    fn nofail_is_only_wanted_and_noauto_not_even_that() {
        let made = fstab("/dev/vdb /a auto nofail 0 0\n/dev/vdc /b auto noauto 0 0\n");
        assert!(made.iter().any(
            |m| matches!(m, Made::Link(l, _) if l == "generator/local-fs.target.wants/a.mount")
        ));
        assert!(
            !made
                .iter()
                .any(|m| matches!(m, Made::Link(l, _) if l.contains("b.mount")))
        );
    }

    #[test]
    fn the_root_itself_is_left_to_the_initramfs() {
        assert_eq!(fstab("LABEL=ROOT / ext4 defaults 0 1\n"), vec![]);
    }

    #[test]
    fn each_console_gets_a_login() {
        let made = gettys("tty0 ttyS0");
        assert_eq!(made.len(), 1);
        assert!(matches!(&made[0], Made::Link(l, _) if l.ends_with("/serial-getty@ttyS0.service")));
    }

    #[test]
    fn the_command_line_chooses_the_target_and_masks_units() {
        let line = Cmdline::parse("quiet single systemd.mask=docker systemd.wants=x.service");
        assert_eq!(default_target(&line).as_deref(), Some("rescue.target"));
        assert_eq!(from_cmdline(&line).len(), 2);
        assert_eq!(
            default_target(&Cmdline::parse("systemd.unit=emergency.target single")).as_deref(),
            Some("emergency.target")
        );
    }
}
