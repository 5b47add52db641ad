//! How much room the files of a folder may take: the rules of journald.conf(5), as numbers.
//!
//! Pure: the sizes of the file system arrive as arguments, each time anew, since a file system grows and others fill it.

/// No file grows beyond this by itself, whatever the disk's size.
const FILE_MAX: u64 = 128 << 20;
/// A file may take at least this much.
pub(crate) const FILE_MIN: u64 = 1 << 20;
/// What is not configured is a share of the file system, at most this.
const SHARE_MAX: u64 = 4 << 30;
/// This much (or a fiftieth of the file system) is kept even where others leave less room than `KeepFree=` asks for.
const USE_MIN: u64 = 16 << 20;
/// More files than this are not kept.
const FILES_MAX: u64 = 100;

/// What journald.conf says of one of the two places (`System…=`, `Runtime…=`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) max_use: Option<u64>,
    pub(crate) keep_free: Option<u64>,
    pub(crate) max_file_size: Option<u64>,
    pub(crate) max_files: Option<u64>,
}

/// A file system as statvfs(3) shows it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) size: u64,
    pub(crate) free: u64,
}

/// What holds for a folder now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// All files together.
    pub(crate) total: u64,
    /// One file.
    pub(crate) file: u64,
    /// Closed files.
    pub(crate) files: u64,
    /// Whether others have left less than is to be kept free, and the journal already takes what it may at least.
    pub(crate) tight: bool,
}

impl Room {
    /// The limits on `disk` for a journal that takes `used` bytes of it.
    ///
    /// Where others fill the disk, the journal does not grow any further, but nothing is removed for their sake.
    pub(crate) fn limits(&self, disk: Disk, used: u64) -> Limits {
        let share = |percent: u64| (disk.size / 100).saturating_mul(percent).min(SHARE_MAX);
        let wanted = self
            .max_use
            .unwrap_or_else(|| share(10).max(FILE_MIN * 2))
            .max(FILE_MIN);
        let file = self
            .max_file_size
            .unwrap_or_else(|| (wanted / 8).min(FILE_MAX))
            .max(FILE_MIN);
        // A file that is closed is kept beside the one that is written.
        let wanted = wanted.max(file.saturating_mul(2));
        let keep = self.keep_free.unwrap_or_else(|| share(15));
        let least = (disk.size / 50).clamp(FILE_MIN, USE_MIN).min(wanted);
        let allowed = used.saturating_add(disk.free.saturating_sub(keep));
        Limits {
            total: allowed.clamp(least, wanted),
            file,
            files: self.max_files.unwrap_or(FILES_MAX).max(1),
            tight: disk.free < keep && used >= least,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn disk(size: u64, free: u64) -> Disk {
        Disk {
            size: size * MB,
            free: free * MB,
        }
    }

    #[test]
    fn a_file_system_that_grew_gives_more_room() {
        let small = Room::default().limits(disk(96, 90), 0);
        assert!(small.total < 10 * MB && small.file < 2 * MB);
        let grown = Room::default().limits(disk(6800, 6700), 5 * MB);
        assert_eq!(grown.total, 68 * 10 * MB);
        assert_eq!(grown.file, 85 * MB);
    }

    #[test]
    fn when_others_fill_the_disk_the_journal_neither_grows_nor_shrinks() {
        let limits = Room::default().limits(disk(1000, 20), 70 * MB);
        assert_eq!(limits.total, 70 * MB);
        assert!(limits.tight);
        let little = Room::default().limits(disk(1000, 20), MB);
        assert_eq!(little.total, 16 * MB);
        assert!(!little.tight);
    }

    #[test]
    fn what_is_configured_holds_and_what_is_not_follows_from_it() {
        let room = Room {
            max_use: Some(64 * MB),
            keep_free: Some(0),
            ..Room::default()
        };
        let limits = room.limits(disk(1000, 5), 60 * MB);
        assert_eq!((limits.total, limits.file), (64 * MB, 8 * MB));
        assert!(!limits.tight);
        let room = Room {
            max_use: Some(20 * MB),
            max_file_size: Some(50 * MB),
            max_files: Some(3),
            ..Room::default()
        };
        let limits = room.limits(disk(10_000, 9000), 0);
        assert_eq!(
            (limits.total, limits.file, limits.files),
            (100 * MB, 50 * MB, 3)
        );
    }

    #[test]
    fn no_file_system_is_too_small_or_too_large_for_the_arithmetic() {
        for size in [0, 1, u64::MAX] {
            let limits = Room::default().limits(Disk { size, free: size }, size);
            assert!(limits.total >= FILE_MIN && limits.file >= FILE_MIN);
        }
    }
}
