//! The partition table of the disk (GPT), and how its last partition is made longer (pure).
//!
//! Bytes in, bytes out: the caller reads and writes. In this order: backup
//! entries and header first, then the first eight sectors in one write.

/// Bytes of a sector; disks with other sectors are left alone by the caller.
pub(crate) const SECTOR: usize = 512;
/// Sectors of the entry array (128 entries of 128 bytes).
pub(crate) const ENTRY_SECTORS: u64 = 32;
const ENTRY: usize = 128;
const SIGNATURE: &[u8; 8] = b"EFI PART";

/// Why a table is not used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum GptError {
    #[error("{0} is no valid partition table")]
    Invalid(&'static str),
    #[error("partition {0} is not the last one on the disk")]
    NotLast(i32),
    #[error("partition {0} is not in the table")]
    Missing(i32),
    #[error("kernel and table disagree about the start of partition {0}")]
    Disagree(i32),
}

/// A header with its entries, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    header: Vec<u8>,
    entries: Vec<u8>,
}

/// What has to be written, and the partition's new place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Sector of the backup entries, and their bytes followed by the backup header.
    pub backup_at: u64,
    pub backup: Vec<u8>,
    /// Header and entries for sectors 1 to 33.
    pub primary: Vec<u8>,
    /// First sector of the partition.
    pub start: u64,
    /// Sectors of the partition.
    pub sectors: u64,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// CRC-32 (IEEE), bit by bit: it runs over 16 KiB once per boot.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

fn header_crc(header: &[u8]) -> Option<u32> {
    let size = usize::try_from(u32_at(header, 12)?).ok()?;
    let mut copy = header.get(..size)?.to_vec();
    put(&mut copy, 16, &[0; 4]);
    Some(crc32(&copy))
}

impl Table {
    /// Checks a header sector and the 32 sectors of entries that belong to it.
    pub(crate) fn parse(
        what: &'static str,
        header: &[u8],
        entries: &[u8],
    ) -> Result<Table, GptError> {
        let ok = || {
            let size = u32_at(header, 12)?;
            let same = header.get(..8)? == SIGNATURE
                && (92..=512).contains(&size)
                && u32_at(header, 16)? == header_crc(header)?
                && u32_at(header, 80)? == 128
                && u32_at(header, 84)? == 128
                && u32_at(header, 88)? == crc32(entries);
            Some(same)
        };
        if ok() != Some(true) {
            return Err(GptError::Invalid(what));
        }
        Ok(Table {
            header: header.to_vec(),
            entries: entries.to_vec(),
        })
    }

    /// First and last sector of a partition.
    pub(crate) fn partition(&self, number: i32) -> Option<(u64, u64)> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let entry = self.entries.get(index * ENTRY..(index + 1) * ENTRY)?;
        if entry.iter().take(16).all(|b| *b == 0) {
            return None;
        }
        Some((u64_at(entry, 32)?, u64_at(entry, 40)?))
    }

    /// How the partition grows to the end of a disk of this many sectors; None if nothing changes.
    pub(crate) fn grow(
        &self,
        number: i32,
        kernel_start: u64,
        disk: u64,
    ) -> Result<Option<Growth>, GptError> {
        let (start, end) = self.partition(number).ok_or(GptError::Missing(number))?;
        if start != kernel_start {
            return Err(GptError::Disagree(number));
        }
        if (1..=128)
            .filter_map(|n| self.partition(n))
            .any(|(other, _)| other > start)
        {
            return Err(GptError::NotLast(number));
        }
        let last = disk.saturating_sub(1);
        let usable = last.saturating_sub(ENTRY_SECTORS + 1);
        // Whole MiB, as partitioning programs do.
        let new_end = ((usable + 1) / 2048 * 2048).saturating_sub(1).max(end);
        let backup_now = u64_at(&self.header, 32)
            .max(u64_at(&self.header, 24))
            .unwrap_or(0);
        if new_end == end && backup_now == last {
            return Ok(None);
        }
        if new_end > usable {
            // The disk is smaller than its table: nothing that growing can mend.
            return Err(GptError::Invalid("a table that is longer than the disk"));
        }
        Ok(Some(self.written(number, (start, new_end), (last, usable))))
    }

    /// The table as it is, written again in both places (a lost primary).
    pub(crate) fn rewrite(&self, number: i32, disk: u64) -> Result<Growth, GptError> {
        let place = self.partition(number).ok_or(GptError::Missing(number))?;
        let last = disk.saturating_sub(1);
        Ok(self.written(
            number,
            place,
            (last, last.saturating_sub(ENTRY_SECTORS + 1)),
        ))
    }

    fn written(&self, number: i32, (start, end): (u64, u64), (last, usable): (u64, u64)) -> Growth {
        let mut entries = self.entries.clone();
        let at = usize::try_from(number).unwrap_or(1).saturating_sub(1) * ENTRY;
        put(&mut entries, at + 40, &end.to_le_bytes());
        let header = |my: u64, other: u64, entries_at: u64| {
            let mut header = self.header.clone();
            put(&mut header, 24, &my.to_le_bytes());
            put(&mut header, 32, &other.to_le_bytes());
            put(&mut header, 48, &usable.to_le_bytes());
            put(&mut header, 72, &entries_at.to_le_bytes());
            put(&mut header, 88, &crc32(&entries).to_le_bytes());
            let crc = header_crc(&header).unwrap_or(0);
            put(&mut header, 16, &crc.to_le_bytes());
            header
        };
        let backup_at = last.saturating_sub(ENTRY_SECTORS);
        let mut backup = entries.clone();
        backup.extend(header(last, 1, backup_at));
        let mut primary = header(1, last, 2);
        primary.extend(&entries);
        Growth {
            backup_at,
            backup,
            primary,
            start,
            sectors: end + 1 - start,
        }
    }
}

