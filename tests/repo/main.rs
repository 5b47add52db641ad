//! The repository's own rules, as tests: who may depend on whom, where things are, what is written down.

#![cfg(test)]

mod architecture;
mod promises;
mod rooms;
mod text;
