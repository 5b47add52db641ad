//! Where unit files are looked for, the first hit winning.

use serde::{Deserialize, Serialize};

use crate::command::simplify;

/// The folders, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPath(pub Vec<String>);

/// What administrators write.
pub(crate) const CONFIG: &str = "/etc/systemd/system";
/// What lasts until the next boot.
pub(crate) const RUNTIME: &str = "/run/systemd/system";

impl SearchPath {
    /// The system manager's. `/usr/lib64` comes before `/usr/lib`: on `CoreOS` the vendor's units
    /// are shown there, and the one is a link to the other.
    #[must_use]
    pub fn system() -> Self {
        Self(
            [
                "/etc/systemd/system.control",
                "/run/systemd/system.control",
                "/run/systemd/transient",
                "/run/systemd/generator.early",
                CONFIG,
                "/etc/systemd/system.attached",
                RUNTIME,
                "/run/systemd/system.attached",
                "/run/systemd/generator",
                "/usr/local/lib/systemd/system",
                "/usr/lib64/systemd/system",
                "/usr/lib/systemd/system",
                "/run/systemd/generator.late",
            ]
            .map(str::to_owned)
            .to_vec(),
        )
    }

    /// Whether a folder is one of them; `/lib` is `/usr/lib`.
    #[must_use]
    pub fn has(&self, folder: &str) -> bool {
        self.0.iter().any(|known| known == folder)
            || (folder.starts_with("/lib")
                && self.0.iter().any(|known| *known == format!("/usr{folder}")))
    }
}

/// Where a link in a folder points, made absolute and simple without looking at files.
pub(crate) fn link_target(folder: &str, target: &str) -> String {
    let absolute = if target.starts_with('/') {
        simplify(target)
    } else {
        simplify(&format!("{folder}/{target}"))
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in absolute.split('/').filter(|part| !part.is_empty()) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    format!("/{}", parts.join("/"))
}
