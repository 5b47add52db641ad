//! What a crash or a bad disk can do to the log, byte by byte.

use std::fs;
use std::path::{Path, PathBuf};

use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogStorage, RaftLogStorageExt};
use openraft::{RaftLogReader, Vote};
use proptest::prelude::*;
use tempfile::TempDir;

use super::record::Record;
use super::writer::SEGMENT;
use super::{Identity, Log, OpenError, frame};
use crate::raft::types::{Attributes, Body, Entry, LogId, Proposal};

const OWN: Identity = Identity {
    member: 1,
    cluster: 2,
};

fn entry(index: u64, size: usize) -> Entry {
    let attributes = Attributes {
        name: "x".repeat(size),
        client_urls: Vec::new(),
    };
    let payload = EntryPayload::Normal(Proposal {
        id: index,
        body: Body::Publish {
            member: 1,
            attributes,
        },
    });
    Entry {
        log_id: LogId::new_term_index(1, index),
        payload,
    }
}

fn run<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

fn open(folder: &Path) -> Result<Log, OpenError> {
    Log::open(folder, OWN)
}

/// A log with one batch per element of `batches`: the numbers and sizes of its entries.
fn write(folder: &Path, batches: &[(std::ops::Range<u64>, usize)]) {
    run(async {
        let mut log = open(folder).unwrap();
        log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
        for (range, size) in batches {
            log.blocking_append(range.clone().map(|index| entry(index, *size)))
                .await
                .unwrap();
        }
        log.close();
    });
}

fn indexes(folder: &Path) -> Result<Vec<u64>, OpenError> {
    run(async {
        let mut log = open(folder)?;
        let entries = log.try_get_log_entries(..).await.unwrap();
        for entry in &entries {
            assert_eq!(
                *entry,
                self::entry(entry.log_id.index, size_of_name(entry)),
                "wrong data served"
            );
        }
        log.close();
        Ok(entries.iter().map(|entry| entry.log_id.index).collect())
    })
}

fn size_of_name(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(Proposal {
            body: Body::Publish { attributes, .. },
            ..
        }) => attributes.name.len(),
        _ => 0,
    }
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    found.sort();
    found
}

/// Where the last byte that is not zero is, and where the batch before the last ended.
fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

#[test]
fn what_was_written_is_read_after_a_restart() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[(0..3, 10), (3..5, 1000)]);
    assert_eq!(indexes(folder.path()).unwrap(), [0, 1, 2, 3, 4]);
    run(async {
        let mut log = open(folder.path()).unwrap();
        assert_eq!(
            log.read_vote().await.unwrap(),
            Some(Vote::new_committed(1, 1))
        );
        log.truncate_after(Some(LogId::new_term_index(1, 3)))
            .await
            .unwrap();
        log.purge(LogId::new_term_index(1, 1)).await.unwrap();
        log.close();
    });
    assert_eq!(indexes(folder.path()).unwrap(), [2, 3]);
}

#[test]
fn a_log_cut_at_any_byte_of_its_last_batch_opens_with_all_before_it() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[(0..3, 20)]);
    let path = segments(folder.path()).remove(0);
    let before = used(&fs::read(&path).unwrap()).next_multiple_of(16);
    write_more(folder.path(), &[(3..5, 30)]);
    let whole = fs::read(&path).unwrap();
    let end = used(&whole);
    for cut in before..end {
        let zeroed: Vec<u8> = whole[..cut]
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0, whole.len() - cut))
            .collect();
        for torn in [whole[..cut].to_vec(), zeroed] {
            fs::write(&path, torn).unwrap();
            let left = indexes(folder.path()).unwrap();
            assert!(
                left.starts_with(&[0, 1, 2]) && left.len() <= 5,
                "cut at {cut}: {left:?}"
            );
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(indexes(folder.path()).unwrap(), [0, 1, 2, 3, 4]);
}

fn write_more(folder: &Path, batches: &[(std::ops::Range<u64>, usize)]) {
    run(async {
        let mut log = open(folder).unwrap();
        for (range, size) in batches {
            log.blocking_append(range.clone().map(|index| entry(index, *size)))
                .await
                .unwrap();
        }
        log.close();
    });
}

