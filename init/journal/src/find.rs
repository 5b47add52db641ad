//! Searching one file without listing it: lists of entries are chains of arrays in the file, in the order in which
//! they were written, so that a place in them is found by halving. Conditions joined by and leap from list to list.

use crate::reader::Reader;
use crate::window::Window;

/// A list of entries: those of a value, or all.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    /// An entry before those of the arrays.
    pub(crate) first: Option<u64>,
    /// For each array the number of its first item and the offset of that.
    pub(crate) arrays: Vec<(u64, u64)>,
    /// How many items the arrays hold.
    pub(crate) count: u64,
}

impl List {
    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.count + u64::from(self.first.is_some())
    }

    /// The offset of the entry with this number, from zero. Also `None` for one that is not written yet.
    pub(crate) fn get(&self, reader: &Reader, number: u64) -> Option<u64> {
        let number = match (self.first, number) {
            (Some(first), 0) => return Some(first),
            (Some(_), number) => number - 1,
            (None, number) => number,
        };
        if number >= self.count {
            return None;
        }
        let at = self.arrays.partition_point(|(start, _)| *start <= number);
        let (start, items) = self.arrays.get(at.checked_sub(1)?)?;
        let word = items.checked_add((number - start).checked_mul(8)?)?;
        reader.map().u64(word).filter(|offset| *offset != 0)
    }

    /// The number of the first entry for which `reached` holds; all after it must be so too. An item that a torn
    /// file left empty counts as reached, since it can only stand at the end.
    pub(crate) fn first_where(&self, reader: &Reader, reached: impl Fn(u64) -> bool) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(reader, middle).is_none_or(&reached) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// A search in one file, made by [`Reader::find`].
#[derive(Debug, Clone)]
pub struct Finder(Kind);

#[derive(Debug, Clone)]
enum Kind {
    List(List),
    Any(Vec<Finder>),
    All(Vec<Finder>),
}

impl Finder {
    pub(crate) fn list(list: List) -> Self {
        Self(Kind::List(list))
    }

    pub(crate) fn any(parts: Vec<Self>) -> Self {
        Self(Kind::Any(parts))
    }

    pub(crate) fn all(parts: Vec<Self>) -> Self {
        Self(Kind::All(parts))
    }

    /// The first selected entry at `from` or after it.
    #[must_use]
    pub fn at_or_after(&self, reader: &Reader, from: u64) -> Option<u64> {
        match &self.0 {
            Kind::List(list) => {
                let number = list.first_where(reader, |offset| offset >= from);
                list.get(reader, number).filter(|offset| *offset >= from)
            }
            Kind::Any(parts) => parts
                .iter()
                .filter_map(|part| part.at_or_after(reader, from))
                .min(),
            Kind::All(parts) => {
                let mut candidate = from;
                loop {
                    let mut reached = candidate;
                    for part in parts {
                        reached = part.at_or_after(reader, reached)?;
                    }
                    // The first part alone may have leapt; then the others look again.
                    if reached == candidate {
                        return Some(reached);
                    }
                    candidate = reached;
                }
            }
        }
    }

    /// The last selected entry at `from` or before it.
    #[must_use]
    pub fn at_or_before(&self, reader: &Reader, from: u64) -> Option<u64> {
        match &self.0 {
            Kind::List(list) => {
                let number = list.first_where(reader, |offset| offset > from);
                list.get(reader, number.checked_sub(1)?)
                    .filter(|offset| *offset <= from)
            }
            Kind::Any(parts) => parts
                .iter()
                .filter_map(|part| part.at_or_before(reader, from))
                .max(),
            Kind::All(parts) => {
                let mut candidate = from;
                loop {
                    let mut reached = candidate;
                    for part in parts {
                        reached = part.at_or_before(reader, reached)?;
                    }
                    if reached == candidate {
                        return Some(reached);
                    }
                    candidate = reached;
                }
            }
        }
    }
}
