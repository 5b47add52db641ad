//! The id of each unit's present run, where the journal finds it: /run/systemd/units/invocation:UNIT is a link to it, as
//! with systemd (src/core/unit.c, `unit_export_invocation_id`).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const FOLDER: &str = "/run/systemd/units";

fn link(folder: &Path, unit: &str) -> PathBuf {
    folder.join(format!("invocation:{unit}"))
}

/// Tells the id of a run that begins. What is logged before anybody reads a failure here has no id: no more is lost.
pub(super) fn publish(unit: &str, id: u128) -> io::Result<()> {
    publish_in(Path::new(FOLDER), unit, id)
}

fn publish_in(folder: &Path, unit: &str, id: u128) -> io::Result<()> {
    let (link, id) = (link(folder, unit), format!("{id:032x}"));
    if fs::read_link(&link).is_ok_and(|present| present.as_os_str() == id.as_str()) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let draft = folder.join(".invocation");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    symlink(id, &draft)?;
    // There is never a moment without one.
    fs::rename(&draft, link)
}

/// Forgets a unit that is unloaded.
pub(super) fn withdraw(unit: &str) {
    // Most have none.
    let _ = fs::remove_file(link(Path::new(FOLDER), unit));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_the_last_run_is_the_one_that_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let units = folder.path().join("units");
        for id in [1, 0xab, 0xab] {
            publish_in(&units, "a.service", id).expect("published");
            let told = fs::read_link(units.join("invocation:a.service")).expect("a link");
            assert_eq!(told.to_str(), Some(format!("{id:032x}").as_str()));
        }
        assert_eq!(fs::read_dir(&units).expect("a folder").count(), 1);
    }
}
