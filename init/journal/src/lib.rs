//! The journal in systemd's own file format: writing, reading, cursors, filters, following.
//!
//! [`writer`] appends, [`reader`] reads one file, [`journal`] merges the files of a machine by time, [`query`] says
//! what to select, [`render`] prints it. The program `systemd-journald` beside this library is the only writer on a
//! machine. Nothing here decides about services.
//!
//! ```
//! use journal::query::Expression;
//! let mine = Expression::field("_SYSTEMD_UNIT", "etcd2.service");
//! assert!(mine.selects(&[b"_SYSTEMD_UNIT=etcd2.service".to_vec()]));
//! ```

pub mod entry;
pub mod find;
mod hash;
pub mod journal;
mod layout;
pub mod order;
pub mod query;
pub mod reader;
pub mod render;
mod window;
pub mod writer;

pub use entry::Entry;
pub use journal::{Journal, Source, tail_of_unit};