#[test]
fn a_batch_of_which_single_sectors_are_missing_is_dropped_from_there() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[(0..2, 20)]);
    let path = segments(folder.path()).remove(0);
    let before = used(&fs::read(&path).unwrap()).next_multiple_of(512);
    write_more(folder.path(), &[(2..12, 900)]);
    let whole = fs::read(&path).unwrap();
    for sector in (before..used(&whole)).step_by(512) {
        let mut torn = whole.clone();
        let end = (sector + 512).min(torn.len());
        torn[sector..end].fill(0);
        fs::write(&path, torn).unwrap();
        let left = indexes(folder.path()).unwrap();
        assert!(
            left.len() >= 2 && left.len() < 12,
            "sector at {sector}: {left:?}"
        );
    }
}

#[test]
fn a_log_that_goes_on_after_a_torn_write_is_whole() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[(0..3, 20), (3..6, 20)]);
    let path = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let end = used(&bytes);
    bytes[end - 20..].fill(0);
    fs::write(&path, bytes).unwrap();
    assert_eq!(indexes(folder.path()).unwrap(), [0, 1, 2, 3, 4]);
    write_more(folder.path(), &[(5..7, 20)]);
    assert_eq!(indexes(folder.path()).unwrap(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_missing_segment_is_damage() {
    let folder = TempDir::new().unwrap();
    let size = SEGMENT / 3;
    write(
        folder.path(),
        &[
            (0..1, size),
            (1..2, size),
            (2..3, size),
            (3..4, size),
            (4..5, size),
            (5..6, size),
        ],
    );
    let found = segments(folder.path());
    assert!(found.len() >= 3, "{found:?}");
    assert_eq!(indexes(folder.path()).unwrap().len(), 6);
    fs::remove_file(&found[1]).unwrap();
    assert!(matches!(
        indexes(folder.path()),
        Err(OpenError::Damaged { .. })
    ));
}

#[test]
fn purged_segments_are_removed_and_the_rest_still_opens() {
    let folder = TempDir::new().unwrap();
    let size = SEGMENT / 3;
    run(async {
        let mut log = open(folder.path()).unwrap();
        log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
        for index in 0..7 {
            log.blocking_append([entry(index, size)]).await.unwrap();
        }
        let before = segments(folder.path()).len();
        log.purge(LogId::new_term_index(1, 5)).await.unwrap();
        log.blocking_append([entry(7, 10)]).await.unwrap();
        log.close();
        assert!(segments(folder.path()).len() < before);
    });
    assert_eq!(indexes(folder.path()).unwrap(), [6, 7]);
    run(async {
        let mut log = open(folder.path()).unwrap();
        assert_eq!(
            log.read_vote().await.unwrap(),
            Some(Vote::new_committed(1, 1))
        );
        log.close();
    });
}

#[test]
fn segments_removed_after_an_older_purge_are_not_taken_for_damage() {
    let folder = TempDir::new().unwrap();
    let size = SEGMENT / 3;
    let purge = |index| LogId::new_term_index(1, index);
    for purges in [[1, 5], [0, 2], [4, 6]] {
        let folder = folder.path().join(format!("{purges:?}"));
        run(async {
            let mut log = open(&folder).unwrap();
            log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
            for index in 0..8 {
                log.blocking_append([entry(index, size)]).await.unwrap();
                // Later heads know of this purge only.
                if index == purges[0] {
                    log.purge(purge(index)).await.unwrap();
                }
            }
            log.purge(purge(purges[1])).await.unwrap();
            log.blocking_append([entry(8, 10)]).await.unwrap();
            log.close();
        });
        for _ in 0..2 {
            let want: Vec<u64> = (purges[1] + 1..9).collect();
            assert_eq!(indexes(&folder).unwrap(), want, "{purges:?}");
        }
        run(async {
            let mut log = open(&folder).unwrap();
            let state = log.get_log_state().await.unwrap();
            assert_eq!(state.last_purged_log_id, Some(purge(purges[1])));
            log.close();
        });
    }
}

/// Entries of an old leader at the end of a segment are replaced in the next one, by entries of an
/// older term, and purged there.
#[test]
fn entries_replaced_after_the_head_of_the_oldest_segment_keep_their_terms() {
    let folder = TempDir::new().unwrap();
    let size = SEGMENT / 3;
    let of_term = |term, index, size| Entry {
        log_id: LogId::new_term_index(term, index),
        ..entry(index, size)
    };
    run(async {
        let mut log = open(folder.path()).unwrap();
        for index in 0..3 {
            log.blocking_append([of_term(1, index, size)])
                .await
                .unwrap();
        }
        // Fills the segment, so that even the truncation comes after the next head.
        let mut empty = Vec::new();
        frame::append(&mut empty, |out| Record::Entry(entry(3, 0)).put(out));
        let newest = fs::read(segments(folder.path()).last().unwrap()).unwrap();
        let rest = SEGMENT - used(&newest).next_multiple_of(16) - empty.len() - 16;
        log.blocking_append([of_term(3, 3, rest)]).await.unwrap();
        log.truncate_after(Some(LogId::new_term_index(1, 1)))
            .await
            .unwrap();
        for index in 2..6 {
            log.blocking_append([of_term(2, index, 10)]).await.unwrap();
        }
        log.purge(LogId::new_term_index(2, 3)).await.unwrap();
        log.blocking_append([of_term(4, 6, 10)]).await.unwrap();
        log.close();
        let left = segments(folder.path());
        assert!(
            left[0].ends_with("0000000000000002-0000000000000004.log"),
            "{left:?}"
        );
        let mut log = open(folder.path()).unwrap();
        let state = log.get_log_state().await.unwrap();
        assert_eq!(
            (state.last_purged_log_id, state.last_log_id),
            (
                Some(LogId::new_term_index(2, 3)),
                Some(LogId::new_term_index(4, 6))
            )
        );
        let entries = log.try_get_log_entries(..).await.unwrap();
        let ids: Vec<_> = entries.iter().map(|entry| entry.log_id).collect();
        assert_eq!(
            ids,
            [(2, 4), (2, 5), (4, 6)].map(|(term, index)| LogId::new_term_index(term, index))
        );
        log.close();
    });
}

#[test]
fn a_missing_oldest_segment_whose_entries_were_not_purged_is_damage() {
    let folder = TempDir::new().unwrap();
    let size = SEGMENT / 3;
    let single: Vec<_> = (0..6).map(|index| (index..index + 1, size)).collect();
    write(folder.path(), &single);
    fs::remove_file(&segments(folder.path())[0]).unwrap();
    assert!(matches!(
        indexes(folder.path()),
        Err(OpenError::Damaged { .. })
    ));
}

#[test]
fn the_log_of_another_member_is_refused() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &[(0..1, 1)]);
    let other = Identity {
        member: 3,
        cluster: 2,
    };
    assert!(matches!(
        Log::open(folder.path(), other),
        Err(OpenError::Foreign { .. })
    ));
}

