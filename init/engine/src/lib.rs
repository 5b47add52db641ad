//! The service manager's decisions: transactions, jobs and unit state machines; event in, actions out.

#![forbid(unsafe_code)]
