//! The v2 key space: tree, TTL, event history, watchers; apply(Command) -> Event.

#![forbid(unsafe_code)]
