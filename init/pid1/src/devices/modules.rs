//! Kernel modules by modalias or by name, from modules.dep and modules.alias, without kmod.
//!
//! One process per device would cost a fork and an exec each; this reads the two
//! tables once and calls `finit_module` itself. The initramfs keeps its few modules in one flat
//! folder, the real root in /usr/lib/modules/RELEASE: the same tables, the same code.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The tables of one kernel, and what was loaded already.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    folder: PathBuf,
    files: HashMap<String, String>,
    needs: HashMap<String, Vec<String>>,
    aliases: Vec<(String, String)>,
    denied: HashSet<String>,
    done: HashSet<String>,
}

fn plain_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split(".ko").next().unwrap_or(file);
    stem.replace('-', "_")
}

impl Modules {
    /// Reads the tables of a folder; missing ones count as empty.
    pub(crate) fn read(folder: &Path) -> Modules {
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let mut modules = Modules {
            folder: folder.to_owned(),
            ..Modules::default()
        };
        modules.parse(&text("modules.dep"), &text("modules.alias"));
        modules
    }

    /// The tables of the running kernel.
    pub(crate) fn of_running_kernel() -> Modules {
        let name = rustix::system::uname();
        let release = name.release().to_string_lossy().into_owned();
        let mut modules = Modules::read(&Path::new("/usr/lib/modules").join(release));
        modules.read_denied();
        modules
    }

    fn parse(&mut self, dep: &str, alias: &str) {
        for line in dep.lines() {
            let Some((file, needs)) = line.split_once(':') else {
                continue;
            };
            let name = plain_name(file);
            self.needs.insert(
                name.clone(),
                needs.split_whitespace().map(plain_name).collect(),
            );
            self.files.insert(name, file.to_owned());
        }
        for line in alias.lines() {
            let mut words = line.split_whitespace();
            if let (Some("alias"), Some(pattern), Some(name)) =
                (words.next(), words.next(), words.next())
            {
                self.aliases
                    .push((pattern.to_owned(), name.replace('-', "_")));
            }
        }
    }

    /// `blacklist NAME` lines of modprobe.d: such modules are loaded by name only.
    fn read_denied(&mut self) {
        for folder in ["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d"] {
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            for entry in entries
                .flatten()
                .filter(|e| e.path().extension().is_some_and(|x| x == "conf"))
            {
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                let names = text
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("blacklist "));
                self.denied
                    .extend(names.map(|name| name.trim().replace('-', "_")));
            }
        }
    }

    /// Modules that claim a device, in the table's order.
    pub(crate) fn claiming(&self, modalias: &str) -> Vec<String> {
        self.aliases
            .iter()
            .filter(|(pattern, name)| !self.denied.contains(name) && matches(pattern, modalias))
            .map(|(_, name)| name.clone())
            .collect()
    }

    /// Loads the modules that claim any of these devices, if `wanted` takes them. Returns how many
    /// modules were loaded now.
    pub(crate) fn load_for(
        &mut self,
        modaliases: &[String],
        wanted: impl Fn(&str) -> bool,
    ) -> usize {
        let mut loaded = 0;
        for alias in modaliases.iter().filter(|alias| !alias.starts_with("cpu:")) {
            for name in self.claiming(alias) {
                if wanted(&name) && !self.done.contains(&name) && self.load(&name).unwrap_or(false)
                {
                    loaded += 1;
                }
            }
        }
        loaded
    }

    /// Loads a module and what it needs; true if it is new, false if it was there or is built in.
    ///
    /// # Errors
    /// A module file that cannot be read, or the kernel's refusal.
    pub(crate) fn load(&mut self, name: &str) -> io::Result<bool> {
        let name = name.replace('-', "_");
        if !self.done.insert(name.clone()) || Path::new("/sys/module").join(&name).is_dir() {
            return Ok(false);
        }
        let Some(file) = self.files.get(&name).cloned() else {
            return Ok(false);
        };
        // modules.dep lists everything, the last one first to be loaded.
        for need in self
            .needs
            .get(&name)
            .cloned()
            .unwrap_or_default()
            .iter()
            .rev()
        {
            if let Err(e) = self.load(need) {
                crate::say::log(
                    crate::say::Level::Warning,
                    &format!("module {need}, needed by {name}: {e}"),
                );
            }
        }
        insert(&self.path(&file))
    }

    /// Whether the tables know a module of this name.
    #[cfg(test)]
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.files.contains_key(&name.replace('-', "_"))
    }

    fn path(&self, file: &str) -> PathBuf {
        let listed = self.folder.join(file);
        if listed.exists() {
            return listed;
        }
        // The initramfs keeps all of them side by side, whatever depmod wrote.
        self.folder.join(file.rsplit('/').next().unwrap_or(file))
    }
}

fn insert(path: &Path) -> io::Result<bool> {
    const COMPRESSED: i32 = 4;
    let file = File::open(path)?;
    let packed = path.extension().is_some_and(|x| x != "ko");
    let flags = if packed { COMPRESSED } else { 0 };
    match rustix::system::finit_module(&file, c"", flags) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::EXIST) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Glob match with `*`, `?` and `[a-b]`, as modules.alias uses them.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    glob(pattern.as_bytes(), text.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            // A star before plain text: only places where that text begins can match.
            rest.is_empty()
                || (0..=text.len()).any(|at| text.get(at..).is_some_and(|tail| glob(rest, tail)))
        }
        (Some((b'?', rest)), Some((_, tail))) => glob(rest, tail),
        (Some((b'[', rest)), Some((c, tail))) => match rest.iter().position(|b| *b == b']') {
            Some(end) => {
                let (set, after) = rest.split_at(end);
                in_set(set, *c) && glob(after.get(1..).unwrap_or_default(), tail)
            }
            None => false,
        },
        (Some((a, rest)), Some((b, tail))) => a == b && glob(rest, tail),
        _ => false,
    }
}

fn in_set(set: &[u8], c: u8) -> bool {
    match set {
        [low, b'-', high, rest @ ..] => (*low..=*high).contains(&c) || in_set(rest, c),
        [one, rest @ ..] => *one == c || in_set(rest, c),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Modules, matches};

    #[test]
    fn aliases_match_by_star_question_mark_and_range() {
        assert!(matches("virtio:d00000002v*", "virtio:d00000002v00001AF4"));
        assert!(!matches("virtio:d00000002v*", "virtio:d00000001v00001AF4"));
        assert!(matches(
            "pci:v*d*sv*sd*bc01sc06i01*",
            "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01"
        ));
        assert!(matches("scsi:t-0x0[0-7]*", "scsi:t-0x05"));
        assert!(matches("acpi*:LNXPWRBN:*", "acpi:LNXPWRBN:"));
    }

    #[test]
    fn the_tables_give_the_modules_of_a_device_and_their_needs() {
        let mut modules = Modules::default();
        modules.parse(
            "kernel/drivers/scsi/sd_mod.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz\nkernel/drivers/scsi/scsi_mod.ko.xz:\n",
            "# comment\nalias scsi:t-0x00* sd_mod\n",
        );
        assert_eq!(modules.claiming("scsi:t-0x00"), vec!["sd_mod".to_owned()]);
        assert!(modules.knows("sd-mod") && modules.knows("scsi_mod"));
        assert_eq!(
            modules.needs.get("sd_mod").unwrap(),
            &vec!["scsi_mod".to_owned()]
        );
    }
}
