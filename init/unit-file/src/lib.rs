//! Unit files: text to typed configuration, with spans, drop-ins, specifiers and install plans.

#![forbid(unsafe_code)]
