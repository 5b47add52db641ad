//! A raw disk as a compressed qcow2 image, version 3, by our own writer: the same bytes on every
//! machine, on all processors, and no QEMU needed to build.
//!
//! Layout: header, reference table, L1 and L2 tables, data, reference blocks. Compressed clusters lie
//! close together; a cluster that does not get smaller lies as it is, aligned.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use flate2::{Compress, Compression, FlushCompress, Status};

const CLUSTER: usize = 1 << CLUSTER_BITS;
const CLUSTER_BITS: u32 = 16;
/// Entries of an L2 table.
const L2_ENTRIES: u64 = CLUSTER as u64 / 8;
/// Entries of a reference block: 16 bits each.
const BLOCK_ENTRIES: u64 = CLUSTER as u64 / 2;
const COPIED: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
/// Bits of a compressed cluster's address; the sector count lies above them.
const ADDRESS_BITS: u32 = 62 - (CLUSTER_BITS - 8);
/// The format wants deflate data that a 4 KiB window can unpack.
const WINDOW_BITS: u8 = 12;

enum Cluster {
    Packed(Vec<u8>),
    Plain(Vec<u8>),
}

/// Writes the image of a raw disk.
///
/// # Errors
/// When a file cannot be read or written.
pub fn write(raw: &Path, out: &Path) -> Result<()> {
    let source = File::open(raw).with_context(|| format!("cannot read {}", raw.display()))?;
    let size = source.metadata()?.len();
    ensure!(
        size % CLUSTER as u64 == 0,
        "{} is no multiple of {CLUSTER} bytes",
        raw.display()
    );
    let clusters = pack(&source, size / CLUSTER as u64)?;
    let file = File::create(out).with_context(|| format!("cannot write {}", out.display()))?;
    lay(&file, size, clusters)?;
    file.sync_all()?;
    Ok(())
}

/// Reads and compresses what is not zero, on all processors.
fn pack(source: &File, count: u64) -> Result<BTreeMap<u64, Cluster>> {
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let next = AtomicU64::new(0);
    let packed = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut plain = vec![0_u8; CLUSTER];
                    let mut engine =
                        Compress::new_with_window_bits(Compression::best(), false, WINDOW_BITS);
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count {
                            return Ok(());
                        }
                        source.read_exact_at(&mut plain, index * CLUSTER as u64)?;
                        if plain.iter().all(|byte| *byte == 0) {
                            continue;
                        }
                        let cluster = deflate(&mut engine, &plain)?
                            .map_or_else(|| Cluster::Plain(plain.clone()), Cluster::Packed);
                        packed
                            .lock()
                            .map_err(|_| anyhow::anyhow!("a worker panicked"))?
                            .insert(index, cluster);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| anyhow::anyhow!("a worker panicked"))??;
        }
        anyhow::Ok(())
    })?;
    packed
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a worker panicked"))
}

/// Compressed, or `None` when that is not smaller.
fn deflate(engine: &mut Compress, plain: &[u8]) -> Result<Option<Vec<u8>>> {
    engine.reset();
    let mut out = vec![0_u8; CLUSTER - 1];
    match engine.compress(plain, &mut out, FlushCompress::Finish)? {
        Status::StreamEnd => {
            out.truncate(usize::try_from(engine.total_out())?);
            Ok(Some(out))
        }
        Status::Ok | Status::BufError => Ok(None),
    }
}

fn lay(file: &File, size: u64, clusters: BTreeMap<u64, Cluster>) -> Result<()> {
    let cluster = CLUSTER as u64;
    let l1_entries = (size / cluster).div_ceil(L2_ENTRIES);
    ensure!(
        l1_entries <= L2_ENTRIES,
        "disk too large for one L1 cluster"
    );
    let used: Vec<u64> = {
        let mut used: Vec<u64> = clusters.keys().map(|index| index / L2_ENTRIES).collect();
        used.dedup();
        used
    };
    let (table, l1_at, l2_at) = (cluster, 2 * cluster, 3 * cluster);
    let mut place = l2_at + used.len() as u64 * cluster;
    let mut references = References::default();
    references.add(0, place);
    let mut l1 = vec![0_u8; CLUSTER];
    let mut l2 = vec![0_u8; used.len() * CLUSTER];
    for (order, index) in used.iter().enumerate() {
        put(&mut l1, *index, (l2_at + order as u64 * cluster) | COPIED)?;
    }
    let mut buffer = Vec::new();
    let data_at = place;
    for (index, data) in clusters {
        let order = used
            .binary_search(&(index / L2_ENTRIES))
            .map_err(|_| anyhow::anyhow!("table without cluster"))?;
        let entry = match data {
            Cluster::Packed(bytes) => {
                let end = place + bytes.len() as u64;
                let sectors = (end - 1) / 512 - place / 512;
                // The last sector counts in full, as readers count it.
                references.add(place, end.next_multiple_of(512));
                buffer.extend_from_slice(&bytes);
                let entry = COMPRESSED | sectors << ADDRESS_BITS | place;
                place = end;
                entry
            }
            Cluster::Plain(bytes) => {
                let start = place.next_multiple_of(cluster);
                buffer.resize(buffer.len() + usize::try_from(start - place)?, 0);
                references.add(start, start + cluster);
                buffer.extend_from_slice(&bytes);
                place = start + cluster;
                start | COPIED
            }
        };
        put(
            &mut l2,
            order as u64 * L2_ENTRIES + index % L2_ENTRIES,
            entry,
        )?;
    }
    let blocks_at = place.next_multiple_of(cluster);
    buffer.resize(buffer.len() + usize::try_from(blocks_at - place)?, 0);
    let blocks = references.blocks(blocks_at);
    let mut reference_table = vec![0_u8; CLUSTER];
    for number in 0..blocks.len() as u64 / cluster {
        put(&mut reference_table, number, blocks_at + number * cluster)?;
    }
    file.write_all_at(&header(size, l1_entries, l1_at, table)?, 0)?;
    file.write_all_at(&reference_table, table)?;
    file.write_all_at(&l1, l1_at)?;
    file.write_all_at(&l2, l2_at)?;
    file.write_all_at(&buffer, data_at)?;
    file.write_all_at(&blocks, blocks_at)?;
    Ok(())
}

