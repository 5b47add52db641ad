//! What a disk holds: a base that is only read, a private layer of what is safe, and on top, in order, the writes that
//! the guest has not flushed. A power cut takes those: all of them, or a part that a seed chooses, some torn.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};

use crate::disk::base::Base;
use crate::error::HarnessError;
use crate::network::Dice;

/// The unit of a disk: what a power cut leaves whole.
pub(super) const SECTOR: u64 = 512;
/// How many bytes may wait for a flush; a real disk's cache has an end too.
const HELD: u64 = 64 << 20;

/// What a power cut does to writes that were not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// All are lost.
    LoseAll,
    /// About half are lost, whatever their order, and some of the others are torn at a sector's border; the seed says
    /// which.
    LoseHalf {
        /// Where the dice begin.
        seed: u64,
    },
}

#[derive(Debug)]
struct Held {
    at: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Bytes(Vec<u8>),
    Zeroes(u64),
}

impl Held {
    fn length(&self) -> u64 {
        match &self.what {
            What::Bytes(bytes) => bytes.len() as u64,
            What::Zeroes(length) => *length,
        }
    }

    fn touches(&self, at: u64, length: u64) -> bool {
        self.at < at + length && at < self.at + self.length()
    }
}

/// One disk.
#[derive(Debug)]
pub(super) struct Store {
    base: Base,
    size: u64,
    private: File,
    /// One bit a sector: is it in the private layer?
    own: Vec<u64>,
    held: Vec<Held>,
    held_bytes: u64,
}

impl Store {
    pub(super) fn create(
        image: &Path,
        private: &Path,
        size: Option<u64>,
    ) -> Result<Store, HarnessError> {
        let base = Base::open(image)?;
        let size = size.unwrap_or(0).max(base.size()).next_multiple_of(4096);
        let what = || format!("make {}", private.display());
        let private = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(private)
            .map_err(HarnessError::io(what()))?;
        private.set_len(size).map_err(HarnessError::io(what()))?;
        let words = usize::try_from((size / SECTOR).div_ceil(64)).unwrap_or(0);
        Ok(Store {
            base,
            size,
            private,
            own: vec![0; words],
            held: Vec::new(),
            held_bytes: 0,
        })
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many writes wait for a flush.
    pub(super) fn waiting(&self) -> usize {
        self.held.len()
    }

    /// Is this a piece of the disk, in whole sectors?
    pub(super) fn holds(&self, at: u64, length: u64) -> bool {
        at.is_multiple_of(SECTOR)
            && length.is_multiple_of(SECTOR)
            && at.checked_add(length).is_some_and(|end| end <= self.size)
    }

    pub(super) fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut done = 0;
        while done < length {
            let place = at + done as u64;
            let own = self.is_own(place / SECTOR);
            let mut run = 0;
            while done + run < length && self.is_own((place + run as u64) / SECTOR) == own {
                run += sector();
            }
            let end = (done + run).min(length);
            let room = &mut bytes[done..end];
            if own {
                self.private.read_exact_at(room, place)?;
            } else {
                self.base.read_at(room, place)?;
            }
            done = end;
        }
        for held in self
            .held
            .iter()
            .filter(|held| held.touches(at, length as u64))
        {
            let from = held.at.max(at);
            let to = (held.at + held.length()).min(at + length as u64);
            let room = &mut bytes[narrow(from - at)..narrow(to - at)];
            match &held.what {
                What::Bytes(new) => {
                    room.copy_from_slice(&new[narrow(from - held.at)..narrow(to - held.at)]);
                }
                What::Zeroes(_) => room.fill(0),
            }
        }
        Ok(bytes)
    }

    /// Takes a write; `through` makes it safe at once.
    pub(super) fn write(&mut self, at: u64, bytes: Vec<u8>, through: bool) -> io::Result<()> {
        self.take(
            Held {
                at,
                what: What::Bytes(bytes),
            },
            through,
        )
    }

    /// Takes zeroes.
    pub(super) fn zero(&mut self, at: u64, length: u64, through: bool) -> io::Result<()> {
        self.take(
            Held {
                at,
                what: What::Zeroes(length),
            },
            through,
        )
    }

    fn take(&mut self, new: Held, through: bool) -> io::Result<()> {
        if through {
            // What waits below it goes first, so that it never comes back over it.
            let (at, length) = (new.at, new.length());
            let (below, rest) = std::mem::take(&mut self.held)
                .into_iter()
                .partition(|held| held.touches(at, length));
            self.held = rest;
            self.held_bytes = self.held.iter().map(bytes_of).sum();
            let below: Vec<Held> = below;
            for held in &below {
                self.commit(held)?;
            }
            return self.commit(&new);
        }
        self.held_bytes += bytes_of(&new);
        self.held.push(new);
        let mut early = 0;
        while self.held_bytes > HELD && early < self.held.len() {
            self.held_bytes -= bytes_of(&self.held[early]);
            early += 1;
        }
        let old: Vec<Held> = self.held.drain(..early).collect();
        old.iter().try_for_each(|held| self.commit(held))
    }

