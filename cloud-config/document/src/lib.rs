//! User-data: bytes to kinds, parse with spans, validate, resolve, plan.

#![forbid(unsafe_code)]