fn put(table: &mut [u8], index: u64, value: u64) -> Result<()> {
    let at = usize::try_from(index * 8)?;
    let Some(place) = table.get_mut(at..at + 8) else {
        bail!("table index {index} out of range")
    };
    place.copy_from_slice(&value.to_be_bytes());
    Ok(())
}

/// How often each cluster of the file is used.
#[derive(Default)]
struct References(Vec<u16>);

impl References {
    fn add(&mut self, from: u64, to: u64) {
        let (first, last) = (from / CLUSTER as u64, (to - 1) / CLUSTER as u64);
        let range = usize::try_from(first).unwrap_or(usize::MAX)
            ..=usize::try_from(last).unwrap_or(usize::MAX);
        if self.0.len() <= *range.end() {
            self.0.resize(*range.end() + 1, 0);
        }
        for count in &mut self.0[range] {
            *count += 1;
        }
    }

    /// The reference blocks as bytes; they count themselves.
    fn blocks(mut self, at: u64) -> Vec<u8> {
        let before = at / CLUSTER as u64;
        let mut count = 1;
        while before + count > count * BLOCK_ENTRIES {
            count += 1;
        }
        self.add(at, at + count * CLUSTER as u64);
        let mut bytes: Vec<u8> = self
            .0
            .iter()
            .flat_map(|count| count.to_be_bytes())
            .collect();
        bytes.resize(bytes.len().next_multiple_of(CLUSTER), 0);
        bytes
    }
}

fn header(size: u64, l1_entries: u64, l1_at: u64, table: u64) -> Result<Vec<u8>> {
    let mut out = b"QFI\xfb".to_vec();
    let mut word = |value: u32| out.extend_from_slice(&value.to_be_bytes());
    word(3); // version
    word(0); // no backing file: offset, in two words, and length
    word(0);
    word(0);
    word(CLUSTER_BITS);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&0_u32.to_be_bytes()); // no encryption
    out.extend_from_slice(&u32::try_from(l1_entries)?.to_be_bytes());
    out.extend_from_slice(&l1_at.to_be_bytes());
    out.extend_from_slice(&table.to_be_bytes());
    out.extend_from_slice(&1_u32.to_be_bytes()); // clusters of the reference table
    out.extend_from_slice(&0_u32.to_be_bytes()); // no snapshots
    out.extend_from_slice(&[0; 8 + 24]); // their offset; feature bits: none
    out.extend_from_slice(&4_u32.to_be_bytes()); // 16-bit reference counts
    out.extend_from_slice(&104_u32.to_be_bytes()); // header length
    out.resize(CLUSTER, 0);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                state.to_be_bytes()[0]
            })
            .collect()
    }

    /// A reader of what is written, to see that every byte comes back.
    fn read_back(image: &[u8], size: usize) -> Vec<u8> {
        let number = |at: usize| u64::from_be_bytes(image[at..at + 8].try_into().unwrap());
        let place = |value: u64| usize::try_from(value).unwrap();
        let entries = place(L2_ENTRIES);
        let l1 = place(number(40));
        let mut disk = vec![0; size];
        for index in 0..size / CLUSTER {
            let l2 = number(l1 + index / entries * 8) & !COPIED;
            if l2 == 0 {
                continue;
            }
            let entry = number(place(l2) + index % entries * 8);
            let target = &mut disk[index * CLUSTER..][..CLUSTER];
            if entry & COMPRESSED != 0 {
                let at = place(entry & ((1 << ADDRESS_BITS) - 1));
                flate2::Decompress::new_with_window_bits(false, WINDOW_BITS)
                    .decompress(&image[at..], target, flate2::FlushDecompress::Finish)
                    .unwrap();
            } else if entry != 0 {
                let at = place(entry & !COPIED);
                target.copy_from_slice(&image[at..at + CLUSTER]);
            }
        }
        disk
    }

    #[test]
    fn every_byte_comes_back_and_two_runs_are_equal() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = vec![0_u8; 40 * CLUSTER];
        disk[CLUSTER..2 * CLUSTER].copy_from_slice(&noise(CLUSTER));
        for (at, byte) in disk[5 * CLUSTER..9 * CLUSTER].iter_mut().enumerate() {
            *byte = u8::try_from(at / 100 % 251).unwrap();
        }
        let raw = folder.path().join("raw");
        std::fs::write(&raw, &disk).unwrap();
        let images: Vec<Vec<u8>> = ["one", "two"]
            .iter()
            .map(|name| {
                let out = folder.path().join(name);
                write(&raw, &out).unwrap();
                std::fs::read(out).unwrap()
            })
            .collect();
        assert!(images[0] == images[1]);
        assert!(images[0].len() < 10 * CLUSTER);
        assert!(read_back(&images[0], disk.len()) == disk);
        if std::process::Command::new("qemu-img")
            .arg("--version")
            .output()
            .is_ok()
        {
            let check = std::process::Command::new("qemu-img")
                .arg("check")
                .arg(folder.path().join("one"))
                .output()
                .unwrap();
            assert!(
                check.status.success(),
                "{}",
                String::from_utf8_lossy(&check.stdout)
            );
        }
    }
}
