//! The tutorial's sessions, typed on machines and compared line by line. A document in this folder is a session: what
//! varies is written as a pattern, everything else must print as the tutorial shows it.
#![expect(clippy::tests_outside_test_module, reason = "this whole file is tests")]

mod document;
mod pattern;
mod typist;

use std::path::Path;

use qemu_harness::{Lab, Patience};
use system_tests::vm;

use document::Document;

/// Reads and types one document on the tutorial's first machine.
fn play(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document =
        Document::parse(&text).unwrap_or_else(|error| panic!("{}:{error}", path.display()));
    let lab = Lab::new("transcript").unwrap_or_else(|error| panic!("{error}"));
    let (_discovery, machine) = vm::tutorial_node(&lab).unwrap_or_else(|error| panic!("{error}"));
    let ssh = machine
        .wait_for_ssh(Patience::BOOT)
        .unwrap_or_else(|error| panic!("{error}"));
    machine
        .wait("etcd2 to be active", Patience::BOOT, || {
            ssh.run("systemctl is-active etcd2")
                .is_ok_and(|output| output.code == 0)
                .then_some(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    let faults = typist::type_in(ssh, &document);
    assert!(
        faults.is_empty(),
        "{} differs from what the machine printed:\n\n{}",
        path.display(),
        faults.join("\n\n")
    );
}

#[test]
fn etcd_as_the_tutorial_types_it_on_one_machine() {
    play("etcd.md");
}
