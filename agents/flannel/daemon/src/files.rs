//! Small files that are never seen half written.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes `.NAME` beside it and renames it, with the folder made if need be.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let hidden = folder.join(hidden);
    fs::write(&hidden, text)?;
    fs::set_permissions(&hidden, Permissions::from_mode(0o644))?;
    fs::rename(&hidden, path)
}
