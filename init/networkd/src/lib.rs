//! The parts of systemd-networkd, as a library so that its tests reach them; nobody else depends on it.
//!
//! - pure: [`message`] (DHCP bytes), [`lease`] (what an answer means), [`client`] (the state machine),
//!   [`network_file`], [`netdev`] (texts), [`files`] (texts for others)
//! - edges: [`kernel`] (rtnetlink), [`link`] (one interface), [`manager`] (the event loop),
//!   [`find`] (folders), [`facts`] (the machine), [`wait_online`]

pub mod client;
pub mod facts;
pub mod files;
pub mod find;
pub mod kernel;
pub mod lease;
pub mod link;
pub mod log;
pub mod manager;
pub mod message;
pub mod netdev;
pub mod network_file;
pub mod wait_online;
