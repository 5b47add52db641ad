//! In which order entries of several files stand: as they were written, whatever the wall clock did meanwhile.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::entry::Entry;

/// When an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Who numbered it: numbers of one writer compare.
    pub seqnum_id: [u8; 16],
    pub seqnum: u64,
    /// In which boot: monotonic times of one boot compare.
    pub boot_id: [u8; 16],
    /// Microseconds since boot.
    pub monotonic: u64,
    /// Microseconds since 1970.
    pub realtime: u64,
}

impl Moment {
    /// Order as in `sd-journal`: by number, by the clock of the boot, or else by the wall clock.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        if self.seqnum_id == other.seqnum_id {
            return self.seqnum.cmp(&other.seqnum);
        }
        if self.boot_id == other.boot_id {
            return self.monotonic.cmp(&other.monotonic);
        }
        self.realtime.cmp(&other.realtime)
    }
}

impl From<&Entry> for Moment {
    fn from(entry: &Entry) -> Self {
        Self {
            seqnum_id: entry.seqnum_id,
            seqnum: entry.seqnum,
            boot_id: entry.boot_id,
            monotonic: entry.monotonic,
            realtime: entry.realtime,
        }
    }
}

/// Puts entries into order. [`Moment::order`] is no order of the whole (two writers in two boots with a clock
/// that was set back go round in a circle), so each writer's are sorted and these rows are then merged.
pub(crate) fn merge<T>(entries: Vec<T>, moment: impl Fn(&T) -> Moment) -> Vec<T> {
    let mut writers: BTreeMap<[u8; 16], Vec<T>> = BTreeMap::new();
    for entry in entries {
        let id = moment(&entry).seqnum_id;
        writers.entry(id).or_default().push(entry);
    }
    let mut rows: Vec<Vec<T>> = writers.into_values().collect();
    for row in &mut rows {
        row.sort_by_key(|entry| moment(entry).seqnum);
    }
    rows.sort_by_key(|row| row.first().map(|entry| moment(entry).realtime));
    rows.into_iter()
        .reduce(|left, right| merge_two(left, right, &moment))
        .unwrap_or_default()
}

fn merge_two<T>(left: Vec<T>, right: Vec<T>, moment: &impl Fn(&T) -> Moment) -> Vec<T> {
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let row = if moment(a).order(&moment(b)).is_gt() {
            &mut right
        } else {
            &mut left
        };
        merged.extend(row.next());
    }
    merged.extend(left);
    merged.extend(right);
    merged
}

#[cfg(test)]
mod tests {
    use super::{Moment, merge};

    fn at(writer: u8, seqnum: u64, boot: u8, monotonic: u64, realtime: u64) -> Moment {
        Moment {
            seqnum_id: [writer; 16],
            seqnum,
            boot_id: [boot; 16],
            monotonic,
            realtime,
        }
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_move_later_lines_before_earlier_ones() {
        let lines = vec![at(1, 2, 1, 20, 500), at(1, 1, 1, 10, 900)];
        let seqnums: Vec<u64> = merge(lines, |m| *m).iter().map(|m| m.seqnum).collect();
        assert_eq!(seqnums, [1, 2]);
    }

    #[test]
    fn writers_of_one_boot_are_merged_by_its_clock_and_others_by_the_wall_clock() {
        let lines = vec![
            at(2, 7, 1, 15, 100),
            at(1, 1, 1, 10, 900),
            at(1, 2, 1, 20, 500),
            at(3, 1, 2, 1, 950),
        ];
        let seqnums: Vec<(u8, u64)> = merge(lines, |m| *m)
            .iter()
            .map(|m| (m.seqnum_id[0], m.seqnum))
            .collect();
        assert_eq!(seqnums, [(1, 1), (2, 7), (1, 2), (3, 1)]);
    }
}
