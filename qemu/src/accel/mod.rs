//! KVM or emulation: KVM counts only when it has just booted the project's own kernel, sound and fast, and the answer
//! is kept for as long as the host is the same. A `/dev/kvm` that opens proves nothing.

mod cache;
pub(crate) mod guest;
mod probe;

use std::fmt;
use std::path::Path;

pub use cache::{Cache, Facts};
pub use probe::probe;

use crate::error::{Ending, HarnessError};

/// How a guest's instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accel {
    /// By QEMU's emulation.
    Tcg,
    /// By the host's processor.
    Kvm,
}

impl Accel {
    /// The word that `-accel` takes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Accel::Tcg => "tcg",
            Accel::Kvm => "kvm",
        }
    }
}

/// What was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The accelerator.
    pub accel: Accel,
    /// The reason, for one line of output.
    pub reason: String,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.accel {
            Accel::Tcg => write!(f, "emulation (TCG): {}", self.reason),
            Accel::Kvm => write!(f, "KVM: {}", self.reason),
        }
    }
}

/// Texts by which QEMU tells that KVM does not work here.
const TROUBLE: [&str; 5] = [
    "KVM internal error",
    "emulation failure",
    "kvm run failed",
    "failed to initialize kvm",
    "Could not access KVM",
];

/// The line of a text that tells of trouble with KVM.
#[must_use]
pub fn trouble(text: &str) -> Option<&str> {
    text.lines().find(|line| {
        TROUBLE
            .iter()
            .any(|wanted| line.to_lowercase().contains(&wanted.to_lowercase()))
    })
}

/// Chooses for this host. `kernel` is asked for only when KVM has to be tried.
pub fn choose(cache: &Cache, kernel: impl FnOnce() -> Result<Vec<u8>, HarnessError>) -> Choice {
    let tcg = |reason: String| Choice {
        accel: Accel::Tcg,
        reason,
    };
    match std::env::var("QEMU_ACCEL").as_deref() {
        Ok("kvm") => {
            return Choice {
                accel: Accel::Kvm,
                reason: "QEMU_ACCEL says so".into(),
            };
        }
        Ok("tcg") => return tcg("QEMU_ACCEL says so".into()),
        _ => {}
    }
    if let Err(reason) = usable(Path::new("/dev/kvm")) {
        return tcg(reason);
    }
    let facts = Facts::of_this_host();
    if let Some(known) = cache.look_up(&facts) {
        return known;
    }
    let choice = match kernel() {
        Ok(kernel) => match probe(&kernel, Accel::Kvm) {
            Ok(seconds) => Choice {
                accel: Accel::Kvm,
                reason: format!("the probe guest ran in {seconds:.1} s"),
            },
            Err(reason) => tcg(format!("/dev/kvm is there and does not work: {reason}")),
        },
        // Without a kernel nothing was learnt about KVM: say so and keep nothing.
        Err(error) => return tcg(format!("KVM was not tried: {error}")),
    };
    cache.keep(&facts, &choice);
    choice
}

/// Can the device be opened?
///
/// # Errors
/// Why not, with the cure.
pub fn usable(device: &Path) -> Result<(), String> {
    match std::fs::File::options().read(true).write(true).open(device) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("no {}", device.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(format!(
            "no permission for {}: add yourself to its group (usermod -aG kvm NAME) and log in again",
            device.display()
        )),
        Err(error) => Err(format!("{}: {error}", device.display())),
    }
}

/// Runs something with the chosen accelerator; when KVM turns out to be broken, marks it so and runs it once more
/// under emulation.
///
/// # Errors
/// What the last run returned.
pub fn with_fallback<T>(
    cache: &Cache,
    choice: &Choice,
    mut say: impl FnMut(&str),
    mut run: impl FnMut(Accel) -> Result<T, HarnessError>,
) -> Result<T, HarnessError> {
    let result = run(choice.accel);
    let Err(HarnessError::Ended { ending, .. }) = &result else {
        return result;
    };
    let (Ending::Stopped(words)
    | Ending::Refused { stderr: words, .. }
    | Ending::Crash { stderr: words, .. }) = ending
    else {
        return result;
    };
    let Some(line) = trouble(words).filter(|_| choice.accel == Accel::Kvm) else {
        return result;
    };
    say(&format!(
        "KVM failed ({line}); running again under emulation"
    ));
    let reason = format!("KVM failed on a real guest: {line}");
    cache.keep(
        &Facts::of_this_host(),
        &Choice {
            accel: Accel::Tcg,
            reason,
        },
    );
    run(Accel::Tcg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_is_told_at_once() {
        assert_eq!(
            usable(Path::new("/dev/no-kvm-here")),
            Err("no /dev/no-kvm-here".into())
        );
    }

    #[test]
    fn trouble_with_kvm_is_found_in_what_qemu_says() {
        assert_eq!(
            trouble("hello\nKVM internal error. Suberror: 1\nRAX=0"),
            Some("KVM internal error. Suberror: 1")
        );
        assert_eq!(trouble("qemu: terminating on signal 15"), None);
    }

    #[test]
    fn a_kvm_that_fails_on_a_real_guest_leads_to_one_run_under_emulation_and_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::in_folder(folder.path());
        let choice = Choice {
            accel: Accel::Kvm,
            reason: "probed".into(),
        };
        let mut runs = Vec::new();
        let mut said = Vec::new();
        let result = with_fallback(
            &cache,
            &choice,
            |line| said.push(line.to_owned()),
            |accel| {
                runs.push(accel);
                if accel == Accel::Kvm {
                    let ending = Ending::Stopped("KVM internal error. Suberror: 1".into());
                    return Err(HarnessError::Ended {
                        machine: "a".into(),
                        ending,
                        wanted: "b".into(),
                    });
                }
                Ok(7)
            },
        );
        assert_eq!(result.expect("the second run"), 7);
        assert_eq!(runs, [Accel::Kvm, Accel::Tcg]);
        assert_eq!(said.len(), 1);
        assert_eq!(
            cache
                .look_up(&Facts::of_this_host())
                .map(|known| known.accel),
            Some(Accel::Tcg)
        );
    }
}
