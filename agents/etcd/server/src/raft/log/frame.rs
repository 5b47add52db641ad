//! The format of a segment: framed records, grouped in batches that were synced together.
//!
//! A segment is filled with zeros when it is made, so that a write changes no file size. A record is
//! a header of 16 bytes (length, batch, CRC of the payload, CRC of the header), the payload, one
//! byte 0xff, and zeros up to the next multiple of 16. Headers never cross a sector of a disk.
//!
//! Reading decides between *torn* and *damaged*. Torn is what a crash can leave of the last batch,
//! whose fdatasync had not returned, so that nobody was told of it: a record that ends in zeros, or
//! has a sector of zeros in it, or is cut off by the end of the file. Damaged is everything else,
//! and also a torn record that a later batch follows: that batch was only written after this one was
//! synced. Torn records are dropped; damage is never dropped silently, the member refuses to start.

use crate::raft::crc::crc32c;

pub(crate) const ALIGN: usize = 16;
const HEADER: usize = 16;
const TRAILER: u8 = 0xff;
const SECTOR: usize = 512;

/// Appends a record whose batch is still open; [`seal`] completes it.
pub(crate) fn append(buffer: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) -> Span {
    let at = buffer.len();
    buffer.extend_from_slice(&[0; HEADER]);
    payload(buffer);
    let length = buffer.len() - at - HEADER;
    buffer.push(TRAILER);
    buffer.resize(buffer.len().next_multiple_of(ALIGN), 0);
    Span { at, length }
}

/// Where a record is in a buffer or segment: its header begins at `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) at: usize,
    /// Of the payload.
    pub(crate) length: usize,
}

impl Span {
    pub(crate) fn payload(self) -> std::ops::Range<usize> {
        self.at + HEADER..self.at + HEADER + self.length
    }

    fn end(self) -> usize {
        (self.at + HEADER + self.length + 1).next_multiple_of(ALIGN)
    }
}

/// Writes the header of a record.
pub(crate) fn seal(buffer: &mut [u8], span: Span, batch: u32) {
    let crc = crc32c(&buffer[span.payload()]);
    let header = &mut buffer[span.at..span.at + HEADER];
    header[..4].copy_from_slice(&u32::try_from(span.length).unwrap_or(u32::MAX).to_le_bytes());
    header[4..8].copy_from_slice(&batch.to_le_bytes());
    header[8..12].copy_from_slice(&crc.to_le_bytes());
    let own = crc32c(&header[..12]);
    header[12..].copy_from_slice(&own.to_le_bytes());
}

/// What is at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A good record of this batch; the next one begins at `next`.
    Record { span: Span, batch: u32, next: usize },
    /// Nothing more.
    End,
    /// What a crash left of a batch that nobody was told of.
    Torn,
    /// Bytes that were once good.
    Damaged,
}

/// Looks at a place. `batch` is that of the record before.
pub(crate) fn read(segment: &[u8], at: usize, batch: u32) -> Found {
    let rest = &segment[at.min(segment.len())..];
    if rest.iter().take(HEADER).all(|byte| *byte == 0) {
        return if later_batch(segment, at + ALIGN, batch + 1) {
            Found::Damaged
        } else {
            Found::End
        };
    }
    match header(rest) {
        Some((length, of)) => {
            let span = Span { at, length };
            let whole = segment.get(span.payload());
            if whole.is_some_and(|payload| crc32c(payload) == stored_crc(rest)) {
                return Found::Record {
                    span,
                    batch: of,
                    next: span.end(),
                };
            }
            let torn =
                is_torn(segment, span) && of >= batch && !later_batch(segment, span.end(), of);
            if torn { Found::Torn } else { Found::Damaged }
        }
        // Half a header: only when the write stopped inside it, so that nothing follows.
        None if rest.len() < HEADER => Found::Torn,
        None if rest[HEADER - 1..].iter().all(|byte| *byte == 0) => Found::Torn,
        None => Found::Damaged,
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|four| four.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn stored_crc(record: &[u8]) -> u32 {
    number(record, 8)
}

/// Length and batch of a good header.
fn header(record: &[u8]) -> Option<(usize, u32)> {
    let good = crc32c(record.get(..12)?) == number(record, 12) && record.len() >= HEADER;
    good.then(|| Some((usize::try_from(number(record, 0)).ok()?, number(record, 4))))
        .flatten()
}

fn is_torn(segment: &[u8], span: Span) -> bool {
    let trailer = span.payload().end;
    if trailer >= segment.len() {
        return true;
    }
    if segment[trailer] == 0 {
        return true;
    }
    // Whole sectors that the record covers and that never reached the disk.
    let (first, last) = (span.at.next_multiple_of(SECTOR), trailer / SECTOR * SECTOR);
    (first..last)
        .step_by(SECTOR)
        .any(|at| segment[at..at + SECTOR].iter().all(|byte| *byte == 0))
        || sector_is_empty(segment, last, trailer)
}

fn sector_is_empty(segment: &[u8], from: usize, to: usize) -> bool {
    segment[from..to].iter().all(|byte| *byte == 0) && to > from
}

/// Whether a good record of a batch after `batch` begins at or after a place.
fn later_batch(segment: &[u8], from: usize, batch: u32) -> bool {
    (from.next_multiple_of(ALIGN)..segment.len())
        .step_by(ALIGN)
        .any(|at| {
            let rest = &segment[at..];
            rest.first_chunk::<HEADER>()
                .is_some_and(|first| *first != [0; HEADER])
                && header(rest).is_some_and(|(length, of)| {
                    let payload = segment.get(Span { at, length }.payload());
                    of > batch && payload.is_some_and(|payload| crc32c(payload) == stored_crc(rest))
                })
        })
}
