//! Reading a qcow2 image: plain and zlib-compressed clusters, no backing file, no encryption, no snapshots.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::HarnessError;

/// An image that reads as the disk it stands for.
#[derive(Debug)]
pub struct Qcow2 {
    file: File,
    cluster_bits: u32,
    size: u64,
    l1: Vec<u64>,
    position: u64,
    cached: RefCell<Option<(u64, Vec<u8>)>>,
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|eight| eight.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}

impl Qcow2 {
    /// Opens an image for reading.
    ///
    /// # Errors
    /// When it is not a qcow2 image, or uses what is not understood here.
    pub fn open(path: &Path) -> Result<Qcow2, HarnessError> {
        let what = || format!("read {}", path.display());
        let wrong = |text: &str| HarnessError::Image {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let file = File::open(path).map_err(HarnessError::io(what()))?;
        let mut head = [0; 104];
        file.read_exact_at(&mut head, 0)
            .map_err(HarnessError::io(what()))?;
        if &head[..4] != b"QFI\xfb" {
            return Err(wrong("not a qcow2 image"));
        }
        let version = be32(&head, 4);
        let cluster_bits = be32(&head, 20);
        if !(2..=3).contains(&version) || !(9..=21).contains(&cluster_bits) || be32(&head, 32) != 0
        {
            return Err(wrong("a qcow2 image of a kind that is not read here"));
        }
        if version == 3 && be64(&head, 72) & !1 != 0 {
            return Err(wrong(
                "a qcow2 image with features that are not read here (compression must be zlib)",
            ));
        }
        let entries = usize::try_from(be32(&head, 36)).unwrap_or(0).min(1 << 22);
        let mut table = vec![0; entries * 8];
        file.read_exact_at(&mut table, be64(&head, 40))
            .map_err(HarnessError::io(what()))?;
        let l1 = table.chunks_exact(8).map(|entry| be64(entry, 0)).collect();
        Ok(Qcow2 {
            file,
            cluster_bits,
            size: be64(&head, 24),
            l1,
            position: 0,
            cached: RefCell::new(None),
        })
    }

    /// Size of the disk.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    fn cluster(&self, number: u64) -> io::Result<Vec<u8>> {
        const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
        let length = 1_usize << self.cluster_bits;
        let per_table = 1_u64 << (self.cluster_bits - 3);
        let first = usize::try_from(number / per_table).unwrap_or(usize::MAX);
        let table = self.l1.get(first).copied().unwrap_or(0) & OFFSET;
        if table == 0 {
            return Ok(vec![0; length]);
        }
        let mut entry = [0; 8];
        self.file
            .read_exact_at(&mut entry, table + (number % per_table) * 8)?;
        let entry = be64(&entry, 0);
        let mut cluster = vec![0; length];
        if entry >> 62 & 1 == 1 {
            let shift = 62 - (self.cluster_bits - 8);
            let at = entry & ((1 << shift) - 1);
            let sectors = (entry & ((1 << 62) - 1)) >> shift;
            let room = usize::try_from((sectors + 1) * 512 - (at & 511)).unwrap_or(0);
            let mut packed = vec![0; room];
            let mut have = 0;
            while have < room {
                match self
                    .file
                    .read_at(&mut packed[have..], at + u64::try_from(have).unwrap_or(0))?
                {
                    0 => break,
                    count => have += count,
                }
            }
            let mut inflate = flate2::Decompress::new(false);
            inflate
                .decompress(
                    &packed[..have],
                    &mut cluster,
                    flate2::FlushDecompress::Finish,
                )
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        } else if entry & OFFSET != 0 && entry & 1 == 0 {
            self.file.read_exact_at(&mut cluster, entry & OFFSET)?;
        }
        Ok(cluster)
    }
}

impl Read for Qcow2 {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size {
            return Ok(0);
        }
        let number = self.position >> self.cluster_bits;
        let mut cached = self.cached.borrow_mut();
        if cached.as_ref().is_none_or(|(known, _)| *known != number) {
            *cached = Some((number, self.cluster(number)?));
        }
        let Some((_, cluster)) = cached.as_ref() else {
            return Ok(0);
        };
        let within = usize::try_from(self.position - (number << self.cluster_bits)).unwrap_or(0);
        let left = usize::try_from(self.size - self.position).unwrap_or(usize::MAX);
        let count = room.len().min(cluster.len() - within).min(left);
        room[..count].copy_from_slice(&cluster[within..within + count]);
        self.position += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}

impl Seek for Qcow2 {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Write for Qcow2 {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::new(
            io::ErrorKind::ReadOnlyFilesystem,
            "images are only read here",
        ))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
