//! The whole system in virtual machines, one file per story. Few boots, many checks each: everything may run under
//! emulation. A failing test prints console, failed units and journal of its machines and keeps their folder.
#![expect(clippy::tests_outside_test_module, reason = "this whole file is tests")]

mod boot;
mod checks;
mod cluster;
mod disk;
mod docker;
mod drive;
mod harness;
mod metadata;
mod stage;
mod trouble;
mod tutorial;

/// Fails with the whole chain of causes.
fn ok<T, E: std::error::Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        panic!("{text}")
    })
}
