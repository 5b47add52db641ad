//! Reading what others may have put there: a file that is no file, or has no end, costs an error and
//! never a wait.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The bytes of a regular file of at most `most` bytes.
///
/// # Errors
/// What open and read report; `InvalidInput` for what is no regular file (a pipe would be waited
/// for, a device need not end), `FileTooLarge` for a longer one.
pub fn read(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    read_open(file, most)
}

fn read_open(file: File, most: u64) -> io::Result<Vec<u8>> {
    let found = file.metadata()?;
    if found.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    if !found.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    let mut bytes = Vec::new();
    // Files of /proc and /sys have no length before they are read.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > most) {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("files-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_pipe_is_refused_at_once_and_a_device_without_end_too() {
        let folder = folder("pipe");
        let pipe = folder.join("p");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        read(&pipe, 100).unwrap_err();
        read("/dev/zero", 100).unwrap_err();
        read(&folder, 100).unwrap_err();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = folder("whole");
        let path = folder.join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        read(&path, 4).unwrap_err();
        assert!(!read("/proc/self/status", 65_536).unwrap().is_empty());
        std::fs::remove_dir_all(folder).unwrap();
    }
}
