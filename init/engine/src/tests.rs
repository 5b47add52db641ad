//! Event scripts: given unit files, when something happens, then this is done.

mod bench;
mod dependencies;
mod killing;
mod notification;
mod read;
mod restarts;
mod scale;
mod services;
mod shutdown;
mod transactions;
mod triggers;

use read::read;
