//! Snapshot files: `TERM-INDEX.snap`, checked by CRC, the newest two kept.

use std::fs;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcd_store::{Decoder, Encoder};

use super::codec::{get_meta, put_meta};
use super::crc::crc32c;
use super::log::{make_folder, sync_folder};
use super::types::{SnapshotBytes, SnapshotMeta};

const MAGIC: &[u8; 8] = b"gbsnap01";
const KEPT: usize = 2;

/// The folder with the snapshots of a member.
#[derive(Debug, Clone)]
pub(crate) struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    pub(crate) fn open(folder: &Path) -> io::Result<Snapshots> {
        make_folder(folder)?;
        // What was being written when the last process ended.
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(path)?;
            }
        }
        Ok(Snapshots {
            folder: folder.to_owned(),
        })
    }

    /// Writes a snapshot so that it is whole or absent after a crash, and removes old ones.
    pub(crate) fn save(&self, meta: &SnapshotMeta, data: &[u8]) -> io::Result<()> {
        let mut body = Encoder::new();
        put_meta(&mut body, meta);
        body.out.extend_from_slice(data);
        let path = self.folder.join(name(meta));
        let temporary = path.with_extension("tmp");
        let write = || {
            let mut file = fs::File::create(&temporary)?;
            file.write_all(MAGIC)?;
            file.write_all(&crc32c(&body.out).to_le_bytes())?;
            file.write_all(&body.out)?;
            file.sync_all()
        };
        write().inspect_err(|_| {
            // On a full disk the log needs this room.
            let _ = fs::remove_file(&temporary);
        })?;
        fs::rename(&temporary, &path)?;
        sync_folder(&self.folder)?;
        for old in self.list()?.into_iter().skip(KEPT) {
            fs::remove_file(old)?;
        }
        Ok(())
    }

    /// The newest good snapshot. Damaged ones are renamed and passed over: the log reaches back to
    /// the one before.
    pub(crate) fn newest(&self) -> io::Result<Option<(SnapshotMeta, SnapshotBytes)>> {
        for path in self.list()? {
            let bytes = fs::read(&path)?;
            if let Some(good) = parse(&bytes) {
                return Ok(Some(good));
            }
            let broken = path.with_extension("snap.broken");
            tracing::error!(path = %path.display(), "the snapshot is damaged, the one before is used");
            fs::rename(&path, &broken)?;
        }
        Ok(None)
    }

    /// Newest first.
    fn list(&self) -> io::Result<Vec<PathBuf>> {
        let files: io::Result<Vec<PathBuf>> = fs::read_dir(&self.folder)?
            .map(|file| file.map(|file| file.path()))
            .collect();
        let mut files = files?;
        files.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "snap")
        });
        files.sort();
        files.reverse();
        Ok(files)
    }
}

fn name(meta: &SnapshotMeta) -> String {
    let (term, index) = meta
        .last_log_id
        .map_or((0, 0), |last| (last.leader_id.term, last.index));
    format!("{term:016x}-{index:016x}.snap")
}

fn parse(bytes: &[u8]) -> Option<(SnapshotMeta, SnapshotBytes)> {
    let (crc, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    if crc32c(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut from = Decoder::new(body);
    let meta = get_meta(&mut from).ok()?;
    Some((meta, Arc::new(from.rest().to_vec())))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::Snapshots;
    use crate::raft::types::SnapshotMeta;

    #[test]
    fn nothing_is_left_of_a_snapshot_that_could_not_be_written() {
        let folder = TempDir::new().unwrap();
        let snapshots = Snapshots::open(folder.path()).unwrap();
        // Every write to it fails as on a full disk.
        let temporary = folder.path().join(format!("{:016x}-{:016x}.tmp", 0, 0));
        std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
        snapshots
            .save(&SnapshotMeta::default(), b"state")
            .unwrap_err();
        fs::symlink_metadata(&temporary).unwrap_err();
        snapshots.save(&SnapshotMeta::default(), b"state").unwrap();
        let (_, state) = snapshots.newest().unwrap().unwrap();
        assert_eq!(*state, b"state");
        fs::write(&temporary, b"half").unwrap();
        Snapshots::open(folder.path()).unwrap();
        assert!(!temporary.exists());
    }
}
