//! The kernel, the initramfs and the kernel line of an image, taken out of its EFI partition: for boots without the
//! loader. Tests of the product boot by the loader; benches and the KVM probe do not.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::qcow2::Qcow2;
use crate::error::HarnessError;

/// What a loader would load.
#[derive(Clone, Debug)]
pub struct BootFiles {
    /// The kernel.
    pub kernel: Vec<u8>,
    /// The initramfs.
    pub initrd: Vec<u8>,
    /// The kernel's command line, as the image's own loader gives it for slot A.
    pub line: String,
}

/// Reads the files of slot A.
///
/// # Errors
/// When the image has no EFI partition or the files are not there.
pub fn boot_files(image: &Path) -> Result<BootFiles, HarnessError> {
    let wrong = |text: String| HarnessError::Image {
        path: image.to_owned(),
        text,
    };
    let mut disk = Qcow2::open(image)?;
    let (start, length) = esp(&mut disk)
        .map_err(HarnessError::io(format!(
            "read the partitions of {}",
            image.display()
        )))?
        .ok_or_else(|| wrong("no EFI partition".into()))?;
    let part = Part {
        disk,
        start,
        length,
        position: 0,
    };
    let files = fatfs::FileSystem::new(part, fatfs::FsOptions::new()).map_err(HarnessError::io(
        format!("read the EFI partition of {}", image.display()),
    ))?;
    let read = |path: &str| -> Result<Vec<u8>, HarnessError> {
        let mut bytes = Vec::new();
        let mut file = files
            .root_dir()
            .open_file(path)
            .map_err(|error| wrong(format!("{path}: {error}")))?;
        file.read_to_end(&mut bytes)
            .map_err(|error| wrong(format!("{path}: {error}")))?;
        Ok(bytes)
    };
    let config = String::from_utf8_lossy(&read("grub/grub.cfg")?).into_owned();
    Ok(BootFiles {
        kernel: read("A/vmlinuz")?,
        initrd: read("A/initrd")?,
        line: line(&config),
    })
}

/// The words of the loader's `set args="…"`, for slot A and without the variables that are empty by default.
fn line(config: &str) -> String {
    let args = config
        .lines()
        .find_map(|line| line.trim().strip_prefix("set args=\""))
        .unwrap_or_default();
    let args = args
        .split('"')
        .next()
        .unwrap_or_default()
        .replace("$use", "A");
    let words: Vec<&str> = args
        .split_whitespace()
        .filter(|word| !word.starts_with('$'))
        .collect();
    words.join(" ")
}

fn esp(disk: &mut Qcow2) -> io::Result<Option<(u64, u64)>> {
    const TYPE: [u8; 16] = [
        0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9,
        0x3b,
    ];
    let mut table = vec![0; 128 * 128];
    disk.seek(SeekFrom::Start(1024))?;
    disk.read_exact(&mut table)?;
    let number = |entry: &[u8], at: usize| {
        entry
            .get(at..at + 8)
            .and_then(|eight| eight.try_into().ok())
            .map_or(0, u64::from_le_bytes)
    };
    Ok(table
        .chunks_exact(128)
        .find(|entry| entry[..16] == TYPE)
        .map(|entry| {
            let (first, last) = (number(entry, 32), number(entry, 40));
            (first * 512, (last + 1).saturating_sub(first) * 512)
        }))
}

struct Part {
    disk: Qcow2,
    start: u64,
    length: u64,
    position: u64,
}

impl Read for Part {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let count = room.len().min(left);
        self.disk
            .seek(SeekFrom::Start(self.start + self.position))?;
        let got = self.disk.read(&mut room[..count])?;
        self.position += u64::try_from(got).unwrap_or(0);
        Ok(got)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_line_is_taken_for_slot_a_without_its_variables() {
        let config =
            "set now=$once\nset args=\"console=ttyS0 gpt gb.usr=USR-$use $kargs $now\"\nboot\n";
        assert_eq!(line(config), "console=ttyS0 gpt gb.usr=USR-A");
    }
}