/// The first eight sectors: protective MBR, header, entries 1 to 24, for one 4 KiB write.
pub(crate) fn first_sectors(old: &[u8], primary: &[u8], disk: u64) -> Vec<u8> {
    let mut sectors = old.get(..SECTOR).unwrap_or_default().to_vec();
    sectors.resize(SECTOR, 0);
    if sectors.get(450) == Some(&0xEE) {
        let size = u32::try_from(disk.saturating_sub(1)).unwrap_or(u32::MAX);
        put(&mut sectors, 458, &size.to_le_bytes());
    }
    sectors.extend(primary.iter().take(7 * SECTOR));
    sectors.resize(8 * SECTOR, 0);
    sectors
}

#[cfg(test)]
mod tests {
    use super::{GptError, Table, crc32, first_sectors, header_crc, put};

    fn table(disk: u64, partitions: &[(u64, u64)]) -> Table {
        let mut entries = vec![0u8; 32 * 512];
        for (n, (start, end)) in partitions.iter().enumerate() {
            put(&mut entries, n * 128, &[7; 16]);
            put(&mut entries, n * 128 + 32, &start.to_le_bytes());
            put(&mut entries, n * 128 + 40, &end.to_le_bytes());
        }
        let mut header = vec![0u8; 512];
        put(&mut header, 0, b"EFI PART");
        put(&mut header, 8, &0x0001_0000_u32.to_le_bytes());
        put(&mut header, 12, &92u32.to_le_bytes());
        put(&mut header, 24, &1u64.to_le_bytes());
        put(&mut header, 32, &(disk - 1).to_le_bytes());
        put(&mut header, 80, &128u32.to_le_bytes());
        put(&mut header, 84, &128u32.to_le_bytes());
        put(&mut header, 88, &crc32(&entries).to_le_bytes());
        let crc = header_crc(&header).unwrap();
        put(&mut header, 16, &crc.to_le_bytes());
        Table::parse("the test's table", &header, &entries).unwrap()
    }

    #[test]
    fn the_crc_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn the_last_partition_grows_to_whole_mebibytes_and_the_result_is_a_valid_table() {
        let small = table(100_000, &[(2048, 4095), (4096, 98_303)]);
        let growth = small.grow(2, 4096, 1_000_000).unwrap().unwrap();
        assert_eq!(
            (growth.start, (growth.start + growth.sectors) % 2048),
            (4096, 0)
        );
        let (header, entries) = growth.primary.split_at(512);
        let grown = Table::parse("primary", header, entries).unwrap();
        assert_eq!(
            grown.partition(2).unwrap().1,
            growth.start + growth.sectors - 1
        );
        assert_eq!(grown.grow(2, 4096, 1_000_000).unwrap(), None);
        let (entries, header) = growth.backup.split_at(32 * 512);
        Table::parse("backup", header, entries).unwrap();
    }

    #[test]
    fn a_disk_of_exactly_the_images_size_changes_nothing() {
        let end = (100_000 - 33) / 2048 * 2048 - 1;
        assert_eq!(
            table(100_000, &[(2048, end)])
                .grow(1, 2048, 100_000)
                .unwrap(),
            None
        );
    }

    #[test]
    fn growing_is_refused_where_it_would_hurt() {
        let two = table(100_000, &[(2048, 4095), (4096, 8191)]);
        assert_eq!(two.grow(1, 2048, 1_000_000), Err(GptError::NotLast(1)));
        assert_eq!(two.grow(2, 5000, 1_000_000), Err(GptError::Disagree(2)));
        assert_eq!(two.grow(3, 1, 1_000_000), Err(GptError::Missing(3)));
    }

    #[test]
    fn the_first_sectors_keep_the_boot_code_and_correct_the_protective_size() {
        let mut old = vec![0xAB; 512];
        old[450] = 0xEE;
        let first = first_sectors(&old, &vec![1; 33 * 512], 1000);
        assert_eq!(first.len(), 4096);
        assert_eq!(first[0], 0xAB);
        assert_eq!(&first[458..462], &999u32.to_le_bytes());
    }
}