#[test]
fn old_entries_are_read_from_disk_when_they_no_longer_fit_into_memory() {
    let folder = TempDir::new().unwrap();
    run(async {
        let mut log = open(folder.path()).unwrap();
        for index in 0..40 {
            log.blocking_append([entry(index, 400_000)]).await.unwrap();
        }
        let entries = log.try_get_log_entries(0..40).await.unwrap();
        assert_eq!(entries.len(), 40);
        assert_eq!(entries[0], entry(0, 400_000));
        log.close();
    });
}

#[test]
fn after_a_failed_write_every_later_one_fails_too() {
    let folder = TempDir::new().unwrap();
    run(async {
        let mut log = open(folder.path()).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        log.save_vote(&Vote::new(1, 1)).await.unwrap_err();
        log.append([entry(0, 1)], IOFlushed::noop())
            .await
            .unwrap_err();
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// A flipped byte anywhere: refuse, or serve exactly what was written.
    #[test]
    fn one_flipped_byte_never_changes_or_loses_what_was_acknowledged(place in 0.0_f64..1.0, flip in 1..=255_u8) {
        thread_local! {
            static WHOLE: (TempDir, PathBuf, Vec<u8>) = {
                let folder = TempDir::new().unwrap();
                write(folder.path(), &[(0..3, 20), (3..5, 700), (5..6, 5)]);
                let path = segments(folder.path()).remove(0);
                let bytes = fs::read(&path).unwrap();
                // The zeros after the end are shortened: they are all alike.
                let keep = used(&bytes) + 64;
                (folder, path, bytes[..keep].to_vec())
            };
        }
        WHOLE.with(|(folder, path, whole)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
            let at = (place * whole.len() as f64) as usize;
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            fs::write(path, bytes).unwrap();
            match indexes(folder.path()) {
                Ok(left) => prop_assert_eq!(left, [0, 1, 2, 3, 4, 5], "byte {} xor {}", at, flip),
                Err(OpenError::Damaged { .. } | OpenError::Foreign { .. }) => {}
                Err(error) => prop_assert!(false, "{}", error),
            }
            Ok(())
        })?;
    }
}
