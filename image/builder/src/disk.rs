//! The disk: GUID partition table, protective MBR with GRUB's first sector, partitions in their places.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

const SECTOR: u64 = 512;
const MIB: u64 = 1024 * 1024;
const ENTRIES: usize = 128;
const ENTRY_SIZE: usize = 128;

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// GRUB's core image for BIOS.
    BiosBoot,
    /// EFI system partition.
    Esp,
    /// A slot of /usr.
    Usr,
    /// The root; the last one, since it grows.
    Root,
}

impl Purpose {
    fn type_guid(self) -> &'static str {
        match self {
            Self::BiosBoot => "21686148-6449-6E6F-744E-656564454649",
            Self::Esp => "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
            Self::Usr => "8484680C-9521-48C6-9C11-B0720656F69E",
            Self::Root => "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        }
    }
}

/// One partition: its label, what it is, its size, and the file that fills it from the start.
#[derive(Debug)]
pub struct Partition<'a> {
    /// Label.
    pub label: &'a str,
    /// Type.
    pub purpose: Purpose,
    /// Size in MiB.
    pub mib: u64,
    /// Content; `None` leaves it empty.
    pub content: Option<&'a Path>,
}

/// Writes the raw disk, sparse. `boot` is GRUB's boot.img for the MBR.
///
/// # Errors
/// When a partition's content is larger than it, or the disk refuses.
pub fn write(out: &Path, guid: &str, partitions: &[Partition<'_>], boot: &[u8]) -> Result<()> {
    let total_mib = 2 + partitions
        .iter()
        .map(|partition| partition.mib)
        .sum::<u64>();
    let sectors = total_mib * MIB / SECTOR;
    let disk = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    disk.set_len(total_mib * MIB)?;
    let mut entries = vec![0_u8; ENTRIES * ENTRY_SIZE];
    let mut first = MIB / SECTOR;
    for (index, partition) in partitions.iter().enumerate() {
        let last = first + partition.mib * MIB / SECTOR - 1;
        let entry = &mut entries[index * ENTRY_SIZE..][..ENTRY_SIZE];
        entry[..16].copy_from_slice(&guid_bytes(partition.purpose.type_guid())?);
        entry[16..32].copy_from_slice(&derived_guid(guid, partition.label));
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
        for (unit, place) in partition
            .label
            .encode_utf16()
            .zip(entry[56..].chunks_exact_mut(2))
        {
            place.copy_from_slice(&unit.to_le_bytes());
        }
        if let Some(content) = partition.content {
            fill(&disk, partition, first, content)?;
        }
        first = last + 1;
    }
    let table_sectors = (entries.len() as u64).div_ceil(SECTOR);
    let primary = header(guid, &entries, sectors, 1, 2)?;
    let backup = header(
        guid,
        &entries,
        sectors,
        sectors - 1,
        sectors - 1 - table_sectors,
    )?;
    disk.write_all_at(&mbr(boot, partitions, sectors)?, 0)?;
    disk.write_all_at(&primary, SECTOR)?;
    disk.write_all_at(&entries, 2 * SECTOR)?;
    disk.write_all_at(&entries, (sectors - 1 - table_sectors) * SECTOR)?;
    disk.write_all_at(&backup, (sectors - 1) * SECTOR)?;
    Ok(())
}

/// Copies a partition's content, leaving blocks of zeros as holes. In GRUB's core image the first
/// sector learns where the rest lies.
fn fill(disk: &File, partition: &Partition<'_>, first: u64, content: &Path) -> Result<()> {
    let mut source =
        File::open(content).with_context(|| format!("cannot read {}", content.display()))?;
    let size = source.metadata()?.len();
    ensure!(
        size <= partition.mib * MIB,
        "{} has {size} bytes, {} has {} MiB",
        content.display(),
        partition.label,
        partition.mib
    );
    let mut offset = first * SECTOR;
    let mut block = vec![0_u8; 1 << 16];
    loop {
        let mut length = 0;
        while length < block.len() {
            match source.read(&mut block[length..])? {
                0 => break,
                more => length += more,
            }
        }
        if length == 0 {
            return Ok(());
        }
        if partition.purpose == Purpose::BiosBoot && offset == first * SECTOR {
            block[0x1f4..0x1fc].copy_from_slice(&(first + 1).to_le_bytes());
        }
        if block[..length].iter().any(|byte| *byte != 0) {
            disk.write_all_at(&block[..length], offset)?;
        }
        offset += length as u64;
    }
}

/// GRUB's boot code, told where its core image lies, and the protective partition.
fn mbr(boot: &[u8], partitions: &[Partition<'_>], sectors: u64) -> Result<[u8; 512]> {
    let mut sector = [0_u8; 512];
    if partitions
        .first()
        .is_some_and(|partition| partition.purpose == Purpose::BiosBoot)
    {
        sector[..440].copy_from_slice(boot.get(..440).context("GRUB's boot.img is too short")?);
        sector[0x5c..0x64].copy_from_slice(&(MIB / SECTOR).to_le_bytes());
        sector[0x64] = 0xff; // take the drive from the firmware
        sector[0x66..0x68].fill(0x90); // no detour for floppy drives
    }
    let protected = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    sector[446..454].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]);
    sector[454..458].copy_from_slice(&1_u32.to_le_bytes());
    sector[458..462].copy_from_slice(&protected.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    Ok(sector)
}

fn header(guid: &str, entries: &[u8], sectors: u64, own: u64, table: u64) -> Result<[u8; 512]> {
    let table_sectors = (entries.len() as u64).div_ceil(SECTOR);
    let other = if own == 1 { sectors - 1 } else { 1 };
    let mut sector = [0_u8; 512];
    sector[..8].copy_from_slice(b"EFI PART");
    sector[8..12].copy_from_slice(&0x0001_0000_u32.to_le_bytes());
    sector[12..16].copy_from_slice(&92_u32.to_le_bytes());
    for (at, value) in [
        (24, own),
        (32, other),
        (40, 2 + table_sectors),
        (48, sectors - 2 - table_sectors),
        (72, table),
    ] {
        sector[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    sector[56..72].copy_from_slice(&guid_bytes(guid)?);
    sector[80..84].copy_from_slice(&u32::try_from(ENTRIES)?.to_le_bytes());
    sector[84..88].copy_from_slice(&u32::try_from(ENTRY_SIZE)?.to_le_bytes());
    sector[88..92].copy_from_slice(&crc32(entries).to_le_bytes());
    let sum = crc32(&sector[..92]);
    sector[16..20].copy_from_slice(&sum.to_le_bytes());
    Ok(sector)
}

/// A GUID as the table stores it: its first three fields little-endian.
fn guid_bytes(text: &str) -> Result<[u8; 16]> {
    let digits: String = text.chars().filter(|digit| *digit != '-').collect();
    ensure!(digits.len() == 32, "{text:?} is no GUID");
    let mut bytes = [0_u8; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16)
            .with_context(|| format!("{text:?} is no GUID"))?;
    }
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    Ok(bytes)
}

/// A partition's own GUID: from the disk's and its label, marked as a random one.
fn derived_guid(disk: &str, label: &str) -> [u8; 16] {
    let hash = Sha256::digest(format!("{disk} {label}"));
    let mut bytes = [0_u8; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[7] = bytes[7] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

/// CRC-32 as GPT and zlib count it.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "01234567-89AB-4DEF-8123-456789ABCDEF";

    #[test]
    fn crc32_gives_the_known_check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn guids_are_stored_with_three_little_endian_fields() {
        assert_eq!(
            guid_bytes(GUID).unwrap()[..8],
            [0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0x4d]
        );
        guid_bytes("no").unwrap_err();
    }

    #[test]
    fn both_tables_agree_and_the_core_image_is_told_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let core = folder.path().join("core");
        std::fs::write(&core, vec![1; 1000]).unwrap();
        let out = folder.path().join("disk");
        let partitions = [
            Partition {
                label: "BIOS",
                purpose: Purpose::BiosBoot,
                mib: 1,
                content: Some(&core),
            },
            Partition {
                label: "ROOT",
                purpose: Purpose::Root,
                mib: 3,
                content: None,
            },
        ];
        write(&out, GUID, &partitions, &[7; 512]).unwrap();
        let disk = std::fs::read(&out).unwrap();
        assert_eq!(disk.len() as u64, 6 * MIB);
        let number = |at: usize| u64::from_le_bytes(disk[at..at + 8].try_into().unwrap());
        assert_eq!(number(0x5c), 2048, "MBR points at partition 1");
        assert_eq!(
            number(2048 * 512 + 0x1f4),
            2049,
            "core image points at its second sector"
        );
        let last = disk.len() - 512;
        assert_eq!(&disk[512..520], b"EFI PART");
        assert_eq!(&disk[last..last + 8], b"EFI PART");
        assert_eq!(disk[1024..1024 + 16384], disk[last - 16384..last]);
        assert_eq!(number(512 + 32), 6 * 2048 - 1, "primary names the backup");
        assert_eq!(
            number(1024 + 128 + 40),
            5 * 2048 - 1,
            "ROOT ends 1 MiB before the end"
        );
    }

    #[test]
    fn content_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let big = folder.path().join("big");
        std::fs::write(&big, vec![1; 1 << 21]).unwrap();
        let partitions = [Partition {
            label: "ESP",
            purpose: Purpose::Esp,
            mib: 1,
            content: Some(&big),
        }];
        let error = write(&folder.path().join("disk"), GUID, &partitions, &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("ESP has 1 MiB"), "{error}");
    }
}
