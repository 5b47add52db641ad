//! Event scripts: given unit files, when something happens, then this is done.

mod bench;
mod dependencies;
mod read;
mod scale;
mod services;
mod transactions;
mod triggers;

use read::read;
