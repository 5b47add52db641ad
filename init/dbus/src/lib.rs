//! The D-Bus wire format: SASL, frames, signatures; bytes to messages and back.

#![forbid(unsafe_code)]
