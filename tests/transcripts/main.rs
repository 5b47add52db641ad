//! The tutorial's sessions, typed on machines and compared line by line. A document in this folder is a session: what
//! varies is written as a pattern, everything else must print as the tutorial shows it.
#![expect(clippy::tests_outside_test_module, reason = "this whole file is tests")]

mod document;
mod pattern;
mod typist;

use std::path::Path;

use qemu_harness::{HarnessError, Lab, Machine, Patience};
use system_tests::{container, vm};

use document::Document;

/// Reads a document and types it on a machine.
fn play(name: &str, machine: &Machine) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("transcripts")
        .join(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document =
        Document::parse(&text).unwrap_or_else(|error| panic!("{}:{error}", path.display()));
    let faults = typist::type_in(machine.ssh(), &document);
    assert!(
        faults.is_empty(),
        "{} differs from what the machine printed:\n\n{}",
        path.display(),
        faults.join("\n\n")
    );
}

/// Fails with what went wrong.
fn ok<T>(result: Result<T, HarnessError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn etcd_as_the_tutorial_types_it_on_one_machine() {
    let lab = ok(Lab::new("transcript"));
    let (_discovery, machine) = ok(vm::tutorial_node(&lab));
    let ssh = ok(machine.wait_for_ssh(Patience::BOOT));
    ok(machine.wait("etcd2 to be active", Patience::BOOT, || {
        ssh.run("systemctl is-active etcd2")
            .is_ok_and(|output| output.code == 0)
            .then_some(())
    }));
    play("etcd.md", &machine);
}

#[test]
fn docker_as_the_tutorial_types_it_on_one_machine() {
    let lab = ok(Lab::new("transcript"));
    let machine = ok(vm::node(&lab, "node1")
        .hostname("coreos")
        .memory(1024)
        .start(&lab));
    ok(container::put_image(ok(
        machine.wait_for_ssh(Patience::BOOT)
    )));
    play("docker.md", &machine);
}