    /// Makes everything safe that was written so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.held_bytes = 0;
        let held = std::mem::take(&mut self.held);
        held.iter().try_for_each(|held| self.commit(held))
    }

    /// The power is gone: returns how many writes are lost, wholly or in part.
    pub(super) fn cut(&mut self, how: PowerCut) -> io::Result<usize> {
        self.held_bytes = 0;
        let held = std::mem::take(&mut self.held);
        let PowerCut::LoseHalf { seed } = how else {
            return Ok(held.len());
        };
        let mut dice = Dice(seed);
        let mut lost = 0;
        for mut one in held {
            let (keeps, tears, place) = (
                dice.next().is_multiple_of(2),
                dice.next().is_multiple_of(4),
                dice.part(),
            );
            if !keeps {
                lost += 1;
                continue;
            }
            let sectors = one.length() / SECTOR;
            if tears && sectors > 1 {
                lost += 1;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a part of a number of sectors that fits in 32 bits"
                )]
                let kept = (1 + (place * (sectors - 1) as f64) as u64) * SECTOR;
                match &mut one.what {
                    What::Bytes(bytes) => bytes.truncate(narrow(kept)),
                    What::Zeroes(length) => *length = kept,
                }
            }
            self.commit(&one)?;
        }
        Ok(lost)
    }

    fn commit(&mut self, held: &Held) -> io::Result<()> {
        match &held.what {
            What::Bytes(bytes) => self.private.write_all_at(bytes, held.at)?,
            What::Zeroes(length) => {
                let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                if fallocate(&self.private, flags, held.at, *length).is_err() {
                    let zeroes = vec![0; narrow((*length).min(1 << 20))];
                    let mut done = 0;
                    while done < *length {
                        let count = (zeroes.len() as u64).min(length - done);
                        self.private
                            .write_all_at(&zeroes[..narrow(count)], held.at + done)?;
                        done += count;
                    }
                }
            }
        }
        for sector in held.at / SECTOR..(held.at + held.length()).div_ceil(SECTOR) {
            if let Some(word) = self.own.get_mut(narrow(sector / 64)) {
                *word |= 1 << (sector % 64);
            }
        }
        Ok(())
    }

    fn is_own(&self, sector: u64) -> bool {
        self.own
            .get(narrow(sector / 64))
            .is_some_and(|word| word >> (sector % 64) & 1 == 1)
    }
}

fn bytes_of(held: &Held) -> u64 {
    match &held.what {
        What::Bytes(bytes) => bytes.len() as u64,
        What::Zeroes(_) => 64,
    }
}

fn sector() -> usize {
    narrow(SECTOR)
}

fn narrow(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(folder: &Path) -> Store {
        let base = folder.join("base.raw");
        std::fs::write(&base, vec![b'a'; 1 << 20]).expect("written");
        Store::create(&base, &folder.join("private"), Some(2 << 20)).expect("made")
    }

    #[test]
    fn what_was_written_is_read_back_over_the_base_and_the_base_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(folder.path());
        store.write(4096, vec![b'b'; 1024], false).expect("taken");
        store.zero(4608, 512, false).expect("taken");
        let seen = store.read(3584, 2048).expect("read");
        let wanted = [[b'a'; 512], [b'b'; 512], [0; 512], [b'a'; 512]].concat();
        assert!(seen == wanted);
        store.flush().expect("flushed");
        assert!(store.read(3584, 2048).expect("read") == wanted);
        assert!(
            store.read(1 << 20, 512).expect("read") == [0; 512],
            "beyond the base"
        );
        let base = std::fs::read(folder.path().join("base.raw")).expect("read");
        assert!(base.iter().all(|byte| *byte == b'a'));
    }

    #[test]
    fn a_cut_takes_what_was_not_flushed_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(folder.path());
        store.write(0, vec![b'b'; 512], false).expect("taken");
        store.flush().expect("flushed");
        store.write(0, vec![b'c'; 512], false).expect("taken");
        store.write(512, vec![b'd'; 512], true).expect("taken");
        store.write(1024, vec![b'e'; 512], false).expect("taken");
        assert_eq!(store.cut(PowerCut::LoseAll).expect("cut"), 2);
        let seen = store.read(0, 1536).expect("read");
        assert!(seen == [[b'b'; 512], [b'd'; 512], [b'a'; 512]].concat());
    }

    #[test]
    fn the_same_seed_leaves_the_same_mixture_and_some_writes_are_torn() {
        let folder = tempfile::tempdir().expect("a folder");
        let after = |seed| {
            let mut store = store(folder.path());
            for number in 0..64 {
                store
                    .write(number * 4096, vec![b'b'; 4096], false)
                    .expect("taken");
            }
            let lost = store.cut(PowerCut::LoseHalf { seed }).expect("cut");
            (lost, store.read(0, 64 * 4096).expect("read"))
        };
        let (lost, seen) = after(1);
        assert!(after(1) == (lost, seen.clone()));
        assert!(after(2).1 != seen);
        assert!((20..60).contains(&lost), "{lost}");
        let whole = |block: &&[u8]| block.iter().all(|byte| *byte == block[0]);
        let torn = seen.chunks(4096).filter(|block| !whole(block)).count();
        assert!(torn > 0);
        assert!(
            seen.chunks(512).all(|sector| whole(&sector)),
            "a sector is never torn"
        );
    }

    #[test]
    fn a_write_through_is_not_undone_by_what_waited_below_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store(folder.path());
        store.write(0, vec![b'b'; 1024], false).expect("taken");
        store.write(512, vec![b'c'; 512], true).expect("taken");
        store.flush().expect("flushed");
        assert!(store.read(0, 1024).expect("read") == [[b'b'; 512], [b'c'; 512]].concat());
    }
}
