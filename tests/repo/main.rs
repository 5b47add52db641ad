//! The repository's own rules, as tests: who may depend on whom, where things are, what is written down.

mod architecture;
mod rooms;
mod text;
