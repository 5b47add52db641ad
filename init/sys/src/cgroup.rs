//! The unified cgroup tree as files: where it is, folders made and removed, limits written, killing.
//!
//! Copes with a tree that has no controllers (the build machine's hybrid layout): writes to files
//! that do not exist are reported, and the caller ignores what it can live without.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The tree below a root folder.
#[derive(Debug, Clone)]
pub struct Cgroups {
    root: PathBuf,
}

impl Cgroups {
    /// The tree at a given folder.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Cgroups {
        Cgroups { root: root.into() }
    }

    /// Finds the mounted unified tree: /sys/fs/cgroup, or /sys/fs/cgroup/unified in a hybrid layout.
    #[must_use]
    pub fn find() -> Option<Cgroups> {
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
            .into_iter()
            .find(|root| Path::new(root).join("cgroup.controllers").exists())
            .map(Cgroups::at)
    }

    /// The root folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of a cgroup path (`/system.slice/x.service`).
    #[must_use]
    pub fn folder(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Makes a cgroup and those above it.
    ///
    /// # Errors
    /// What mkdir reports.
    pub fn create(&self, path: &str) -> io::Result<()> {
        fs::create_dir_all(self.folder(path))
    }

    /// Opens the folder, for `CLONE_INTO_CGROUP`.
    ///
    /// # Errors
    /// What open reports.
    pub fn open(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::PATH | OFlags::CLOEXEC;
        Ok(rustix::fs::open(self.folder(path), flags, Mode::empty())?)
    }

    /// Removes a cgroup and those below it; processes in it make that fail.
    ///
    /// # Errors
    /// What rmdir reports, except that it is gone.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        remove_tree(&self.folder(path))
    }

    /// Moves a process into a cgroup.
    ///
    /// # Errors
    /// What the write reports.
    pub fn attach(&self, path: &str, pid: i32) -> io::Result<()> {
        fs::write(self.folder(path).join("cgroup.procs"), pid.to_string())
    }

    /// Processes of exactly this cgroup.
    ///
    /// # Errors
    /// What the read reports.
    pub fn processes(&self, path: &str) -> io::Result<Vec<i32>> {
        let text = fs::read_to_string(self.folder(path).join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// Processes of this cgroup and of those below it.
    #[must_use]
    pub fn all_processes(&self, path: &str) -> Vec<i32> {
        let mut found = self.processes(path).unwrap_or_default();
        for child in self.children(path) {
            found.extend(self.all_processes(&child));
        }
        found
    }

    /// Paths of the cgroups right below this one, sorted.
    #[must_use]
    pub fn children(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.folder(path)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .map(|name| format!("{}/{name}", path.trim_end_matches('/')))
            .collect();
        names.sort();
        names
    }

    /// Whether any process is in it or below it; None when it does not exist.
    #[must_use]
    pub fn populated(&self, path: &str) -> Option<bool> {
        let text = fs::read_to_string(self.folder(path).join("cgroup.events")).ok()?;
        Some(text.lines().any(|line| line == "populated 1"))
    }

    /// Kills everything in it and below it at once (`cgroup.kill`, kernel 5.14).
    ///
    /// # Errors
    /// What the write reports.
    pub fn kill(&self, path: &str) -> io::Result<()> {
        fs::write(self.folder(path).join("cgroup.kill"), "1")
    }

    /// Writes a control file.
    ///
    /// # Errors
    /// What the write reports.
    pub fn write(&self, path: &str, file: &str, value: &str) -> io::Result<()> {
        // Opened without create: the kernel makes these files, we never do.
        let folder = self.folder(path).join(file);
        let mut opened = fs::OpenOptions::new().write(true).open(folder)?;
        io::Write::write_all(&mut opened, value.as_bytes())
    }

    /// Reads a control file, without the last newline.
    ///
    /// # Errors
    /// What the read reports.
    pub fn read(&self, path: &str, file: &str) -> io::Result<String> {
        let text = fs::read_to_string(self.folder(path).join(file))?;
        Ok(text.trim_end().to_owned())
    }

    /// Controllers that this cgroup may hand to those below it.
    #[must_use]
    pub fn controllers(&self, path: &str) -> Vec<String> {
        let text = self.read(path, "cgroup.controllers").unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The unified cgroup of a process, from /proc.
///
/// # Errors
/// What the read reports.
pub fn of_process(pid: i32) -> io::Result<Option<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    Ok(text
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(str::to_owned))
}
