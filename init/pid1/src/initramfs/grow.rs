//! Making ROOT's partition as long as its disk allows: reads the table, writes what `gpt` says.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::gpt::{ENTRY_SECTORS, GptError, Growth, SECTOR, Table, first_sectors};
use crate::devices::sysfs::Block;

/// Why growing was given up. The machine boots all the same, with the size that it has.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrowError {
    #[error("cannot read or write the partition table of {}", disk.display())]
    Disk { disk: PathBuf, source: io::Error },
    #[error("the partition table of {} stays as it is", disk.display())]
    Table { disk: PathBuf, source: GptError },
}

/// Grows the partition; true if it became longer.
pub(crate) fn grow(root: &Block) -> Result<bool, GrowError> {
    let disk = Path::new("/dev").join(&root.disk);
    let at = disk.clone();
    let io_failed = move |source| GrowError::Disk {
        disk: at.clone(),
        source,
    };
    let at = disk.clone();
    let table_failed = move |source| GrowError::Table {
        disk: at.clone(),
        source,
    };
    let Some(number) = root.partition else {
        return Ok(false);
    };
    if sector_size(&root.disk) != SECTOR {
        return Ok(false);
    }
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&disk)
        .map_err(&io_failed)?;
    let bytes = init_sys::block::size(file.as_fd()).map_err(&io_failed)?;
    let sectors = bytes / 512;
    let growth = match read_table(&file, "the primary table", 1, 2).map_err(&io_failed)? {
        Ok(table) => table
            .grow(number, root.start, sectors)
            .map_err(table_failed)?,
        Err(primary) => {
            let last = sectors.saturating_sub(1);
            let backup = read_table(
                &file,
                "the backup table",
                last,
                last.saturating_sub(ENTRY_SECTORS),
            );
            match backup.map_err(&io_failed)? {
                Ok(table) => {
                    Some(restored(&table, number, root.start, sectors).map_err(table_failed)?)
                }
                Err(_) => return Err(table_failed(primary)),
            }
        }
    };
    let Some(growth) = growth else {
        return Ok(false);
    };
    write(&file, &disk, &growth, sectors).map_err(&io_failed)?;
    let (start, length) = (byte_offset(growth.start), byte_offset(growth.sectors));
    init_sys::block::resize_partition(file.as_fd(), number, start, length).map_err(&io_failed)?;
    Ok(true)
}

/// A lost primary is written again from the backup, grown if there is room.
fn restored(backup: &Table, number: i32, start: u64, sectors: u64) -> Result<Growth, GptError> {
    match backup.grow(number, start, sectors)? {
        Some(growth) => Ok(growth),
        None => backup.rewrite(number, sectors),
    }
}

fn byte_offset(sectors: u64) -> i64 {
    i64::try_from(sectors.saturating_mul(512)).unwrap_or(i64::MAX)
}

fn sector_size(disk: &str) -> usize {
    let path = format!("/sys/class/block/{disk}/queue/logical_block_size");
    std::fs::read_to_string(path)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(SECTOR)
}

fn read_table(
    file: &File,
    what: &'static str,
    header_at: u64,
    entries_at: u64,
) -> io::Result<Result<Table, GptError>> {
    let mut header = vec![0u8; SECTOR];
    let mut entries = vec![0u8; SECTOR * 32];
    file.read_exact_at(&mut header, header_at * 512)?;
    file.read_exact_at(&mut entries, entries_at * 512)?;
    Ok(Table::parse(what, &header, &entries))
}

/// Backup first and on the disk, then the first eight sectors as one aligned direct write.
fn write(file: &File, disk: &Path, growth: &Growth, sectors: u64) -> io::Result<()> {
    let mut old = vec![0u8; SECTOR];
    file.read_exact_at(&mut old, 0)?;
    file.write_all_at(&growth.backup, growth.backup_at * 512)?;
    file.sync_all()?;
    let first = first_sectors(&old, &growth.primary, sectors);
    let direct = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).unwrap_or(0);
    let direct = OpenOptions::new()
        .write(true)
        .custom_flags(direct)
        .open(disk)?;
    let mut room = vec![0u8; first.len() + 4096];
    let at = room.as_ptr().align_offset(4096);
    let aligned = room
        .get_mut(at..at + first.len())
        .ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))?;
    aligned.copy_from_slice(&first);
    direct.write_all_at(aligned, 0)?;
    direct.sync_data()
}
