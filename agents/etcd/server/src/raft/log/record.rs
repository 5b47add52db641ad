//! What the records of the log say.

use etcd_store::{Decoder, Encoder, Malformed};

use crate::raft::codec::{get_entry, get_log_id, get_vote, put_entry, put_log_id, put_vote};
use crate::raft::types::{Entry, LogId, Vote};

/// First bytes of a segment.
const MAGIC: u64 = u64::from_le_bytes(*b"gbraft01");

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) member: u64,
    pub(crate) cluster: u64,
}

/// All that the log knows beside the entries; written again at the head of each segment, so that
/// older segments can go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) vote: Option<Vote>,
    pub(crate) committed: Option<LogId>,
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    Head {
        sequence: u64,
        identity: Identity,
        summary: Summary,
    },
    Entry(Entry),
    Vote(Vote),
    Committed(Option<LogId>),
    /// All entries after this one are void.
    Truncate(Option<LogId>),
    /// All entries up to this one are in a snapshot.
    Purge(LogId),
}

impl Record {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let mut to = Encoder {
            out: std::mem::take(out),
        };
        match self {
            Record::Head {
                sequence,
                identity,
                summary,
            } => {
                to.u8(0);
                to.u64(MAGIC);
                to.u64(*sequence);
                to.u64(identity.member);
                to.u64(identity.cluster);
                to.bool(summary.vote.is_some());
                if let Some(vote) = &summary.vote {
                    put_vote(&mut to, vote);
                }
                put_log_id(&mut to, summary.committed.as_ref());
                put_log_id(&mut to, summary.purged.as_ref());
                put_log_id(&mut to, summary.last.as_ref());
            }
            Record::Entry(entry) => {
                to.u8(1);
                put_entry(&mut to, entry);
            }
            Record::Vote(vote) => {
                to.u8(2);
                put_vote(&mut to, vote);
            }
            Record::Committed(log_id) => {
                to.u8(3);
                put_log_id(&mut to, log_id.as_ref());
            }
            Record::Truncate(log_id) => {
                to.u8(4);
                put_log_id(&mut to, log_id.as_ref());
            }
            Record::Purge(log_id) => {
                to.u8(5);
                put_log_id(&mut to, Some(log_id));
            }
        }
        *out = to.out;
    }

    pub(crate) fn get(payload: &[u8]) -> Result<Record, Malformed> {
        let mut from = Decoder::new(payload);
        let record = match from.u8()? {
            0 => {
                if from.u64()? != MAGIC {
                    return Err(from.malformed("a log of this program"));
                }
                let sequence = from.u64()?;
                let identity = Identity {
                    member: from.u64()?,
                    cluster: from.u64()?,
                };
                let vote = from.bool()?.then(|| get_vote(&mut from)).transpose()?;
                let (committed, purged) = (get_log_id(&mut from)?, get_log_id(&mut from)?);
                let summary = Summary {
                    vote,
                    committed,
                    purged,
                    last: get_log_id(&mut from)?,
                };
                Record::Head {
                    sequence,
                    identity,
                    summary,
                }
            }
            1 => Record::Entry(get_entry(&mut from)?),
            2 => Record::Vote(get_vote(&mut from)?),
            3 => Record::Committed(get_log_id(&mut from)?),
            4 => Record::Truncate(get_log_id(&mut from)?),
            5 => Record::Purge(get_log_id(&mut from)?.ok_or_else(|| from.malformed("a log id"))?),
            _ => return Err(from.malformed("a kind of record")),
        };
        from.end()?;
        Ok(record)
    }
}

impl Summary {
    /// Keeps up with a record that was written.
    pub(crate) fn follow(&mut self, change: &Change) {
        match change {
            Change::Entry(log_id) => self.last = Some(*log_id),
            Change::Vote(vote) => self.vote = Some(*vote),
            Change::Committed(log_id) => self.committed = *log_id,
            Change::Truncate(log_id) => self.last = *log_id,
            Change::Purge(log_id) => {
                self.purged = Some(*log_id);
                if self.last.is_none_or(|last| last.index <= log_id.index) {
                    self.last = Some(*log_id);
                }
            }
        }
    }
}

/// What a record changes, without the contents of entries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Entry(LogId),
    Vote(Vote),
    Committed(Option<LogId>),
    Truncate(Option<LogId>),
    Purge(LogId),
}
