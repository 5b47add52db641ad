//! The journal in systemd's file format: writing, reading, cursors, filters, following.
mod hash;
mod layout;
