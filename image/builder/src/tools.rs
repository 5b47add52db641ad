//! Build tools from the lock: unpacked into the cache and run through their own loader, so that every
//! machine builds with the same versions, without root and without a chroot.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tree::Tree;

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const FOLDERS: [&str; 2] = ["usr/bin", "usr/sbin"];

/// The folder of unpacked tools.
#[derive(Debug, Clone)]
pub struct Tools {
    root: PathBuf,
}

/// What of the tools' packages is of no use for building.
#[must_use]
pub fn is_wanted(path: &str) -> bool {
    const NEVER: [&str; 6] = [
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
        "usr/share/info",
        "usr/lib/udev",
        "var",
    ];
    !NEVER
        .iter()
        .any(|folder| crate::pattern::matches(folder, path))
}

impl Tools {
    /// Unpacked at this place.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Writes the tools' tree.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn install(tree: &Tree, root: &Path) -> Result<()> {
        crate::overlay::write(tree, root)
    }

    /// A path among the tools.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// A call of a tool. Its environment is empty but for what makes results repeatable.
    ///
    /// # Errors
    /// When there is no such tool.
    pub fn command(&self, name: &str, epoch: u64) -> Result<Command> {
        let program = FOLDERS
            .iter()
            .map(|folder| self.root.join(folder).join(name))
            .find(|path| path.is_file())
            .with_context(|| format!("no tool {name} in the packages of group tools"))?;
        let mut command = Command::new(self.root.join(LOADER));
        command
            .arg("--library-path")
            .arg(self.root.join(LIBRARIES))
            .args(["--argv0", name])
            .arg(program)
            .env_clear()
            .env("SOURCE_DATE_EPOCH", epoch.to_string())
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .env("MKE2FS_CONFIG", self.root.join("etc/mke2fs.conf"))
            .env("MTOOLSRC", "/dev/null")
            .stdin(Stdio::null());
        Ok(command)
    }
}

/// Runs a command to its end.
///
/// # Errors
/// With what it said when it fails.
pub fn run(command: &mut Command) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        let words: Vec<String> = command
            .get_args()
            .skip(3)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        bail!(
            "{} ended with {}: {}{}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
            String::from_utf8_lossy(&output.stdout).trim()
        );
    }
    Ok(output.stdout)
}
