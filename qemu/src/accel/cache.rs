//! What was learnt about KVM on this host, kept in the user's cache folder until anything about the host changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{Accel, Choice};

/// Raise it when the probe changes what it asks.
const PROBE: u32 = 1;
const OLDEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// Everything that an answer about KVM depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts(Vec<String>);

impl Facts {
    /// The facts of this host at present.
    #[must_use]
    pub fn of_this_host() -> Facts {
        let read = |path: &str| {
            fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let cpu = read("/proc/cpuinfo");
        let line = |key: &str| {
            cpu.lines()
                .find(|line| line.starts_with(key))
                .unwrap_or_default()
                .to_owned()
        };
        let file = |path: &Path| {
            fs::metadata(path).map_or_else(
                |_| format!("{} absent", path.display()),
                |m| {
                    format!(
                        "{} {} {} {} {:o} {}",
                        path.display(),
                        m.dev(),
                        m.ino(),
                        m.len(),
                        m.mode(),
                        m.mtime()
                    )
                },
            )
        };
        Facts(vec![
            format!("probe {PROBE}"),
            read("/proc/sys/kernel/random/boot_id"),
            read("/proc/sys/kernel/osrelease"),
            line("model name"),
            line("microcode"),
            file(&qemu()),
            file(Path::new("/dev/kvm")),
        ])
    }

    /// The same facts with one of them changed: for tests of the cache.
    #[must_use]
    pub fn changed(mut self, index: usize) -> Facts {
        if let Some(fact) = self.0.get_mut(index) {
            fact.push('!');
        }
        self
    }
}

fn qemu() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join("qemu-system-x86_64"))
        .find(|file| file.exists());
    found.unwrap_or_else(|| "qemu-system-x86_64".into())
}

/// The cache.
#[derive(Clone, Debug)]
pub struct Cache {
    file: PathBuf,
}

impl Cache {
    /// The user's own.
    #[must_use]
    pub fn of_the_user() -> Cache {
        Cache::in_folder(&Cache::folder_of_the_user())
    }

    /// Where the project keeps what can be made again.
    pub(crate) fn folder_of_the_user() -> PathBuf {
        let home = || {
            std::env::var_os("HOME")
                .map_or_else(std::env::temp_dir, PathBuf::from)
                .join(".cache")
        };
        let folder = std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
        folder.join("garboard")
    }

    /// One in a given folder.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Cache {
        Cache {
            file: folder.join("kvm-probe.json"),
        }
    }

    /// What is known for a host with these facts.
    #[must_use]
    pub fn look_up(&self, facts: &Facts) -> Option<Choice> {
        let age = fs::metadata(&self.file).ok()?.modified().ok()?;
        if SystemTime::now().duration_since(age).unwrap_or_default() > OLDEST {
            return None;
        }
        let value: Value = serde_json::from_str(&fs::read_to_string(&self.file).ok()?).ok()?;
        if value.get("facts")? != &json!(facts.0) {
            return None;
        }
        let accel = if value.get("kvm")?.as_bool()? {
            Accel::Kvm
        } else {
            Accel::Tcg
        };
        Some(Choice {
            accel,
            reason: format!("{} (known from before)", value.get("reason")?.as_str()?),
        })
    }

    /// Remembers an answer.
    pub fn keep(&self, facts: &Facts, choice: &Choice) {
        let value =
            json!({ "facts": facts.0, "kvm": choice.accel == Accel::Kvm, "reason": choice.reason });
        // Without a cache the next run probes again.
        if let Some(folder) = self.file.parent() {
            let _ = fs::create_dir_all(folder);
        }
        let _ = fs::write(&self.file, format!("{value:#}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_again_and_refused_when_anything_about_the_host_has_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::in_folder(folder.path());
        let facts = Facts::of_this_host();
        assert_eq!(cache.look_up(&facts), None);
        cache.keep(
            &facts,
            &Choice {
                accel: Accel::Kvm,
                reason: "fast".into(),
            },
        );
        assert_eq!(
            cache.look_up(&facts).map(|choice| choice.accel),
            Some(Accel::Kvm)
        );
        for index in 0..7 {
            assert_eq!(
                cache.look_up(&facts.clone().changed(index)),
                None,
                "fact {index}"
            );
        }
    }

    #[test]
    fn an_old_answer_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::in_folder(folder.path());
        let facts = Facts::of_this_host();
        cache.keep(
            &facts,
            &Choice {
                accel: Accel::Tcg,
                reason: "slow".into(),
            },
        );
        let file = fs::File::options()
            .write(true)
            .open(&cache.file)
            .expect("there");
        file.set_modified(SystemTime::now() - OLDEST - Duration::from_secs(1))
            .expect("made older");
        assert_eq!(cache.look_up(&facts), None);
    }
}
